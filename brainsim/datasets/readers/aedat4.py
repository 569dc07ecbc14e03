"""`.aedat4` recordings of iniVation's cameras, CIFAR10-DVS among them.

    #!AER-DAT4.0, a header, and packets of a stream's number and a length (int32 each) and contents, up to a data table
    header and contents are FlatBuffers; contents are compressed (LZ4 or Zstandard) as the header says
    an event is t in microseconds (int64), x, y (int16), polarity (byte), three bytes of padding

The header has an XML text that says which stream holds events and how large the sensor is. Times are counted from the
first event. iniVation, AEDAT 4.0 format; Li, Liu, Ji, Li and Shi, Front. Neurosci. 11 (2017) 309.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from .recording import Recording, damaged, recording

MAGIC = b"#!AER-DAT4.0\r\n"
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("pad", "u1", 3)])
PLAIN, LZ4, LZ4_HIGH, ZSTD, ZSTD_HIGH = range(5)
LARGEST = 1 << 28
"""Bytes that a packet may have."""


def read_aedat4(path: Path, shape: tuple[int, int, int] | None = None) -> tuple[Recording, tuple[int, int, int]]:
    """The events of the first stream of events, and the sensor's shape (polarity, row, column).

    Args:
        path: The file.
        shape: The shape that the sensor must have; None for what the file says.

    Raises:
        ValueError: A damaged file, or another sensor.
        ImportError: The package that inflates the file is not installed.
    """
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise damaged(path, "an AEDAT 4 file", f"{content[:14]!r}")
    try:
        found, seen = _events(path, content)
    except (struct.error, UnicodeDecodeError, ElementTree.ParseError, OverflowError) as error:
        raise damaged(path, "a whole AEDAT 4 file", f"{type(error).__name__} ({error})") from error
    if shape is not None and seen != shape:
        raise damaged(path, f"a sensor of shape {shape}", f"{seen}")
    t_us = found["t"] - (found["t"][0] if len(found) else 0)
    return recording(path, t_us, (found["p"], found["y"], found["x"]), seen), seen


def _events(path: Path, content: bytes) -> tuple[np.ndarray, tuple[int, int, int]]:
    """All events of the stream, and the sensor's shape."""
    size, start = struct.unpack_from("<I", content, len(MAGIC))[0], len(MAGIC) + 4
    if start + size > len(content):
        raise damaged(path, f"{size} bytes of header", f"{len(content) - start}")
    header = content[start : start + size]
    table = _root(path, header, b"IOHE")
    compression, position, info = (_field(path, header, table, index) for index in range(3))
    if info is None:
        raise damaged(path, "a description of the streams", "none")
    kind = 0 if compression is None else struct.unpack_from("<i", header, compression)[0]
    end = -1 if position is None else struct.unpack_from("<q", header, position)[0]
    stream, shape = _stream(path, _text(path, header, info))
    end = end if end >= 0 else len(content)
    if not start + size <= end <= len(content):
        raise damaged(path, f"packets up to byte {end}", f"{len(content)} bytes")
    inflate = _inflater(path, kind)
    parts = [
        _packet(path, inflate(body)) for number, body in _packets(path, content, start + size, end) if number == stream
    ]
    return np.concatenate([np.empty(0, EVENT), *parts]), shape


