"""Train a spiking classifier on N-MNIST, digits seen by an event camera: 2,312 inputs, 512 hidden neurons, 10 classes.

    BRAINSIM_DATA=folder python examples/train_nmnist.py --out nmnist
    BRAINSIM_DATA=folder python examples/train_nmnist.py --held-out 150 --out nmnist_recipe

`nmnist_small` is SLAYER's split, the first 1,000 of 60,000 recordings to train and the first 100 of 10,000 to test. The
recipe was chosen with 150 of the 1,000 held out (the second command, which leaves the test recordings alone); then all
1,000 train, and the test recordings are looked at once a seed, after training.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import EventDataset, Loader, load, split
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


def train(data: EventDataset, epochs: int, seed: int) -> tuple[bs.Sequential, bs.train.History]:
    """AdamW and a cosine schedule, over batches of 25 that are shifted by up to 2 pixels."""
    batches = data.batches(25, key=seed)
    rate = optax.cosine_decay_schedule(2e-3, epochs * len(batches))
    model, history, _ = bs.fit(
        network(seed),
        shifted(batches, 2),
        loss=bs.losses.ce_sum,
        optimizer=optax.adamw(rate, weight_decay=1e-2),
        epochs=epochs,
    )
    return model, history


def main(argv: Sequence[str] | None = None) -> None:
    """Train once a seed, print the figures, save `training.png` (of the first seed) and `train_nmnist.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--held-out", type=int, default=0, help="training recordings to test on in place of the test's")
    parser.add_argument("--out", type=Path, default=Path("train_nmnist"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    data = load("nmnist_small", dt=DT)
    if options.held_out:
        data, unseen = split(data, options.held_out)
    else:
        unseen = load("nmnist_small", split="test", dt=DT)
    name, runs = "held-out" if options.held_out else "test", []
    for seed in options.seeds:
        started, cpu = time.perf_counter(), time.process_time()
        model, history = train(data, options.epochs, seed)
        spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        runs.append({"seed": seed, "accuracy": accuracy(model, unseen.batches(50)), **spent})
        right, cpu_seconds = runs[-1]["accuracy"], spent["cpu_seconds"]
        print(f"seed {seed}: {name} accuracy {right:.1%} of {len(unseen)}, {cpu_seconds:.0f} s CPU")
        if seed == options.seeds[0]:
            history.plot(options.out / "training.png")
    found = 100 * np.asarray([run["accuracy"] for run in runs])
    print(f"{name} accuracy {found.mean():.1f} % ({found.min():.1f} to {found.max():.1f}; {len(data)} to train)")
    report = {"runs": runs, "train": len(data), name: len(unseen), "epochs": options.epochs, "brainsim": bs.__version__}
    (options.out / "train_nmnist.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"saved {options.out / 'training.png'}, {options.out / 'train_nmnist.json'}")


if __name__ == "__main__":
    main()
