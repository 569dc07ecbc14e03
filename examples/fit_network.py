"""Parameters of a recurrent network recovered from its spikes by gradient: maximum likelihood with observed spikes.

    python examples/fit_network.py --out fit

A network of excitatory and inhibitory neurons with escape noise is simulated; then the same object, its parameters put
wrong by factors of up to 1.6, is fitted to the spikes: weights of the four projections and their time constants,
membrane time constants, bias currents and the width of the escape noise of both populations.

Nothing is compared with spikes that a wrong network would fire on its own: those part from the data within ten
milliseconds, and a gradient through them says little. Instead the observed spikes are what the neurons emit, by
`bs.run(net, {"E.spikes": ...})`. They cross the synapses and reset the voltages, so that every voltage is a smooth
function of the parameters, and so is the probability of the data,

    log L = sum over neurons and steps of   log(1 - exp(-h dt)) with a spike,   -h dt without,

with h the hazard of the neuron at the voltage before the reset (0 while refractory). Its gradient, through `bs.run`, is
exact; no surrogate is in it. Parameters are logarithms; the optimizer is optax's L-BFGS, started anew in coordinates
whitened by the Fisher information. The table compares the error of each parameter with its standard error, from the
Fisher information at the fit: no unbiased estimate could be nearer to the truth. Resistance, threshold, reset and
wiring are known. Paninski, Network 15 (2004) 243; Pillow et al., Nature 454 (2008) 995; Mensi et al., J. Neurophysiol.
107 (2012) 1756.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainsim as bs
from brainsim.units import GOhm, Hz, ms, mV, pA

TRUTH = {
    "E.tau_mem": 20.0,
    "I.tau_mem": 10.0,
    "E.i_bias": 300.0,
    "I.i_bias": 200.0,
    "E.width": 1.5,
    "I.width": 2.0,
    "E->E.weight": 150.0,
    "E->I.weight": 200.0,
    "I->E.weight": -250.0,
    "I->I.weight": -200.0,
    "E->E.tau_syn": 4.0,
    "E->I.tau_syn": 3.0,
    "I->E.tau_syn": 8.0,
    "I->I.tau_syn": 6.0,
}
SIGNS = np.sign(list(TRUTH.values()))
SETTLED = 2e-6  # change of the loss that ends a round
WRONG = 1.6  # largest factor by which the start is wrong
Values = dict[str, jax.Array]


class Followed(bs.neurons.EscapeLIF):
    """`EscapeLIF` with a state `risk`: h dt in the last step, at the voltage before the reset."""

    states: ClassVar[dict[str, Any]] = {"v": "v_rest", "risk": 0.0}

    def exact(self, s: Any, drive: Any, dt: float) -> dict[str, jax.Array]:
        """The voltage in closed form, and the hazard there."""
        v = self.relaxed(s.v, drive, dt)
        return dict(v=v, risk=jnp.where(s.refractory > 0, 0, dt * self.hazard(s.replace(v=v))))


def network(neurons: int, seed: int) -> bs.Network:
    """The network, with the parameters of `TRUTH`; 10 excitatory and 5 inhibitory synapses a neuron."""
    shared: dict = dict(v_th=-50 * mV, v_reset=-65 * mV, v_rest=-65 * mV, rate_th=100 * Hz, t_ref=2 * ms)
    cells = {
        name: Followed(
            TRUTH[f"{name}.tau_mem"] * ms,
            r_mem=0.1 * GOhm,
            i_bias=TRUTH[f"{name}.i_bias"] * pA,
            width=TRUTH[f"{name}.width"] * mV,
            **shared,
        )
        for name in "EI"
    }
    wiring = [
        bs.Projection(
            pre,
            post,
            bs.FixedIndegree(10 if pre == "E" else 5),
            TRUTH[f"{pre}->{post}.weight"] * pA,
            bs.Exponential(TRUTH[f"{pre}->{post}.tau_syn"] * ms),
        )
        for pre in "EI"
        for post in "EI"
    ]
    sizes = {"E": neurons - neurons // 3, "I": neurons // 3}
    populations: dict = {name: bs.Population(sizes[name], cell) for name, cell in cells.items()}
    return bs.Network(populations, wiring, dt=1 * ms, seed=seed)


def observe(net: bs.Network, trials: int, duration: float) -> tuple[Values, dict[str, float]]:
    """What `run` takes to follow a simulation of independent trials, all from rest, and the rates (Hz) in it."""
    result = bs.simulate(net, duration * ms, batch=trials, record=["E.spikes", "I.spikes"], progress=False)
    spikes = {f"{name}.spikes": jnp.asarray(result[name].spikes.dense, net.dtype) for name in "EI"}
    return spikes, {name: float(spikes[f"{name}.spikes"].mean()) * 1000 / net.dt for name in "EI"}


def place(net: bs.Network, logs: jax.Array) -> bs.Network:
    """The network with parameters of absolute value exp(log), in the order of `TRUTH`, one for all of a path."""
    known = [net.parameters()[path] for path in TRUTH]
    values = [
        jnp.full_like(info.where(net), sign) * jnp.exp(log) for info, sign, log in zip(known, SIGNS, logs, strict=True)
    ]
    return eqx.tree_at(lambda n: [info.where(n) for info in known], net, values)


def risks(logs: jax.Array, net: bs.Network, spikes: Values) -> Values:
    """h dt of every step, trial and neuron, by population, while the network fires the observed spikes."""
    records = bs.run(place(net, logs), spikes, record=["E.risk", "I.risk"]).records
    return {name: records[f"{name}.risk"] for name in "EI"}


def loss(logs: jax.Array, net: bs.Network, spikes: Values) -> jax.Array:
    """-log L, divided by the number of spikes."""
    total = jnp.zeros((), net.dtype)
    for name, risk in risks(logs, net, spikes).items():
        spike = spikes[f"{name}.spikes"] > 0
        total += jnp.sum(jnp.where(spike, -jnp.log(-jnp.expm1(-jnp.where(spike, risk, 1.0))), risk))
    return total / sum(jnp.sum(spike) for spike in spikes.values())


@eqx.filter_jit
def fisher(logs: jax.Array, net: bs.Network, spikes: Values) -> jax.Array:
    """Information about the logarithms: the sum over steps of dp dp' / (p (1 - p)), p the chance of a spike."""
    slopes = jax.jacfwd(risks)(logs, net, spikes)
    total = jnp.zeros((len(logs), len(logs)), net.dtype)
    for name, risk in risks(logs, net, spikes).items():
        free = risk > 0  # with x = h dt it is dx dx' / (exp(x) - 1)
        weight = jnp.where(free, 1 / jnp.expm1(jnp.where(free, risk, 1.0)), 0)
        rows = slopes[name].reshape(-1, len(logs))
        total += (rows * weight.reshape(-1, 1)).T @ rows
    return total


