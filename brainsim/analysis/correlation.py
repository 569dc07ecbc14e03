"""Correlation of spike trains: of binned counts between neurons, and of times between populations.

r_ij = cov(N_i, N_j) / (sd_i sd_j),     C_ab(k) = number of pairs of spikes with t_b - t_a in bin k
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .._checks import within
from .trains import Trains, Window, trains_of, width_of

_PAIRS = 1 << 22
"""Pairs of spikes looked at together in a cross-correlogram."""


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
    trains = trains_of(spikes, skip, n, duration)
    recorded = trains.shape[-1]
    chosen = np.arange(recorded) if ids is None else np.asarray(ids, np.int64)
    within("ids", chosen, low=0, high=recorded - 1)
    if len(chosen) > 2000:
        raise ValueError(f"`ids`: expected at most 2000 neurons, got {len(chosen)}: choose some, such as range(500).")
    inside, index, count = trains.bins(width_of("bin", bin))
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


def pairwise_correlations(
    spikes: Trains,
    *,
    bin: Any = 5.0,
    neurons: int | None = 200,
    seed: int = 0,
    skip: Any = 0.0,
    n: int | None = None,
    duration: Any = None,
) -> np.ndarray:
    """Correlation coefficient of every pair out of some neurons, (pairs,); pairs with a silent neuron are left out.

    Args:
        spikes: Spike trains.
        bin: Width of a bin (ms).
        neurons: Number of neurons drawn out of those that spike; None takes all of them.
        seed: Seed of the draw.
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).
    """
    trains = trains_of(spikes, skip, n, duration)
    spiking = np.unique(trains.row % max(trains.shape[-1], 1))
    if neurons is not None:
        within("neurons", neurons, low=2)
        if neurons < len(spiking):
            spiking = np.sort(np.random.default_rng(seed).choice(spiking, neurons, replace=False))
    matrix = correlation(spikes, bin=bin, ids=spiking.tolist(), skip=skip, n=n, duration=duration)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    return pairs[np.isfinite(pairs)]


class Correlogram(NamedTuple):
    """A cross-correlogram.

    Attributes:
        lag: Centres of the bins (ms), (bins,); positive where `b` follows `a`.
        counts: Pairs of spikes in each bin, (bins,).
        rate: The same as the rate of a neuron of `b` around a spike of `a` (Hz), (bins,); the rate of `b` where they
            are independent. What the ends of the run cut off is not made up for.
    """

    lag: np.ndarray
    counts: np.ndarray
    rate: np.ndarray


def cross_correlogram(
    a: Trains,
    b: Trains | None = None,
    *,
    bin: Any = 1.0,
    window: Any = 50.0,
    skip: Any = 0.0,
    n: int | None = None,
    duration: Any = None,
) -> Correlogram:
    """How often spikes of one population follow or precede those of another, pooled over all pairs of neurons.

    Args:
        a: Spike trains.
        b: Spike trains of the same run, or None for `a` itself: then pairs of one neuron with itself are left out.
        bin: Width of a bin (ms); one is centred on lag 0.
        window: Largest lag (ms), a multiple of `bin`.
        skip: Time left out at the beginning (ms).
        n: Neurons, for pairs (times, ids).
        duration: Time recorded (ms), for pairs (times, ids).

    Raises:
        ValueError: `a` and `b` differ in trials or time.
    """
    first, second = trains_of(a, skip, n, duration), trains_of(a if b is None else b, skip, n, duration)
    if (first.shape[:-1], first.begin, first.end) != (second.shape[:-1], second.begin, second.end):
        raise ValueError("`b`: expected trains of the same trials and time as `a`.")
    width = width_of("bin", bin)
    half = round(width_of("window", window) / width)
    within("window", half, low=1)
    counts = np.zeros(2 * half + 1)
    for trial in range(int(np.prod(first.shape[:-1], dtype=np.int64))):
        counts += _pairs(_trial(first, trial), _trial(second, trial), width, half, other=b is None)
    others = max(second.shape[-1] - (b is None), 1)
    around = len(first.t) if first.weight is None else first.weight.sum()
    rate = counts / (max(around, 1) * others * width * 1e-3)
    return Correlogram(np.arange(-half, half + 1) * width, counts, rate)


def _trial(trains: Window, trial: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times, neurons, weights) of one trial, in order of time."""
    recorded = max(trains.shape[-1], 1)
    here = trains.row // recorded == trial
    weight = np.ones(int(here.sum())) if trains.weight is None else np.asarray(trains.weight)[here]
    return trains.t[here], trains.row[here] % recorded, weight


def _pairs(first: Any, second: Any, width: float, half: int, *, other: bool) -> np.ndarray:
    """Number of pairs (weighted) in each bin of lag; `other` leaves out pairs of one neuron."""
    (t, row, weight), (later, column, size) = first, second
    reach = (half + 0.5) * width
    begin, end = np.searchsorted(later, t - reach - 1e-9), np.searchsorted(later, t + reach + 1e-9)
    ends = np.cumsum(end - begin)
    counts, done = np.zeros(2 * half + 1), 0
    while done < len(t):
        upto = max(done + 1, int(np.searchsorted(ends, (ends[done - 1] if done else 0) + _PAIRS)))
        number = (end - begin)[done:upto]
        i = np.repeat(np.arange(done, min(upto, len(t))), number)
        j = np.arange(len(i)) - np.repeat(np.cumsum(number) - number, number) + begin[i]
        lag = np.floor((later[j] - t[i]) / width + 0.5 + 1e-9).astype(np.int64) + half
        kept = (lag >= 0) & (lag <= 2 * half) & ~(other & (row[i] == column[j]))
        counts += np.bincount(lag[kept], (weight[i] * size[j])[kept], minlength=2 * half + 1)
        done = upto
    return counts