def _packets(path: Path, content: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Number of the stream and contents of every packet."""
    while start < end:
        number, size = struct.unpack_from("<ii", content, start)
        if size < 0 or start + 8 + size > end:
            raise damaged(path, f"{size} bytes of a packet", f"{end - start - 8}")
        yield number, content[start + 8 : start + 8 + size]
        start += 8 + size


def _packet(path: Path, body: bytes) -> np.ndarray:
    """The events of a packet."""
    (size,) = struct.unpack_from("<I", body)
    if size + 4 != len(body):
        raise damaged(path, f"{size} bytes of events", f"{len(body) - 4}")
    buffer = body[4:]
    vector = _field(path, buffer, _root(path, buffer, b"EVTS"), 0)
    if vector is None:
        return np.empty(0, EVENT)
    first, count = _vector(path, buffer, vector, EVENT.itemsize)
    events = np.frombuffer(buffer, EVENT, count, first)
    if events["pad"].any():
        raise damaged(path, "padding of zeros", "other bytes")
    return events


def _stream(path: Path, text: str) -> tuple[int, tuple[int, int, int]]:
    """Number of the first stream of events, and its sensor's shape."""
    for node in ElementTree.fromstring(text).iter("node"):
        known = {entry.get("key"): entry.text or "" for entry in node.iter("attr")}
        if node.find("attr[@key='typeIdentifier']") is not None and known.get("typeIdentifier") == "EVTS":
            numbers = [node.get("name", ""), known.get("sizeY", ""), known.get("sizeX", "")]
            if not all(number.isascii() and number.isdigit() and len(number) < 6 for number in numbers):
                raise damaged(path, "a stream's number and sizes", f"{numbers}")
            stream, rows, columns = map(int, numbers)
            return stream, (2, rows, columns)
    raise damaged(path, "a stream of events", "none")


def _inflater(path: Path, kind: int) -> Callable[[bytes], bytes]:
    """What undoes the compression of a packet."""
    if kind == PLAIN:
        return lambda body: body
    if kind in (LZ4, LZ4_HIGH):
        try:
            import lz4.frame
        except ImportError as error:
            raise ImportError(f'{path} needs lz4: `pip install "brainsim[datasets]"`.') from error

        def inflate(body: bytes) -> bytes:
            try:
                return lz4.frame.decompress(body)
            except (RuntimeError, MemoryError, ValueError) as error:
                raise damaged(path, "packets compressed by LZ4", str(error)) from error

        return inflate
    if kind in (ZSTD, ZSTD_HIGH):
        return _zstandard(path)
    raise damaged(path, "compression 0 to 4", f"{kind}")


def _zstandard(path: Path) -> Callable[[bytes], bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise ImportError(f'{path} needs zstandard: `pip install "brainsim[datasets]"`.') from error

    def inflate(body: bytes) -> bytes:
        try:
            if not 0 <= zstandard.frame_content_size(body) <= LARGEST:
                raise damaged(path, f"packets of at most {LARGEST} bytes", "a larger or unknown size")
            return zstandard.ZstdDecompressor().decompress(body)
        except (zstandard.ZstdError, MemoryError) as error:
            raise damaged(path, "packets compressed by Zstandard", str(error)) from error

    return inflate


# FlatBuffers: a table begins with the distance back to a list of where its fields are.


def _root(path: Path, buffer: bytes, identifier: bytes) -> int:
    """Where the root table of a buffer is."""
    (table,) = struct.unpack_from("<I", buffer)
    if buffer[4:8] != identifier:
        raise damaged(path, f"contents of kind {identifier!r}", f"{buffer[4:8]!r}")
    return table


def _field(path: Path, buffer: bytes, table: int, index: int) -> int | None:
    """Where a field of a table is; None where it is not stored."""
    fields = table - struct.unpack_from("<i", buffer, table)[0]
    if fields < 0:
        raise damaged(path, "a list of fields", f"one at {fields}")
    length, size = struct.unpack_from("<HH", buffer, fields)
    if 4 + 2 * index >= length:
        return None
    (place,) = struct.unpack_from("<H", buffer, fields + 4 + 2 * index)
    if place >= size and place:
        raise damaged(path, f"a field within {size} bytes", f"one at {place}")
    return table + place if place else None


def _vector(path: Path, buffer: bytes, field: int, itemsize: int) -> tuple[int, int]:
    """Where the entries of a vector begin, and how many there are."""
    start = field + struct.unpack_from("<I", buffer, field)[0]
    (count,) = struct.unpack_from("<I", buffer, start)
    if start + 4 + count * itemsize > len(buffer):
        raise damaged(path, f"{count} entries", f"{len(buffer) - start - 4} bytes")
    return start + 4, count


def _text(path: Path, buffer: bytes, field: int) -> str:
    first, count = _vector(path, buffer, field, 1)
    return buffer[first : first + count].decode()
