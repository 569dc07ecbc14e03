"""Classification of spike patterns: every class is one pattern, a sample is it with jitter, lost and added spikes.

    template: each channel a Poisson process of `rate_hz`;   t -> t + N(0, jitter^2), kept with probability 1 - loss
    added: a Poisson process of `noise_hz` on every channel

Guetig and Sompolinsky, Nat. Neurosci. 9 (2006) 420.
"""

from typing import Any

import numpy as np

from ... import _checks, _streams, units
from ..events import EventDataset
from ..readers import Recording, Recordings

SIZES = {"train": 100, "valid": 20, "test": 20}
"""Samples a class."""


def spike_patterns(
    split: str = "train",
    *,
    classes: int = 10,
    channels: int = 100,
    duration: Any = 200.0,
    rate_hz: float = 10.0,
    jitter: Any = 2.0,
    loss: float = 0.1,
    noise_hz: float = 1.0,
    seed: int = 0,
    dt: Any = 1.0,
) -> EventDataset:
    """The samples of one split; all splits are of the same patterns.

    Args:
        split: "train" (100 samples a class), "valid" (20) or "test" (20).
        classes: Number of patterns.
        channels: Number of inputs.
        duration: Length of a pattern (ms).
        rate_hz: Rate of the patterns' spikes.
        jitter: Standard deviation of a spike's time (ms); a spike moved out of the pattern is lost.
        loss: Probability that a spike is lost.
        noise_hz: Rate of added spikes.
        seed: Seed of patterns and samples.
        dt: Length of a frame (ms).
    """
    _checks.choice("split", split, SIZES)
    for name, value, low in (("classes", classes, 1), ("channels", channels, 1)):
        _checks.within(name, value, low=low)
    _checks.within("loss", loss, low=0.0, high=1.0)
    for name, value in (("rate_hz", rate_hz), ("noise_hz", noise_hz)):
        _checks.within(name, value, "Hz", low=0.0)
    lasts, spread = (
        float(units.strip(name, value, "ms")) for name, value in (("duration", duration), ("jitter", jitter))
    )
    _checks.positive("duration", lasts, "ms")
    _checks.within("jitter", spread, "ms", low=0.0)
    fixed, rng = (_streams.generator(seed, f"spike_patterns.{name}") for name in ("templates", split))
    found = []
    for _ in range(classes):
        at, channel = _spikes(fixed, rate_hz, lasts, channels)
        for _ in range(SIZES[split]):
            stays = rng.random(len(at)) >= loss
            noise_at, noise_channel = _spikes(rng, noise_hz, lasts, channels)
            t = np.concatenate([at[stays] + spread * rng.standard_normal(stays.sum()), noise_at])
            found.append(_recording(t, np.concatenate([channel[stays], noise_channel]), lasts))
    y = np.repeat(np.arange(classes), SIZES[split])
    return EventDataset.of_recordings(Recordings.of(found, y), (channels,), dt=dt).lasting(lasts)


def _spikes(rng: np.random.Generator, rate_hz: float, lasts: float, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and channels of Poisson processes."""
    count = rng.poisson(rate_hz * lasts / 1000 * channels)
    return rng.uniform(0, lasts, count), rng.integers(0, channels, count)


def _recording(t: np.ndarray, channel: np.ndarray, lasts: float) -> Recording:
    t_us = np.floor(1000 * t).astype(np.int64)
    order = np.argsort(t_us, kind="stable")
    order = order[(t_us[order] >= 0) & (t_us[order] < 1000 * lasts)]
    return Recording(t_us[order], channel[order].astype(np.int32))
