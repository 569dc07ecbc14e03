"""Spikes crossing a dense matrix, touching only the rows of W whose input is non-zero.

    y[r, m] = b[m] + sum_k s[r, k] W[k, m]        dW[k, m] = sum_r s[r, k] ct[r, m]

Both sums are event-driven; the gradient to the spikes, ct W^T, is a dense product. Where the spikes turn out too
dense for that to pay, the compiled program takes XLA's dot: it looks at the density of the spikes it is given, not at
a flag.
Units: the result has the weight's unit times the spikes' (a spike is the number 1).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad
from jaxtyping import Float

from . import _arguments as arguments
from ._register import attach, fold_groups, is_zero, lead, map_size, multilinear_jvp, per_row, struct, unfold

# Canonical shapes: spikes (R, K), weight (G, K, M), bias (G, M), ct and result (R, M), where G divides R.
dense_p = Primitive("event_dense")  # spikes, weight -> result
affine_p = Primitive("event_affine")  # spikes, weight, bias -> result
outer_p = Primitive("event_dense_outer")  # spikes, ct -> weight

# (outputs from, density): the largest density at which the event-driven loop was not slower than XLA's dot. Measured
# for 256 x 20, 700 x 64, 700 x 256 and 1024 x 1024 with 6,400 rows of graded float32 events at 2, 5, 10, 15, 20 and
# 30 % density: one thread, AVX-512 (Zen 4), jaxlib 0.10.2. `brainsim bench operator event_dense` measures one point.
FORWARD_DENSITY = ((0, 0.05), (32, 0.15), (128, 0.20))
OUTER_DENSITY = ((0, 0.15), (128, 0.20))
SAMPLE_ROWS = 256  # rows whose non-zeros are counted to estimate the density


def event_dense(
    spikes: Float[Array, "*batch inputs"],
    weight: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"] | None = None,
) -> Float[Array, "*batch outputs"]:
    """`spikes @ weight + bias`, event-driven.

    Args:
        spikes: Spikes or graded events, (..., K).
        weight: Dense weights, (K, M).
        bias: What every sum begins with, (M,); None for 0.

    Returns:
        The products, (..., M).
    """
    spikes, weight, bias = arguments.dense_arrays(spikes, weight, bias)
    batch = spikes.shape[:-1]
    rows = spikes.reshape(math.prod(batch), weight.shape[0])
    if bias is None:
        out = dense_p.bind(rows, weight[None])
    else:
        out = affine_p.bind(rows, weight[None], bias[None])
    return out.reshape(*batch, weight.shape[1])


def event_dense_outer(
    spikes: Float[Array, "*batch inputs"], ct: Float[Array, "*batch outputs"]
) -> Float[Array, "inputs outputs"]:
    """`spikes^T ct` summed over the batch, event-driven: the gradient of `event_dense` to its weight.

    Args:
        spikes: Spikes or graded events, (..., K).
        ct: Gradient to the products, (..., M), with the batch axes of `spikes`.

    Returns:
        Gradient to the weight, (K, M).
    """
    spikes = arguments.spikes_array(spikes)
    ct = arguments.float_array("ct", ct, spikes.dtype)
    if spikes.ndim == 0 or ct.ndim == 0:
        raise ValueError(f"`spikes` and `ct` must have a last axis, got shapes {spikes.shape} and {ct.shape}.")
    arguments.same_batch("spikes", spikes.shape[:-1], "ct", ct.shape[:-1])
    rows = math.prod(spikes.shape[:-1])
    return outer_p.bind(spikes.reshape(rows, spikes.shape[-1]), ct.reshape(rows, ct.shape[-1]), groups=1)[0]


# The XLA definitions.


def _grouped(rows: Array, groups: int) -> Array:
    """(R, n) as (G, R / G, n)."""
    return rows.reshape(groups, rows.shape[0] // max(groups, 1), rows.shape[1])


def dense_definition(spikes: Array, weight: Array) -> Array:
    """What `event_dense` means on every backend."""
    if weight.shape[0] == 1:
        return spikes @ weight[0]
    out = jnp.einsum("grk,gkm->grm", _grouped(spikes, weight.shape[0]), weight)
    return out.reshape(spikes.shape[0], weight.shape[2])


def affine_definition(spikes: Array, weight: Array, bias: Array) -> Array:
    """What `event_dense` with a bias means on every backend."""
    return dense_definition(spikes, weight) + per_row(bias, spikes.shape[0])


def outer_definition(spikes: Array, ct: Array, *, groups: int) -> Array:
    """What `event_dense_outer` means on every backend."""
    if groups == 1:
        return (spikes.T @ ct)[None]
    return jnp.einsum("grk,grm->gkm", _grouped(spikes, groups), _grouped(ct, groups))


def _to_spikes(ct: Array, weight: Array) -> Array:
    return dense_definition(ct, weight.swapaxes(1, 2))


# The native calls, with the choice by density.


def _dense_shape(spikes: Any, weight: Any, bias: Any = None) -> Any:
    return ShapedArray((spikes.shape[0], weight.shape[2]), spikes.dtype)


def _outer_shape(spikes: Any, ct: Any, *, groups: int) -> Any:
    return ShapedArray((groups, spikes.shape[1], ct.shape[1]), spikes.dtype)


def is_sparse(spikes: Array, density: float) -> Array:
    """Whether at most `density` of the spikes are non-zero, judged from `SAMPLE_ROWS` rows at an odd spacing."""
    stride = max(spikes.shape[0] // SAMPLE_ROWS, 1) | 1
    sample = spikes[::stride]
    return jnp.count_nonzero(sample) <= int(density * sample.size)


def limit(table: tuple[tuple[int, float], ...], outputs: int) -> float:
    """Density at which the loop and the dot break even for `outputs` columns."""
    return max((row for row in table if row[0] <= outputs), key=lambda row: row[0])[1]


def _native(handler: str, definition: Callable[..., Array]) -> Callable[..., Array]:
    """Spikes, weight and what else there is, through the kernel where the spikes are sparse."""

    def kernel(*operands: Array) -> Any:
        return jax.ffi.ffi_call(handler, struct(_dense_shape(*operands)))(*operands)

    def lowered(spikes: Array, weight: Array, *bias: Array) -> Array:
        sparse = is_sparse(spikes, limit(FORWARD_DENSITY, weight.shape[2]))
        return jax.lax.cond(sparse, kernel, definition, spikes, weight, *bias)

    return lowered


def _outer_native(spikes: Array, ct: Array, *, groups: int) -> Array:
    def native(spikes: Array, ct: Array) -> Any:
        return jax.ffi.ffi_call("bs_event_dense_outer_v1", struct(_outer_shape(spikes, ct, groups=groups)))(spikes, ct)

    def dot(spikes: Array, ct: Array) -> Array:
        return outer_definition(spikes, ct, groups=groups)

    return jax.lax.cond(is_sparse(spikes, limit(OUTER_DENSITY, ct.shape[1])), native, dot, spikes, ct)


# Derivatives and batching.


def _dense_transpose(ct: Any, spikes: Any, weight: Any) -> list[Any]:
    if is_zero(ct):
        return [None, None]
    return [
        _to_spikes(ct, weight) if ad.is_undefined_primal(spikes) else None,
        outer_p.bind(spikes, ct, groups=weight.aval.shape[0]) if ad.is_undefined_primal(weight) else None,
    ]


def _affine_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    *moving, turn = tangents
    out = affine_p.bind(*primals)
    _, tangent = ad.primitive_jvps[dense_p](primals[:2], moving)
    if is_zero(turn):
        return out, tangent
    shift = per_row(turn, out.shape[0])
    return out, shift if is_zero(tangent) else tangent + shift


def _outer_transpose(ct: Any, spikes: Any, grad: Any, *, groups: int) -> list[Any]:
    if is_zero(ct):
        return [None, None]
    return [
        _to_spikes(grad, ct) if ad.is_undefined_primal(spikes) else None,
        dense_p.bind(spikes, ct) if ad.is_undefined_primal(grad) else None,
    ]


def _dense_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    rows = lead(args[0], dims[0], size)
    out = dense_p.bind(rows.reshape(-1, rows.shape[-1]), fold_groups(args[1], dims[1], size))
    return unfold(out, size), 0


def _affine_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    rows = lead(args[0], dims[0], size)
    rows = rows.reshape(-1, rows.shape[-1])
    weight, bias = (fold_groups(x, dim, size) for x, dim in zip(args[1:], dims[1:], strict=True))
    if len(weight) == len(bias):
        return unfold(affine_p.bind(rows, weight, bias), size), 0
    return unfold(dense_p.bind(rows, weight) + per_row(bias, len(rows)), size), 0


def _outer_batch(args: Any, dims: Any, *, groups: int) -> Any:
    size = map_size(args, dims)
    spikes, ct = (lead(x, d, size) for x, d in zip(args, dims, strict=True))
    rows = (x.reshape(-1, x.shape[-1]) for x in (spikes, ct))
    return unfold(outer_p.bind(*rows, groups=groups * size), size), 0


attach(
    dense_p,
    shape=_dense_shape,
    portable=dense_definition,
    native=_native("bs_event_dense_v1", dense_definition),
    jvp=multilinear_jvp(dense_p, (0, 1)),
    transpose=_dense_transpose,
    batch=_dense_batch,
)
attach(
    affine_p,
    shape=_dense_shape,
    portable=affine_definition,
    native=_native("bs_event_affine_v1", affine_definition),
    jvp=_affine_jvp,
    batch=_affine_batch,
)
attach(
    outer_p,
    shape=_outer_shape,
    portable=outer_definition,
    native=_outer_native,
    jvp=multilinear_jvp(outer_p, (0, 1)),
    transpose=_outer_transpose,
    batch=_outer_batch,
)
