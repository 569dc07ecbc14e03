"""`.bs1` recordings of SLAYER's examples, N-TIDIGITS among them: one axis of channels, five bytes an event.

    channel (16 bits, big-endian) | polarity (1) | t in microseconds (23)

Shrestha and Orchard, NeurIPS 2018 (the code's own format).
"""

from pathlib import Path

import numpy as np

from .recording import Recording, damaged, recording


def read_slayer(path: Path, channels: int = 64, *, polarities: int = 1) -> Recording:
    """The events of a `.bs1` file, shape (channels,) or (polarities, channels).

    Args:
        path: The file.
        channels: Number of channels.
        polarities: 2 where the sign is part of the address; with 1 it must be 0 or 1 and is left out.

    Raises:
        ValueError: A damaged file.
    """
    content = path.read_bytes()
    if len(content) % 5:
        raise damaged(path, "events of 5 bytes", f"{len(content)} bytes")
    first, second, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, 5).T.astype(np.int64)
    t_us, channel = (high & 0x7F) << 16 | middle << 8 | low, first << 8 | second
    if polarities == 1:
        return recording(path, t_us, (channel,), (channels,))
    return recording(path, t_us, (high >> 7, channel), (polarities, channels))
