"""Spikes of channels whose rates change from step to step, as recordings."""

from collections.abc import Iterable, Mapping

import numpy as np

from ..readers import Recording, Recordings

STEP_US = 1000


def drawn(
    rates_hz: Iterable[np.ndarray],
    y: np.ndarray,
    rng: np.random.Generator,
    about: Mapping[str, np.ndarray] | None = None,
) -> Recordings:
    """One recording for each sample's rates, at most one spike a channel in a step of 1 ms.

    Args:
        rates_hz: Rates (steps, channels) of each sample (Hz, at most 1000).
        y: Labels.
        rng: Where spikes are drawn.
        about: What else is known of each sample.
    """
    found = []
    for rates in rates_hz:
        step, channel = np.nonzero(rng.random(rates.shape) < rates * (STEP_US / 1e6))
        found.append(Recording(step * STEP_US, channel.astype(np.int32)))
    return Recordings.of(found, y, about)
