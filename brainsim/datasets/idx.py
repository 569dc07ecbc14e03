"""MNIST and Fashion-MNIST: 60,000 + 10,000 pictures of 28 x 28 pixels in 10 classes, from their idx files.

An idx file is the magic number 0x08 << 8 | axes, the length of every axis (big-endian int32), and the bytes. LeCun,
Cortes and Burges (1998); Xiao, Rasul and Vollgraf, arXiv 1708.07747.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from .dense import Dataset

SPLITS = {"train": "train", "test": "t10k"}
FILES = tuple(f"{part}-{kind}-ubyte.gz" for part in SPLITS.values() for kind in ("images-idx3", "labels-idx1"))


def pictures(folder: Path, split: str = "train", *, encode: Callable[..., Any] | None = None) -> Dataset:
    """The pictures of one split, pixels in [0, 1], shape (samples, 28, 28).

    Args:
        folder: Folder of the four gzipped idx files.
        split: "train" or "test".
        encode: `encode(x, key)` makes the input (time, batch, ...) of a batch x (batch, 28, 28).
    """
    _checks.choice("split", split, SPLITS)
    images, labels = (read_idx(folder / f"{SPLITS[split]}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return Dataset((images / np.float32(255)).astype(np.float32), labels.astype(np.int32), encode)


def read_idx(path: Path) -> np.ndarray:
    """The bytes of a gzipped idx file as an array.

    Raises:
        ValueError: The file is no idx file of bytes, or its length is not what its header says.
    """
    content = gzip.decompress(path.read_bytes())
    axes = content[3] if len(content) > 4 and content[:3] == b"\0\0\x08" else 0
    shape = tuple(int(n) for n in np.frombuffer(content, ">i4", axes, 4)) if axes else ()
    expected = 4 + 4 * axes + int(np.prod(shape))
    if not axes or len(content) != expected:
        raise ValueError(f"`path`: expected an idx file of bytes, got {len(content)} bytes in {path}.")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
