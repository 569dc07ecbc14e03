"""Pulse packets: volleys of spikes around given times, as they travel along a synfire chain.

    packet m:  `activity` spikes at times[m] + std xi,   xi ~ N(0, 1),   each on a channel of its own

Diesmann, Gewaltig & Aertsen, Nature 402 (1999) 529.
"""

from typing import Any

import numpy as np

from .. import _checks, _streams, units
from .sources import SpikeTimes, channels


def pulse_packets(n: int, times: Any, activity: int, std: Any, *, seed: int = 0) -> SpikeTimes:
    """Volleys of spikes as a source, drawn once (every trial gets the same).

    Args:
        n: Number of channels.
        times: Centres of the packets (ms).
        activity: Spikes in a packet, at most `n`: each on another channel, drawn anew for each packet.
        std: Standard deviation of the spikes around the centre (ms), >= 0.
        seed: Seed of the draws.

    Raises:
        ValueError: More spikes than channels, or a spike before t = 0: then `times` begins too early for `std`.
    """
    n, centres = channels(n), np.atleast_1d(np.asarray(units.strip("times", times, "ms"), np.float64))
    std = float(units.strip("std", std, "ms"))
    _checks.within("std", std, "ms", low=0.0)
    if isinstance(activity, bool) or not isinstance(activity, int | np.integer) or not 0 <= activity <= n:
        raise ValueError(f"`activity`: expected 0 to n = {n} spikes, each on a channel of its own, got {activity!r}.")
    rng = _streams.generator(seed, "pulse_packets")
    ids = np.concatenate([np.empty(0, int), *(rng.choice(n, activity, replace=False) for _ in centres)])
    spikes = np.repeat(centres, activity) + std * rng.standard_normal(ids.size)
    if spikes.size and spikes.min() < 0:
        raise ValueError(f"`times`: a packet at {centres.min():g} ms with std {std:g} ms has a spike before 0 ms.")
    return SpikeTimes(times=spikes, ids=ids, n=n)
