"""The Free Spoken Digits, 3,000 recordings of 6 speakers: as sound (8 kHz), and as spikes of 140 cochlear channels.

Takes 0 to 4 of every speaker and digit are the test, as published. The spikes are of the model that made SHD, with one
in five of its places (`cochlea`); they are not SHD. github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from .audio import AudioDataset
from .events import EventDataset
from .readers import Recordings, damaged, read_packed_npz

DIGITS = tuple("0123456789")
CHANNELS = 140
TICK_US = 62.5
RATE_HZ = 8000


def fsdd(folder: Path, split: str = "train", *, encode: Callable[..., Any] | None = None) -> AudioDataset:
    """The sound of one split.

    Args:
        folder: Folder of `fsdd_train.npz` and `fsdd_test.npz`.
        split: "train" or "test".
        encode: `encode(x, key)` makes the input (time, batch, ...) of padded sound x (time, batch, 1).
    """
    _checks.choice("split", split, ["train", "test"])
    path = folder / f"fsdd_{split}.npz"
    stored = read_packed_npz(path, ("pcm_delta_lo", "pcm_delta_hi"), ("speaker", "take"))
    step = stored["pcm_delta_lo"].astype(np.uint16) + (stored["pcm_delta_hi"].astype(np.uint16) << 8)
    pcm = np.cumsum(step, dtype=np.uint16).view(np.int16)
    about = {name: stored[name] for name in ("speaker", "take")}
    y = _digits(path, stored)
    return AudioDataset(pcm, stored["offsets"], y, RATE_HZ, encode, classes=DIGITS, about=about)


def fsdd_cochlea140(folder: Path, split: str = "train", *, dt: Any = None, steps: int | None = None) -> EventDataset:
    """The spikes of one split; channel 0 is the highest frequency, the first 40 are above the sound's band.

    Args:
        folder: Folder of `fsdd_cochlea140_train.npz` and `fsdd_cochlea140_test.npz`.
        split: "train" or "test".
        dt: Length of a frame (ms), or
        steps: number of frames.
    """
    _checks.choice("split", split, ["train", "test"])
    path = folder / f"fsdd_cochlea140_{split}.npz"
    stored = read_packed_npz(path, ("t", "unit"), ("speaker", "take"))
    t, unit = stored["t"].astype(np.int64), stored["unit"].astype(np.int32)
    if len(unit) and not 0 <= unit.min() <= unit.max() < CHANNELS:
        raise damaged(path, f"channels 0 to {CHANNELS - 1}", f"up to {unit.max()}")
    if len(t) and not 0 <= t.min() <= t.max() < 2**16:
        raise damaged(path, "times of 16 bits", f"up to {t.max()} ticks")
    about = {name: stored[name] for name in ("speaker", "take")}
    t_us = t * round(2 * TICK_US) // 2
    found = Recordings(t_us, unit, np.diff(stored["offsets"]), _digits(path, stored), about)
    return EventDataset.of_recordings(found, (CHANNELS,), classes=DIGITS, dt=dt, steps=steps)


def _digits(path: Path, stored: dict[str, np.ndarray]) -> np.ndarray:
    y = stored["labels"].astype(np.int32)
    if not 0 <= y.min() <= y.max() < len(DIGITS):
        raise damaged(path, "labels 0 to 9", f"up to {y.max()}")
    return y
