"""Spike trains in one form, whatever they come from: what the statistics count with.

r["E"] | r["E"].spikes | (times in ms, ids) with n, duration  ->  Window(t, row, weight, shape, begin, end)
"""

import dataclasses
from typing import Any, TypeAlias

import numpy as np

from .. import units
from .._checks import positive, within
from .spikes import SpikeView

Trains: TypeAlias = Any
"""`r["E"]`, `r["E"].spikes`, or a pair (times in ms, ids)."""


@dataclasses.dataclass(frozen=True)
class Window:
    """Events in the window (begin, end] by time; `row` numbers the flattened `shape` = ([batch], recorded)."""

    t: np.ndarray
    row: np.ndarray
    weight: np.ndarray | None
    shape: tuple[int, ...]
    begin: float
    end: float

    @property
    def rows(self) -> int:
        """Number of trains."""
        return int(np.prod(self.shape, dtype=np.int64))

    def per_row(self, row: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        """Number of entries of each train, or the sum of their weights, float64 (rows,)."""
        return np.bincount(row, weight, minlength=self.rows).astype(np.float64)

    def bins(self, width: float) -> tuple[np.ndarray, np.ndarray, int]:
        """(which events lie in whole bins, the bin of each of those, number of bins)."""
        count = int(np.floor((self.end - self.begin) / width + 1e-9))
        index = np.ceil((self.t - self.begin) / width - 1e-9).astype(np.int64) - 1
        inside = index < count
        return inside, index[inside], count

    def population(self, width: float) -> np.ndarray:
        """Spikes of all trains in each whole bin, float64 (bins, [batch])."""
        inside, index, count = self.bins(width)
        lead, recorded = self.shape[:-1], max(self.shape[-1], 1)
        trials = int(np.prod(lead, dtype=np.int64))
        weight = None if self.weight is None else self.weight[inside]
        flat = np.bincount(index * trials + self.row[inside] // recorded, weight, minlength=count * trials)
        return flat.astype(np.float64).reshape(count, *lead)


def trains_of(spikes: Trains, skip: Any, n: int | None, duration: Any) -> Window:
    """The events after the first `skip` ms.

    Args:
        spikes: Spike trains.
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).
    """
    skip = float(units.strip("skip", skip, "ms"))
    if isinstance(spikes, tuple | list) and len(spikes) == 2:
        t, row, weight, shape, begin, end = _pair(spikes, n, duration)
    else:
        view = getattr(spikes, "spikes", spikes)
        if not isinstance(view, SpikeView):
            raise TypeError(f'`spikes`: expected r["E"], r["E"].spikes or (times, ids), got {type(spikes).__name__}.')
        shape = (len(view.ids),) if view.batch is None else (view.batch, len(view.ids))
        t, row, weight, begin, end = view.t, view.rows, view.events.value, view.t_start, view.t_stop
    within("skip", skip, "ms", low=0.0)
    if skip >= end - begin:
        raise ValueError(f"`skip` = {skip:g} ms leaves nothing of a run of {end - begin:g} ms.")
    later = t > begin + skip + 1e-9 * max(abs(end), 1.0)
    return Window(t[later], row[later], None if weight is None else weight[later], shape, begin + skip, end)


def _pair(spikes: Any, n: int | None, duration: Any) -> tuple[np.ndarray, np.ndarray, None, tuple[int], float, float]:
    t, ids = np.asarray(units.strip("times", spikes[0], "ms"), np.float64), np.asarray(spikes[1], np.int64)
    if n is None or duration is None:
        raise ValueError(
            "`n`, `duration`: needed with a pair (times, ids), which does not tell who was silent and for how long."
        )
    if t.ndim != 1 or t.shape != ids.shape:
        raise ValueError(f"`spikes`: expected times and ids of one length, got shapes {t.shape} and {ids.shape}.")
    end = float(units.strip("duration", duration, "ms"))
    positive("duration", end, "ms")
    within("times", t, "ms", low=0.0, high=end * (1 + 1e-9))
    within("ids", ids, low=0, high=n - 1)
    order = np.argsort(t, kind="stable")
    return t[order], ids[order], None, (n,), 0.0, end


def width_of(name: str, value: Any) -> float:
    """A width of time (ms), > 0."""
    width = units.strip(name, value, "ms")
    positive(name, width, "ms")
    return float(width)
