"""Accumulation of evidence: cues from the left and the right, a delay, and the question on which side there were more.

    7 cues of 100 ms, each after a pause of 50 ms; a delay; 150 ms of a recall signal
    a side is drawn; each cue is from that side with probability 0.7; y = 1 where more cues came from the right

Inputs are four groups, which spike at random: left and right (40 Hz during their cues), recall (40 Hz at the end),
noise (10 Hz throughout). Bellec et al., Nat. Commun. 11 (2020) 3625, figure 4; after Morcos and Harvey, Nat. Neurosci.
19 (2016) 1672.
"""

from typing import Any

import numpy as np

from ... import _checks, _streams, units
from ..events import EventDataset
from .poisson import drawn

SIZES = {"train": 2000, "valid": 200, "test": 200}
PAUSE, CUE, RECALL = 50, 100, 150
"""Times (ms)."""


def cue_accumulation(
    split: str = "train",
    *,
    size: int | None = None,
    cues: int = 7,
    delay: Any = 1050.0,
    channels: int = 40,
    rate_hz: float = 40.0,
    p: float = 0.7,
    seed: int = 0,
    dt: Any = 1.0,
) -> EventDataset:
    """The samples of one split, frames (steps, batch, channels); `about` holds the cues (1: from the right).

    Args:
        split: "train" (2,000 samples), "valid" (200) or "test" (200).
        size: Number of samples; None is that of the split.
        cues: Number of cues, odd.
        delay: Time between the last cue and the recall (ms, whole); 1,050 make 2,250 in all, as published.
        channels: Number of inputs, a multiple of 4.
        rate_hz: Rate of an active channel.
        p: Probability that a cue is from the side that was drawn.
        seed: Seed.
        dt: Length of a frame (ms).
    """
    _checks.choice("split", split, SIZES)
    _checks.within("p", p, low=0.0, high=1.0)
    _checks.within("rate_hz", rate_hz, "Hz", low=0.0, high=1000.0)
    if cues < 1 or cues % 2 == 0:
        raise ValueError(f"`cues`: expected an odd number, got {cues}.")
    if channels < 4 or channels % 4:
        raise ValueError(f"`channels`: expected a multiple of 4, got {channels}.")
    wait = _checks.steps("delay", float(units.strip("delay", delay, "ms")), 1.0)
    rng, size = _streams.generator(seed, f"cue_accumulation.{split}"), SIZES[split] if size is None else size
    _checks.within("size", size, low=1)
    side = rng.integers(0, 2, size)
    right = np.where(rng.random((size, cues)) < p, side[:, None], 1 - side[:, None])
    y = (right.sum(axis=1) > cues // 2).astype(np.int32)
    group, steps = channels // 4, cues * (PAUSE + CUE) + wait + RECALL

    def rates(sides: np.ndarray) -> np.ndarray:
        found = np.zeros((steps, channels))
        found[:, 3 * group :] = rate_hz / 4
        found[-RECALL:, 2 * group : 3 * group] = rate_hz
        for number, one in enumerate(sides):
            start = number * (PAUSE + CUE) + PAUSE
            found[start : start + CUE, one * group : (one + 1) * group] = rate_hz
        return found

    found = drawn((rates(sides) for sides in right), y, rng, {"cues": right})
    data = EventDataset.of_recordings(found, (channels,), classes=("left", "right"), dt=dt)
    return data.lasting(steps)
