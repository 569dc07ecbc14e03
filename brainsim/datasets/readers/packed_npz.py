"""Recordings packed into one `.npz` file: arrays over all events, and `offsets` and `labels` over the recordings."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .recording import damaged

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    TypeError,
    SyntaxError,
    RuntimeError,
    OverflowError,
    MemoryError,
    UserWarning,
    AttributeError,
    IndexError,
)
"""What NumPy and the archive raise where a file is damaged, beside ValueError and OSError."""


def read_packed_npz(path: Path, per_event: Sequence[str], per_recording: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The named arrays, `offsets` and `labels`.

    Args:
        path: The file.
        per_event: Arrays with an entry an event.
        per_recording: Arrays with an entry a recording, beside `labels`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A damaged file, or arrays that do not fit together.
    """
    content = path.read_bytes()
    names = ["offsets", "labels", *per_event, *per_recording]
    try:
        found = _arrays(path, content, names)
    except (*BROKEN, ValueError, OSError) as error:
        if str(path) in str(error) and isinstance(error, ValueError):
            raise
        raise damaged(path, f"arrays {', '.join(names)}", f"{type(error).__name__} ({error})") from error
    offsets, events = found["offsets"].astype(np.int64), {len(found[name]) for name in per_event}
    if len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) < 0).any() or events != {int(offsets[-1])}:
        raise damaged(path, "offsets that rise from 0 to the number of events", f"{len(content)} bytes that differ")
    if wrong := [name for name in ("labels", *per_recording) if len(found[name]) != len(offsets) - 1]:
        raise damaged(path, f"{len(offsets) - 1} entries in {', '.join(wrong)}", "another number")
    return found | {"offsets": offsets}


def _arrays(path: Path, content: bytes, names: Sequence[str]) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        found = {name: stored[name] for name in names}
    if wrong := [name for name, array in found.items() if array.ndim != 1 or array.dtype.kind not in "iuU"]:
        raise damaged(path, "lists of whole numbers", f"others at {', '.join(wrong)}")
    return found
