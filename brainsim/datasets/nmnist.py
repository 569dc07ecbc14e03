"""N-MNIST: MNIST digits seen by a moving event camera of 34 x 34 pixels and 2 polarities, about 308 ms a recording.

`nmnist_small` is the subset of SLAYER's examples: the first 1,000 training and the first 100 test recordings, as npz.
Orchard, Jayawant, Cohen, Thakor, Front. Neurosci. 9 (2015) 437; data under CC BY-SA 4.0.
"""

from pathlib import Path
from typing import Any

from .. import _checks
from .events import EventDataset
from .readers import read_packed_camera

SHAPE = (2, 34, 34)


def nmnist_small(folder: Path, split: str = "train", *, dt: Any = None, steps: int | None = None) -> EventDataset:
    """The recordings of one split.

    Args:
        folder: Folder of `nmnist_small_train.npz` and `nmnist_small_test.npz`.
        split: "train" or "test".
        dt: Length of a frame (ms), or
        steps: number of frames.
    """
    _checks.choice("split", split, ["train", "test"])
    found = read_packed_camera(folder / f"nmnist_small_{split}.npz", SHAPE)
    return EventDataset.of_recordings(found, SHAPE, classes=tuple("0123456789"), dt=dt, steps=steps)
