"""Recordings of events (time, address), binned into frames when a batch is drawn.

    frame[k, address] = number of events with k dt <= t < (k + 1) dt

The border is exact: times and `dt` are whole numbers of microseconds. The arrays may be files mapped into memory
(`store`): a batch reads its own events only.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from .. import _checks, units
from .._types import Array
from .event_batch import EventBatch
from .loader import Loader
from .readers import Recordings
from .store import stored
from .transform import Transform, through


@dataclasses.dataclass(frozen=True)
class EventDataset:
    """Event recordings of a sensor, one after the other, and their labels.

    Attributes:
        t_us: Time of every event since the start of its recording (microseconds, integers).
        address: Flat index of every event's channel into `shape`.
        offsets: The recording stored as number i holds the events `offsets[i]:offsets[i + 1]`.
        y: Label of every recording of the data set.
        shape: Shape of the sensor, such as (polarity, row, column).
        dt: Length of a frame (ms, a whole number of microseconds).
        steps: Frames a batch; later events are left out.
        classes: Names of the labels, where they have some.
        about: What else is known of every recording of the data set, such as who spoke.
        rows: Which of the stored recordings the data set has, where their events are files; None for all of them.
    """

    t_us: np.ndarray
    address: np.ndarray
    offsets: np.ndarray
    y: np.ndarray
    shape: tuple[int, ...]
    dt: float
    steps: int
    classes: tuple[str, ...] = ()
    about: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    rows: np.ndarray | None = None

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
        classes: tuple[str, ...] = (),
        about: Mapping[str, np.ndarray] | None = None,
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
        if len(t_us) and t_us.min() < 0:
            raise ValueError(f"`t_us`: expected times >= 0 us, got {t_us.min()}.")
        duration = int(t_us.max(initial=0)) + 1
        if steps is not None:
            _checks.within("steps", steps, low=1)
            dt = -(-duration // steps) / 1000
        dt = _checks.time_step(dt)
        width = _checks.steps("dt", dt, 0.001)
        frames = steps or -(-duration // width)
        return cls(t_us, address, offsets, y, tuple(shape), dt, frames, classes, about or {})

    @classmethod
    def of_recordings(cls, found: Recordings, shape: tuple[int, ...], **options: Any) -> "EventDataset":
        """What a reader found; `options` as `of` takes them."""
        offsets = np.concatenate([[0], np.cumsum(found.counts)])
        return cls.of(found.t_us, found.address, offsets, found.y, shape, about=found.about, **options)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def counts(self) -> np.ndarray:
        """Number of events of every recording."""
        return self._bounds(np.arange(len(self)))[1]

    def take(self, ids: np.ndarray) -> Self:
        """The data set of these recordings alone; frames keep length and number, events in files are not copied."""
        ids = np.asarray(ids)
        about = {name: values[ids] for name, values in self.about.items()}
        if isinstance(self.t_us, np.memmap):
            rows = ids if self.rows is None else self.rows[ids]
            return dataclasses.replace(self, y=self.y[ids], about=about, rows=rows)
        events, offsets = self._events(ids)
        t_us, address = self.t_us[events], self.address[events]
        return dataclasses.replace(self, t_us=t_us, address=address, offsets=offsets, y=self.y[ids], about=about)

    def recording(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Times (ms) and flat addresses of one recording's events, as a source of spikes takes them."""
        (start,), (count,) = self._bounds(np.asarray([index]))
        return self.t_us[start : start + count] / 1000, np.asarray(self.address[start : start + count])

    def batch(self, ids: np.ndarray, key: Array | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The recordings `ids` as frames.

        Returns:
            Event counts (time, batch, *shape) in float32, labels (batch,), and the number of frames of each recording.
        """
        step, column, address, lengths = self._placed(ids)
        frames = bin_events(step, column, address, (self.steps, len(ids), *self.shape))
        return frames, self.y[ids], lengths

    def event_batch(self, ids: np.ndarray) -> tuple[EventBatch, np.ndarray, np.ndarray]:
        """The recordings `ids` as events of frames, never dense; labels and numbers of frames as of `batch`."""
        step, column, address, lengths = self._placed(ids)
        events = EventBatch.of(step, column, address, (self.steps, len(ids), *self.shape))
        return events, self.y[ids], lengths

    def batches(self, size: int, key: int | Array | None = None, *, sparse: bool = False) -> Loader:
        """A loader; with a key in a new order every epoch, without in the order of the data set.

        Args:
            size: Recordings a batch.
            key: Seed or JAX key of the order.
            sparse: Whether a batch is an `EventBatch` in place of frames.
        """
        return Loader(Sparse(self) if sparse else self, size, key)

    def transformed(self, *transforms: Transform, folder: str | Path | None = None) -> "EventDataset":
        """The recordings changed by `transforms` such as `Denoise(5 * ms)`, in order; frames keep length and number.

        Args:
            *transforms: What is done to the events.
            folder: Where the result is kept, mapped into memory, and found again if the recordings and the transforms
                are the same. None keeps it in memory.
        """
        shape = self.shape
        for transform in transforms:
            shape = transform.shape(shape)

        def make() -> Iterator[Recordings]:
            return (through(part, self.shape, transforms) for part in self.parts())

        if folder is None:
            found = Recordings.joined(list(make()))
        else:
            found = stored(Path(folder), self._fingerprint(transforms), shape, make)
        offsets = np.concatenate([[0], np.cumsum(found.counts)])
        return dataclasses.replace(
            self, t_us=found.t_us, address=found.address, offsets=offsets, shape=shape, rows=None
        )

    def lasting(self, duration: Any) -> Self:
        """The recordings with as many frames as `duration` (ms) has; what is later is left out."""
        duration = float(units.strip("duration", duration, "ms"))
        _checks.positive("duration", duration, "ms")
        return dataclasses.replace(self, steps=math.ceil(duration / self.dt - 1e-9))

    def parts(self, events: int = 1 << 22) -> Iterator[Recordings]:
        """All recordings, about so many events at a time."""
        place = np.cumsum(self.counts) // events
        for ids in np.split(np.arange(len(self)), np.flatnonzero(np.diff(place)) + 1):
            chosen, offsets = self._events(ids)
            about = {name: values[ids] for name, values in self.about.items()}
            yield Recordings(self.t_us[chosen], self.address[chosen], np.diff(offsets), self.y[ids], about)

    def _fingerprint(self, transforms: tuple[Transform, ...]) -> str:
        digest = hashlib.blake2b(repr((transforms, self.shape)).encode(), digest_size=16)
        for part in self.parts():
            for values in (part.t_us.astype(np.int64), part.address.astype(np.int32), part.counts, part.y):
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def _placed(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Step, place in the batch and address of the events within the frames; number of frames of each recording."""
        events, offsets = self._events(ids)
        column = np.repeat(np.arange(len(ids)), np.diff(offsets))
        step = self.t_us[events] // round(self.dt * 1000)
        lengths = np.zeros(len(ids), np.int64)
        np.maximum.at(lengths, column, step.astype(np.int64) + 1)
        inside, address = step < self.steps, self.address[events]
        if not inside.all():
            step, column, address = step[inside], column[inside], address[inside]
        return step, column, address, np.clip(lengths, 1, self.steps)

    def _bounds(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First event and number of events of recordings `ids`."""
        rows, offsets = (ids if self.rows is None else self.rows[ids]), self.offsets
        starts = offsets[rows].astype(np.int64)
        return starts, offsets[np.add(rows, 1)].astype(np.int64) - starts

    def _events(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the events of recordings `ids`, and the offsets of these recordings in the result."""
        starts, counts = self._bounds(np.asarray(ids))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts), offsets


@dataclasses.dataclass(frozen=True)
class Sparse:
    """Recordings whose batches are events, not frames.

    Attributes:
        data: The recordings.
    """

    data: EventDataset

    def __len__(self) -> int:
        return len(self.data)

    def take(self, ids: np.ndarray) -> Self:
        """These recordings alone."""
        return dataclasses.replace(self, data=self.data.take(ids))

    def batch(self, ids: np.ndarray, key: Array | None = None) -> tuple[EventBatch, np.ndarray, np.ndarray]:
        """The recordings `ids` as events, labels, and numbers of frames."""
        return self.data.event_batch(ids)


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
    frames = np.zeros(math.prod(shape), np.float32)
    flat = (step.astype(np.int64) * shape[1] + column) * math.prod(shape[2:]) + address
    np.add.at(frames, flat, np.float32(1))
    return frames.reshape(shape)
