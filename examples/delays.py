"""Learn delays: classes that differ in nothing but the lag between two spikes.

    python examples/delays.py --out delays

Two inputs fire once each, at a random moment; the class is how much later (or earlier) the second one fires, from -24
to 24 ms. The neurons forget within 4 ms, so that only delays which make both spikes arrive together can tell the
classes apart; the readout counts spikes. Four networks of 16 such neurons: without delays; with random delays that stay
(the weights alone train); with delays that train in the feed-forward layer (Gaussian kernels that narrow to whole
steps, as in DCLS); and with delays that train in the recurrent layer (as in DelRec). The picture shows the validation
accuracy over training and, for the third network, the lag to which each hidden neuron responds, before and after.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.ticker import MaxNLocator

import brainsim as bs
from brainsim.units import ms

LAGS = np.array([-24, -16, -8, 8, 16, 24])
STEPS, HIDDEN, BATCH = 65, 16, 60
LONGEST = 30.0  # ms
NETWORKS = ("no delays", "random delays", "learned delays", "learned recurrent delays")


def batch(rng: np.random.Generator, size: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    """Spikes `(time, batch, 2)` in steps of 1 ms, and classes; the moment of the first spike tells nothing."""
    y = rng.integers(len(LAGS), size=size)
    first = rng.integers(0, 6, size) + np.maximum(0, -LAGS[y])
    x = np.zeros((STEPS, size, 2), np.float32)
    x[first, np.arange(size), 0] = x[first + LAGS[y], np.arange(size), 1] = 1
    return x, y


def batches(n: int) -> Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """New samples in every epoch."""
    return lambda epoch: (batch(np.random.default_rng((epoch, k))) for k in range(n))


def network(kind: str, seed: int) -> bs.Sequential:
    """Two inputs, 16 neurons with a membrane of 4 ms, and a readout that counts their spikes, whenever they come."""
    hidden, forward, longest = bs.LIF(4 * ms), {}, {"max_delay": LONGEST * ms}
    if kind in ("random delays", "learned delays"):
        forward = {"delay": bs.Uniform(0 * ms, LONGEST * ms), "sigma": 0.1 * ms, **longest}
    elif kind == "learned recurrent delays":
        late = bs.Uniform(1 * ms, LONGEST * ms)
        hidden = bs.Recurrent(hidden, HIDDEN, weight=bs.Normal(0, 0.5), delay=late, **longest)
    return bs.Sequential(
        ("in", bs.Linear(2, HIDDEN, init=bs.Uniform(0.5, 0.9), **forward)),
        ("hidden", hidden),
        ("out", bs.Linear(HIDDEN, len(LAGS))),
        dt=1 * ms,
        seed=seed,
    )


def follow(schedule: Callable[[Any], Any]) -> optax.GradientTransformation:
    """A parameter that goes the way of a schedule, whatever its gradient: how the width of the kernels shrinks."""

    def update(updates: Any, count: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree.map(lambda p: (schedule(count) - p).astype(p.dtype), params), count + 1

    return optax.GradientTransformation(lambda params: np.int32(0), update)


def train(kind: str, epochs: int, per_epoch: int, seed: int) -> tuple[bs.Sequential, np.ndarray]:
    """The trained network and its validation accuracy after every epoch (with the narrowest kernels)."""
    model, steps = network(kind, seed), epochs * per_epoch
    trainable = ["*.weight"] + (["*.delay", "*.sigma"] if "learned" in kind else [])
    wide, narrow = 3.0, 0.1  # of the kernels, ms; in recurrent layers inference takes 0
    width = optax.exponential_decay(wide, steps * 3 // 4, narrow / wide, end_value=narrow)
    if "recurrent" in kind:
        width = optax.linear_schedule(wide, 0.0, steps * 3 // 4)
    rules = {
        "weight": optax.adam(optax.cosine_decay_schedule(5e-3, steps)),
        "delay": optax.adam(optax.cosine_decay_schedule(0.3, steps)),
        "other": follow(width),
        "frozen": optax.set_to_zero(),
    }
    model, history, _ = bs.fit(
        model,
        batches(per_epoch),
        valid=[batch(np.random.default_rng(10**6 + k)) for k in range(4)],
        loss=bs.losses.ce_sum,
        optimizer=optax.multi_transform(rules, lambda params: bs.labels(params, trainable)),
        epochs=epochs,
        trainable=trainable,
    )
    return model, history["valid_accuracy"]


def preferred_lags(model: bs.Sequential) -> np.ndarray:
    """The lag (ms) at which both spikes reach a hidden neuron together: the first input's delay less the second's."""
    first, second = np.asarray(model["in"].delays.delay)
    return first - second


def picture(curves: dict[str, np.ndarray], before: np.ndarray, after: np.ndarray, path: Path) -> None:
    """Accuracy over epochs; preferred lags before and after training."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for kind, accuracy in curves.items():
        left.plot(np.arange(1, len(accuracy) + 1), 100 * accuracy, marker=".", label=kind)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.axhline(100 / len(LAGS), color="0.6", linestyle=":", label="chance")
    left.set(xlabel="epoch", ylabel="validation accuracy (%)", ylim=(0, 102), title="One spike each: which lag?")
    figure.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside lower left", ncols=5)
    for lag in LAGS:
        right.axvline(lag, color="0.85", zorder=0)
    order = np.argsort(after)
    for row, (start, end) in enumerate(zip(before[order], after[order], strict=True)):
        right.plot([start, end], [row, row], color="C2", linewidth=0.8, zorder=1)
    right.plot(before[order], np.arange(len(order)), "o", color="0.7", markersize=4, label="before")
    right.plot(after[order], np.arange(len(order)), "o", color="C2", markersize=5, label="after training")
    right.set(xlabel="delay of input 1 - delay of input 2 (ms)", ylabel="hidden neuron", title="Learned delays")
    right.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print a table, save `delays.png` and `delays.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batches", type=int, default=20, help="batches an epoch, of 60 samples each")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("delays"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    models, curves = {}, {}
    print(f"{'network':26} {'accuracy':>8} {'CPU s':>6}   (chance {1 / len(LAGS):.0%}, {4 * BATCH} samples)")
    for kind in options.networks:
        started = time.process_time()
        models[kind], curves[kind] = train(kind, options.epochs, options.batches, options.seed)
        print(f"{kind:26} {curves[kind][-1]:8.1%} {time.process_time() - started:6.0f}")
    if "learned delays" in models:
        before, after = (preferred_lags(m) for m in (network("learned delays", options.seed), models["learned delays"]))
        picture(curves, before, after, options.out / "delays.png")
    figures = {"accuracy": {kind: curve.tolist() for kind, curve in curves.items()}, "lags_ms": LAGS.tolist()}
    figures |= {"seed": options.seed, "epochs": options.epochs, "brainsim": bs.__version__}
    (options.out / "delays.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"saved {options.out}")


if __name__ == "__main__":
    main()
