"""Yin-Yang by EventProp: exact gradients of spike times, no surrogate, and an answer that is a first spike.

    python examples/eventprop_yinyang.py --out yinyang

A point of the Yin-Yang figure is four spike times (x, y, 1 - x, 1 - y) and a fifth spike at the start. 200 hidden
neurons and three output neurons with exponential synapses follow; the class is the output that fires first. The network
and its training follow Wunderlich and Pehle, Sci. Rep. 11 (2021) 12829, who report 98.1 +- 0.2 %: tau_mem 20 ms,
tau_syn 5 ms, 30 ms in steps of 0.1 ms, Adam 5e-3 with a decay of 0.95 an epoch, batches of 32. Added here: gradients
are clipped, and the parameters are averaged over about the last 200 steps. The 5,000 / 1,000 / 1,000 samples are fixed;
the test samples are looked at once, after training.

The picture shows the test samples of the first seed by the class that the network gives them, with the wrong ones
circled, the time of the deciding spike over the figure, and the validation accuracy of every seed over training.
"""

import argparse
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainsim as bs
from brainsim import datasets
from brainsim.datasets.yin_yang import CLASSES, latency
from brainsim.train.losses.first_spike import first_spike_times
from brainsim.units import ms

DT, STEPS, EARLY, LATE = 0.1, 300, 1.0, 29.0  # ms; a coordinate of 0 is a spike at 1 ms, one of 1 at 29 ms
BATCH, RATE, CLIP = 32, 5e-3, 1.0  # spikes that graze the threshold have gradients far above the usual 0.2 to 0.5


def network(hidden: int, seed: int) -> bs.Sequential:
    """5 inputs, hidden neurons, 3 outputs that spike."""
    return bs.Sequential(
        bs.Linear(5, hidden, init=bs.Normal(1.5, 0.78)),
        ("hidden", bs.CubaLIF(20 * ms, tau_syn=5 * ms)),
        bs.Linear(hidden, len(CLASSES), init=bs.Normal(0.93 * 200 / hidden, 0.1 * 200 / hidden)),
        ("out", bs.CubaLIF(20 * ms, tau_syn=5 * ms)),
        dt=DT * ms,
        seed=seed,
    )


def data(split: str, size: int | None = None) -> Any:
    """A split of the figure as spike times."""
    code = lambda x, key: latency(x, STEPS, dt=DT, early=EARLY, late=LATE)
    return datasets.load("yin_yang", split=split, size=size, encode=code)


def train(seed: int, *, epochs: int, hidden: int, size: int | None) -> bs.train.Fit:
    """One network."""
    batches = data("train", size).batches(BATCH, key=seed)
    rate = optax.exponential_decay(RATE, len(batches), 0.95, staircase=True)
    return bs.fit(
        network(hidden, seed),
        batches,
        valid=data("valid", size).batches(250),
        loss=functools.partial(bs.losses.time_to_first_spike, tau=0.5 * ms, tau_late=6.4 * ms, weight=5e-3, dt=DT * ms),
        metrics=["accuracy_first_spike"],
        optimizer=optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(rate)),
        gradient="eventprop",
        ema=0.995,
        epochs=epochs,
        key=seed,
    )


def answers(model: bs.Sequential, samples: Any) -> np.ndarray:
    """First spike times of the outputs (ms), (samples, 3)."""
    times = jax.jit(lambda x: first_spike_times(bs.run(model, x).out, dt=DT * ms))
    return np.concatenate([times(jnp.asarray(x)) for x, _ in samples.batches(250)])


def picture(path: Path, samples: Any, times: np.ndarray, curves: list[np.ndarray]) -> None:
    """Classes and times over the figure, and learning curves."""
    figure, (classes, first, curve) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    given = times.argmin(axis=1)
    wrong = given != samples.y
    x, y = samples.x[:, 0], samples.x[:, 1]
    for index, name in enumerate(CLASSES):
        classes.scatter(x[given == index], y[given == index], s=9, label=name)
    classes.scatter(x[wrong], y[wrong], s=45, facecolors="none", edgecolors="k", linewidths=0.8, label="wrong")
    classes.legend(loc="upper right", fontsize=7)
    classes.set_title(f"class of the first spike ({1 - wrong.mean():.1%} right)")
    dots = first.scatter(x, y, c=times.min(axis=1), s=9, cmap="viridis")
    figure.colorbar(dots, ax=first, label="first output spike (ms)")
    first.set_title("when the answer comes")
    for axis in (classes, first):
        axis.set(aspect="equal", xticks=[0, 1], yticks=[0, 1], xlabel="x", ylabel="y")
    for accuracy in curves:
        curve.plot(np.arange(1, len(accuracy) + 1), 100 * accuracy)
    curve.set(xlabel="epoch", ylabel="validation accuracy (%)", title="learning, one line a seed")
    curve.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train every seed, print a table, save `yinyang.png` and `yinyang.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--hidden", type=int, default=200, help="hidden neurons")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--samples", type=int, default=None, help="samples of each split, for a quick look")
    parser.add_argument("--out", type=Path, default=Path("yinyang"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    test, rows, curves, shown = data("test", options.samples), [], [], None
    print("seed   test accuracy   first spike (ms)   seconds")
    for seed in range(options.seeds):
        started = time.perf_counter()
        model, history, _ = train(seed, epochs=options.epochs, hidden=options.hidden, size=options.samples)
        seconds, times = time.perf_counter() - started, answers(model, test)
        shown = times if shown is None else shown
        curves.append(history["valid_accuracy_first_spike"])
        accuracy, latest = float(np.mean(times.argmin(axis=1) == test.y)), float(times.min(axis=1).mean())
        rows.append({"seed": seed, "test_accuracy": accuracy, "first_spike_ms": latest, "seconds": seconds})
        print(f"{seed:4d}   {accuracy:13.1%}   {latest:16.1f}   {seconds:7.0f}", flush=True)
    assert shown is not None
    mean, spread = (float(f([row["test_accuracy"] for row in rows])) for f in (np.mean, np.std))
    print(f"mean   {mean:.1%} +- {spread:.1%} (standard deviation over {len(rows)} seeds)")
    picture(options.out / "yinyang.png", test, shown, curves)
    figures = {"mean": mean, "std": spread, "runs": rows, "epochs": options.epochs, "brainsim": bs.__version__}
    (options.out / "yinyang.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"saved  {options.out / 'yinyang.png'}, {options.out / 'yinyang.json'}")


if __name__ == "__main__":
    main()
