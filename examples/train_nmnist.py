"""Train a spiking classifier on N-MNIST, digits seen by an event camera: 2,312 inputs, 512 hidden neurons, 10 classes.

    BRAINSIM_DATA=folder python examples/train_nmnist.py --out nmnist

`nmnist_small` is SLAYER's split: 1,000 recordings to train, 100 to test. 150 of the 1,000 are held out for watching;
the number of epochs is fixed beforehand, and the test recordings are looked at once, after training.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import Loader, load, split
from brainsim.units import ms

DT = 10 * ms


def network(seed: int) -> bs.Sequential:
    """2312-512-10, integrate-and-fire neurons between linear layers and a leaky readout."""
    return bs.Sequential(
        bs.layers.Flatten(2, 34, 34),
        bs.Linear(2312, 512),
        ("hidden", bs.LIF(20 * ms)),
        bs.Linear(512, 10, init=bs.Uniform(-0.02, 0.02)),
        bs.LI(20 * ms),
        dt=DT,
        seed=seed,
    )


def shifted(loader: Loader, pixels: int) -> Callable[[int], Iterator[tuple[np.ndarray, ...]]]:
    """The loader's batches, each moved by up to so many pixels in both directions."""

    def epoch_of(epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        rng = np.random.default_rng(epoch)
        for x, y, lengths in loader(epoch):
            yield np.roll(x, rng.integers(-pixels, pixels + 1, 2), axis=(-2, -1)), y, lengths

    return epoch_of


def accuracy(model: bs.Sequential, loader: Loader) -> float:
    """Fraction of recordings that are read rightly."""
    hits = [np.argmax(np.sum(bs.run(model, x, lengths=lengths).out, axis=0), axis=-1) == y for x, y, lengths in loader]
    return float(np.mean(np.concatenate(hits)))


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print the figures, save `training.png` and `train_nmnist.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("train_nmnist"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    train, valid = split(load("nmnist_small", dt=DT), 150)
    batches = train.batches(25, key=options.seed)
    rate = optax.cosine_decay_schedule(2e-3, options.epochs * len(batches))
    started, cpu = time.perf_counter(), time.process_time()
    model, history, _ = bs.fit(
        network(options.seed),
        shifted(batches, 2),
        valid=valid.batches(50),
        loss=bs.losses.ce_sum,
        optimizer=optax.adamw(rate, weight_decay=1e-2),
        epochs=options.epochs,
    )
    figures = {
        "test_accuracy": accuracy(model, load("nmnist_small", split="test", dt=DT).batches(50)),
        "valid_accuracy": float(history["valid_accuracy"][-1]),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "seed": options.seed,
        "brainsim": bs.__version__,
        "history": history.to_dict(),
    }
    history.plot(options.out / "training.png")
    (options.out / "train_nmnist.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"test accuracy  {figures['test_accuracy']:.0%} of 100  (validation {figures['valid_accuracy']:.1%} of 150)")
    print(f"time           {figures['seconds']:.0f} s wall, {figures['cpu_seconds']:.0f} s CPU, compilation included")
    print(f"saved          {options.out / 'training.png'}, {options.out / 'train_nmnist.json'}")


if __name__ == "__main__":
    main()
