"""Recordings of events (time, address), binned into frames when a batch is drawn.

    frame[k, address] = number of events with k dt <= t < (k + 1) dt

The border is exact: times and `dt` are whole numbers of microseconds.
"""

import dataclasses
import math
from typing import Any, Self

import numpy as np

from .. import _checks
from .._types import Array
from .loader import Loader


@dataclasses.dataclass(frozen=True)
class EventDataset:
    """Event recordings of a sensor, one after the other, and their labels.

    Attributes:
        t_us: Time of every event since the start of its recording (microseconds, integers).
        address: Flat index of every event's channel into `shape`.
        offsets: Recording i holds the events `offsets[i]:offsets[i + 1]`.
        y: Label of every recording.
        shape: Shape of the sensor, such as (polarity, row, column).
        dt: Length of a frame (ms, a whole number of microseconds).
        steps: Frames a batch; later events are left out.
    """

    t_us: np.ndarray
    address: np.ndarray
    offsets: np.ndarray
    y: np.ndarray
    shape: tuple[int, ...]
    dt: float
    steps: int

    @classmethod
    def of(
        cls,
        t_us: np.ndarray,
        address: np.ndarray,
        offsets: np.ndarray,
        y: np.ndarray,
        shape: tuple[int, ...],
        *,
        dt: Any = None,
        steps: int | None = None,
    ) -> "EventDataset":
        """Recordings with frames of length `dt`, or with `steps` frames over the longest recording.

        Raises:
            ValueError: Neither or both of `dt` and `steps`, `dt` not a whole number of microseconds, or arrays that
                do not fit together.
        """
        if (dt is None) == (steps is None):
            raise ValueError(f"`dt`: give `dt` (ms) or `steps`, exactly one, got dt = {dt} and steps = {steps}.")
        if len(t_us) != len(address) or offsets[-1] != len(t_us) or len(offsets) != len(y) + 1:
            raise ValueError(
                f"`offsets`: expected {len(y) + 1} entries ending at {len(t_us)} events, got {len(offsets)} entries "
                f"ending at {offsets[-1]} for {len(address)} addresses."
            )
        if len(address) and not 0 <= address.min() <= address.max() < math.prod(shape):
            raise ValueError(f"`address`: expected 0 to {math.prod(shape) - 1}, got up to {address.max()}.")
        duration = int(t_us.max(initial=0)) + 1
        if steps is not None:
            dt = -(-duration // steps) / 1000
        dt = _checks.time_step(dt)
        width = _checks.steps("dt", dt, 0.001)
        return cls(t_us, address, offsets, y, tuple(shape), dt, steps or -(-duration // width))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def width_us(self) -> int:
        """Length of a frame in microseconds."""
        return round(self.dt * 1000)

    def take(self, ids: np.ndarray) -> Self:
        """The data set of these recordings alone; frames keep their length and number."""
        events, offsets = self._events(np.asarray(ids))
        return dataclasses.replace(
            self, t_us=self.t_us[events], address=self.address[events], offsets=offsets, y=self.y[ids]
        )

    def batch(self, ids: np.ndarray, key: Array | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The recordings `ids` as frames.

        Returns:
            Event counts (time, batch, *shape) in float32, labels (batch,), and the number of frames of each recording.
        """
        events, offsets = self._events(ids)
        counts = np.diff(offsets)
        column = np.repeat(np.arange(len(ids)), counts)
        step = self.t_us[events] // self.width_us
        lengths = np.zeros(len(ids), np.int64)
        np.maximum.at(lengths, column, step + 1)
        inside = step < self.steps
        frames = bin_events(step[inside], column[inside], self.address[events][inside], self._frame_shape(len(ids)))
        return frames, self.y[ids], np.clip(lengths, 1, self.steps)

    def batches(self, size: int, key: int | Array | None = None) -> Loader:
        """A loader; with a key in a new order every epoch, without in the order of the data set."""
        return Loader(self, size, key)

    def _frame_shape(self, batch: int) -> tuple[int, ...]:
        return (self.steps, batch, *self.shape)

    def _events(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the events of recordings `ids`, and the offsets of these recordings in the result."""
        starts, counts = self.offsets[ids].astype(np.int64), np.diff(self.offsets.astype(np.int64))[ids]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts), offsets


def bin_events(step: np.ndarray, column: np.ndarray, address: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Count events in a dense array.

    Args:
        step: Time step of every event.
        column: Place of every event in the batch.
        address: Flat channel of every event.
        shape: Shape of the result, (time, batch, *channels).

    Returns:
        Counts, float32.
    """
    channels = math.prod(shape[2:])
    flat = (step.astype(np.int64) * shape[1] + column) * channels + address
    return np.bincount(flat, minlength=math.prod(shape)).astype(np.float32).reshape(shape)
