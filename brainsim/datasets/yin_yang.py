"""The Yin-Yang data set: points in a disc that belong to Yin, Yang, or one of the two dots.

    disc (x - r)^2 + (y - r)^2 <= r^2, r = 1/2; dots of radius 1/10 around (r/2, r) and (3r/2, r)
    d_l, d_r: distances to the dots' centres
    dots: d_l < 1/10 or d_r < 1/10;     Yin: else, where d_l <= r/2, or y > r and d_r > r/2;     Yang: else

A sample is (x, y, 1 - x, 1 - y), so that a code by spike times has early and late spikes everywhere. A linear
classifier reaches 64 %. Kriener, Goeltz and Petrovici, NICE 2022 (arXiv 2102.08211); the points are drawn here, they
are not those of the authors' seeds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks, _streams
from .dense import Dataset

SIZES = {"train": 5000, "valid": 1000, "test": 1000}
BIG, SMALL = 0.5, 0.1
CLASSES = ("yin", "yang", "dot")


def yin_yang(split: str = "train", *, size: int | None = None, encode: Callable[..., Any] | None = None) -> Dataset:
    """The samples of one split, the three classes equally likely.

    Args:
        split: "train" (5,000 samples), "valid" (1,000) or "test" (1,000); the same samples in every program.
        size: Number of samples; None is that of the split.
        encode: `encode(x, key)` makes the input of a batch x (batch, 4), such as one of `latency`.
    """
    _checks.choice("split", split, SIZES)
    size = SIZES[split] if size is None else size
    _checks.within("size", size, low=1)
    rng = _streams.generator(0, f"yin_yang.{split}")
    wanted = rng.integers(0, len(CLASSES), size)
    points, missing = np.empty((size, 2)), np.arange(size)
    while len(missing):
        drawn = rng.uniform(0, 2 * BIG, (len(missing), 2))
        fits = (np.hypot(*(drawn - BIG).T) <= BIG) & (classes(drawn) == wanted[missing])
        points[missing[fits]] = drawn[fits]
        missing = missing[~fits]
    return Dataset(np.hstack([points, 1 - points]).astype(np.float32), wanted.astype(np.int32), encode)


def classes(points: np.ndarray) -> np.ndarray:
    """The class of points (samples, 2): 0 Yin, 1 Yang, 2 dots."""
    left, right = (np.hypot(*(points - [x, BIG]).T) for x in (BIG / 2, 3 * BIG / 2))
    yin = (left <= BIG / 2) | ((points[:, 1] > BIG) & (right > BIG / 2))
    return np.where((left < SMALL) | (right < SMALL), 2, np.where(yin, 0, 1))


def latency(
    x: np.ndarray, steps: int, *, dt: float, early: float, late: float, bias: float | None = None
) -> np.ndarray:
    """One spike a coordinate, at early + x (late - early), and one of a further input at `bias`.

    Args:
        x: Samples (batch, 4).
        steps: Number of time steps.
        dt: Step (ms); a spike of step k is one at (k + 1) dt.
        early: Time of the coordinate 0 (ms), at least dt.
        late: Time of the coordinate 1 (ms), at most steps * dt.
        bias: Time of the further input (ms); None is `early`.

    Returns:
        Spikes, float32 (steps, batch, 5); one between two steps is parted among them, so that its time is kept.
    """
    _checks.within("early", early, "ms", low=dt, high=late)
    _checks.within("late", late, "ms", high=steps * dt)
    constant = np.full((len(x), 1), early if bias is None else bias)
    times = np.hstack([early + np.asarray(x, float) * (late - early), constant])
    apart = np.abs(times / dt - np.arange(1, steps + 1)[:, None, None])
    return np.maximum(0, 1 - apart).astype(np.float32)
