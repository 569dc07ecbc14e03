"""A real matrix out of a MATLAB 5 file.

    128 bytes of header, then elements: type and length (uint32 each, or both in one word), contents, padding to 8 bytes
    a matrix is an element of four: flags, lengths of the axes, name, numbers column by column; or that, deflated

SciPy reads more kinds, but a damaged file makes it raise whatever it meets; here every length is checked before it is
used. MathWorks, MAT-File Format (2023).
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .recording import damaged

MATRIX, DEFLATED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
LARGEST = 1 << 30
"""Bytes that a deflated matrix may have."""


def read_mat5(path: Path, name: str) -> np.ndarray:
    """The matrix `name` of a file, (rows, columns).

    Raises:
        ValueError: A damaged file, or one without that matrix.
    """
    content = path.read_bytes()
    if len(content) < 136 or content[124:128] != b"\x00\x01IM":
        raise damaged(path, "a MATLAB 5 file, little-endian", f"{len(content)} bytes that begin {content[:8]!r}")
    for kind, body in _elements(path, content[128:]):
        if kind == DEFLATED:
            ((kind, body),) = list(_elements(path, _inflated(path, body)))[:1] or [(0, b"")]
        if kind == MATRIX and (found := _matrix(path, body))[0] == name:
            return found[1]
    raise damaged(path, f'a matrix "{name}"', "none")


def _elements(path: Path, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and contents of the elements in some bytes."""
    start = 0
    while start < len(content):
        if len(content) - start < 8:
            raise damaged(path, "an element", f"{len(content) - start} bytes after the last")
        word, length = struct.unpack_from("<II", content, start)
        small = word >> 16
        kind, length, first = (word & 0xFFFF, small, start + 4) if small else (word, length, start + 8)
        if first + length > len(content) or small > 4:
            raise damaged(path, f"{length} bytes of an element", f"{len(content) - first}")
        yield kind, content[first : first + length]
        start = first + length if kind == DEFLATED else first + length + -(first + length - start) % 8


def _inflated(path: Path, body: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(body, LARGEST)
    except zlib.error as error:
        raise damaged(path, "deflated contents", str(error)) from error
    if not stream.eof or stream.unused_data:
        raise damaged(path, "deflated contents that end where they should", f"{len(content)} bytes inflated")
    return content


def _matrix(path: Path, body: bytes) -> tuple[str, np.ndarray]:
    """Name and contents of a matrix of real numbers; contents of another kind are an error."""
    parts = list(_elements(path, body))
    if len(parts) != 4 or parts[0][0] != 6 or parts[1][0] != 5 or len(parts[1][1]) != 8 or parts[2][0] != 1:
        raise damaged(path, "a matrix of two axes of real numbers", f"{len(parts)} parts")
    name, shape = parts[2][1].decode("latin-1"), tuple(np.frombuffer(parts[1][1], "<i4").tolist())
    kind, numbers = parts[3]
    if kind not in NUMBERS or min(shape) < 0 or shape[0] * shape[1] * np.dtype(NUMBERS[kind]).itemsize != len(numbers):
        raise damaged(path, f"numbers for {shape}", f"{len(numbers)} bytes of type {kind}")
    return name, np.frombuffer(numbers, NUMBERS[kind]).reshape(shape, order="F")
