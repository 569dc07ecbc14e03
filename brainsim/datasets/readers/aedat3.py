"""`.aedat` recordings of version 3.1, DVS128 Gesture's original among them.

    lines that begin with #, the last of them #!END-HEADER; then packets, little-endian, of 28 bytes of header:
    type, source (int16); size, place of the time, overflows, capacity, number, valid (int32);
    and events: x (15 bits), y (15), polarity (1), valid (1) | t in microseconds (31, above them the overflows)

iniVation, AEDAT 3.1 format; Amir et al., CVPR 2017.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .recording import Recording, damaged, recording

CHANGE, SIZE = 1, 8
"""Type and size (bytes) of an event of a change of light."""
HEADER = struct.Struct("<hhiiiiii")


def read_aedat3(path: Path, shape: tuple[int, int, int] = (2, 128, 128)) -> Recording:
    """The events of a file, in the order of time (equal times in the order of the file).

    Args:
        path: The file.
        shape: Polarities, rows and columns of the sensor.

    Raises:
        ValueError: A damaged file.
    """
    content = path.read_bytes()
    end = content.find(b"#!END-HEADER\r\n")
    if not content.startswith(b"#!AER-DAT3.1\r\n") or end < 0:
        raise damaged(path, "a header of AEDAT 3.1", f"{content[:14]!r}")
    packets = list(_packets(path, content, end + 14))
    t_us, place = (np.concatenate([np.empty(0, np.int64), *(packet[part] for packet in packets)]) for part in (0, 1))
    order = np.argsort(t_us, kind="stable")
    t_us, place = t_us[order], place[order]
    return recording(path, t_us, (place >> 1 & 1, place >> 2 & 0x7FFF, place >> 17), shape)


def _packets(path: Path, content: bytes, start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Times and words of the valid events of each packet."""
    while start < len(content):
        if len(content) - start < HEADER.size:
            raise damaged(path, "a packet's header of 28 bytes", f"{len(content) - start}")
        kind, _, size, time_at, overflows, capacity, number, valid = HEADER.unpack_from(content, start)
        start += HEADER.size
        fits = size > 0 and 0 <= valid <= number <= capacity and overflows >= 0
        if not fits or size * capacity > len(content) - start:
            raise damaged(path, f"{capacity} events of {size} bytes", f"{len(content) - start} bytes")
        if kind == CHANGE:
            if size != SIZE or time_at != 4:
                raise damaged(path, "events of 8 bytes, their time at 4", f"{size} bytes, time at {time_at}")
            word, t = np.frombuffer(content, "<u4", 2 * number, start).reshape(-1, 2).T.astype(np.int64)
            is_valid = (word & 1) == 1
            if (count := int(is_valid.sum())) != valid or (t >> 31).any():
                raise damaged(path, f"{valid} valid events and times of 31 bits", f"{count} valid ones")
            yield (t + (overflows << 31))[is_valid], word[is_valid]
        start += size * capacity
