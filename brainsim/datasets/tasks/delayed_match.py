"""Delayed match to sample: a stimulus, a delay, a second stimulus, and the question whether both were the same.

    sample (0.5 s), delay (1.5 s), test (0.5 s);  y = 1 where test = sample, which it is in half of the samples

A stimulus is a fixed random half of the channels that fires at `rate_hz` while the others fire at a tenth of it; during
the delay all do. Miller, Erickson and Desimone, J. Neurosci. 16 (1996) 5154.
"""

from typing import Any

import numpy as np

from ... import _checks, _streams, units
from ..events import EventDataset
from .poisson import drawn

SIZES = {"train": 2000, "valid": 200, "test": 200}


def delayed_match(
    split: str = "train",
    *,
    size: int | None = None,
    stimuli: int = 2,
    stimulus: Any = 500.0,
    delay: Any = 1500.0,
    channels: int = 40,
    rate_hz: float = 40.0,
    seed: int = 0,
    dt: Any = 1.0,
) -> EventDataset:
    """The samples of one split, frames (steps, batch, channels); `about` holds both stimuli.

    Args:
        split: "train" (2,000 samples), "valid" (200) or "test" (200).
        size: Number of samples; None is that of the split.
        stimuli: Number of different stimuli.
        stimulus: How long each is shown (ms, whole).
        delay: Time between the two (ms, whole).
        channels: Number of inputs.
        rate_hz: Rate of an active channel.
        seed: Seed of stimuli and samples.
        dt: Length of a frame (ms).
    """
    _checks.choice("split", split, SIZES)
    _checks.within("rate_hz", rate_hz, "Hz", low=0.0, high=1000.0)
    _checks.within("stimuli", stimuli, low=2)
    _checks.within("channels", channels, low=2)
    shown = _checks.steps("stimulus", float(units.strip("stimulus", stimulus, "ms")), 1.0)
    wait = _checks.steps("delay", float(units.strip("delay", delay, "ms")), 1.0)
    size = SIZES[split] if size is None else size
    _checks.within("size", size, low=1)
    fixed, rng = (_streams.generator(seed, f"delayed_match.{name}") for name in ("stimuli", split))
    is_active = fixed.permuted(np.arange(channels) < channels // 2 + np.zeros((stimuli, 1), int), axis=1)
    strength = np.where(is_active, rate_hz, rate_hz / 10)
    first, y = rng.integers(0, stimuli, size), rng.integers(0, 2, size).astype(np.int32)
    second = np.where(y == 1, first, (first + rng.integers(1, stimuli, size)) % stimuli)

    def rates(one: int, other: int) -> np.ndarray:
        found = np.full((2 * shown + wait, channels), rate_hz / 10)
        found[:shown], found[shown + wait :] = strength[one], strength[other]
        return found

    found = drawn((rates(*pair) for pair in zip(first, second, strict=True)), y, rng, {"sample": first, "test": second})
    data = EventDataset.of_recordings(found, (channels,), classes=("other", "same"), dt=dt)
    return data.lasting(2 * shown + wait)
