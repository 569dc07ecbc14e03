"""Some recordings one after the other, as they leave a reader and enter a data set."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from .recording import Recording


class Recordings(NamedTuple):
    """Labelled recordings.

    Attributes:
        t_us: Time of every event since the start of its recording (microseconds, integers).
        address: Flat index of every event's channel into the sensor's shape.
        counts: Number of events of each recording.
        y: Label of each recording.
        about: What else is known of each recording, such as who spoke.
    """

    t_us: np.ndarray
    address: np.ndarray
    counts: np.ndarray
    y: np.ndarray
    about: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, found: Sequence[Recording], y: np.ndarray, about: Mapping[str, np.ndarray] | None = None) -> Self:
        """Single recordings and their labels."""
        t_us, address = (np.concatenate([one[part] for one in found]) for part in (0, 1))
        counts = np.asarray([len(one.t_us) for one in found], np.int64)
        return cls(t_us, address, counts, np.asarray(y, np.int32), about or {})

    @classmethod
    def joined(cls, parts: Sequence["Recordings"]) -> Self:
        """Several parts, one after the other."""
        return cls(
            np.concatenate([part.t_us for part in parts]),
            np.concatenate([part.address for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.y for part in parts]),
            {name: np.concatenate([part.about[name] for part in parts]) for name in parts[0].about},
        )
