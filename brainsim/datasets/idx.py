"""MNIST and Fashion-MNIST: 60,000 + 10,000 pictures of 28 x 28 pixels in 10 classes, from their idx files.

An idx file is the magic number 0x08 << 8 | axes, the length of every axis (big-endian int32), and the bytes. LeCun,
Cortes and Burges (1998); Xiao, Rasul and Vollgraf, arXiv 1708.07747.
"""

import gzip
import math
import zlib
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
    with path.open("rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
        try:
            magic = unzipped.read(4)
            axes = magic[3] if len(magic) == 4 and magic[:3] == b"\0\0\x08" and magic[3] < 8 else 0
            header = unzipped.read(4 * axes)
            shape = tuple(np.frombuffer(header, ">i4").tolist()) if axes and len(header) == 4 * axes else ()
            content = unzipped.read(math.prod(shape) + 1) if shape and min(shape) >= 0 else b""
        except (gzip.BadGzipFile, EOFError, zlib.error, MemoryError, OverflowError) as error:
            raise ValueError(f"`path`: expected a gzipped idx file of bytes, got {error} in {path}.") from error
    if not shape or min(shape) < 0 or len(content) != math.prod(shape):
        raise ValueError(f"`path`: expected an idx file of bytes, got {len(content)} bytes for {shape} in {path}.")
    return np.frombuffer(content, np.uint8).reshape(shape)
