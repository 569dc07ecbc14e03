"""Statistics of spike trains, each from events alone, vectorised over neurons and trials.

Each function takes `r["E"]`, `r["E"].spikes`, or a pair `(times in ms, ids)` with `n` and `duration`; `skip` leaves out
the first milliseconds. Neurons come as ([batch], recorded); a statistic that a train is too short for is nan, never 0.

    rate = N / T,   CV = std(ISI) / mean(ISI),   Fano = var(N_w) / mean(N_w)
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._checks import within
from .trains import Trains, Window, trains_of, width_of


def rates(spikes: Trains, *, skip: Any = 0.0, n: int | None = None, duration: Any = None) -> np.ndarray:
    """Firing rate of each neuron (Hz), ([batch], recorded): N / T."""
    trains = trains_of(spikes, skip, n, duration)
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
    trains = trains_of(spikes, skip, n, duration)
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
    trains = trains_of(spikes, skip, n, duration)
    return 3 * _mean_over_pairs(trains, min_spikes, np.square)


def isi_cv2(
    spikes: Trains, *, skip: Any = 0.0, min_spikes: int = 3, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Local coefficient of variation of each neuron's intervals, ([batch], recorded).

        CV2 = 2 / (N - 1) sum_i |I_i - I_(i+1)| / (I_i + I_(i+1)) for N intervals

    0 for a clock, 1 for a Poisson process; insensitive to slow changes of rate. Arguments as `isi_cv`.
    Holt, Softky, Koch & Douglas, J. Neurophysiol. 75 (1996) 1806.
    """
    trains = trains_of(spikes, skip, n, duration)
    return 2 * _mean_over_pairs(trains, min_spikes, np.abs)


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
    trains = trains_of(spikes, skip, n, duration)
    inside, index, count = trains.bins(width_of("window", window))
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
    trains = trains_of(spikes, skip, n, duration)
    counts = trains.population(width_of("bin", bin))
    mean = counts.mean(0) if len(counts) > 1 else np.full(counts.shape[1:], np.nan)
    return counts.var(0) / np.where(mean > 0, mean, np.nan) if len(counts) > 1 else mean


def activity(
    spikes: Trains, *, bin: Any = 1.0, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Spikes of the recorded neurons together in each whole bin of `bin` ms, float64 (bins, [batch])."""
    return trains_of(spikes, skip, n, duration).population(width_of("bin", bin))


def population_rate(
    spikes: Trains, *, bin: Any = 1.0, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """(centres of the bins in ms, mean rate of the recorded neurons in Hz, (bins, [batch])), in bins of `bin` ms."""
    trains, width = trains_of(spikes, skip, n, duration), width_of("bin", bin)
    counts = trains.population(width)
    centres = trains.begin + (np.arange(len(counts)) + 0.5) * width
    return centres, counts / (max(trains.shape[-1], 1) * width * 1e-3)


def _mean_over_pairs(trains: Window, min_spikes: int, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Mean of `of((I_i - I_(i+1)) / (I_i + I_(i+1)))` over the pairs of following intervals of each neuron."""
    interval, row, spike_count = _intervals(trains, min_spikes)
    same = row[1:] == row[:-1]
    first, second = interval[:-1][same], interval[1:][same]
    total = trains.per_row(row[1:][same], of((first - second) / (first + second)))
    pairs = np.where(spike_count >= min_spikes, spike_count - 2, np.nan)
    return (total / pairs).reshape(trains.shape)


def _intervals(trains: Window, min_spikes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(intervals in order of neuron and time, neuron of each, spikes of each neuron)."""
    within("min_spikes", min_spikes, low=3)
    order = np.argsort(trains.row, kind="stable")
    row, t = trains.row[order], trains.t[order]
    same = row[1:] == row[:-1]
    return np.diff(t)[same], row[1:][same], trains.per_row(row)
