"""HDF5 files, whose library says in many ways that a file is damaged: here in one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from .recording import damaged
from .vlen_heap import check_heap


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open to read; what goes wrong inside is an error that names it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A damaged file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`path`: {path} is not there.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise damaged(path, "a whole HDF5 file", str(error)) from error
    except (
        OSError,
        RuntimeError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OverflowError,
        MemoryError,
    ) as error:
        raise damaged(path, "a whole HDF5 file", f"{type(error).__name__} ({error})") from error


def dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """What is stored under a name, which must be an array."""
    stored = file[name]
    if not isinstance(stored, h5py.Dataset):
        raise damaged(path, f"an array at {name}", f"{stored}")
    if stored.dtype.kind == "O":
        check_heap(path, stored)
    return stored


def numbers(path: Path, file: h5py.File, name: str) -> np.ndarray:
    """An array of whole numbers, one axis."""
    stored = dataset(path, file, name)
    if stored.ndim != 1 or stored.dtype.kind not in "iu":
        raise damaged(path, f"whole numbers at {name}", f"{stored}")
    return np.asarray(stored[:], np.int64)
