"""The `.hdf5` file of N-TIDIGITS18: spoken digits heard by a silicon cochlea of 64 channels.

`train_labels` names the recordings ("man-ah-a-5z": speaker, take, digits), `train_addresses` and `train_timestamps` (s)
hold an array for each; and so for `test`. A recording of one digit is of class 0 ("o"), 1 to 9, or 10 ("z").
Anumula, Neil, Delbruck and Liu, Front. Neurosci. 12 (2018) 23.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .hdf5 import dataset, opened
from .recording import damaged, recording, seconds
from .recordings import Recordings

CHANNELS = 64
DIGITS = "o123456789z"
AT_A_TIME = 256


def read_n_tidigits(path: Path, split: str) -> Iterator[Recordings]:
    """The recordings of a single digit, some hundred at a time.

    Args:
        path: The file.
        split: "train" or "test".

    Raises:
        ValueError: A damaged file.
    """
    with opened(path) as file:
        labels, single = dataset(path, file, f"{split}_labels"), []
        for label in labels[:].tolist():
            if not isinstance(label, bytes) or not set(digits := label.decode("latin-1").split("-")[-1]) <= set(DIGITS):
                raise damaged(path, "names such as man-ah-a-5z", f"{label!r}")
            single += [label.decode("latin-1")] if len(digits) == 1 else []
        for first in range(0, len(single), AT_A_TIME):
            names = single[first : first + AT_A_TIME]
            found = []
            for name in names:
                at, channel = (
                    np.asarray(dataset(path, file, f"{split}_{kind}/{name}")) for kind in ("timestamps", "addresses")
                )
                if at.ndim != 1 or at.shape != channel.shape or at.dtype.kind not in "iuf":
                    raise damaged(path, "a channel for every time", f"{at.shape} and {channel.shape} of {name}")
                if channel.dtype.kind not in "iuf" or (channel != np.floor(channel)).any():
                    raise damaged(path, "whole numbers of channels", f"others of {name}")
                found.append(recording(path, seconds(path, at), (channel.astype(np.int64),), (CHANNELS,)))
            y = np.asarray([DIGITS.index(name[-1]) for name in names])
            yield Recordings.of(found, y, {"speaker": np.asarray([name.rsplit("-", 1)[0] for name in names])})
