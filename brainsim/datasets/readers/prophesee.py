"""`.dat` recordings (version 2) of Prophesee's cameras, N-CARS among them.

    lines that begin with %, then the type and the size of an event (a byte each), then events of 8 bytes, little-endian
    t in microseconds (32 bits) | polarity (4), y (14), x (14)

Sironi, Brambilla, Bourdis, Lagorce and Benosman, CVPR 2018.
"""

from pathlib import Path

import numpy as np

from .recording import Recording, damaged, recording

KINDS = (0, 12)
"""Types of an event of a change: "2d" of the old files, "CD" of the new."""


def read_prophesee(path: Path, shape: tuple[int, int, int] = (2, 100, 120)) -> Recording:
    """The events of a `.dat` file.

    Args:
        path: The file.
        shape: Polarities, rows and columns of the sensor; those of N-CARS where nothing is said.

    Raises:
        ValueError: A damaged file.
    """
    content = path.read_bytes()
    start, lines = 0, []
    while content[start : start + 1] == b"%" and (end := content.find(b"\n", start)) >= 0:
        lines.append(content[start:end].strip())
        start = end + 1
    if b"% Version 2" not in lines or len(content) < start + 2:
        raise damaged(path, "a header of version 2", f"{len(lines)} lines of header")
    kind, size = content[start : start + 2]
    if kind not in KINDS or size != 8 or (len(content) - start - 2) % 8:
        raise damaged(
            path, "events of 8 bytes", f"events of type {kind}, {size} bytes each, in {len(content) - start - 2} bytes"
        )
    t_us, place = np.frombuffer(content, "<u4", offset=start + 2).reshape(-1, 2).T
    return recording(path, t_us, (place >> 28, place >> 14 & 0x3FFF, place & 0x3FFF), shape)
