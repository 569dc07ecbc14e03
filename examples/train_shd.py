"""Recognise spoken digits from the spikes of a cochlea with recurrent SE-adLIF neurons.

    python examples/train_shd.py --root SHD --full --out shd          # Spiking Heidelberg Digits: shd_{train,test}.h5
    BRAINSIM_DATA=folder python examples/train_shd.py --heard heard   # Free Spoken Digits, heard at 500 places
    BRAINSIM_DATA=folder python examples/train_shd.py --out digits    # fsdd_cochlea140: the same at 100 places
    BRAINSIM_DATA=folder python examples/train_shd.py --split speakers  # each speaker by those of the others

Both sets come with a split into training and test recordings. A recipe is chosen with `--split takes`, which trains on
a part of the training recordings and is watched on the rest: of the Free Spoken Digits takes 5 to 14 of every speaker
and digit, so that no recording is on both sides. With `--split official` the test recordings are looked at once, after
training; with `--split speakers` each speaker of the training recordings is recognised by a network that has heard the
others alone. The network is that of Baronig et al., Nat. Commun. 16 (2025): two recurrent layers of SE-adLIF neurons.
`--full` trains it for SHD as published, but from larger weights, at a rate that falls, and with the augmentations of
Nowotny et al., Neuromorph. Comput. Eng. 5 (2025) 014001; the short recipe was found for the Free Spoken Digits: it
normalises the drive, reads the mean membrane, and leaves out events, stretches of time and bands of channels at random.
With `--heard` their sound goes through brainsim's cochlea, at all places of SHD that hear something, once: the spikes
stay in that folder. The figure shows loss, accuracy and firing rates: rates that settle well below one spike a step say
that the network computes with few spikes. SHD is at https://zenkelab.org/datasets, the Free Spoken Digits at
https://github.com/Jakobovski/free-spoken-digit-dataset.
"""

import argparse
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import brainsim as bs
from brainsim.bench.recipes import parameters, spoken_digits, tested
from brainsim.bench.recipes.spoken_digits import CHANNELS, HEARD, PUBLISHED, SHORT, SILENT, Recipe, fsdd
from brainsim.datasets import EventDataset, split

WATCHED_TAKES = range(5, 15)
"""Of the Free Spoken Digits: held out of the training recordings (takes 5 to 49) while a recipe is looked for."""


