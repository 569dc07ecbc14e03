"""Recognise spoken digits from the spikes of a cochlea with recurrent SE-adLIF neurons, in ten minutes on one core.

    python examples/train_shd.py --root SHD --full --out shd          # Spiking Heidelberg Digits: shd_{train,test}.h5
    BRAINSIM_DATA=folder python examples/train_shd.py --out digits    # fsdd_cochlea140: Free Spoken Digits as spikes

Both sets come with a split into training and test recordings. A part of the training recordings is held out for
watching; the number of epochs is fixed beforehand, the test recordings are looked at once, after training. The recipe
is that of Baronig et al., Nat. Commun. 16 (2025): two recurrent layers of SE-adLIF neurons, a vote of the readout in
every step; `--full` has its sizes (4 ms, 360 neurons a layer). Augmentations as in Nowotny et al., Neuromorph. Comput.
Eng. 5 (2025) 014001. The figure shows loss, accuracy and firing rates: rates that settle well below one spike a
step say that the network computes with few spikes. SHD is at https://zenkelab.org/datasets, the Free Spoken Digits at
https://github.com/Jakobovski/free-spoken-digit-dataset.
"""

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import h5py
import jax
import numpy as np
import optax

import brainsim as bs
from brainsim.datasets import EventDataset, Loader, augment, split
from brainsim.units import ms

CHANNELS, GAIN = 140, 8.0


def shd(folder: Path, part: str) -> dict[str, np.ndarray]:
    """Events of the Spiking Heidelberg Digits: time (us), channel (700 of them, five in one), label."""
    with h5py.File(folder / f"shd_{part}.h5") as file:
        times, units = file["spikes/times"][:], file["spikes/units"][:]
        counts = [len(recording) for recording in times]
        return {
            "t_us": np.round(np.concatenate(times).astype(np.float64) * 1e6).astype(np.int64),
            "address": np.concatenate(units).astype(np.int32) // 5,
            "offsets": np.concatenate([[0], np.cumsum(counts)]),
            "y": file["labels"][:].astype(np.int32),
        }


def fsdd(folder: Path, part: str) -> dict[str, np.ndarray]:
    """Events of the Free Spoken Digits as spikes of 140 cochlear channels."""
    with np.load(folder / f"fsdd_cochlea140_{part}.npz") as file:
        return {
            "t_us": file["t"].astype(np.int64) * 125 // 2,  # ticks of 62.5 us
            "address": file["unit"].astype(np.int32),
            "offsets": file["offsets"].astype(np.int64),
            "y": file["labels"].astype(np.int32),
        }


def has_shd(root: Path | None) -> bool:
    """Whether a folder holds the Spiking Heidelberg Digits."""
    return root is not None and (root / "shd_train.h5").is_file()


def recordings(root: Path | None, part: str, dt: float, duration: float) -> EventDataset:
    """One split of whichever set is there, in frames of `dt` ms, cut after `duration` ms."""
    if has_shd(root):
        events = shd(root, part)
    else:
        given = os.environ.get("BRAINSIM_DATA")
        if root is None and not given:
            raise SystemExit("give --root (shd_train.h5, shd_test.h5), or set BRAINSIM_DATA (fsdd_cochlea140/).")
        events = fsdd(root or Path(str(given)) / "fsdd_cochlea140", part)
    data = EventDataset.of(**events, shape=(CHANNELS,), dt=dt)
    return dataclasses.replace(data, steps=round(duration / dt))


def orthogonal(key: jax.Array, context: Any) -> jax.Array:
    """Recurrent weights that neither stretch nor shrink."""
    return jax.nn.initializers.orthogonal()(key, context.shape)


