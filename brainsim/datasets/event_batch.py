"""A batch of event recordings as a sparse matrix of frames by channels, in compressed rows.

    row r = k B + b is frame k of sample b:  channel indices[j] has values[j] events,  indptr[r] <= j < indptr[r + 1]

This is what the event operators read: with W of shape (channels, out), `csr_pull(values, indices, indptr, W.T)` is the
transpose of frames @ W. A dense frame is never made.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class EventBatch:
    """Events of a batch; a pytree that can cross `jit`.

    Attributes:
        values: Number of events of each entry, float32 (capacity,); 0 in entries that fill the batch up.
        indices: Flat channel of each entry, int32 (capacity,).
        indptr: First entry of each row and the end, int32 (time * batch + 1,).
        shape: Shape of the dense frames, (time, batch, *channels).
    """

    values: np.ndarray | Array
    indices: np.ndarray | Array
    indptr: np.ndarray | Array
    shape: tuple[int, ...] = dataclasses.field(metadata={"static": True})

    @classmethod
    def of(cls, step: np.ndarray, column: np.ndarray, address: np.ndarray, shape: tuple[int, ...]) -> "EventBatch":
        """The batch of single events.

        Args:
            step: Frame of every event.
            column: Place of every event in the batch.
            address: Flat channel of every event.
            shape: (time, batch, *channels).

        Returns:
            Entries in ascending order; their number is filled up to a power of two, so that programs over batches are
            compiled a few times only.
        """
        channels, rows = math.prod(shape[2:]), shape[0] * shape[1]
        flat, counts = np.unique((step.astype(np.int64) * shape[1] + column) * channels + address, return_counts=True)
        row, channel = np.divmod(flat, channels)
        missing = (1 << max(len(flat) - 1, 0).bit_length()) - len(flat)
        values = np.concatenate([counts, np.zeros(missing)]).astype(np.float32)
        indices = np.concatenate([channel, np.zeros(missing)]).astype(np.int32)
        indptr = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
        indptr[-1] = len(values)
        return cls(values, indices, indptr, tuple(shape))

    def dense(self) -> Array:
        """The frames, float32 (time, batch, *channels)."""
        rows, channels = self.shape[0] * self.shape[1], math.prod(self.shape[2:])
        row = jnp.repeat(jnp.arange(rows), jnp.diff(self.indptr), total_repeat_length=len(self.indices))
        frames = jnp.zeros((rows, channels), jnp.float32).at[row, self.indices].add(self.values)
        return frames.reshape(self.shape)
