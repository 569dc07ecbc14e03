"""Changes of event recordings before they are binned: crops, pooling, denoising; no loop goes over the events.

    Window(start, stop):  events with start <= t < stop, times counted from start
    Crop(ranges):         events with low <= coordinate < high along each axis, coordinates counted from low
    Pool(factors):        coordinate // factor along each axis
    Refractory(t_ref):    after an event, a channel's events are left out for t_ref
    Denoise(window):      an event stays if one of the 8 pixels around has one no more than `window` before it

Denoising is the background activity filter of Delbruck, Proc. Int. Symp. Secure-Life Electronics (2008) 21; polarities
count as one. Times in ms, as whole microseconds.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .. import _checks, units
from .readers import Recordings

Shape = tuple[int, ...]


class Transform(Protocol):
    """A change of recordings."""

    def shape(self, shape: Shape) -> Shape:
        """Shape of the sensor that results."""
        ...

    def __call__(self, found: Recordings, shape: Shape) -> Recordings:
        """The recordings changed; `shape` is that of the sensor they come from."""
        ...


@dataclasses.dataclass(frozen=True)
class Window:
    """The events of a part of every recording.

    Args:
        start: Begin (ms).
        stop: End (ms), which is not part of it; None is that of the recording.
    """

    start: Any = 0.0
    stop: Any = None

    def __post_init__(self):
        start = whole_us("start", self.start)
        if self.stop is not None and whole_us("stop", self.stop) <= start:
            raise ValueError(f"`stop`: expected a time after start = {self.start} (ms), got {self.stop}.")

    def shape(self, shape: Shape) -> Shape:
        """The same."""
        return shape

    def __call__(self, found: Recordings, shape: Shape) -> Recordings:
        """The events inside, their times counted from the start."""
        start = whole_us("start", self.start)
        inside = found.t_us >= start
        if self.stop is not None:
            inside &= found.t_us < whole_us("stop", self.stop)
        found = kept(found, inside)
        return found._replace(t_us=found.t_us - np.asarray(start, found.t_us.dtype))


@dataclasses.dataclass(frozen=True)
class Crop:
    """The events of a part of the sensor.

    Args:
        *ranges: For every axis of the sensor `(low, high)`, or None for all of it.
    """

    ranges: tuple[tuple[int, int] | None, ...]

    def __init__(self, *ranges: tuple[int, int] | None):
        object.__setattr__(self, "ranges", ranges)

    def shape(self, shape: Shape) -> Shape:
        """The size of every range."""
        return tuple(high - low for low, high in self._bounds(shape))

    def __call__(self, found: Recordings, shape: Shape) -> Recordings:
        """The events inside, their coordinates counted from the ranges' beginnings."""
        place, bounds = np.unravel_index(found.address, shape), self._bounds(shape)
        inside = np.ones(len(found.address), bool)
        for axis, (low, high) in zip(place, bounds, strict=True):
            inside &= (axis >= low) & (axis < high)
        moved = [axis[inside] - low for axis, (low, _) in zip(place, bounds, strict=True)]
        address = np.ravel_multi_index(moved, self.shape(shape)).astype(np.int32)
        return kept(found, inside)._replace(address=address)

    def _bounds(self, shape: Shape) -> list[tuple[int, int]]:
        _axes("ranges", len(self.ranges), shape)
        bounds = [given or (0, size) for given, size in zip(self.ranges, shape, strict=True)]
        if any(not 0 <= low < high <= size for (low, high), size in zip(bounds, shape, strict=True)):
            raise ValueError(f"`ranges`: expected 0 <= low < high within the sensor's {shape}, got {bounds}.")
        return bounds