def maximise(net: bs.Network, spikes: Values, start: jax.Array, lengths: Sequence[int]) -> tuple[list, list]:
    """Rounds of L-BFGS; from the second on, in coordinates in which the Fisher information is the identity.

    Args:
        net: The network.
        spikes: What to follow.
        start: Logarithms of the parameters.
        lengths: Iterations of each round.

    Returns:
        The loss and the logarithms before every iteration and after the last.
    """
    search = optax.scale_by_zoom_linesearch(max_linesearch_steps=8, initial_guess_strategy="one")
    optimizer = optax.lbfgs(memory_size=20, linesearch=search)

    @eqx.filter_jit
    def step(y: jax.Array, state: Any, centre: jax.Array, axes: jax.Array, net: bs.Network, spikes: Values) -> tuple:
        objective = lambda y: loss(centre + axes @ y, net, spikes)
        value, gradient = optax.value_and_grad_from_state(objective)(y, state=state)
        updates, state = optimizer.update(gradient, state, y, value=value, grad=gradient, value_fn=objective)
        return eqx.apply_updates(y, updates), state, value

    count = float(sum(spike.sum() for spike in spikes.values()))
    logs, axes, losses, path = start, np.eye(len(start)), [], [np.asarray(start)]
    for index, length in enumerate(lengths):
        if index:
            information = np.asarray(fisher(logs, net, spikes), np.float64) / count
            damped = information + 1e-4 * np.diag(np.diag(information))
            axes = np.linalg.inv(np.linalg.cholesky(damped)).T
        centre, matrix, y = logs, jnp.asarray(axes, net.dtype), jnp.zeros_like(start)
        state = optimizer.init(y)
        for _ in range(length):
            y, state, value = step(y, state, centre, matrix, net, spikes)
            logs = centre + matrix @ y
            losses.append(float(value))
            path.append(np.asarray(logs))
            if len(losses) > 1 and abs(losses[-2] - losses[-1]) < SETTLED:
                break
    return [*losses, float(eqx.filter_jit(loss)(logs, net, spikes))], path


