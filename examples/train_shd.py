"""Recognise spoken digits from the spikes of a cochlea with recurrent SE-adLIF neurons.

    python examples/train_shd.py --root SHD --full --out shd          # Spiking Heidelberg Digits: shd_{train,test}.h5
    BRAINSIM_DATA=folder python examples/train_shd.py --out digits    # fsdd_cochlea140: Free Spoken Digits as spikes
    BRAINSIM_DATA=folder python examples/train_shd.py --split speakers  # each speaker by those of the others

Both sets come with a split into training and test recordings. A recipe is chosen with `--split takes`, which trains on
a part of the training recordings and is watched on the rest: of the Free Spoken Digits takes 5 to 14 of every speaker
and digit, so that no recording is on both sides. With `--split official` the test recordings are looked at once, after
training; with `--split speakers` each speaker of the training recordings is recognised by a network that has heard the
others alone. The network is that of Baronig et al., Nat. Commun. 16 (2025): two recurrent layers of SE-adLIF neurons.
`--full` trains it for SHD as published, but from larger weights, at a rate that falls, and with the augmentations of
Nowotny et al., Neuromorph. Comput. Eng. 5 (2025) 014001; the short recipe was found for the Free Spoken Digits: it
normalises the drive and reads the mean membrane. The figure shows loss, accuracy and firing rates: rates that settle
well below one spike a step say that the network computes with few spikes. SHD is at https://zenkelab.org/datasets, the
Free Spoken Digits at https://github.com/Jakobovski/free-spoken-digit-dataset.
"""

import argparse
import dataclasses
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import h5py
import jax
import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import EventDataset, Loader, augment, split
from brainsim.train import metrics
from brainsim.units import ms

GAIN = 8.0
SILENT = 40
"""Of the Free Spoken Digits: the first channels are for sounds above 4 kHz, of which there are none; left out."""


WATCHED_TAKES = range(5, 15)
"""Of the Free Spoken Digits: held out of the training recordings (takes 5 to 49) while a recipe is looked for."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How recordings become frames, and a network of which kind is trained on them how.

    A spike pulls the adaptation by (1 - exp(-dt / tau_adapt)) q b: the longer the step, the smaller `q` is to be.

    Attributes:
        dt: Time step (ms).
        duration: Length of a recording (ms); what comes later is cut.
        epochs: Number of epochs.
        hidden: Neurons a layer.
        batch: Recordings a batch.
        rate: Learning rate at the beginning; it falls to 0 as a cosine.
        dropout: Share of spikes that a layer loses in training.
        q: Scale of the adaptation.
        normalised: Whether the drive of every neuron is normalised.
        loss: Loss of the readout.
        metric: Accuracy that goes with the loss.
        augmentations: What changes the recordings at random.
    """

    dt: float
    duration: float
    epochs: int
    hidden: int
    batch: int
    rate: float
    dropout: float
    q: float
    normalised: bool
    loss: Callable[..., jax.Array]
    metric: Callable[..., jax.Array]
    augmentations: tuple[augment.Augmentation, ...]


PUBLISHED = Recipe(
    dt=4.0,
    duration=1000.0,
    epochs=300,
    hidden=360,
    batch=256,
    rate=1e-2,
    dropout=0.15,
    q=120.0,
    normalised=False,
    loss=bs.losses.ce_softmax,
    metric=metrics.accuracy_softmax,
    augmentations=(augment.Shift(4), augment.Blend(0.5)),
)
SHORT = Recipe(
    dt=15.0,
    duration=600.0,
    epochs=32,
    hidden=256,
    batch=64,
    rate=7e-3,
    dropout=0.2,
    q=28.0,
    normalised=True,
    loss=bs.losses.ce_mean,
    metric=metrics.accuracy,
    augmentations=(augment.Stretch(0.15), augment.Shift(3)),
)


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


