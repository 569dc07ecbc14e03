"""The branching ratio: how many spikes one spike brings about in the next bin.

    A(t + 1) = sum of A(t) numbers of descendants + h(t),     E[A(t + 1) | A(t)] = m A(t) + h

Simple:  sigma = mean of A(t + 1) / A(t) over bins with A(t) > 0; right without input h, and where every neuron is seen.
MR:      r_k = slope of A(t + k) over A(t) = b m^k for k = 1, 2, ...; seeing a part of the neurons lessens b, not m.
         Wilting & Priesemann, Nat. Commun. 9 (2018) 2325.
Wired:   for every spike, the spikes of its targets soon after over those of its sources soon before.
         Ivanov & Michmizos, NeurIPS 34 (2021) 21703 (the measure is that of their published code).
"""

from typing import Any, NamedTuple

import numpy as np

from .._checks import within
from .trains import Trains, trains_of, width_of


def branching_ratio(activity: Any) -> float:
    """Mean of A(t + 1) / A(t) over the bins with A(t) > 0; nan where there is none.

    Beggs & Plenz, J. Neurosci. 23 (2003) 11167. Input from outside makes it too large, seeing a part of the neurons too
    small: `mr_estimator` corrects both.

    Args:
        activity: Spikes of the population in each bin, (bins,) or (bins, trials).
    """
    counts = _counts(activity)
    before, after = counts[:-1], counts[1:]
    some = before > 0
    return float((after[some] / before[some]).mean()) if some.any() else float("nan")


class Branching(NamedTuple):
    """What `mr_estimator` finds.

    Attributes:
        m: Branching ratio a bin.
        b: r_k at k = 0; 1 where all neurons are seen and their number decides the next bin's.
        tau: Autocorrelation time in bins, -1 / ln m.
        lags: k, (lags,).
        slopes: r_k, (lags,).
    """

    m: float
    b: float
    tau: float
    lags: np.ndarray
    slopes: np.ndarray


def mr_estimator(activity: Any, *, lags: int = 40) -> Branching:
    """Branching ratio by multistep regression, which holds for a part of the neurons too.

    The slopes r_k are regressions over all bins, each trial with means of its own ("trial separated"); b m^k is fitted
    to them by least squares.

    Args:
        activity: Spikes of the (sampled) population in each bin, (bins,) or (bins, trials).
        lags: Largest k; a few times -1 / ln m.

    Raises:
        ValueError: Fewer than 4 `lags` bins, or activity that never changes.
    """
    from scipy.optimize import curve_fit

    counts = _counts(activity)
    within("lags", lags, low=3)
    if len(counts) < 4 * lags:
        raise ValueError(f"`lags` = {lags} needs at least {4 * lags} bins, got {len(counts)}.")
    k = np.arange(1, lags + 1)
    slopes = np.asarray([_slope(counts[:-lag], counts[lag:]) for lag in k])
    if not np.isfinite(slopes).all():
        raise ValueError("`activity`: never changes, so that nothing can be told from it.")
    start = (float(np.clip(slopes[0], 0.01, 1)), 0.9)
    (b, m), _ = curve_fit(lambda k, b, m: b * m**k, k, slopes, p0=start, bounds=([0, 0], [np.inf, 2]), maxfev=10_000)
    tau = -1 / np.log(m) if 0 < m < 1 else np.inf if m >= 1 else 0.0
    return Branching(float(m), float(b), float(tau), k, slopes)


def wired_branching(
    spikes: Trains,
    pre: Any,
    post: Any,
    *,
    window: Any = 4.0,
    bin: Any = 1.0,
    skip: Any = 0.0,
    n: int | None = None,
    duration: Any = None,
) -> float:
    """Branching factor along the synapses: descendants of a spike over its ancestors.

        mean over spikes, then neurons, then trials of
        #(spikes of its targets in (t, t + w]) / max(1, #(spikes of its sources in [t - w, t)))

    Spikes within `window` of the ends are only counted with. Neurons without a spike do not enter the mean.

    Args:
        spikes: Spike trains of one population.
        pre: Presynaptic neuron of each of its synapses, as columns of the recorded neurons.
        post: Postsynaptic neuron of each of its synapses.
        window: w (ms), a multiple of `bin`.
        bin: Width of a bin (ms), the step of the network where that is 1 ms.
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).
    """
    import scipy.sparse

    trains, width = trains_of(spikes, skip, n, duration), width_of("bin", bin)
    reach = round(width_of("window", window) / width)
    within("window", reach, low=1)
    neurons = trains.shape[-1]
    pre, post = np.asarray(pre, np.int64), np.asarray(post, np.int64)
    for name, ids in (("pre", pre), ("post", post)):
        within(name, ids, low=0, high=neurons - 1)
    wired = scipy.sparse.csr_array((np.ones(len(pre)), (pre, post)), shape=(neurons, neurons))
    wired.data[:] = 1.0  # a pair that is connected twice counts once
    inside, index, count = trains.bins(width)
    trial, neuron = np.divmod(trains.row[inside], max(neurons, 1))
    means = []
    for number in range(int(np.prod(trains.shape[:-1], dtype=np.int64))):
        here = trial == number
        raster = np.zeros((count, neurons))
        np.add.at(raster, (index[here], neuron[here]), 1.0)
        means.append(_wired(raster, wired, reach))
    return float(np.nanmean(means)) if np.isfinite(means).any() else float("nan")


def _wired(raster: np.ndarray, wired: Any, reach: int) -> float:
    """The measure for one trial, `raster` (bins, neurons)."""
    totals = np.concatenate([np.zeros((1, raster.shape[1])), np.cumsum(raster, 0)])
    t = np.arange(reach, len(raster) - reach)
    later = totals[t + 1 + reach] - totals[t + 1]
    before = totals[t] - totals[t - reach]
    ratio = (wired @ later.T).T / np.maximum(1.0, (wired.T @ before.T).T)
    spikes = raster[t]
    number = spikes.sum(0)
    return float(((ratio * spikes).sum(0)[number > 0] / number[number > 0]).mean()) if number.any() else float("nan")


def _counts(activity: Any) -> np.ndarray:
    counts = np.asarray(activity, np.float64)
    if counts.ndim not in (1, 2) or len(counts) < 2:
        raise ValueError(f"`activity`: expected counts (bins,) or (bins, trials), got shape {counts.shape}.")
    within("activity", counts, low=0)
    return counts.reshape(len(counts), -1)


def _slope(before: np.ndarray, after: np.ndarray) -> float:
    x, y = before - before.mean(0), after - after.mean(0)
    scatter = (x * x).sum()
    return float((x * y).sum() / scatter) if scatter else float("nan")