def recover(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Simulate, forget the parameters, fit; the figures of one seed."""
    net = network(options.neurons, seed)
    spikes, rates = observe(net, options.trials, options.duration)
    truth = jnp.log(jnp.abs(jnp.asarray(list(TRUTH.values()), net.dtype)))
    wrong = np.random.default_rng(seed).uniform(-np.log(WRONG), np.log(WRONG), len(TRUTH))
    start, began = truth + jnp.asarray(wrong, net.dtype), time.perf_counter()
    losses, path = maximise(net, spikes, start, options.iterations)
    seconds, found = time.perf_counter() - began, jnp.asarray(path[-1])
    information = np.asarray(fisher(found, net, spikes), np.float64)
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    free = {"true": rates}
    for name, logs in (("start", start), ("recovered", found)):
        free[name] = observe(place(net, logs), options.trials, options.duration)[1]
    values = SIGNS * np.exp(path)
    return {
        "seed": seed,
        "spikes": int(sum(spike.sum() for spike in spikes.values())),
        "seconds": seconds,
        "losses": losses,
        "loss_of_truth": float(eqx.filter_jit(loss)(truth, net, spikes)),
        "rates_hz": free,
        "parameters": {
            name: {
                "unit": net.parameters()[name].unit,
                "true": true,
                "start": float(values[0, index]),
                "recovered": float(values[-1, index]),
                "error": float(values[-1, index]) / true - 1,
                "standard_error": float(errors[index]),
                "path": values[:, index].tolist(),
            }
            for index, (name, true) in enumerate(TRUTH.items())
        },
    }


def show(run: dict[str, Any]) -> None:
    """Print the table of one seed."""
    iterations = len(run["losses"]) - 1
    print(f"seed {run['seed']}: {run['spikes']:,} spikes, {iterations} iterations in {run['seconds']:.0f} s")
    print("parameter     unit      true     start  recovered   error  standard error")
    line = "{0:13} {unit:4} {true:9.2f} {start:9.2f} {recovered:10.2f} {error:+7.1%} {standard_error:15.1%}"
    for name, row in run["parameters"].items():
        print(line.format(name, **row))
    losses = f"at the start {run['losses'][0]:.4f}, recovered {run['losses'][-1]:.4f}, of the truth"
    print(f"-log L a spike: {losses} {run['loss_of_truth']:.4f}")
    rates = (f"{name} E {rate['E']:.1f}, I {rate['I']:.1f}" for name, rate in run["rates_hz"].items())
    print(f"rates when free (Hz): {'; '.join(rates)}")


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Loss and parameters of the first seed over iterations; errors of all seeds."""
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    first = runs[0]
    axes[0].semilogy(first["losses"], "k", label="fit")
    axes[0].axhline(first["loss_of_truth"], color="tab:red", ls="--", label="true parameters")
    axes[0].set(xlabel="iteration", ylabel="-log L a spike", title=f"loss, seed {first['seed']}")
    axes[0].legend(frameon=False)
    for index, (name, row) in enumerate(first["parameters"].items()):
        style = "-" if "->" in name else "--"
        axes[1].plot(np.divide(row["path"], row["true"]), style, color=f"C{index % 10}", lw=1.2, label=name)
    axes[1].axhline(1, color="k", lw=0.8)
    axes[1].set(xlabel="iteration", ylabel="parameter / truth", title=f"parameters, seed {first['seed']}", yscale="log")
    axes[1].set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    axes[1].minorticks_off()
    axes[1].legend(frameon=False, fontsize=7, ncols=2)
    rows = np.arange(len(TRUTH))
    for index, run in enumerate(runs):
        errors, bars = ([100 * row[key] for row in run["parameters"].values()] for key in ("error", "standard_error"))
        at = rows + 0.15 * (index - (len(runs) - 1) / 2)
        axes[2].errorbar(errors, at, xerr=bars, fmt="o", ms=4, lw=1, label=f"seed {run['seed']}")
    axes[2].axvline(0, color="k", lw=0.8)
    axes[2].set_yticks(rows, list(TRUTH))
    axes[2].invert_yaxis()
    axes[2].set(xlabel="error (%), with standard error", title="recovered")
    axes[2].legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Fit every seed, print and save the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--neurons", type=int, default=60, help="two thirds excitatory")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--duration", type=int, default=1000, help="of a trial (ms)")
    parser.add_argument("--iterations", type=int, nargs="+", default=[20, 15, 10], help="of each round")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--out", type=Path, default=Path("fit"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    for name, least in {"neurons": 15, "trials": 1, "duration": 10}.items():
        if getattr(options, name) < least:
            parser.error(f"--{name}: expected {least} or more, got {getattr(options, name)}")
    options.out.mkdir(parents=True, exist_ok=True)

    runs = []
    for seed in options.seeds:
        runs.append(recover(options, seed))
        show(runs[-1])
    rows = [row for run in runs for row in run["parameters"].values()]
    error = float(np.mean([abs(row["error"]) for row in rows]))
    worst = max(abs(row["error"]) for row in rows)
    inside = float(np.mean([abs(row["error"]) < 2 * row["standard_error"] for row in rows]))
    print(f"mean error {error:.1%}, greatest {worst:.1%}; {inside:.0%} are within two standard errors (expected: 95%)")
    draw(runs, options.out / "fit.png")
    found = {"mean_error": error, "greatest_error": worst, "within_two": inside, "runs": runs}
    (options.out / "fit.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"saved {options.out / 'fit.png'}")


if __name__ == "__main__":
    main()