def fsdd(folder: Path, part: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Events of the Free Spoken Digits as spikes of 100 cochlear channels; who spoke, and which take it is."""
    with np.load(folder / f"fsdd_cochlea140_{part}.npz") as file:
        heard = file["unit"] >= SILENT
        events = {
            "t_us": file["t"][heard].astype(np.int64) * 125 // 2,  # ticks of 62.5 us
            "address": file["unit"][heard].astype(np.int32) - SILENT,
            "offsets": np.concatenate([[0], np.cumsum(heard)])[file["offsets"]],
            "y": file["labels"].astype(np.int32),
        }
        return events, {"speaker": file["speaker_names"][file["speaker"]], "take": file["take"]}


def has_shd(root: Path | None) -> bool:
    """Whether a folder holds the Spiking Heidelberg Digits."""
    return root is not None and (root / "shd_train.h5").is_file()


def recordings(root: Path | None, part: str, dt: float, duration: float) -> tuple[EventDataset, dict[str, np.ndarray]]:
    """One split of whichever set is there, in frames of `dt` ms, cut after `duration` ms; and what is known of each."""
    if has_shd(root):
        channels, (events, known) = 140, shd(root, part)
    else:
        given = os.environ.get("BRAINSIM_DATA")
        if root is None and not given:
            raise SystemExit("give --root (shd_train.h5, shd_test.h5), or set BRAINSIM_DATA (fsdd_cochlea140/).")
        channels, (events, known) = 140 - SILENT, fsdd(root or Path(str(given)) / "fsdd_cochlea140", part)
    data = EventDataset.of(**events, shape=(channels,), dt=dt)
    return dataclasses.replace(data, steps=round(duration / dt)), known


def parts(kind: str, root: Path | None, dt: float, duration: float) -> Iterator[tuple[str, EventDataset, EventDataset]]:
    """What is held out, the recordings to train on, and those held out."""
    data, known = recordings(root, "train", dt, duration)
    if kind == "official":
        yield "test", data, recordings(root, "test", dt, duration)[0]
    elif kind == "takes" and "take" in known:
        held = np.isin(known["take"], WATCHED_TAKES)
        yield "takes", data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))
    elif kind == "takes":
        yield "a tenth", *split(data, len(data) // 10)
    else:
        for name in np.unique(known["speaker"]):
            held = known["speaker"] == name
            yield f"speaker {name}", data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))


def orthogonal(key: jax.Array, context: Any) -> jax.Array:
    """Recurrent weights that neither stretch nor shrink."""
    return jax.nn.initializers.orthogonal()(key, context.shape)


def network(recipe: Recipe, channels: int, classes: int, seed: int) -> bs.Sequential:
    """channels-hidden-hidden-classes: SE-adLIF neurons, their membrane 20 to 100 ms, their adaptation 240 to 1200 ms.

    Weights are `GAIN` times as large as published, or the drive is normalised, so that both layers spike from the start
    (`bs.diagnose` says).
    """
    hidden = recipe.hidden

    def layer(n_in: int, name: str) -> list[Any]:
        neuron = bs.neurons.SEAdLIF((20 * ms, 100 * ms), (240 * ms, 1200 * ms), q=recipe.q)
        weight = bs.Uniform(-GAIN * n_in**-0.5, GAIN * n_in**-0.5)
        drive: list[Any] = [bs.Linear(n_in, hidden, init=weight, bias=not recipe.normalised)]
        if recipe.normalised:
            drive.append(bs.layers.BatchNorm(v_th=3.0))
        return [*drive, (name, bs.Recurrent(neuron, hidden, weight=orthogonal)), bs.layers.Dropout(recipe.dropout)]

    readout = bs.Linear(hidden, classes, init=bs.Uniform(-(hidden**-0.5), hidden**-0.5), bias=True)
    layers = [*layer(channels, "first"), *layer(hidden, "second"), readout, bs.LI(60 * ms)]
    return bs.Sequential(*layers, dt=recipe.dt * ms, seed=seed)


def trained(
    train: EventDataset, held: EventDataset, recipe: Recipe, seed: int, out: Path, *, watched: bool
) -> dict[str, Any]:
    """Train one network, watched on `held` only where a recipe is looked for; its figures, and pictures in `out`."""
    model = network(recipe, *train.shape, int(max(train.y.max(), held.y.max())) + 1, seed)
    loader, evaluation = train.batches(recipe.batch, key=seed), held.batches(256)
    rate = optax.cosine_decay_schedule(recipe.rate, recipe.epochs * len(loader))
    started, cpu = time.perf_counter(), time.process_time()
    model, history, _ = bs.fit(
        model,
        augment.Augmented(loader, *recipe.augmentations, seed=seed),
        valid=evaluation if watched else None,
        loss=recipe.loss,
        metrics=(recipe.metric, "rate"),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate)),
        epochs=recipe.epochs,
        key=seed,
        log=[bs.train.CSV(out / "figures.csv")],
    )
    history.plot(out / "training.png")
    return {
        "accuracy": accuracy(model, evaluation, recipe.metric),
        "recordings": [len(train), len(held)],
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, bs.mask(model)))),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "seed": seed,
        "history": history.to_dict(),
    }


def accuracy(model: bs.Sequential, loader: Loader, metric: Callable[..., jax.Array]) -> float:
    """Fraction of recordings whose class is found."""
    model, hits = bs.inference_mode(model), 0.0
    for x, y, lengths in loader:
        hits += len(y) * float(metric(bs.run(model, x, lengths=lengths).out, y, lengths))
    return hits / len(loader.data)


def figures(runs: list[dict[str, Any]], options: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """What all networks together show."""
    accuracies = [run["accuracy"] for run in runs]
    return {
        "data": "SHD" if has_shd(options.root) else "fsdd_cochlea140",
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
    parser.add_argument("--root", type=Path, help="folder of shd_*.h5 or fsdd_cochlea140_*.npz")
    parser.add_argument(
        "--split", choices=("official", "takes", "speakers"), default="official", help="what is held out"
    )
    parser.add_argument("--full", action="store_true", help="as published for SHD")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("train_shd"), help="folder for the pictures and the figures")
    options = parser.parse_args(argv)
    recipe = PUBLISHED if options.full else SHORT
    sizes = {"epochs": options.epochs or recipe.epochs, "hidden": options.hidden or recipe.hidden}
    recipe, watched = dataclasses.replace(recipe, **sizes), options.split == "takes"

    runs, found = [], parts(options.split, options.root, recipe.dt, recipe.duration)
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
