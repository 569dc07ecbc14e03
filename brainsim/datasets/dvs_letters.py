"""`dvs_letters36`: printed characters 0-9 and A-Z before an event camera, 32 x 32 pixels, 36 + 40 recordings.

Each class once to train and once to test (F, G, X, Y twice): a smoke test, not a ranking. Orchard et al., IEEE TPAMI 37
(2015) 2028 (HFIRST).
"""

import string
from pathlib import Path
from typing import Any

from .. import _checks
from .events import EventDataset
from .readers import read_packed_camera

SHAPE = (2, 32, 32)


def dvs_letters36(folder: Path, split: str = "train", *, dt: Any = None, steps: int | None = None) -> EventDataset:
    """The recordings of one split.

    Args:
        folder: Folder of `dvs_letters36_train.npz` and `dvs_letters36_test.npz`.
        split: "train" or "test".
        dt: Length of a frame (ms), or
        steps: number of frames.
    """
    _checks.choice("split", split, ["train", "test"])
    found = read_packed_camera(folder / f"dvs_letters36_{split}.npz", SHAPE)
    return EventDataset.of_recordings(
        found, SHAPE, classes=tuple(string.digits + string.ascii_uppercase), dt=dt, steps=steps
    )
