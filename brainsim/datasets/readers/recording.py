"""What a reader returns, and what it refuses: addresses outside the sensor, times that run backwards."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

LONGEST_US = 24 * 3600 * 1_000_000
"""A recording of more than a day is a damaged one (microseconds)."""


class Recording(NamedTuple):
    """The events of one recording, in the order of time.

    Attributes:
        t_us: Time of every event (microseconds, int64).
        address: Flat index of every event's channel into the sensor's shape, int32.
    """

    t_us: np.ndarray
    address: np.ndarray


def damaged(path: Path, expected: str, got: str) -> ValueError:
    """The error for a file that is not what it should be."""
    return ValueError(f"`path`: expected {expected}, got {got} in {path}.")


def recording(path: Path, t_us: np.ndarray, place: Sequence[np.ndarray], shape: tuple[int, ...]) -> Recording:
    """The events of a file, checked.

    Args:
        path: File that they come from, for the message.
        t_us: Time of every event (microseconds, integers).
        place: Coordinate of every event along each axis of `shape`, integers.
        shape: Shape of the sensor.

    Raises:
        ValueError: There are no events, times are negative, run backwards or for more than a day, or an event lies
            outside the sensor.
    """
    t_us = np.asarray(t_us, np.int64)
    if not len(t_us):
        raise damaged(path, "events", "none")
    for axis, (coordinate, size) in enumerate(zip(place, shape, strict=True)):
        low, high = int(coordinate.min()), int(coordinate.max())
        if low < 0 or high >= size:
            raise damaged(path, f"coordinates 0 to {size - 1} along axis {axis} of {shape}", f"{low} to {high}")
    back = np.flatnonzero(np.diff(t_us) < 0)
    if len(back):
        raise damaged(path, "times that never fall", f"{t_us[back[0] + 1]} us after {t_us[back[0]]} us")
    if t_us[0] < 0 or t_us[-1] > LONGEST_US:
        raise damaged(path, "times from 0 us to a day", f"{t_us[0]} to {t_us[-1]} us")
    address = np.ravel_multi_index([np.asarray(axis, np.int64) for axis in place], shape)
    return Recording(t_us, np.asarray(address, np.int32))


def seconds(path: Path, times: np.ndarray) -> np.ndarray:
    """Times in seconds as whole microseconds.

    Raises:
        ValueError: A time is negative, not finite, or longer than a day.
    """
    times = np.asarray(times, np.float64)
    bad = ~((times >= 0) & (times <= LONGEST_US / 1e6))
    if bad.any():
        raise damaged(path, "times from 0 s to a day", f"{times[bad][0]:g} s")
    return np.round(times * 1e6).astype(np.int64)
