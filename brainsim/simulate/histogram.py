"""How many values lie in each bin, to the last one what `numpy.histogram` counts.

    below = #{x < e_0},   n_j = #{e_j <= x < e_{j+1}} (of the last bin x <= e_m),   above = all others, also NaN

Edges are taken in the precision of the values, so that a weight at its bound is at the edge of that number. Counting is
by edge, m + 1 sums over the values: no sorting, no scatter, no copy of the values.
"""

import jax
import jax.numpy as jnp

from .._types import Array


def histogram(values: Array, edges: tuple[float, ...]) -> Array:
    """Counts of `(..., n)` in the bins between `edges`, int32 `(..., bins + 2)`, the first below and the last above."""
    ends = jnp.asarray(edges, values.dtype)
    less = jax.lax.map(lambda edge: (values < edge).sum(-1, dtype=jnp.int32), ends[:-1])
    none = jnp.zeros((1, *values.shape[:-1]), jnp.int32)
    upto = (values <= ends[-1]).sum(-1, dtype=jnp.int32)[None]
    cumulative = jnp.concatenate([none, less, upto, none + values.shape[-1]])
    return jnp.moveaxis(jnp.diff(cumulative, axis=0), 0, -1)
