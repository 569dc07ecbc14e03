"""N-MNIST: MNIST digits seen by a moving event camera of 34 x 34 pixels and 2 polarities, about 308 ms a recording.

`nmnist_small` is the subset of SLAYER's examples: the first 1,000 training and the first 100 test recordings, as npz.
Orchard, Jayawant, Cohen, Thakor, Front. Neurosci. 9 (2015) 437; data under CC BY-SA 4.0.
"""

from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from .events import EventDataset

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
    with np.load(folder / f"nmnist_small_{split}.npz", allow_pickle=False) as stored:
        offsets, y = stored["offsets"].astype(np.int64), stored["labels"].astype(np.int32)
        elapsed = np.concatenate([[0], np.cumsum(stored["dt_us"], dtype=np.int64)])
        t_us = elapsed[1:] - np.repeat(elapsed[offsets[:-1]], np.diff(offsets))
        place = (stored["p"].astype(np.int32), stored["y"].astype(np.int32), stored["x"].astype(np.int32))
        address = np.asarray(np.ravel_multi_index(place, SHAPE), np.int32)
    return EventDataset.of(t_us, address, offsets, y, SHAPE, dt=dt, steps=steps)
