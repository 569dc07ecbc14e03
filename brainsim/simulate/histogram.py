"""How many values lie in each bin, to the last one what `numpy.histogram` counts.

    below = #{x < e_0},   n_j = #{e_j <= x < e_{j+1}} (of the last bin x <= e_m),   above = all others, also NaN

Edges are float64, values perhaps not: x < e is the same as x < e', where e' is the least number of the values' dtype
that is not below e. Counting is by edge, m + 1 sums over the values: no sorting, no scatter, no copy of the values.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array


def histogram(values: Array, edges: tuple[float, ...]) -> Array:
    """Counts of `(..., n)` in the bins between `edges`, int32 `(..., bins + 2)`, the first below and the last above."""
    inner, last = _thresholds(np.asarray(edges), np.dtype(values.dtype))
    less = jax.lax.map(lambda edge: (values < edge).sum(-1, dtype=jnp.int32), jnp.asarray(inner))
    none = jnp.zeros((1, *values.shape[:-1]), jnp.int32)
    upto = (values <= last).sum(-1, dtype=jnp.int32)[None]
    cumulative = jnp.concatenate([none, less, upto, none + values.shape[-1]])
    return jnp.moveaxis(jnp.diff(cumulative, axis=0), 0, -1)


def _thresholds(edges: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """All edges but the last, rounded up to `dtype`, and the last one rounded down."""
    near = edges.astype(dtype)
    up = np.where(near < edges, np.nextafter(near, dtype.type(np.inf)), near)
    down = np.where(near > edges, np.nextafter(near, dtype.type(-np.inf)), near)
    return up[:-1], down[-1:]
