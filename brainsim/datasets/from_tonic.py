"""Any event data set of Tonic as one of ours: its recordings are gone through once, then batched without it.

For sets beyond those that `load` reads itself; `pip install "brainsim[datasets]"` brings Tonic (Lenz et al.,
zenodo.org/records/5079802).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .events import EventDataset
from .readers import Recording, Recordings
from .store import stored

AT_A_TIME = 256


def from_tonic(
    source: Any,
    *,
    dt: Any = None,
    steps: int | None = None,
    shape: tuple[int, ...] | None = None,
    folder: str | Path | None = None,
) -> EventDataset:
    """The recordings of a data set of Tonic.

    Args:
        source: A data set without transforms to frames: `source[i]` is (events with t in microseconds, x, and y and p
            where the sensor has them; label).
        dt: Length of a frame (ms), or
        steps: number of frames.
        shape: Shape of the sensor, (polarity, row, column) or (channel,); None: from `source.sensor_size`.
        folder: Where the events are kept, mapped into memory, and found again for a data set of the same kind, split
            and length. None keeps them in memory.

    Raises:
        ValueError: A sensor of unknown shape, or events outside of it.
    """
    if shape is None:
        if getattr(source, "sensor_size", None) is None:
            raise ValueError(f"`shape`: {type(source).__name__} has no `sensor_size`; give the sensor's shape.")
        columns, rows, polarities = source.sensor_size
        shape = (columns,) if rows == polarities == 1 else (polarities, rows, columns)
    labels = [source[index][1] for index in range(len(source))] if not hasattr(source, "targets") else source.targets
    names = tuple(sorted({str(label) for label in labels})) if isinstance(next(iter(labels)), str) else ()
    y = np.asarray([names.index(str(label)) if names else int(label) for label in labels], np.int32)
    if folder is None:
        found = Recordings.joined(list(_parts(source, y, shape)))
    else:
        kind = f"{type(source).__name__} {getattr(source, 'train', '')} {getattr(source, 'split', '')} {len(source)}"
        found = stored(Path(folder), f"tonic {kind} {shape}", shape, lambda: _parts(source, y, shape))
    return EventDataset.of_recordings(found, shape, classes=names, dt=dt, steps=steps)


def _parts(source: Any, y: np.ndarray, shape: tuple[int, ...]) -> Iterator[Recordings]:
    """The recordings, some hundred at a time."""
    for first in range(0, len(y), AT_A_TIME):
        ids = range(first, min(first + AT_A_TIME, len(y)))
        yield Recordings.of([_recording(source[index][0], index, shape) for index in ids], y[first : first + AT_A_TIME])


def _recording(events: np.ndarray, index: int, shape: tuple[int, ...]) -> Recording:
    axes = ("p", "y", "x") if len(shape) == 3 else ("x",)
    place = [np.asarray(events[axis]).astype(np.int64) for axis in axes]
    if any(len(axis) and not 0 <= axis.min() <= axis.max() < size for axis, size in zip(place, shape, strict=True)):
        raise ValueError(f"`source`: expected events within {shape}, got others in recording {index}.")
    t_us = np.asarray(events["t"]).astype(np.int64)
    order = np.argsort(t_us, kind="stable")
    return Recording(t_us[order], np.ravel_multi_index(place, shape)[order].astype(np.int32))
