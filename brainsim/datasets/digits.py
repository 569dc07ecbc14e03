"""Handwritten digits of 8 x 8 pixels: the 1,797 samples that scikit-learn ships, with a fixed split.

Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998), test part.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks, _streams
from .dense import Dataset

SIZES = {"train": 1257, "valid": 180, "test": 360}


def digits(split: str = "train", *, encode: Callable[..., Any] | None = None) -> Dataset:
    """The samples of one split, pixels in [0, 1].

    Args:
        split: "train" (1,257 samples), "valid" (180) or "test" (360); the same samples in every program.
        encode: `encode(x, key)` makes the input (time, batch, 64) of a batch x (batch, 64).
    """
    _checks.choice("split", split, SIZES)
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError('"digits" comes with scikit-learn: `pip install "brainsim[examples]"`.') from error
    pixels, labels = load_digits(return_X_y=True)
    order = _streams.generator(0, "digits.split").permutation(len(labels))
    ends = np.cumsum(list(SIZES.values()))
    part = list(SIZES).index(split)
    ids = order[ends[part] - SIZES[split] : ends[part]]
    return Dataset((pixels[ids] / 16).astype(np.float32), labels[ids].astype(np.int32), encode)
