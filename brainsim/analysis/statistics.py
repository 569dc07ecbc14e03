"""Statistics of spike trains, each from events alone, vectorised over neurons and trials.

Each function takes `r["E"]`, `r["E"].spikes`, or a pair `(times in ms, ids)` with `n` and `duration`; `skip` leaves out
the first milliseconds. Neurons come as ([batch], recorded); a statistic that a train is too short for is nan, never 0.

    rate = N / T,   CV = std(ISI) / mean(ISI),   Fano = var(N_w) / mean(N_w),   r_ij = cov(N_i, N_j) / (sd_i sd_j)
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .. import units
from .._checks import positive, within
from .spikes import SpikeView

Trains: TypeAlias = Any
"""`r["E"]`, `r["E"].spikes`, or a pair (times in ms, ids)."""


@dataclasses.dataclass(frozen=True)
class _Trains:
    """Events in the window (begin, end] by time; `row` numbers the flattened `shape` = ([batch], recorded)."""

    t: np.ndarray
    row: np.ndarray
    weight: np.ndarray | None
    shape: tuple[int, ...]
    begin: float
    end: float

    @property
    def rows(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def per_row(self, row: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(row, weight, minlength=self.rows).astype(np.float64)

    def bins(self, width: float) -> tuple[np.ndarray, np.ndarray, int]:
        """(which events lie in whole bins, the bin of each of those, number of bins)."""
        count = int(np.floor((self.end - self.begin) / width + 1e-9))
        index = np.ceil((self.t - self.begin) / width - 1e-9).astype(np.int64) - 1
        inside = index < count
        return inside, index[inside], count


def rates(spikes: Trains, *, skip: Any = 0.0, n: int | None = None, duration: Any = None) -> np.ndarray:
    """Firing rate of each neuron (Hz), ([batch], recorded): N / T."""
    trains = _trains(spikes, skip, n, duration)
    counts = trains.per_row(trains.row, trains.weight).reshape(trains.shape)
    return counts / ((trains.end - trains.begin) * 1e-3)


def active_share(spikes: Trains, *, skip: Any = 0.0, n: int | None = None, duration: Any = None) -> np.ndarray:
    """Share of the recorded neurons that spike at least once, ([batch])."""
    return (rates(spikes, skip=skip, n=n, duration=duration) > 0).mean(-1)


def isi_cv(
    spikes: Trains, *, skip: Any = 0.0, min_spikes: int = 3, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Coefficient of variation of each neuron's intervals, ([batch], recorded): std(ISI) / mean(ISI).

    0 for a clock, 1 for a Poisson process. The mean over neurons is `np.nanmean(isi_cv(...))`.

    Args:
        spikes: Spike trains.
        skip: Time left out at the beginning (ms).
        min_spikes: Neurons with fewer spikes give nan; at least 3.
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).
    """
    trains = _trains(spikes, skip, n, duration)
    interval, row, spike_count = _intervals(trains, min_spikes)
    count = np.where(spike_count >= min_spikes, spike_count - 1, np.nan)
    mean = trains.per_row(row, interval) / count
    variance = trains.per_row(row, (interval - mean[row]) ** 2) / count
    return (np.sqrt(variance) / mean).reshape(trains.shape)


