"""Which steps of a batch count: `mask` is the lengths of the samples, or 0 and 1 for every step; the rest is padding.

Every function here leaves out the other steps, so that nothing in the padding changes a loss or its gradient.
"""

import jax.numpy as jnp

from ..._types import Array


def steps_that_count(out: Array, mask: Array | None) -> Array:
    """A mask or lengths as 0 and 1 that broadcast to `out`: (time, batch, 1), or (1, 1, 1) without a mask.

    Raises:
        ValueError: `out` is not (time, batch, n), or the mask is neither lengths (batch,) nor (time, batch).
    """
    if out.ndim != 3:
        raise ValueError(f"`out`: expected (time, batch, n), got {out.shape}.")
    if mask is None:
        return jnp.ones((1, 1, 1), out.dtype)
    counts = jnp.asarray(mask)
    if counts.shape == out.shape[1:2] and jnp.issubdtype(counts.dtype, jnp.integer):
        counts = jnp.arange(out.shape[0], dtype=counts.dtype)[:, None] < counts
    if counts.shape != out.shape[:2]:
        raise ValueError(
            f"`mask`: expected lengths {out.shape[1:2]} or {out.shape[:2]} of 0 and 1, got {counts.shape}."
        )
    return counts.astype(out.dtype)[..., None]


def summed(out: Array, mask: Array | None = None) -> Array:
    """Sum over the steps that count, (batch, n)."""
    return jnp.sum(jnp.where(steps_that_count(out, mask) > 0, out, 0), axis=0)


def highest(out: Array, mask: Array | None = None) -> Array:
    """Maximum over the steps that count, (batch, n)."""
    return jnp.max(jnp.where(steps_that_count(out, mask) > 0, out, -jnp.inf), axis=0)


def number_of_steps(out: Array, mask: Array | None = None) -> Array:
    """How many steps of each sample count, (batch, 1)."""
    counts = steps_that_count(out, mask)
    return jnp.sum(jnp.broadcast_to(counts, (*out.shape[:2], 1)), axis=0)
