"""Recordings as `.npy` tables, a row an event and a column a quantity: POKER-DVS, DVS128 Gesture cut into gestures.

Serrano-Gotarredona and Linares-Barranco, Front. Neurosci. 9 (2015) 481; Amir et al., CVPR 2017.
"""

from pathlib import Path

import numpy as np

from .npy_array import read_npy
from .recording import LONGEST_US, Recording, damaged, recording

AXES = ("p", "y", "x")


def read_event_npy(path: Path, shape: tuple[int, int, int], *, columns: str = "txyp", unit_us: int = 1) -> Recording:
    """The events of a table, in the order of time (equal times in the order of the file).

    Args:
        path: The file.
        shape: Polarities, rows and columns of the sensor.
        columns: What the columns hold.
        unit_us: Unit of time (microseconds).

    Raises:
        ValueError: A damaged file, or a number that is not whole.
    """
    table = read_npy(path, kinds="iuf", axes=2)
    if table.shape[1] != len(columns):
        raise damaged(path, f"columns {', '.join(columns)}", f"{table.shape[1]}")
    if not np.isfinite(table).all() or np.abs(table).max(initial=0) > LONGEST_US or (table != np.floor(table)).any():
        raise damaged(path, "whole numbers, at most a day", "others")
    found = dict(zip(columns, table.astype(np.int64).T, strict=True))
    order = np.argsort(found["t"], kind="stable")
    return recording(path, found["t"][order] * unit_us, [found[axis][order] for axis in AXES], shape)
