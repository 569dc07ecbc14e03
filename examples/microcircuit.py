"""A square millimetre of cortex: four layers of excitatory and inhibitory neurons, at a tenth of its size or at any.

    BRAINSIM_DATA=folder python examples/microcircuit.py --scale 0.1 --out microcircuit

77,169 neurons and 0.3 billion synapses at `--scale 1`. The number of synapses between two populations follows from
their probability, K = log(1 - C) / log(1 - 1 / (N_pre N_post)). A smaller one has `scale` times the neurons and the
synapses per neuron; weights grow by 1 / sqrt(scale), which keeps the variance of the input, and a constant current

    I = (1 - sqrt(scale)) tau_syn (sum_j K_j w_j r_j + K_ext w_ext r_ext)

replaces the mean that is then missing, with the rates r_j of the full model. Potjans & Diesmann, Cereb. Cortex 24
(2014) 785; numbers from `potjans_diesmann/potjans_diesmann_2014.json`, which are those of the reference implementation;
scaling: van Albada, Helias & Diesmann, PLoS Comput. Biol. 11 (2015) e1004490.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import brainsim as bs
from brainsim.units import Hz, ms, mV, pA, pF

PUBLISHED_HZ = (0.86, 2.80, 4.45, 5.93, 7.59, 8.64, 1.09, 7.88)
"""Rates of the full model in the paper, table 6, one run."""

TRANSIENT = 200.0  # ms


def current_of_potential(tau_m: float, tau_syn: float, c_m: float) -> float:
    """Peak of an exponential current that makes a peak of 1 mV, pA/mV."""
    ratio, gap = tau_m / tau_syn, 1 / (tau_syn - tau_m)
    return 1 / (tau_m * tau_syn / c_m * gap * (ratio ** (tau_m * gap) - ratio ** (tau_syn * gap)))


def network(numbers: dict, scale: float, seed: int) -> bs.Network:
    """The microcircuit with `scale` times its neurons and synapses per neuron."""
    cell, names = numbers["neuron_params"], numbers["populations"]
    full = np.array(numbers["full_num_neurons"])
    sizes = np.rint(full * scale).astype(int)
    # synapses in the full model, [target, source], and per neuron
    p, pairs = np.array(numbers["conn_probs"]), np.outer(full, full)
    indegree = np.log1p(-p) / np.log1p(-1 / pairs) / full[:, None]
    # weights in pA; from layer 4 to layer 2/3 the excitatory one is doubled
    unit = numbers["PSP_exc_mean"] * current_of_potential(cell["tau_m"], cell["tau_syn"], cell["C_m"])
    weight = np.where([name.endswith("E") for name in names], unit, numbers["g"] * unit) * np.ones((8, 1))
    weight[names.index("L23E"), names.index("L4E")] *= 2
    recurrent = (indegree * weight) @ numbers["full_mean_rates"]
    external = np.array(numbers["K_ext"]) * unit * numbers["bg_rate"]
    bias = 1e-3 * cell["tau_syn"] * (1 - np.sqrt(scale)) * (recurrent + external)
    weight = weight / np.sqrt(scale)

    synapse = bs.Exponential(cell["tau_syn"] * ms)
    populations, projections = {}, []
    for at, name in enumerate(names):
        lif = bs.LIF(
            tau_mem=cell["tau_m"] * ms,
            v_th=cell["V_th"] * mV,
            v_reset=cell["V_reset"] * mV,
            v_rest=cell["E_L"] * mV,
            t_ref=cell["t_ref"] * ms,
            c_mem=cell["C_m"] * pF,
            i_bias=bias[at] * pA,
        )
        start = bs.Normal(*(cell[key]["optimized"][at] * mV for key in ("V0_mean", "V0_std")))
        populations[name] = bs.Population(int(sizes[at]), lif, init={"v": start})
        rate = numbers["K_ext"][at] * scale * numbers["bg_rate"] * Hz
        populations[f"to_{name}"] = bs.Poisson(int(sizes[at]), rate)
        projections.append(bs.Projection(f"to_{name}", name, bs.OneToOne(), unit / np.sqrt(scale) * pA, synapse))
    for target, post in enumerate(names):
        for source, pre in enumerate(names):
            count = round(indegree[target, source] * scale * sizes[target])
            if count:
                projections.append(_recurrent(numbers, pre, post, count, weight[target, source], synapse))
    return bs.Network(populations, projections, dt=0.1 * ms, seed=seed)


def _recurrent(numbers: dict, pre: str, post: str, count: int, weight: float, synapse: bs.Exponential) -> bs.Projection:
    """Weights and delays are normal, drawn again where they have the wrong sign or are below one step."""
    sign = 1 if weight > 0 else -1
    bound = {"low": 0 * pA} if sign == 1 else {"high": 0 * pA}
    strength = bs.Normal(weight * pA, numbers["weight_rel_std"] * abs(weight) * pA, **bound)
    mean = numbers["delay_exc_mean" if sign == 1 else "delay_inh_mean"]
    delay = bs.Normal(mean * ms, numbers["delay_rel_std"] * mean * ms, low=0.1 * ms)
    rule = bs.connectivity.FixedTotal(count, self_connections=True)
    return bs.Projection(pre, post, rule, strength, synapse, delay=delay, sign=sign)


def draw(path: Path, net: bs.Network, result: bs.Result, names: Sequence[str], rates: np.ndarray, end: float) -> None:
    """Spikes of at most 5 % of the neurons, layer by layer, and the mean rates beside the published ones."""
    figure, (raster, bars) = plt.subplots(1, 2, figsize=(12, 6), width_ratios=(2, 1), layout="constrained")
    base, middles = 0, []
    for name in names[::-1]:
        shown = max(10, net.populations[name].size // 20)
        spikes = result[name].spikes
        chosen = (spikes.i < shown) & (spikes.t > end - 200)
        colour = "tab:blue" if name.endswith("E") else "tab:red"
        raster.plot(spikes.t[chosen], base + spikes.i[chosen], ".", ms=2, color=colour)
        middles.append(base + shown / 2)
        base += shown
    raster.set_yticks(middles, names[::-1])
    raster.set(xlabel="time (ms)", xlim=(end - 200, end), ylim=(0, base), title="one neuron in 20")
    at = np.arange(len(names))[::-1]
    bars.barh(at + 0.2, rates, 0.4, label="here")
    bars.barh(at - 0.2, PUBLISHED_HZ, 0.4, label="Potjans & Diesmann 2014", color="0.7")
    bars.set_yticks(at, names)
    bars.set(xlabel="rate (Hz)")
    bars.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, print rates beside the published ones, save picture and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BRAINSIM_DATA", ".")) / "potjans_diesmann")
    parser.add_argument("--scale", type=float, default=0.1, help="part of the neurons and of the synapses of each")
    parser.add_argument("--duration", type=float, default=1000.0, help="biological time (ms)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("microcircuit"), help="folder for picture and figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    numbers = json.loads((options.data / "potjans_diesmann_2014.json").read_text())["net_dict"]
    names = numbers["populations"]

    start = time.perf_counter()
    net = network(numbers, options.scale, options.seed)
    neurons = sum(net.populations[name].size for name in names)
    synapses = sum(net.projections[path].n_synapses for path in net.projections)
    print(f"{neurons:,} neurons, {synapses:,} synapses, built in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    record = [f"{name}.spikes" for name in names]
    result = bs.simulate(net, options.duration * ms, record=record)
    print(f"{options.duration:g} ms in {time.perf_counter() - start:.1f} s, compilation included")

    skip = min(TRANSIENT, options.duration / 2)
    seconds = (options.duration - skip) / 1000
    late = {name: np.asarray(result[name].spikes.t) > skip for name in names}
    rates = np.array([late[name].sum() / net.populations[name].size / seconds for name in names])
    print("population  neurons  rate (Hz)  published, full model (Hz)")
    for name, rate, published in zip(names, rates, PUBLISHED_HZ, strict=True):
        print(f"{name:10s}  {net.populations[name].size:7,d}  {rate:9.2f}  {published:9.2f}")
    figures = {"scale": options.scale, "rates_hz": dict(zip(names, rates.tolist(), strict=True)), "seed": options.seed}
    (options.out / "microcircuit.json").write_text(json.dumps(figures | {"duration_ms": options.duration}, indent=1))
    draw(options.out / "microcircuit.png", net, result, names, rates, options.duration)
    print(f"saved     {options.out / 'microcircuit.png'}")


if __name__ == "__main__":
    main()
