"""An array out of a `.npy` file, whose header is held against the length of the file before anything is allocated."""

import tokenize
import warnings
from pathlib import Path

import numpy as np

from .recording import damaged


def read_npy(path: Path, *, kinds: str, axes: int) -> np.ndarray:
    """The array of a file.

    Args:
        path: The file.
        kinds: Kinds of numbers that are accepted, such as "iu".
        axes: Number of axes.

    Raises:
        ValueError: A damaged file, or an array of another kind.
    """
    with path.open("rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, is_fortran, dtype = read(file)
        except (ValueError, TypeError, KeyError, IndexError, SyntaxError, RecursionError, UserWarning) as error:
            raise damaged(path, "the header of an array", f"{type(error).__name__} ({error})") from error
        except (tokenize.TokenError, OverflowError, MemoryError, DeprecationWarning) as error:
            raise damaged(path, "the header of an array", f"{type(error).__name__} ({error})") from error
        content = file.read()
    if dtype.kind not in kinds or len(shape) != axes or min(shape, default=0) < 0:
        raise damaged(path, f"an array of {axes} axes, of kind {' or '.join(kinds)}", f"{dtype} {shape}")
    count = 1
    for size in shape:
        count *= int(size)
    if count * dtype.itemsize != len(content):
        raise damaged(path, f"{count} numbers of {dtype}", f"{len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
