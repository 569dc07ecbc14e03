"""`.bin` recordings of N-MNIST and N-Caltech101: five bytes an event.

    x (8 bits) | y (8) | polarity (1) | t in microseconds (23);  an event at y = 240 says that 2^13 us have passed

The format has no header and no checksum: what can be seen of a damage is a broken event, a place outside the sensor, or
a time that falls. Orchard, Jayawant, Cohen and Thakor, Front. Neurosci. 9 (2015) 437.
"""

from pathlib import Path

import numpy as np

from .recording import Recording, damaged, recording

PASSED_Y, PASSED_US = 240, 2**13
"""Row of an event that stands for elapsed time only, and that time (us)."""


def read_atis(path: Path, shape: tuple[int, int, int] = (2, 34, 34)) -> Recording:
    """The events of a `.bin` file.

    Args:
        path: The file.
        shape: Polarities, rows and columns of the sensor: (2, 34, 34) for N-MNIST, (2, 180, 240) for N-Caltech101.

    Raises:
        ValueError: A damaged file.
    """
    content = path.read_bytes()
    if len(content) % 5:
        raise damaged(path, "events of 5 bytes", f"{len(content)} bytes")
    x, y, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, 5).T.astype(np.int64)
    passed = y == PASSED_Y
    t_us = ((high & 0x7F) << 16 | middle << 8 | low) + PASSED_US * np.cumsum(passed)
    seen = ~passed
    return recording(path, t_us[seen], ((high >> 7)[seen], y[seen], x[seen]), shape)