def local_variation(
    spikes: Trains, *, skip: Any = 0.0, min_spikes: int = 3, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Local variation of each neuron's intervals, ([batch], recorded); insensitive to slow changes of rate.

        Lv = 3 / (N - 1) sum_i ((I_i - I_(i+1)) / (I_i + I_(i+1)))^2 for N intervals

    0 for a clock, 1 for a Poisson process. Arguments as `isi_cv`.
    Shinomoto, Shima & Tanji, Neural Comput. 15 (2003) 2823.
    """
    trains = _trains(spikes, skip, n, duration)
    interval, row, spike_count = _intervals(trains, min_spikes)
    same = row[1:] == row[:-1]
    first, second = interval[:-1][same], interval[1:][same]
    total = trains.per_row(row[1:][same], ((first - second) / (first + second)) ** 2)
    pairs = np.where(spike_count >= min_spikes, spike_count - 2, np.nan)
    return (3 * total / pairs).reshape(trains.shape)


def fano(
    spikes: Trains, *, window: Any = 100.0, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Fano factor of each neuron, ([batch], recorded): var(N_w) / mean(N_w) over consecutive windows.

    1 for a Poisson process; nan for a silent neuron or fewer than two windows. Spikes after the last whole window are
    left out.

    Args:
        spikes: Spike trains.
        window: Width of a window (ms).
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).
    """
    trains = _trains(spikes, skip, n, duration)
    inside, index, count = trains.bins(_width("window", window))
    weight = None if trains.weight is None else trains.weight[inside]
    cell, position = np.unique(trains.row[inside] * max(count, 1) + index, return_inverse=True)
    counts = np.bincount(position, weight, minlength=len(cell)).astype(np.float64)
    row = cell // max(count, 1)
    total, squares = trains.per_row(row, counts), trains.per_row(row, counts**2)
    total = np.where((total > 0) & (count > 1), total, np.nan)
    return ((count * squares - total**2) / (count * total)).reshape(trains.shape)


def synchrony(
    spikes: Trains, *, bin: Any = 3.0, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Fano factor of the population's spike count, ([batch]): var(N_b) / mean(N_b) over bins of width `bin` (ms).

    1 for independent Poisson neurons, up to the number of neurons where all fire together.
    Potjans & Diesmann, Cereb. Cortex 24 (2014) 785.
    """
    trains = _trains(spikes, skip, n, duration)
    counts = _population_counts(trains, _width("bin", bin))
    mean = counts.mean(0) if len(counts) > 1 else np.full(counts.shape[1:], np.nan)
    return counts.var(0) / np.where(mean > 0, mean, np.nan) if len(counts) > 1 else mean


def population_rate(
    spikes: Trains, *, bin: Any = 1.0, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """(centres of the bins in ms, mean rate of the recorded neurons in Hz, (bins, [batch])), in bins of `bin` ms."""
    trains, width = _trains(spikes, skip, n, duration), _width("bin", bin)
    counts = _population_counts(trains, width)
    centres = trains.begin + (np.arange(len(counts)) + 0.5) * width
    return centres, counts / (max(trains.shape[-1], 1) * width * 1e-3)


def correlation(
    spikes: Trains,
    *,
    bin: Any = 5.0,
    ids: Sequence[int] | None = None,
    skip: Any = 0.0,
    n: int | None = None,
    duration: Any = None,
) -> np.ndarray:
    """Pearson correlation of binned spike counts between neurons, (neurons, neurons); trials are put end to end.

    A neuron whose count never changes gives nan. The mean over pairs is `np.nanmean(c[np.triu_indices(len(c), 1)])`.

    Args:
        spikes: Spike trains.
        bin: Width of a bin (ms).
        ids: Columns to take, out of the recorded; None takes all.
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).

    Raises:
        ValueError: More than 2,000 neurons: the matrix grows with their square, choose some with `ids`.
    """
    trains = _trains(spikes, skip, n, duration)
    recorded = trains.shape[-1]
    chosen = np.arange(recorded) if ids is None else np.asarray(ids, np.int64)
    within("ids", chosen, low=0, high=recorded - 1)
    if len(chosen) > 2000:
        raise ValueError(f"`ids`: expected at most 2000 neurons, got {len(chosen)}: choose some, such as range(500).")
    inside, index, count = trains.bins(_width("bin", bin))
    column = np.full(recorded, -1, np.int64)
    column[chosen] = np.arange(len(chosen))
    trial, row = np.divmod(trains.row[inside], max(recorded, 1))
    kept = column[row] >= 0
    counts = np.zeros((len(chosen), max(trains.rows // max(recorded, 1), 1) * count))
    weight = 1.0 if trains.weight is None else trains.weight[inside][kept]
    np.add.at(counts, (column[row][kept], trial[kept] * count + index[kept]), weight)
    counts -= counts.mean(1, keepdims=True) if counts.shape[1] else 0.0
    norm = np.sqrt((counts**2).sum(1))
    norm[norm == 0] = np.nan
    scaled = counts / norm[:, None]
    return scaled @ scaled.T


def _trains(spikes: Trains, skip: Any, n: int | None, duration: Any) -> _Trains:
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
    return _Trains(t[later], row[later], None if weight is None else weight[later], shape, begin + skip, end)


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


def _intervals(trains: _Trains, min_spikes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(intervals in order of neuron and time, neuron of each, spikes of each neuron)."""
    within("min_spikes", min_spikes, low=3)
    order = np.argsort(trains.row, kind="stable")
    row, t = trains.row[order], trains.t[order]
    same = row[1:] == row[:-1]
    return np.diff(t)[same], row[1:][same], trains.per_row(row)


def _population_counts(trains: _Trains, width: float) -> np.ndarray:
    inside, index, count = trains.bins(width)
    lead, recorded = trains.shape[:-1], max(trains.shape[-1], 1)
    trials = int(np.prod(lead, dtype=np.int64))
    weight = None if trains.weight is None else trains.weight[inside]
    flat = np.bincount(index * trials + trains.row[inside] // recorded, weight, minlength=count * trials)
    return flat.astype(np.float64).reshape(count, *lead)


def _width(name: str, value: Any) -> float:
    width = units.strip(name, value, "ms")
    positive(name, width, "ms")
    return float(width)
