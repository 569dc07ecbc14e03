"""Learning forward in time: e-prop and OTTT against backpropagation through time, in accuracy and in memory.

    pip install "brainsim[examples]"
    python examples/online_learning.py --out online

Handwritten digits of 8 x 8 pixels are read row by row, five steps a row, so that the class must be kept in mind for 40
steps. Two networks learn it: a recurrent one of adaptive neurons, by BPTT and by e-prop, and one of two layers of
neurons with a soft reset, by BPTT and by OTTT; everything else is equal. The split is fixed (1,257 / 180 / 360); the
test samples are looked at once, after training. The memory is what the compiled gradient of one batch needs beyond its
arguments and results, as XLA plans it, for growing numbers of steps.

The picture shows the validation accuracy over training, and the memory over the number of steps: it grows with time
for BPTT with the history of every neuron, and for the others with input and output only.
"""

import argparse
import json
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
from brainsim import datasets
from brainsim.train.batches import Batch
from brainsim.train.gradients import method
from brainsim.train.objective import Objective
from brainsim.units import ms

ROWS, HOLD, BATCH, CLASSES, RATE = 8, 5, 32, 10, 5e-3
CASES = (("recurrent", "bptt"), ("recurrent", "eprop"), ("layered", "bptt"), ("layered", "ottt"))


def network(kind: str, hidden: int, seed: int = 0) -> bs.Sequential:
    """8 inputs, 10 leaky readouts, and in between what `kind` says; dt = 1 ms."""
    first, last = bs.Linear(ROWS, hidden), (bs.Linear(hidden, CLASSES), bs.LI(20 * ms))
    if kind == "recurrent":
        cell = bs.AdaptiveLIF(20 * ms, tau_adapt=100 * ms, beta_adapt=0.1)
        return bs.Sequential(first, ("hidden", bs.Recurrent(cell, hidden)), *last, dt=1 * ms, seed=seed)
    soft = [bs.LIF(20 * ms, reset="subtract") for _ in range(2)]
    return bs.Sequential(first, soft[0], bs.Linear(hidden, hidden), soft[1], *last, dt=1 * ms, seed=seed)


def data(split: str, size: int | None) -> Any:
    """A split of the digits as rows over time."""

    def rows(x: np.ndarray, key: Any) -> np.ndarray:
        return np.repeat(x.reshape(-1, ROWS, ROWS).swapaxes(0, 1), HOLD, axis=0)

    samples = datasets.load("digits", split=split, encode=rows)
    return samples if size is None else samples.take(np.arange(size))


def megabytes(name: str, model: bs.Sequential, steps: int) -> float:
    """Memory of the gradient of one batch beyond arguments and results."""
    params, static = eqx.partition(model, bs.mask(model))
    objective, key = Objective(bs.losses.ce_sum, (), {}), jax.random.key(0)

    def gradient(params: Any, x: Any, y: Any) -> Any:
        return method(name)(objective, params, static, Batch(x, y, None), key)

    x, y = jax.ShapeDtypeStruct((steps, BATCH, ROWS), jnp.float32), jax.ShapeDtypeStruct((BATCH,), jnp.int32)
    return jax.jit(gradient).lower(params, x, y).compile().memory_analysis().temp_size_in_bytes / 1e6


def accuracy(model: bs.Sequential, samples: Any) -> float:
    """Fraction that the model reads rightly."""
    ((x, y),) = samples.batches(len(samples))
    return float(bs.train.metrics.accuracy(bs.run(model, x).out, jnp.asarray(y)))


def picture(path: Path, rows: list[dict[str, Any]], steps: Sequence[int]) -> None:
    """Learning curves and memory."""
    figure, (curve, memory) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for number, row in enumerate(rows):
        name, style = f"{row['network']}, {row['gradient']}", "--" if row["gradient"] == "bptt" else "-"
        colour = f"C{number // 2}"
        curve.plot(np.arange(1, len(row["valid"]) + 1), 100 * np.array(row["valid"]), style, color=colour, label=name)
        memory.loglog(steps, row["megabytes"], style, marker="o", color=colour, label=name)
    curve.set(xlabel="epoch", ylabel="validation accuracy (%)", title="digits read row by row")
    memory.set(xlabel="time steps", ylabel="memory of a gradient (MB)", title=f"batch {BATCH}, as XLA plans it")
    for axis in (curve, memory):
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train every case, print a table, save `online.png` and `online.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=64, help="neurons of a hidden layer")
    parser.add_argument("--samples", type=int, default=None, help="samples of each split, for a quick look")
    parser.add_argument("--steps", type=int, nargs="+", default=[40, 400, 4000], help="steps to plan memory for")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("online"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    splits = {split: data(split, options.samples) for split in ("train", "valid", "test")}
    rows: list[dict[str, Any]] = []
    print(f"network     gradient   test accuracy   seconds   MB at {', '.join(map(str, options.steps))} steps")
    for kind, name in CASES:
        model, started = network(kind, options.hidden, options.seed), time.perf_counter()
        trained, history, _ = bs.fit(
            model,
            splits["train"].batches(BATCH, key=options.seed),
            valid=splits["valid"].batches(180),
            loss=bs.losses.ce_sum,
            metrics=["accuracy"],  # "rate" would hold the spikes of every layer over time
            optimizer=optax.adam(RATE),
            gradient=name,
            epochs=options.epochs,
            key=options.seed,
        )
        seconds, valid = time.perf_counter() - started, [float(a) for a in history["valid_accuracy"]]
        planned = [megabytes(name, model, steps) for steps in options.steps]
        figures = {"test_accuracy": accuracy(trained, splits["test"]), "valid": valid, "megabytes": planned}
        rows.append({"network": kind, "gradient": name, "seconds": seconds, **figures})
        shown = ", ".join(f"{size:.1f}" for size in planned)
        print(f"{kind:<11} {name:<10} {rows[-1]['test_accuracy']:13.1%}   {seconds:7.0f}   {shown}", flush=True)
    picture(options.out / "online.png", rows, options.steps)
    figures = {"runs": rows, "steps": options.steps, "epochs": options.epochs, "brainsim": bs.__version__}
    (options.out / "online.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"saved       {options.out / 'online.png'}, {options.out / 'online.json'}")


if __name__ == "__main__":
    main()
