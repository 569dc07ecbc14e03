"""Batches of a data set in an order that depends on the key and the epoch alone.

The loader keeps no position and no random state: epoch 7 has the same batches whether or not epochs 0 to 6 were drawn,
which is what makes an interrupted training continue exactly.
"""

from collections.abc import Iterator
from typing import Any, Protocol, Self, TypeVar

import jax
import numpy as np

from .._types import Array


class Samples(Protocol):
    """What a loader needs of a data set."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def batch(self, ids: np.ndarray, key: Array) -> tuple[Any, ...]:
        """The samples `ids` as `(x, y)` or `(x, y, lengths)`; `key` is for a random encoding."""
        ...

    def take(self, ids: np.ndarray) -> Self:
        """The data set of these samples alone."""
        ...


class Loader:
    """Batches of a data set, for `fit` and for loops of one's own: `for x, y in loader` or `for x, y in loader(epoch)`.

    Args:
        data: Data set with `batch`.
        size: Samples a batch; the last batch holds what is left.
        key: Seed or JAX key of the order and of a random encoding. None: the order of the data set, and the same
            encoding in every epoch.
    """

    def __init__(self, data: Samples, size: int, key: int | Array | None = None):
        if size < 1:
            raise ValueError(f"`size`: expected at least 1 sample a batch, got {size}.")
        self.data, self.size = data, size
        self.key = jax.random.key(key) if isinstance(key, int) else key

    def __len__(self) -> int:
        """Number of batches an epoch."""
        return -(-len(self.data) // self.size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The batches of epoch 0."""
        return self(0)

    def __call__(self, epoch: int, start: int = 0) -> Iterator[tuple[Any, ...]]:
        """The batches of one epoch from number `start` on; those before are not made."""
        key = jax.random.key(0) if self.key is None else jax.random.fold_in(self.key, epoch)
        order = np.arange(len(self.data))
        if self.key is not None:
            order = np.asarray(jax.random.permutation(key, len(self.data)))
        for index in range(start, len(self)):
            ids = order[index * self.size : (index + 1) * self.size]
            yield self.data.batch(ids, jax.random.fold_in(key, index))


_Samples = TypeVar("_Samples", bound=Samples)


def split(data: _Samples, held_out: int, key: int | Array = 0) -> tuple[_Samples, _Samples]:
    """Set samples aside at random, such as for validation.

    Args:
        data: Data set.
        held_out: Number of samples to set aside.
        key: Seed or JAX key of the choice.

    Returns:
        The rest and the samples set aside, each in the order of `data`.
    """
    if not 0 < held_out < len(data):
        raise ValueError(f"`held_out`: expected between 1 and {len(data) - 1} samples, got {held_out}.")
    key = jax.random.key(key) if isinstance(key, int) else key
    order = np.asarray(jax.random.permutation(key, len(data)))
    return data.take(np.sort(order[held_out:])), data.take(np.sort(order[:held_out]))
