"""Networks in NEST: a list of jobs as JSON on stdin; the spikes of each go to the file that the job names.

A job is {"network", "seed", "duration", "out"} and what its function below takes. The file has, for every population,
"NAME.t" (ms), "NAME.i" (number within the population), in order of time, and "NAME.n".
"""

import json
import sys

import nest
import numpy as np

DT = 0.1


def brunel(n, g, eta):
    """Brunel (2000), model A, with weights that go with 1 / n: {name: neurons}."""
    excitatory, jump = 4 * n // 5, 0.1 * 12_500 / n
    parameters = {"C_m": 1.0, "tau_m": 20.0, "t_ref": 2.0, "E_L": 0.0, "V_reset": 10.0, "V_th": 20.0}
    cells = {
        name: nest.Create("iaf_psc_delta", size, params=parameters)
        for name, size in (("E", excitatory), ("I", n - excitatory))
    }
    for nodes in cells.values():
        nodes.V_m = nest.random.uniform(0.0, 20.0)
    noise = nest.Create("poisson_generator", params={"rate": eta * 1000 * 20 / (jump * 20)})
    for post in cells.values():
        nest.Connect(noise, post, syn_spec={"weight": jump, "delay": DT})
        for pre, weight in ((cells["E"], jump), (cells["I"], -g * jump)):
            rule = {
                "rule": "fixed_indegree",
                "indegree": len(pre) // 10,
                "allow_autapses": False,
                "allow_multapses": True,
            }
            nest.Connect(pre, post, rule, {"weight": weight, "delay": 1.5})
    return cells


def microcircuit(numbers, scale):
    """Potjans and Diesmann (2014) at `scale`; the mean input that is missing is a current: {name: neurons}."""
    names, cell, full = numbers["populations"], numbers["neuron_params"], np.array(numbers["full_num_neurons"])
    sizes = [round(float(size)) for size in full * scale]
    tau_m, tau_s, c_m = cell["tau_m"], cell["tau_syn"], cell["C_m"]
    peak_at = np.log(tau_m / tau_s) / (1 / tau_s - 1 / tau_m)
    peak = (np.exp(-peak_at / tau_m) - np.exp(-peak_at / tau_s)) / (c_m * (1 / tau_s - 1 / tau_m))  # mV of 1 pA
    unit = numbers["PSP_exc_mean"] / peak
    cells = {}
    for name, size, mean, std in zip(
        names, sizes, cell["V0_mean"]["optimized"], cell["V0_std"]["optimized"], strict=True
    ):
        shared = {key: cell[key] for key in ("C_m", "tau_m", "t_ref", "E_L", "V_th", "V_reset")}
        cells[name] = nest.Create("iaf_psc_exp", size, params={**shared, "tau_syn_ex": tau_s, "tau_syn_in": tau_s})
        cells[name].V_m = nest.random.normal(mean, std)
    for row, (post, probabilities) in enumerate(zip(names, numbers["conn_probs"], strict=True)):
        mean = 0.0
        for column, (pre, p) in enumerate(zip(names, probabilities, strict=True)):
            synapses = np.log(1 - p) / np.log(1 - 1 / (float(full[row]) * float(full[column])))
            weight = unit * (1 if pre.endswith("E") else numbers["g"]) * (2 if (post, pre) == ("L23E", "L4E") else 1)
            mean += synapses / full[row] * weight * numbers["full_mean_rates"][column]
            connect(
                numbers, cells[pre], cells[post], round(synapses / full[row] * scale * sizes[row]), weight / scale**0.5
            )
        mean += numbers["K_ext"][row] * unit * numbers["bg_rate"]
        cells[post].I_e = (1 - scale**0.5) * tau_s / 1000 * mean
        noise = nest.Create("poisson_generator", params={"rate": numbers["K_ext"][row] * scale * numbers["bg_rate"]})
        nest.Connect(noise, cells[post], syn_spec={"weight": unit / scale**0.5, "delay": DT})
    return cells


def connect(numbers, pre, post, count, weight):
    """`count` synapses, weights and delays normal within their bounds."""
    if not count:
        return
    sign = "exc" if weight > 0 else "inh"
    bounds = {"min": 0.0, "max": np.inf} if weight > 0 else {"min": -np.inf, "max": 0.0}
    delay = numbers[f"delay_{sign}_mean"]
    strength = nest.random.normal(weight, abs(weight) * numbers["weight_rel_std"])
    lag = nest.random.normal(delay, delay * numbers["delay_rel_std"])
    nest.Connect(
        pre,
        post,
        {"rule": "fixed_total_number", "N": count},
        {
            "weight": nest.math.redraw(strength, **bounds),
            "delay": nest.math.redraw(lag, min=0.5 * DT, max=np.inf),
        },
    )


def run(network, seed, duration, out, **given):
    """Build, simulate, write the spikes."""
    nest.ResetKernel()
    nest.set(resolution=DT, rng_seed=seed)
    nest.set_verbosity("M_ERROR")
    cells = {"brunel": brunel, "microcircuit": microcircuit}[network](**given)
    recorders = {name: nest.Create("spike_recorder") for name in cells}
    for name, nodes in cells.items():
        nest.Connect(nodes, recorders[name])
    nest.Simulate(duration)
    found = {}
    for name, nodes in cells.items():
        times, senders = (np.asarray(recorders[name].events[key]) for key in ("times", "senders"))
        order = np.argsort(times, kind="stable")
        found |= {f"{name}.t": times[order], f"{name}.i": senders[order] - nodes.tolist()[0], f"{name}.n": len(nodes)}
    np.savez(out, **found)


if __name__ == "__main__":
    for job in json.load(sys.stdin):
        run(**job)
    print("\n" + json.dumps("done"))
