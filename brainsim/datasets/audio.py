"""Sound recordings of different lengths, padded with silence when a batch is drawn."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from .._types import Array
from .loader import Loader


@dataclasses.dataclass(frozen=True)
class AudioDataset:
    """Sounds, one after the other, and their labels.

    Attributes:
        pcm: Samples of all sounds, int16.
        offsets: Sound i is `pcm[offsets[i]:offsets[i + 1]]`.
        y: Label of every sound.
        rate_hz: Samples a second.
        encode: `encode(x, key)` makes the input (time, batch, ...) of a batch x (time, batch, 1); None leaves x as it
            is.
        classes: Names of the labels.
        about: What else is known of every sound, such as who spoke.
    """

    pcm: np.ndarray
    offsets: np.ndarray
    y: np.ndarray
    rate_hz: int
    encode: Callable[[np.ndarray, Array], Any] | None = None
    classes: tuple[str, ...] = ()
    about: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    def sound(self, index: int) -> np.ndarray:
        """One sound, float32 in [-1, 1)."""
        return self.pcm[self.offsets[index] : self.offsets[index + 1]] / np.float32(2**15)

    def take(self, ids: np.ndarray) -> Self:
        """The data set of these sounds alone."""
        parts = [self.pcm[self.offsets[i] : self.offsets[i + 1]] for i in ids]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        about = {name: value[ids] for name, value in self.about.items()}
        return dataclasses.replace(self, pcm=np.concatenate(parts), offsets=offsets, y=self.y[ids], about=about)

    def batch(self, ids: np.ndarray, key: Array) -> tuple[Any, np.ndarray, np.ndarray]:
        """The sounds `ids` as (time, batch, 1), float32; labels; numbers of samples, or those of the encoding's steps.

        The steps of an encoding are counted in proportion to the samples.
        """
        starts, lengths = self.offsets[ids].astype(np.int64), np.diff(self.offsets.astype(np.int64))[ids]
        clock = np.arange(lengths.max())[:, None]
        inside = clock < lengths
        x = np.where(inside, self.pcm[np.where(inside, starts + clock, 0)] / np.float32(2**15), np.float32(0))[
            ..., None
        ]
        if self.encode is None:
            return x, self.y[ids], lengths
        encoded = self.encode(x, key)
        return encoded, self.y[ids], np.ceil(lengths * (len(encoded) / len(x))).astype(np.int64)

    def batches(self, size: int, key: int | Array | None = None) -> Loader:
        """A loader; with a key in a new order every epoch, without in the order of the data set."""
        return Loader(self, size, key)
