"""Randman: spike times on smooth random manifolds, one manifold a class.

    t_i(x) = duration f_i(x),   f_i(x) = prod_d sum_k a_idk k^-alpha sin 2 pi ((k - 1) b_idk x_d + phi_idk)

x is a point of the manifold's D coordinates, uniform in [0, 1]; i is an input, which spikes once. a, b, phi are uniform
in [0, 1], and f_i is stretched to [0, 1] over a class's samples. The larger alpha, the smoother. Zenke and Vogels,
Neural Comput. 33 (2021) 899.
"""

import math
from typing import Any

import numpy as np

from ... import _checks, _streams, units
from ..events import EventDataset
from ..readers import Recording, Recordings

SIZES = {"train": 800, "valid": 100, "test": 100}
"""Samples a class."""
LEAST = 1e-3
"""Smallest weight k^-alpha of a frequency."""


def randman(
    split: str = "train",
    *,
    classes: int = 10,
    units_in: int = 20,
    dimensions: int = 1,
    alpha: float = 2.0,
    duration: Any = 50.0,
    seed: int = 0,
    dt: Any = 1.0,
) -> EventDataset:
    """The samples of one split; all splits are of the same manifolds.

    Args:
        split: "train" (800 samples a class), "valid" (100) or "test" (100).
        classes: Number of manifolds.
        units_in: Number of inputs.
        dimensions: Dimensions of a manifold.
        alpha: Smoothness.
        duration: Time within which every input spikes (ms).
        seed: Seed of manifolds and samples.
        dt: Length of a frame (ms).
    """
    _checks.choice("split", split, SIZES)
    _checks.positive("alpha", alpha)
    for name, value in (("classes", classes), ("units_in", units_in), ("dimensions", dimensions)):
        _checks.within(name, value, low=1)
    duration_us = 1000 * float(units.strip("duration", duration, "ms"))
    _checks.positive("duration", duration_us, "us")
    ends = np.cumsum(list(SIZES.values()))
    part = slice(ends[list(SIZES).index(split)] - SIZES[split], ends[list(SIZES).index(split)])
    found = []
    for number in range(classes):
        rng = _streams.generator(seed, f"randman.{number}")
        times = manifold(rng, int(ends[-1]), units_in, dimensions, alpha)[part] * (duration_us - 1)
        found += [_recording(sample) for sample in np.round(times).astype(np.int64)]
    y = np.repeat(np.arange(classes), SIZES[split])
    return EventDataset.of_recordings(Recordings.of(found, y), (units_in,), dt=dt)


def manifold(rng: np.random.Generator, samples: int, inputs: int, dimensions: int, alpha: float) -> np.ndarray:
    """Random points of a random manifold, (samples, inputs) in [0, 1]."""
    k = np.arange(1, min(math.ceil(LEAST ** (-1 / alpha)), 1000) + 1)
    a, b, phi = rng.uniform(size=(3, inputs, dimensions, len(k)))
    x = rng.uniform(size=(samples, dimensions))
    f = np.ones((samples, inputs))
    for d in range(dimensions):
        turn = (k - 1) * b[:, d] * x[:, d, None, None] + phi[:, d]
        f *= (a[:, d] * k**-alpha * np.sin(2 * np.pi * turn)).sum(axis=-1)
    low, high = f.min(axis=0), f.max(axis=0)
    return (f - low) / np.where(high > low, high - low, 1)


def _recording(times: np.ndarray) -> Recording:
    order = np.argsort(times, kind="stable")
    return Recording(times[order], order.astype(np.int32))
