"""A liquid of spiking neurons whose plasticity an astrocyte steers (NALSM), against the same liquid without it.

    python examples/nalsm.py --out nalsm                       MNIST from BRAINSIM_DATA, else scikit-learn's digits
    python examples/nalsm.py --side 10 --train 3000 --test 1000 --initial 5000

LIF neurons on a 3-D grid, 80 % excitatory, connected with probability C exp(-(D / 3)^2), hear spiking pictures through
random weights of both signs. All these synapses have STDP, whose depression is what the astrocyte says:

    V <- V - V / 64 + sum w exp(-age),   spike at V >= 20, 2 ms refractory              (ms, mV; steps of 1 ms)
    x <- exp(-1/10) (x + 0.1 s)          dw = 0.15 x_pre s_post - A x_post s_pre        (inhibitory: rates swapped)
    A <- A + (-A + w_a (N_liquid - N_input) + 0.15) / 100

First pictures of 20 ms shape the weights ("initialisation"); then every sample starts from these, learns with rates
that fade by 0.99 per ms, and its spike counts go to a softmax readout. Four rows are compared: "static" (weights
+-`--weight`, no plasticity), "stdp" (A stays 0.15: w_a = 0), "astrocyte", and a readout of the input's own spikes.
Ivanov & Michmizos, NeurIPS 34 (2021) 21703.

What differs from the published code: far fewer samples (60,000 + 10,000, an initialisation with 50,000 and several
networks there; a single seed here), so that accuracies do not compare with the published ones; the initialisation is
one run, in which voltages and the astrocyte go on from picture to picture; where spikes of one neuron overlap at a
synapse their currents add up, there only the last one counts (by the refractory time what is left is exp(-3) of a
spike, which moves voltages by up to 2.7 mV, and single spikes); the input's neurons are LIF cells of the liquid, so
that they too rest for 2 ms; A below 0 acts as 0; "stdp" has no tuned rates, and "static" scales the liquid's weights
but not the input's; the readout trains by Adam, is normalised by the maximum over the training samples, and keeps the
step that is best on a sixth of them. Kernel quality is not computed.

What it shows with its defaults (MNIST, seed 0): with constant rates the initialisation drives most excitatory weights
to their bound (branching factor 1.40, 206 Hz); the astrocyte keeps them near 1 (1.18, 24 Hz; published, with the whole
initialisation: 1.25); static weights of 0.8 have 1.03. Readouts of the three liquids and of the input are all at 84 to
87 % with a standard error of 2 %: at this size no accuracy differs measurably from another, that of the input included.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainsim as bs
from brainsim.analysis.branching import wired_branching
from brainsim.connectivity.positions import Positions, grid_positions
from brainsim.connectivity.spatial import DistanceProbability, gaussian
from brainsim.neurons import LeakyAstrocyte
from brainsim.plasticity import AstrocyteSTDP
from brainsim.units import ms, mV, pA, um

C = {"E->E": 0.2, "E->I": 0.1, "I->E": 0.3, "I->I": 0.05}
LENGTH, DENSITY, BOUND = 3.0, 0.15, 3.0  # of distance, of the input's synapses, of weights
A_PLUS, RISE, FADE = 0.15, 0.1, -1 / np.log(0.99)  # rate of potentiation, of a trace by a spike, time constant (ms)
SHOWN_MS, KINDS = 20, ("static", "stdp", "astrocyte")
COLOURS = {"static": "tab:gray", "stdp": "tab:orange", "astrocyte": "tab:green", "input": "tab:blue"}


def network(inputs: int, side: int, gain: float, weight: float, plastic: bool, fading: bool, seed: int) -> bs.Network:
    """The liquid, its input and its astrocyte; `weight` of the liquid's synapses, the inhibitory with a minus."""
    rng, tau_fade = np.random.default_rng(seed), FADE * ms if fading else None
    euler: dict[str, Any] = dict(tau_mem=64 * ms, v_th=20 * mV, t_ref=2 * ms, r_mem=64.0, integrator="euler")
    cell = bs.LIF(**euler)
    sites, excitatory = rng.permutation(side**3), 4 * side**3 // 5
    grid = grid_positions((side, side, side), 1 * um).coordinates
    sizes = {"E": excitatory, "I": side**3 - excitatory, "in": inputs}
    parts = {"E": sites[:excitatory], "I": sites[excitatory:]}
    populations: dict[str, Any] = {"in": bs.Population(inputs, cell)}
    populations |= {name: bs.Population(sizes[name], cell, positions=Positions(grid[parts[name]])) for name in "EI"}
    early = np.exp(1 / FADE) if fading else 1.0  # the rule of step k sees A faded k times, not k + 1
    senses: dict[str, Any] = dict(w_a=early * gain, b_a=early * A_PLUS, tau_fade=tau_fade)
    populations["astro"] = bs.Population(1, LeakyAstrocyte(100 * ms, **senses, leak="paper"))
    synapse = bs.Exponential(1 * ms)
    rates: dict[str, Any] = dict(a_plus=A_PLUS, rise=RISE, tau_fade=tau_fade, rates="absolute", coincident=False)
    rule = lambda **own: AstrocyteSTDP(**rates, w_max=BOUND * pA, modulator="astro", **own) if plastic else None
    wiring = []
    for path, c in C.items():
        pre, post = path.split("->")
        sign = 1 if pre == "E" else -1
        near = DistanceProbability(gaussian(c, LENGTH / np.sqrt(2) * um))
        learns = rule(inhibitory=pre == "I")
        wiring.append(bs.Projection(pre, post, near, sign * weight * pA, synapse, sign=sign, plasticity=learns))
    for post in "EI":
        ends = np.nonzero(rng.random((inputs, sizes[post])) < DENSITY)
        signs = rng.choice([-1.0, 1.0], len(ends[0])) * pA
        learns = rule(w_min=-BOUND * pA)
        wiring.append(bs.Projection("in", post, bs.EdgeList(*ends), signs, synapse, plasticity=learns))
    for pre, sign in {"E": 1, "I": 1, "in": -1}.items():  # what the astrocyte counts reaches it a step later
        wiring.append(bs.Projection(pre, "astro", bs.AllToAll(), sign * mV))
    return bs.Network(populations, wiring, dt=1 * ms, seed=seed)


