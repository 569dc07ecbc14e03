"""The adding problem: numbers over time, two of them marked, whose sum is asked for.

    x_k = (u_k, m_k),   u ~ U(0, 1),   m_k = 1 in one step of each half, else 0;   y = sum_k m_k u_k

Always answering 1 has the mean square error 1/6 = 0.167. Hochreiter and Schmidhuber, Neural Comput. 9 (1997) 1735.
"""

from typing import Any

import numpy as np

from ... import _checks, _streams
from ..._types import Array
from ..dense import Dataset

SIZES = {"train": 10_000, "valid": 1000, "test": 1000}


def adding(split: str = "train", *, size: int | None = None, steps: int = 100, seed: int = 0) -> Dataset:
    """The samples of one split: batches x (steps, batch, 2), y (batch, 1), both float32.

    Args:
        split: "train" (10,000 samples), "valid" (1,000) or "test" (1,000).
        size: Number of samples; None is that of the split.
        steps: Length of a sequence, at least 2.
        seed: Seed.
    """
    _checks.choice("split", split, SIZES)
    _checks.within("steps", steps, low=2)
    rng, size = _streams.generator(seed, f"adding.{split}"), SIZES[split] if size is None else size
    _checks.within("size", size, low=1)
    x = np.zeros((size, steps, 2), np.float32)
    x[..., 0] = rng.random((size, steps))
    for low, high in ((0, steps // 2), (steps // 2, steps)):
        x[np.arange(size), rng.integers(low, high, size), 1] = 1
    y = (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)
    return Dataset(x, y, _over_time)


def _over_time(x: np.ndarray, key: Array) -> Any:
    return np.swapaxes(x, 0, 1)
