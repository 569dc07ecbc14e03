"""Recordings of an event camera packed into one `.npz` file: x, y, p (1 = ON) and dt_us of every event.

dt_us is the time since the event before in the same recording (microseconds); that of the first, since 0.
"""

from pathlib import Path

import numpy as np

from .packed_npz import read_packed_npz
from .recording import LONGEST_US, damaged
from .recordings import Recordings


def read_packed_camera(path: Path, shape: tuple[int, int, int]) -> Recordings:
    """The recordings of a file, in the sensor's shape (polarity, row, column).

    Raises:
        ValueError: A damaged file, or an event outside the sensor.
    """
    stored = read_packed_npz(path, ("x", "y", "p", "dt_us"))
    offsets, place = stored["offsets"], [stored[axis].astype(np.int64) for axis in ("p", "y", "x")]
    for axis, (coordinate, size) in enumerate(zip(place, shape, strict=True)):
        if len(coordinate) and not 0 <= coordinate.min() <= coordinate.max() < size:
            raise damaged(path, f"coordinates 0 to {size - 1} along axis {axis}", f"up to {coordinate.max()}")
    gaps = stored["dt_us"].astype(np.int64)
    if len(gaps) and not 0 <= gaps.min() <= gaps.max() <= LONGEST_US:
        raise damaged(path, "times from 0 us to a day", f"{gaps.min()} to {gaps.max()} us")
    elapsed = np.concatenate([[0], np.cumsum(gaps)])
    counts = np.diff(offsets)
    t_us = elapsed[1:] - np.repeat(elapsed[offsets[:-1]], counts)
    address = np.asarray(np.ravel_multi_index(place, shape), np.int32)
    return Recordings(t_us, address, counts, stored["labels"].astype(np.int32), {})