def network(hidden: int, classes: int, dt: float, seed: int) -> bs.Sequential:
    """140-hidden-hidden-classes: SE-adLIF neurons, their membrane 20 to 100 ms, their adaptation 240 to 1200 ms.

    Weights are `GAIN` times as large as published, so that both layers spike from the start (`bs.diagnose` says).
    """

    def layer(n_in: int, name: str) -> list[Any]:
        neuron = bs.neurons.SEAdLIF((20 * ms, 100 * ms), (240 * ms, 1200 * ms))
        weight = bs.Uniform(-GAIN * n_in**-0.5, GAIN * n_in**-0.5)
        recurrent = bs.Recurrent(neuron, hidden, weight=orthogonal)
        return [bs.Linear(n_in, hidden, init=weight, bias=True), (name, recurrent), bs.layers.Dropout(0.15)]

    return bs.Sequential(
        *layer(CHANNELS, "first"),
        *layer(hidden, "second"),
        bs.Linear(hidden, classes, init=bs.Uniform(-(hidden**-0.5), hidden**-0.5), bias=True),
        bs.LI(60 * ms),
        dt=dt * ms,
        seed=seed,
    )


def accuracy(model: bs.Sequential, loader: Loader) -> float:
    """Fraction of recordings whose class has most votes, a softmax in every step."""
    hits = []
    for x, y, lengths in loader:
        inside = np.arange(len(x))[:, None] < lengths
        votes = np.where(inside[..., None], jax.nn.softmax(bs.run(model, x, lengths=lengths).out), 0)
        hits.append(np.argmax(votes.sum(0), axis=-1) == y)
    return float(np.mean(np.concatenate(hits)))


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print the figures, save `training.png` and `train_shd.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder of shd_*.h5 or fsdd_cochlea140_*.npz")
    parser.add_argument("--full", action="store_true", help="4 ms a step, 360 neurons a layer, 300 epochs")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("train_shd"), help="folder for the picture and the figures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    dt, duration, epochs, hidden = (4.0, 1000.0, 300, 360) if options.full else (10.0, 700.0, 60, 256)
    epochs, hidden = options.epochs or epochs, options.hidden or hidden

    data, test = (recordings(options.root, part, dt, duration) for part in ("train", "test"))
    train, valid = split(data, len(data) // 10)
    loader = train.batches(128, key=options.seed)
    model = network(hidden, int(data.y.max()) + 1, dt, options.seed)
    print(bs.diagnose(model, next(iter(loader)), loss=bs.losses.ce_softmax), end="\n\n")

    rate = optax.cosine_decay_schedule(1e-2, epochs * len(loader))
    started, cpu = time.perf_counter(), time.process_time()
    model, history, _ = bs.fit(
        model,
        augment.Augmented(loader, augment.Shift(4), augment.Blend(0.5), seed=options.seed),
        valid=valid.batches(256),
        loss=bs.losses.ce_softmax,
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate)),
        epochs=epochs,
        key=options.seed,
        log=[bs.train.CSV(options.out / "figures.csv")],
    )
    figures = {
        "data": "SHD" if has_shd(options.root) else "fsdd_cochlea140",
        "test_accuracy": accuracy(bs.inference_mode(model), test.batches(256)),
        "test_recordings": len(test),
        "valid_accuracy": float(history["valid_accuracy"][-1]),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, bs.mask(model)))),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "seed": options.seed,
        "brainsim": bs.__version__,
        "history": history.to_dict(),
    }
    history.plot(options.out / "training.png")
    (options.out / "train_shd.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(
        f"data           {figures['data']}, {len(train)} / {len(valid)} / {len(test)} recordings, seed {options.seed}"
    )
    print(f"test accuracy  {figures['test_accuracy']:.1%}  (validation {figures['valid_accuracy']:.1%})")
    print(f"parameters     {figures['parameters']:,}")
    print(f"time           {figures['seconds']:.0f} s wall, {figures['cpu_seconds']:.0f} s CPU, compilation included")
    print(f"saved          {options.out / 'training.png'}, figures.csv, train_shd.json")


if __name__ == "__main__":
    main()
