"""How unlike spike trains are, and how much neurons do together.

    van Rossum:  D^2 = (1 / tau) int (f - g)^2 dt,   f = sum_i exp(-(t - t_i) / tau) for t > t_i
                     = (k(u, u) + k(v, v)) / 2 - k(u, v),   k(u, v) = sum_ij exp(-|u_i - v_j| / tau)
    Golomb:      chi^2 = var_t(mean_i v_i) / mean_i(var_t v_i)

van Rossum, Neural Comput. 13 (2001) 751; Houghton & Kreuz, Network 23 (2012) 48 (the sums in linear time); Golomb,
Scholarpedia 2 (2007) 1347.
"""

from typing import Any

import numpy as np

from .trains import Trains, trains_of, width_of


def golomb_chi(values: Any, *, skip: int = 0) -> np.ndarray:
    """Golomb's synchrony measure, ([batch]): 1 where all neurons do the same, about 1 / sqrt(n) where none do.

    Args:
        values: A variable of every neuron, (time, [batch], n), n >= 2: voltages, or filtered spikes.
        skip: Rows left out at the beginning.
    """
    rows = np.asarray(values, np.float64)[skip:]
    if rows.ndim < 2 or rows.shape[-1] < 2 or len(rows) < 2:
        raise ValueError(f"`values`: expected (time, [batch], n) with n >= 2, got shape {rows.shape}.")
    alone, together = rows.var(0).mean(-1), rows.mean(-1).var(0)
    return np.sqrt(together / np.where(alone > 0, alone, np.nan))


def van_rossum_distance(
    spikes: Trains, *, tau: Any = 10.0, skip: Any = 0.0, n: int | None = None, duration: Any = None
) -> np.ndarray:
    """Distance between the spike trains of every two neurons, (neurons, neurons): the square root of D^2, without unit.

    One spike is sqrt(1/2) away from none, and 1 from one that is far from it in time. Time grows with spikes times
    neurons.

    Args:
        spikes: Spike trains of one trial.
        tau: Time constant of the filter (ms).
        skip: Time left out at the beginning (ms).
        n: Neurons, for a pair (times, ids).
        duration: Time recorded (ms), for a pair (times, ids).

    Raises:
        ValueError: Several trials.
    """
    trains = trains_of(spikes, skip, n, duration)
    if len(trains.shape) != 1:
        raise ValueError(f"`spikes`: expected one trial, got {trains.shape[0]}.")
    scale = width_of("tau", tau)
    weights = np.ones(len(trains.t)) if trains.weight is None else np.asarray(trains.weight, np.float64)
    earlier, trace, last = np.zeros((trains.rows, trains.rows)), np.zeros(trains.rows), trains.begin
    for t, row, weight in zip(trains.t, trains.row, weights, strict=True):
        trace *= np.exp((last - t) / scale)
        earlier[row] += weight * trace
        trace[row] += weight
        last = t
    kernel = earlier + earlier.T
    own = np.diag(kernel) + trains.per_row(trains.row, weights**2)
    np.fill_diagonal(kernel, own)
    return np.sqrt(np.maximum((own[:, None] + own) / 2 - kernel, 0.0))
