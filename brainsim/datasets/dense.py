"""A data set of one array a sample, turned into input over time by an encoding when a batch is drawn."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from .._types import Array
from .loader import Loader


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Samples and their labels.

    Attributes:
        x: Samples, shape (samples, ...).
        y: Labels or targets, shape (samples, ...).
        encode: `encode(x, key)` makes the input (time, batch, ...) of a batch x (batch, ...); None leaves x as it is.
    """

    x: np.ndarray
    y: np.ndarray
    encode: Callable[[np.ndarray, Array], Any] | None = None

    def __post_init__(self):
        if len(self.x) != len(self.y):
            raise ValueError(f"`y`: expected {len(self.x)} entries, one a sample, got {len(self.y)}.")

    def __len__(self) -> int:
        return len(self.x)

    def take(self, ids: np.ndarray) -> Self:
        """The data set of these samples alone."""
        return dataclasses.replace(self, x=self.x[ids], y=self.y[ids])

    def batch(self, ids: np.ndarray, key: Array) -> tuple[Any, np.ndarray]:
        """The samples `ids` as `(x, y)`."""
        x = self.x[ids]
        return (x if self.encode is None else self.encode(x, key)), self.y[ids]

    def batches(self, size: int, key: int | Array | None = None) -> Loader:
        """A loader; with a key in a new order every epoch, without in the order of the data set."""
        return Loader(self, size, key)
