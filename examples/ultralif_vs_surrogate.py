"""Spikes that are smooth against spikes with a surrogate gradient: the UltraLIF family and LIF at one time step.

    BRAINSIM_DATA=folder python examples/ultralif_vs_surrogate.py --out ultralif

784-64-10 on MNIST and 2312-64-10 on N-MNIST, T = 1: the hidden layer is LIF (0 or 1 forward, arctangent backward; the
default slope, or one of an eighth, "wide") or one of four max-plus neurons (graded spikes, exact gradients) of arXiv
2602.11206. The paper's LIF is soft too (a logistic function forward), ours fires. A picture is one draw of Bernoulli
pixels, a recording the number of events of each pixel. N-MNIST is the subset of 1,000 + 100 recordings: 800 train, the
other 300 are read.

Every neuron has the learning rate that was best for it on a part of the training samples, of four about 3 apart (those
with a learned leak take their twin's); every run has the same number of epochs, and its last model is read once. At the
paper's 1e-3, six epochs of MNIST do not tell the neurons apart. With seeds 0 to 2, UltraDLIF is above LIF on both sets
(MNIST 94.5 and 91.5 %, N-MNIST 86.0 and 82.7 %); the wide surrogate brings LIF to 92.3 % on MNIST and, within the
spread of the seeds, level with UltraDLIF on N-MNIST, 85.1 %.

The figure shows every seed as a dot, their mean as a bar, and the paper's value as a ring (100 epochs, the best of them
on the test set, all 60,000 recordings of N-MNIST): its order may be compared with ours, its height may not.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import encode, load, split
from brainsim.neurons import Arctan, UltraDLIF
from brainsim.units import ms, mV

DT = 1 * ms
LEAK = -DT / np.log(0.9)  # 0.9 a step
BATCH, HELD_OUT = {"mnist": 128, "nmnist_small": 32}, 200
MODELS: dict[str, Callable[[], bs.Neuron]] = {
    "LIF": lambda: bs.LIF(LEAK, v_th=0.5 * mV),
    "LIF, wide": lambda: bs.LIF(LEAK, v_th=0.5 * mV, surrogate=Arctan(0.25)),
    "UltraLIF": lambda: bs.UltraLIF(LEAK, leak="paper", trainable=("eps",)),
    "UltraPLIF": lambda: bs.UltraLIF(LEAK, leak="paper", trainable=("eps", "tau_mem")),
    "UltraDLIF": lambda: UltraDLIF(leak="paper", trainable=("eps",)),
    "UltraDPLIF": lambda: UltraDLIF(LEAK, leak="paper", trainable=("eps", "tau_mem")),
}
RATE = {
    "mnist": dict(zip(MODELS, (1e-2, 1e-2, 1e-2, 1e-2, 3e-2, 3e-2), strict=True)),
    "nmnist_small": dict(zip(MODELS, (3e-4, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3), strict=True)),
}
PUBLISHED = ("LIF", "UltraLIF", "UltraPLIF", "UltraDLIF", "UltraDPLIF")
PAPER = {
    "mnist": dict(zip(PUBLISHED, (95.34, 94.37, 95.60, 95.67, 95.67), strict=True)),
    "nmnist_small": dict(zip(PUBLISHED, (88.54, 90.41, 93.11, 94.14, 94.14), strict=True)),
}


@functools.partial(jax.jit, static_argnames="steps")
def spiking_pixels(x: jax.Array, key: jax.Array, steps: int) -> jax.Array:
    """Normalised pixels, clamped to [0, 1] and halved, as probabilities of a spike in every step."""
    return encode.rate(0.5 * jnp.clip((x.reshape(len(x), -1) - 0.1307) / 0.3081, 0, 1), steps, key)


def data(name: str, steps: int, seed: int) -> tuple[Any, list[Any]]:
    """What trains, and the sets that are read in the end."""
    if name == "mnist":
        pixels = lambda x, key: spiking_pixels(x, key, steps)
        return load(name, encode=pixels), [load(name, split="test", encode=pixels)]
    train, rest = split(load(name, steps=steps), HELD_OUT, seed)
    return train, [rest, load(name, split="test", steps=steps)]


def network(name: str, neuron: bs.Neuron, seed: int) -> bs.Sequential:
    """Inputs, 64 hidden neurons, 10 classes read from their spikes by a product; weights start as in PyTorch."""
    n_in = 784 if name == "mnist" else 2312
    dense = lambda a, b: bs.Linear(a, b, init=bs.Uniform(-(a**-0.5), a**-0.5), bias=True)
    shape = [] if name == "mnist" else [bs.layers.Flatten(2, 34, 34)]
    return bs.Sequential(*shape, dense(n_in, 64), ("hidden", neuron), dense(64, 10), dt=DT, seed=seed)


def assess(model: bs.Sequential, sets: list[Any]) -> tuple[float, float]:
    """Percentage of samples read rightly, and the mean spike of a hidden neuron in a step."""
    read = jax.jit(lambda x: (lambda run: (run.out.sum(0), run.records["hidden.spikes"].mean()))(record(model, x)))
    hits, means = [], []
    for part in sets:
        for x, y, *_ in part.batches(100):
            out, mean = read(x)
            hits.append(np.argmax(out, axis=-1) == y)
            means.append(float(mean))
    return 100 * float(np.mean(np.concatenate(hits))), float(np.mean(means))


def record(model: bs.Sequential, x: jax.Array) -> bs.Run:
    """A run that keeps the hidden spikes."""
    return bs.run(model, x, record=("hidden.spikes",))


def one(name: str, kind: str, seed: int, steps: int, epochs: int) -> dict[str, float]:
    """Train one model and read it once."""
    train, sets = data(name, steps, seed)
    batches = train.batches(BATCH[name], key=seed)
    rate = optax.cosine_decay_schedule(RATE[name][kind], epochs * len(batches))
    options = dict(loss=bs.losses.ce_sum, optimizer=optax.adam(rate), metrics=(), progress=False)
    model = bs.fit(network(name, MODELS[kind](), seed), batches, epochs=epochs, key=seed, **options).model
    accuracy, mean = assess(model, sets)
    return {"accuracy": accuracy, "mean_spike": mean}


def picture(rows: dict[str, dict[str, list[float]]], path: Path, title: str) -> None:
    """Every seed, their means, and the paper's values."""
    figure, axes = plt.subplots(1, len(rows), figsize=(4.2 * len(rows), 3.6), layout="constrained", squeeze=False)
    for axis, (name, kinds) in zip(axes[0], rows.items(), strict=True):
        for at, (kind, values) in enumerate(kinds.items()):
            colour = "C7" if kind.startswith("LIF") else "C0"
            axis.plot([at - 0.25, at + 0.25], [np.mean(values)] * 2, color=colour, linewidth=3, solid_capstyle="butt")
            axis.plot([at] * len(values), values, "o", color=colour, markersize=4, alpha=0.7)
        published = [PAPER[name].get(kind, np.nan) for kind in kinds]
        axis.plot(range(len(kinds)), published, "o", color="C3", markerfacecolor="none", label="paper")
        axis.set_xticks(range(len(kinds)), kinds, rotation=30)
        axis.set(title=name, ylabel="accuracy (%)")
        axis.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train every neuron with every seed, print a table, save `ultralif.png` and `ultralif.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=tuple(PAPER), default=list(PAPER))
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, default=1, help="time steps T; the paper's values are shown for T = 1")
    parser.add_argument("--epochs", type=int, nargs="+", default=[6, 30], help="epochs on MNIST and on N-MNIST")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("ultralif"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    epochs = dict(zip(PAPER, (options.epochs * 2)[:2], strict=True))
    rows: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in options.models} for name in options.data}
    runs = []
    print(f"{'data':14}{'hidden neuron':14}{'accuracy %':>16}{'paper':>9}{'mean spike':>12}{'CPU s':>8}")
    for name in options.data:
        for kind in options.models:
            begun, found = time.process_time(), []
            for seed in range(options.seeds):
                found.append(one(name, kind, seed, options.steps, epochs[name]))
                settings = {"seed": seed, "epochs": epochs[name], "learning_rate": RATE[name][kind]}
                runs.append({"data": name, "model": kind, **settings, **found[-1]})
            rows[name][kind] = values = [figures["accuracy"] for figures in found]
            spread = f"{np.mean(values):.2f} +- {np.std(values, ddof=min(1, len(values) - 1)):.2f}"
            spike = np.mean([figures["mean_spike"] for figures in found])
            used = time.process_time() - begun
            paper = f"{PAPER[name][kind]:.2f}" if kind in PAPER[name] else ""
            print(f"{name:14}{kind:14}{spread:>16}{paper:>9}{spike:>12.3f}{used:>8.0f}", flush=True)
    picture(rows, options.out / "ultralif.png", f"one hidden layer of 64, T = {options.steps}, {options.seeds} seeds")
    figures = {"steps": options.steps, "runs": runs, "brainsim": bs.__version__}
    (options.out / "ultralif.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"saved         {options.out / 'ultralif.png'}, {options.out / 'ultralif.json'}")


if __name__ == "__main__":
    main()