def shd(folder: Path, part: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Events of the Spiking Heidelberg Digits: time (us), channel (700 of them, five in one), label; and who spoke."""
    with h5py.File(folder / f"shd_{part}.h5") as file:
        times, units = file["spikes/times"][:], file["spikes/units"][:]
        counts = [len(recording) for recording in times]
        events = {
            "t_us": np.round(np.concatenate(times).astype(np.float64) * 1e6).astype(np.int64),
            "address": np.concatenate(units).astype(np.int32) // 5,
            "offsets": np.concatenate([[0], np.cumsum(counts)]),
            "y": file["labels"][:].astype(np.int32),
        }
        return events, {"speaker": file["extra/speaker"][:]}


def has_shd(root: Path | None) -> bool:
    """Whether a folder holds the Spiking Heidelberg Digits."""
    return root is not None and (root / "shd_train.h5").is_file()


def recordings(
    root: Path | None, part: str, dt: float, duration: float, heard: Path | None = None
) -> tuple[EventDataset, dict[str, np.ndarray]]:
    """One split of whichever set is there, in frames of `dt` ms, cut after `duration` ms; and what is known of each."""
    if has_shd(root):
        channels, (events, known) = CHANNELS, shd(root, part)
        return spoken_digits.framed(events, channels, dt, duration), known
    try:
        if heard is not None:
            data = spoken_digits.heard(root, part, heard)
            return data, dict(data.about)
        channels, (events, known) = CHANNELS - SILENT, fsdd(root or spoken_digits.folder(), part)
    except FileNotFoundError as error:
        raise SystemExit(f"give --root (shd_train.h5, shd_test.h5), or: {error}") from None
    return spoken_digits.framed(events, channels, dt, duration), known


def parts(kind: str, read: Callable[[str], Any]) -> Iterator[tuple[str, EventDataset, EventDataset]]:
    """What is held out, the recordings to train on, and those held out; `read(part)` gives "train" or "test"."""
    data, known = read("train")
    if kind == "official":
        yield "test", data, read("test")[0]
    elif kind == "takes" and "take" in known:
        held = np.isin(known["take"], WATCHED_TAKES)
        yield "takes", data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))
    elif kind == "takes":
        yield "a tenth", *split(data, len(data) // 10)
    else:
        for name in np.unique(known["speaker"]):
            held = known["speaker"] == name
            yield f"speaker {name}", data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))


def trained(
    train: EventDataset, held: EventDataset, recipe: Recipe, seed: int, out: Path, *, watched: bool
) -> dict[str, Any]:
    """Train one network, watched on `held` only where a recipe is looked for; its figures, and pictures in `out`."""
    evaluation, started, cpu = held.batches(256), time.perf_counter(), time.process_time()
    model, history, _ = spoken_digits.train(
        train,
        seed=seed,
        epochs=recipe.epochs,
        hidden=recipe.hidden,
        recipe=recipe,
        classes=int(max(train.y.max(), held.y.max())) + 1,
        valid=evaluation if watched else None,
        log=[bs.train.CSV(out / "figures.csv")],
    )
    history.plot(out / "training.png")
    return {
        "accuracy": tested(model, evaluation, recipe.metric).accuracy,
        "recordings": [len(train), len(held)],
        "parameters": parameters(model),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "seed": seed,
        "history": history.to_dict(),
    }


def figures(runs: list[dict[str, Any]], options: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """What all networks together show."""
    accuracies = [run["accuracy"] for run in runs]
    return {
        "data": "SHD" if has_shd(options.root) else "fsdd, heard" if options.heard else "fsdd_cochlea140",
        "split": options.split,
        "mean": float(np.mean(accuracies)),
        "std": float(np.std(accuracies)),
        "epochs": recipe.epochs,
        "hidden": recipe.hidden,
        "brainsim": bs.__version__,
        "runs": runs,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Train on every part with every seed; print the figures, save pictures and `train_shd.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--root", type=Path, help="folder of shd_*.h5 or fsdd_cochlea140_*.npz; with --heard, fsdd_*.npz"
    )
    parser.add_argument("--heard", type=Path, help="hear the Free Spoken Digits at 500 places; folder for the spikes")
    parser.add_argument(
        "--split", choices=("official", "takes", "speakers"), default="official", help="what is held out"
    )
    parser.add_argument("--full", action="store_true", help="as published for SHD")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("train_shd"), help="folder for the pictures and the figures")
    options = parser.parse_args(argv)
    recipe = PUBLISHED if options.full else HEARD if options.heard else SHORT
    sizes = {"epochs": options.epochs or recipe.epochs, "hidden": options.hidden or recipe.hidden}
    recipe, watched = dataclasses.replace(recipe, **sizes), options.split == "takes"

    def read(part: str) -> tuple[EventDataset, dict[str, np.ndarray]]:
        return recordings(options.root, part, recipe.dt, recipe.duration, options.heard)

    runs, found = [], parts(options.split, read)
    for (name, train, held), seed in itertools.product(found, options.seeds):
        out = options.out / f"{name.replace(' ', '_')}_{seed}"
        out.mkdir(parents=True, exist_ok=True)
        run = {"held_out": name, **trained(train, held, recipe, seed, out, watched=watched)}
        print("{held_out:18} seed {seed}  accuracy {accuracy:.1%}  {cpu_seconds:.0f} s CPU".format(**run), flush=True)
        runs.append(run)
        summary = figures(runs, options, recipe)
        (options.out / "train_shd.json").write_text(json.dumps(summary, indent=2) + "\n")
    print("{data}: mean {mean:.1%}, standard deviation {std:.1%} over {0} networks".format(len(runs), **summary))
    print(f"saved {options.out / 'train_shd.json'}")


if __name__ == "__main__":
    main()
