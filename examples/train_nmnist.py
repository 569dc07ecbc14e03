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
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainsim import __version__
from brainsim.bench.recipes import nmnist, tested
from brainsim.datasets import split


def main(argv: Sequence[str] | None = None) -> None:
    """Train once a seed, print the figures, save `training.png` (of the first seed) and `train_nmnist.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--held-out", type=int, default=0, help="training recordings to test on in place of the test's")
    parser.add_argument("--out", type=Path, default=Path("train_nmnist"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    data, unseen = nmnist.official()
    if options.held_out:
        data, unseen = split(data, options.held_out)
    name, runs = "held-out" if options.held_out else "test", []
    for seed in options.seeds:
        started, cpu = time.perf_counter(), time.process_time()
        model, history, _ = nmnist.train(data, seed=seed, epochs=options.epochs)
        spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        runs.append({"seed": seed, "accuracy": tested(model, unseen.batches(50)).accuracy, **spent})
        right, cpu_seconds = runs[-1]["accuracy"], spent["cpu_seconds"]
        print(f"seed {seed}: {name} accuracy {right:.1%} of {len(unseen)}, {cpu_seconds:.0f} s CPU")
        if seed == options.seeds[0]:
            history.plot(options.out / "training.png")
    found = 100 * np.asarray([run["accuracy"] for run in runs])
    print(f"{name} accuracy {found.mean():.1f} % ({found.min():.1f} to {found.max():.1f}; {len(data)} to train)")
    report = {"runs": runs, "train": len(data), name: len(unseen), "epochs": options.epochs, "brainsim": __version__}
    (options.out / "train_nmnist.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"saved {options.out / 'training.png'}, {options.out / 'train_nmnist.json'}")


if __name__ == "__main__":
    main()