def pictures(name: str, split: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Chances of an input spike per ms (samples, pixels), and labels; pixels over their sum, then over the maximum."""
    data = bs.datasets.load(name, split=split)
    x = data.x.reshape(len(data), -1)
    x = x / x.sum(1, keepdims=True)
    chosen = rng.permutation(len(data))[:count]
    return (x[chosen] / x.max()).astype(np.float32), np.asarray(data.y[chosen])


@eqx.filter_jit
def initialise(net: bs.Network, state: Any, p: jax.Array, key: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
    """Show each of the pictures `p` for 20 ms; the state afterwards, and spikes in every ms and A."""
    p = jnp.repeat(p, SHOWN_MS, axis=0)
    spikes = 100.0 * jax.random.bernoulli(key, p).astype(jnp.float32)
    result = bs.run(net, {"in.v": spikes}, state=state, record=("E.spikes", "I.spikes", "astro.level"))
    found = result.records
    total = found["E.spikes"].sum(1) + found["I.spikes"].sum(1)
    return result.state, {"spikes": total, "level": found["astro.level"][:, 0]}


@eqx.filter_jit
def respond(net: bs.Network, p: jax.Array, key: jax.Array, steps: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Each picture of a batch for `steps` ms: spikes of the liquid (time, batch, n), of the input (batch, n), and A."""
    spikes = 100.0 * jax.random.bernoulli(key, p, (steps, *p.shape)).astype(jnp.float32)
    found = bs.run(net, {"in.v": spikes}, record=("E.spikes", "I.spikes", "in.spikes", "astro.a")).records
    liquid = jnp.concatenate([found["E.spikes"], found["I.spikes"]], axis=2)
    return liquid, found["in.spikes"].sum(0), found["astro.a"][:, :, 0]


def built(options: argparse.Namespace, inputs: int) -> dict[str, tuple[bs.Network, ...]]:
    """For each kind the network of the samples, and before it, where weights learn, that of the initialisation."""
    shared: dict[str, Any] = dict(inputs=inputs, side=options.side, gain=options.gain, seed=options.seed)
    static = network(**shared, weight=options.weight, plastic=False, fading=False)
    pair = tuple(network(**shared, weight=1.0, plastic=True, fading=fading) for fading in (False, True))
    gain = lambda net: net["astro"].neuron.w_a
    deaf = tuple(eqx.tree_at(gain, net, jnp.zeros_like(gain(net))) for net in pair)  # A stays at b_a
    return {"static": (static,), "stdp": deaf, "astrocyte": pair}


def shaped(
    net: bs.Network, fading: bs.Network, options: argparse.Namespace, train: np.ndarray
) -> tuple[bs.Network, dict[str, np.ndarray]]:
    """The network `fading` with the weights that `net` learns in the initialisation, and what happened in it."""
    state, rng, courses = net.init_state(), np.random.default_rng(options.seed + 1), []
    for stretch in range(-(-options.initial // options.stretch)):
        shown = train[rng.integers(len(train), size=options.stretch)]
        state, course = initialise(net, state, jnp.asarray(shown), jax.random.key(1000 + stretch))
        courses.append(jax.tree.map(np.asarray, course))
    paths = [*C, "in->E", "in->I"]
    learnt = [state.projections[path].weight for path in paths]
    fading = eqx.tree_at(lambda n: [n[path].weight for path in paths], fading, learnt)
    history = {name: np.concatenate([course[name] for course in courses]) for name in courses[0]}
    return fading, history | {"E->E": np.asarray(learnt[0])}


def answers(net: bs.Network, p: np.ndarray, options: argparse.Namespace, offset: int) -> dict[str, np.ndarray]:
    """Spike counts of the liquid and the input for all pictures, and whole rasters of the first."""
    liquid, given, first, level, shown = [], [], np.zeros(0), np.zeros(0), min(options.batch, len(p))
    for number, begin in enumerate(range(0, len(p), shown)):
        at = np.arange(begin, begin + shown) % len(p)  # the last batch is filled up
        key = jax.random.fold_in(jax.random.key(options.seed), offset + number)
        raster, counts, a = respond(net, jnp.asarray(p[at]), key, options.steps)
        liquid.append(np.asarray(raster.sum(0)))
        given.append(np.asarray(counts))
        if number == 0:
            first, level = np.asarray(raster[:, : options.rasters]), np.asarray(a)
    counts, inputs = (np.concatenate(part)[: len(p)] for part in (liquid, given))
    return {"liquid": counts, "input": inputs, "raster": first, "level": level}


def branching(net: bs.Network, raster: np.ndarray) -> float:
    """Branching factor along the liquid's synapses in windows of 4 ms, mean over the trials of `raster`."""
    excitatory, pre, post = net["E"].size, [], []
    for path in C:
        edges, (source, target) = net[path], (excitatory * (name == "I") for name in path.split("->"))
        pre.append(source + np.repeat(np.arange(edges.n_pre), np.diff(np.asarray(edges.indptr, np.int64))))
        post.append(target + np.asarray(edges.indices))
    wired, found = (np.concatenate(pre), np.concatenate(post)), []
    for trial in np.moveaxis(raster, 1, 0):
        times, ids = np.nonzero(trial)
        trains = (times + 1.0, ids)
        found.append(wired_branching(trains, *wired, n=trial.shape[1], duration=float(len(trial))))
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


@eqx.filter_jit
def best(train: Any, held: Any, test: Any, classes: int, cycles: int) -> jax.Array:
    """Test accuracy of a linear softmax readout where it is best on `held`; all are (samples, labels)."""
    rule, begin = optax.adam(0.02), jnp.zeros((train[0].shape[1] + 1, classes))
    scores = lambda w, x: x @ w[:-1] + w[-1]
    right = lambda w, x, y: (jnp.argmax(scores(w, x), axis=1) == y).astype(jnp.float32).mean()
    loss = lambda w, x, y: optax.softmax_cross_entropy_with_integer_labels(scores(w, x), y).mean()

    def cycle(carry, _):
        w, memory = carry
        slope = jax.grad(loss)(w, *train)
        with jax.numpy_dtype_promotion("standard"):  # Adam of optax raises a float to an int32 count
            change, memory = rule.update(slope, memory, w)
        w = optax.apply_updates(w, change)
        return (w, memory), (right(w, *held), right(w, *test))

    _, (valid, found) = jax.lax.scan(cycle, (begin, rule.init(begin)), length=cycles)
    return found[jnp.argmax(valid)]


def readout(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, cycles: int) -> float:
    """Test accuracy of a readout of spike counts; the last sixth of `train` chooses the step of its training."""
    share = lambda x: x / np.maximum(1.0, x.sum(1, keepdims=True))
    scale, held = max(float(share(train).max()), 1e-9), len(train) - len(train) // 6
    x, x_test = (jnp.asarray(share(part) / scale, jnp.float32) for part in (train, test))
    y, y_test = jnp.asarray(labels, jnp.int32), jnp.asarray(truth, jnp.int32)
    classes = int(max(labels.max(), truth.max())) + 1
    return float(best((x[:held], y[:held]), (x[held:], y[held:]), (x_test, y_test), classes, cycles))


def draw(kinds: dict[str, Any], figures: dict[str, Any], excitatory: int, path: Path) -> None:
    """Rasters of one sample, what the initialisation did, and the comparison."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    for ax, (name, found) in zip(axes[0], kinds.items(), strict=True):
        t, i = np.nonzero(found["answers"]["raster"][:, 0])
        ax.plot(t + 1, i, ".", color=COLOURS[name], ms=1.0)
        ax.axhline(excitatory, color="k", lw=0.5)
        title = f"{name}: {figures[name]['rate_hz']:.0f} Hz, branching {figures[name]['branching']:.2f}"
        ax.set(title=title, xlabel="time (ms)", ylabel="neuron (inhibitory above the line)")
    course, weights, bars = axes[1]
    for name in ("stdp", "astrocyte"):
        history = kinds[name]["history"]
        level = history["level"].reshape(-1, SHOWN_MS).mean(1)
        t = SHOWN_MS * (np.arange(len(level)) + 0.5) / 1000
        course.plot(t, level, color=COLOURS[name], lw=0.8, label=name, zorder=3 if name == "stdp" else 2)
        weights.hist(history["E->E"], 40, range=(0, BOUND), histtype="step", color=COLOURS[name], label=name)
    course.set(xlabel="time of the initialisation (s)", ylabel="depression A", title="what the astrocyte says")
    weights.set(xlabel="weight E -> E after the initialisation", ylabel="synapses", yscale="log", title="weights")
    names = [*kinds, "input"]
    heights = [figures[name]["accuracy"] for name in names]
    errors = [figures[name]["error"] for name in names]
    drawn = bars.bar(names, heights, yerr=errors, color=[COLOURS[name] for name in names])
    bars.bar_label(drawn, [f"{height:.1%}" for height in heights], label_type="center", color="w")
    bars.set(ylabel="test accuracy (and its standard error)", ylim=(0, 1), title="linear readouts of spike counts")
    course.legend(loc="upper left")
    weights.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def compare(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run all kinds of liquid on the same input spikes; what was found for each, and the figures."""
    rng = np.random.default_rng(options.seed)
    train, labels = pictures(options.data, "train", options.train, rng)
    test, truth = pictures(options.data, "test", options.test, rng)
    kinds: dict[str, Any] = {}
    nets = built(options, train.shape[1])
    figures: dict[str, Any] = {}

    def score(name: str, x: np.ndarray, x_test: np.ndarray) -> None:
        accuracy = readout(x, labels, x_test, truth, options.cycles)
        error = float(np.sqrt(accuracy * (1 - accuracy) / len(truth)))
        figures[name] = {"accuracy": accuracy, "error": error}

    for kind in KINDS:
        first, net, history = nets[kind][0], nets[kind][-1], {}
        if kind != "static":
            net, history = shaped(first, net, options, train)
        seen, found = answers(net, train, options, 0), answers(net, test, options, 1_000_000)
        kinds[kind] = {"history": history, "answers": found}
        score(kind, seen["liquid"], found["liquid"])
        if kind == KINDS[0]:
            figures["synapses"] = {path: edge.n_synapses for path, edge in net.projections.items()}
            kinds["input"] = seen["input"], found["input"]
        rate = 1000 * float(found["liquid"].mean()) / options.steps
        figures[kind] |= {"branching": branching(net, found["raster"]), "rate_hz": rate}
        if kind != "static":
            last = history["level"][-len(history["level"]) // 4 :]
            figures[kind] |= {"depression": float(last.mean()), "weight_ee": float(history["E->E"].mean())}
        row = {"depression": float("nan"), "weight_ee": options.weight, **figures[kind]}
        line = "{0:10}  {accuracy:.3f}+-{error:.3f}   {branching:9.3f}   {rate_hz:9.1f}   {depression:5.3f}"
        print((line + "   {weight_ee:11.3f}").format(kind, **row))
    score("input", *kinds.pop("input"))
    return kinds, figures


def main(argv: Sequence[str] | None = None) -> None:
    """Compare the liquids, print and save the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = "mnist" if os.environ.get("BRAINSIM_DATA") else "digits"
    parser.add_argument("--data", choices=("mnist", "fashion_mnist", "digits"), default=default)
    parser.add_argument("--side", type=int, default=10, help="neurons along each axis of the grid")
    parser.add_argument("--train", type=int, default=600, help="training samples, a sixth of them to choose the step")
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--initial", type=int, default=2000, help="pictures of 20 ms that shape the weights")
    parser.add_argument("--steps", type=int, default=250, help="time of one sample (ms)")
    parser.add_argument("--gain", type=float, default=0.015, help="w_a of the astrocyte")
    parser.add_argument("--weight", type=float, default=0.8, help="weights in the static liquid")
    parser.add_argument("--cycles", type=int, default=600, help="steps of the readout's training")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rasters", type=int, default=20, help="samples for the branching factor, at most a batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("nalsm"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    for name, least in {"side": 3, "train": 12, "test": 1, "initial": 1, "steps": 4, "batch": 1, "rasters": 1}.items():
        if getattr(options, name) < least:
            parser.error(f"--{name}: expected {least} or more, got {getattr(options, name)}")
    options.stretch = min(options.initial, 100)
    options.out.mkdir(parents=True, exist_ok=True)

    began = time.perf_counter()
    print(f"{options.data}: {options.train} + {options.test} samples, {options.side**3} neurons, seed {options.seed}")
    print("              accuracy   branching   rate (Hz)       A   mean w E->E")
    kinds, figures = compare(options)
    print("{0:10}  {accuracy:.3f}+-{error:.3f}   (a readout of the input's spikes)".format("input", **figures["input"]))
    draw(kinds, figures, 4 * options.side**3 // 5, options.out / "nalsm.png")
    settings = {name: str(v) if isinstance(v, Path) else v for name, v in vars(options).items()}
    total = time.perf_counter() - began
    (options.out / "nalsm.json").write_text(
        json.dumps({"options": settings, **figures, "wall_s": total}, indent=2) + "\n"
    )
    print(f"saved {options.out / 'nalsm.png'}, {total:.0f} s")


if __name__ == "__main__":
    main()
