"""The batches that `fit` is given: a collection that can be gone through again, or a function of the epoch.

A function that also takes `start`, as loaders do, is asked for the batches from that number on when a training goes on
in the middle of an epoch; of any other source the batches before are made again and passed over.
"""

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array

Source = Iterable[tuple[Any, ...]] | Callable[..., Iterable[tuple[Any, ...]]]


class Batch(NamedTuple):
    """One batch: input (time, batch, ...) or a mapping of such, targets, and steps of each sample or None."""

    x: Any
    y: Array
    lengths: Array | None

    @property
    def size(self) -> int:
        """Number of samples."""
        return jax.tree.leaves(self.x)[0].shape[1]


def check_source(name: str, source: Source) -> None:
    """Raise where batches could be gone through only once.

    Raises:
        TypeError: A generator, or something that is neither iterable nor a function.
    """
    if callable(source):
        return
    if isinstance(source, Iterator):
        raise TypeError(
            f"`{name}` is a generator: exhausted after epoch 1; pass a list, a loader, or a function of the epoch."
        )
    if not isinstance(source, Iterable):
        raise TypeError(f"`{name}`: expected batches (x, y) or (x, y, lengths), got {type(source).__name__}.")


def epoch_of(name: str, source: Source, epoch: int, start: int = 0) -> Iterator[Batch]:
    """The batches of one epoch from number `start` on.

    Raises:
        ValueError: The epoch has none.
    """
    empty = start == 0
    for batch in _from(source, epoch, start):
        empty = False
        yield as_batch(name, batch)
    if empty:
        raise ValueError(f"`{name}`: expected at least one batch in epoch {epoch + 1}, got none.")


def _from(source: Source, epoch: int, start: int) -> Iterable[tuple[Any, ...]]:
    if start and callable(source) and "start" in inspect.signature(source).parameters:
        return source(epoch, start=start)
    return itertools.islice(source(epoch) if callable(source) else source, start, None)


def as_batch(name: str, batch: Any) -> Batch:
    """`(x, y)` or `(x, y, lengths)` as JAX arrays.

    Raises:
        ValueError: Something else, or x without time and batch.
    """
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise ValueError(f"`{name}`: expected batches (x, y) or (x, y, lengths), got {type(batch).__name__}.")
    x, y, lengths = (*batch, None)[:3]
    x = jax.tree.map(_array, x)
    if any(leaf.ndim < 3 for leaf in jax.tree.leaves(x)):
        shapes = [leaf.shape for leaf in jax.tree.leaves(x)]
        raise ValueError(f"`{name}`: expected x of shape (time, batch, ...), got {', '.join(map(str, shapes))}.")
    return Batch(x, _array(y), None if lengths is None else jnp.asarray(lengths, jnp.int32))


def _array(value: Any) -> Array:
    value = np.asarray(value) if not isinstance(value, jax.Array) else value
    return jnp.asarray(value, jnp.result_type(float)) if value.dtype.kind == "f" else jnp.asarray(value)
