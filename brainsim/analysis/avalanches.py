"""Avalanches of a population's activity, and the power law of their sizes.

    avalanche: consecutive bins with spikes, between bins without;   size: its spikes;   duration: its bins
    p(x) = x^-alpha / zeta(alpha, x_min),  x >= x_min;   alpha = argmax (-n ln zeta(alpha, x_min) - alpha sum ln x)

Beggs & Plenz, J. Neurosci. 23 (2003) 11167; Clauset, Shalizi & Newman, SIAM Rev. 51 (2009) 661, eq. 3.5 and sect. 3.3.
"""

from typing import Any, NamedTuple

import numpy as np

from .._checks import within
from .trains import Trains, trains_of, width_of

_LARGEST = 20.0
_CANDIDATES = 100


class Avalanches(NamedTuple):
    """Avalanches, in order of trial and time.

    Attributes:
        sizes: Number of spikes, int64 (avalanches,).
        durations: Length in bins, int64 (avalanches,).
        bin: Width of a bin (ms).
    """

    sizes: np.ndarray
    durations: np.ndarray
    bin: float


def avalanches(
    spikes: Trains, *, bin: Any = None, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> Avalanches:
    """The avalanches of a population; those that the ends of the run cut are left out.

    Args:
        spikes: Spike trains.
        bin: Width of a bin (ms); None takes the mean interval between spikes of the whole population.
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).

    Raises:
        ValueError: Fewer than two spikes, and no `bin`.
    """
    trains = trains_of(spikes, skip, n, duration)
    trials = int(np.prod(trains.shape[:-1], dtype=np.int64))
    if bin is None:
        if len(trains.t) < 2:
            raise ValueError("`bin`: expected a time (ms): there are too few spikes to tell it from.")
        bin = (trains.end - trains.begin) * trials / len(trains.t)
    width = width_of("bin", bin)
    found = [of_activity(row) for row in trains.population(width).reshape(-1, trials).T]
    sizes, durations = (np.concatenate(part) for part in zip(*found, strict=True))
    return Avalanches(sizes, durations, width)


def of_activity(activity: Any) -> tuple[np.ndarray, np.ndarray]:
    """(sizes, durations) of the avalanches in one series of counts, without those at its ends."""
    counts = np.asarray(activity)
    quiet = np.flatnonzero(counts == 0)
    totals = np.concatenate([[0], np.cumsum(counts)])
    begin, end = quiet[:-1] + 1, quiet[1:]
    some = end > begin
    sizes = totals[end[some]] - totals[begin[some]]
    return np.rint(sizes).astype(np.int64), (end - begin)[some].astype(np.int64)


class PowerLaw(NamedTuple):
    """A discrete power law fitted to integers.

    Attributes:
        alpha: Exponent.
        error: Its standard error, from the curvature of the likelihood.
        x_min: Smallest value that it holds for.
        distance: Kolmogorov-Smirnov distance between the data above `x_min` and the law.
        tail: Number of values >= `x_min`.
    """

    alpha: float
    error: float
    x_min: int
    distance: float
    tail: int


def power_law(values: Any, *, x_min: int | None = None) -> PowerLaw:
    """Exponent of a power law by maximum likelihood.

    Args:
        values: Positive integers, such as the sizes of avalanches.
        x_min: Smallest value that the law is fitted to; None takes the one with the least Kolmogorov-Smirnov distance.
            That a law was fitted does not say that it is one: compare with other distributions (Clauset et al., 5).

    Raises:
        ValueError: Values that are no positive integers, or fewer than 10 of them above `x_min`.
    """
    x = np.sort(np.asarray(values))
    if x.ndim != 1 or x.dtype.kind not in "iu" or (x.size and x[0] < 1):
        raise ValueError("`values`: expected positive integers, in one dimension.")
    if x_min is not None:
        within("x_min", x_min, low=1)
        candidates = np.asarray([x_min])
    else:
        candidates = np.unique(x)[:_CANDIDATES]
    candidates = [int(low) for low in candidates if (x >= low).sum() >= 10]
    if not candidates:
        raise ValueError(f"`values`: expected at least 10 of them >= `x_min`, got {x.size} in all.")
    return min((_fit(x[x >= low], low) for low in candidates), key=lambda law: law.distance)


def _fit(x: np.ndarray, x_min: int) -> PowerLaw:
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    mean_log, count = np.log(x).mean(), len(x)
    lost = lambda alpha: float(np.log(zeta(alpha, x_min)) + alpha * mean_log)
    found: Any = minimize_scalar(lost, bounds=(1.0 + 1e-6, _LARGEST), method="bounded", options={"xatol": 1e-9})
    alpha = float(found.x)
    step = 1e-3 * (alpha - 1)
    curvature = (lost(alpha + step) - 2 * lost(alpha) + lost(alpha - step)) / step**2
    seen, first = np.unique(x, return_index=True)
    above = np.append(first[1:], count)
    law = 1 - zeta(alpha, seen + 1.0) / zeta(alpha, x_min)
    distance = np.abs(above / count - law).max()
    return PowerLaw(alpha, float(1 / np.sqrt(count * curvature)), x_min, float(distance), count)
