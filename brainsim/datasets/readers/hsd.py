"""`.h5` files of the Heidelberg spiking data, SHD and SSC: many recordings of 700 cochlear channels a file.

`spikes/times` (s) and `spikes/units` hold an array a recording, `labels` the classes, `extra/speaker` who spoke.
Cramer, Stradmann, Schemmel and Zenke, IEEE Trans. Neural Netw. Learn. Syst. 33 (2022) 2744.
"""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from .hdf5 import dataset, numbers, opened
from .recording import damaged, recording, seconds
from .recordings import Recordings

CHANNELS = 700
AT_A_TIME = 256
"""Recordings read together."""


def read_hsd(path: Path, classes: int = 35) -> Iterator[Recordings]:
    """The recordings of a file, some hundred at a time; `about` has "speaker" where the file has it.

    Args:
        path: The file.
        classes: Number of classes: 20 for SHD, 35 for SSC.

    Raises:
        ValueError: A damaged file.
    """
    with opened(path) as file:
        y = numbers(path, file, "labels")
        about = {"speaker": numbers(path, file, "extra/speaker")} if "extra/speaker" in file else {}
        if not len(y) or y.min() < 0 or y.max() >= classes or any(len(value) != len(y) for value in about.values()):
            raise damaged(path, f"labels 0 to {classes - 1}", f"{len(y)} labels")
        times, units = (dataset(path, file, f"spikes/{name}") for name in ("times", "units"))
        for rows in (times, units):
            if rows.shape != y.shape or h5py.check_vlen_dtype(rows.dtype) is None:
                raise damaged(path, f"times and units of {len(y)} recordings", f"{rows}")
        for first in range(0, len(y), AT_A_TIME):
            part = slice(first, first + AT_A_TIME)
            t, unit = times[part], units[part]
            if any(len(a) != len(b) for a, b in zip(t, unit, strict=True)):
                raise damaged(path, "a unit for every time", "recordings in which they differ in number")
            found = [
                recording(path, seconds(path, at), (np.asarray(channel, np.int64),), (CHANNELS,))
                for at, channel in zip(t, unit, strict=True)
            ]
            yield Recordings.of(found, y[part], {name: value[part] for name, value in about.items()})