@dataclasses.dataclass(frozen=True)
class Pool:
    """Neighbouring channels become one, which has the events of all.

    Args:
        *factors: For every axis of the sensor the number of channels that become one: `Pool(5)` for 700 to 140,
            `Pool(2, 1, 1)` merges the polarities. The last channel of an axis may have fewer.
    """

    factors: tuple[int, ...]

    def __init__(self, *factors: int):
        _checks.within("factors", factors, low=1)
        object.__setattr__(self, "factors", factors)

    def shape(self, shape: Shape) -> Shape:
        """The numbers of channels that remain."""
        _axes("factors", len(self.factors), shape)
        return tuple(-(-size // factor) for size, factor in zip(shape, self.factors, strict=True))

    def __call__(self, found: Recordings, shape: Shape) -> Recordings:
        """All events, at the merged channels."""
        merged = self.shape(shape)
        place = [
            axis // factor for axis, factor in zip(np.unravel_index(found.address, shape), self.factors, strict=True)
        ]
        return found._replace(address=np.ravel_multi_index(place, merged).astype(np.int32))


@dataclasses.dataclass(frozen=True)
class Refractory:
    """After an event that stays, the events of its channel are left out for a time.

    Args:
        t_ref: That time (ms); an event exactly as much later stays.
    """

    t_ref: Any

    def __post_init__(self):
        _checks.positive("t_ref", whole_us("t_ref", self.t_ref), "us")

    def shape(self, shape: Shape) -> Shape:
        """The same."""
        return shape

    def __call__(self, found: Recordings, shape: Shape) -> Recordings:
        """The events that stay."""
        channel = _channel(found, found.address, math.prod(shape))
        return kept(found, rested(channel, found.t_us, whole_us("t_ref", self.t_ref)))


@dataclasses.dataclass(frozen=True)
class Denoise:
    """Events without company are left out.

    Args:
        window: How long before an event its company may be (ms).
    """

    window: Any

    def __post_init__(self):
        _checks.positive("window", whole_us("window", self.window), "us")

    def shape(self, shape: Shape) -> Shape:
        """The same."""
        return shape

    def __call__(self, found: Recordings, shape: Shape) -> Recordings:
        """The events with an event at one of the 8 pixels around, at most `window` before or at the same time."""
        if len(shape) < 2:
            raise ValueError(f"`shape`: expected a sensor with rows and columns, got {shape}.")
        window, (rows, columns) = whole_us("window", self.window), shape[-2:]
        row, column = np.divmod(found.address.astype(np.int64) % (rows * columns), columns)
        framed = (rows + 2) * (columns + 2)  # a border without events around the pixels
        pixel = _channel(found, (row + 1) * (columns + 2) + column + 1, framed)
        keys, order = _ordered(pixel, found.t_us, window)
        span, inside = _span(found.t_us, window), np.zeros(len(order), bool)
        for step in (-columns - 3, -columns - 2, -columns - 1, -1, 1, columns + 1, columns + 2, columns + 3):
            missing = ~inside
            sought = keys[missing] + step * span
            place = np.searchsorted(keys, sought, side="right")
            inside[missing] = (place > 0) & (keys[np.maximum(place, 1) - 1] >= sought - window)
        stays = np.empty_like(inside)
        stays[order] = inside
        return kept(found, stays)


def whole_us(name: str, time: Any) -> int:
    """A time in ms as whole microseconds."""
    return _checks.steps(name, float(units.strip(name, time, "ms")), 0.001)


def kept(found: Recordings, inside: np.ndarray) -> Recordings:
    """The events for which `inside` is true; every recording remains, if without events."""
    recording = np.repeat(np.arange(len(found.counts)), found.counts)
    counts = np.bincount(recording[inside], minlength=len(found.counts))
    return found._replace(t_us=found.t_us[inside], address=found.address[inside], counts=counts)


def through(found: Recordings, shape: Shape, transforms: Sequence[Transform]) -> Recordings:
    """Recordings changed by one transform after the other."""
    for transform in transforms:
        found, shape = transform(found, shape), transform.shape(shape)
    return found


def rested(channel: np.ndarray, t_us: np.ndarray, t_ref: int) -> np.ndarray:
    """Which events are at least `t_ref` after the last one of their channel that stays.

    In rounds, each of which finds the next event of every channel; times of a channel ascend.
    """
    keys, order = _ordered(channel, t_us, t_ref)
    following = np.searchsorted(keys, keys + t_ref)
    ends = np.searchsorted(channel[order], channel[order], side="right")
    stays, at = np.zeros(len(order), bool), np.flatnonzero(np.diff(channel[order], prepend=-1))
    while len(at):
        stays[order[at]] = True
        at, end = following[at], ends[at]
        at = at[at < end]
    return stays


def _axes(name: str, given: int, shape: Shape) -> None:
    if given != len(shape):
        raise ValueError(f"`{name}`: expected one for each axis of the sensor's {shape}, got {given}.")


def _channel(found: Recordings, address: np.ndarray, channels: int) -> np.ndarray:
    """A number for every recording and channel."""
    return np.repeat(np.arange(len(found.counts)) * channels, found.counts) + address


def _span(t_us: np.ndarray, apart: int) -> int:
    """More than a time of a channel and what is added to it can be."""
    return int(t_us.max(initial=0)) + 2 * apart + 1


def _ordered(channel: np.ndarray, t_us: np.ndarray, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted keys, channel span + t + apart, that part channels by more than `apart`; and the order of the events."""
    span = _span(t_us, apart)
    if len(channel) and int(channel.max() + 1) * span >= 2**63:
        raise ValueError(f"`t_us`: expected times and channels within 2^63, got {channel.max() + 1} times {span}.")
    keys = channel * span + t_us.astype(np.int64) + apart
    order = np.argsort(keys, kind="stable")
    return keys[order], order
