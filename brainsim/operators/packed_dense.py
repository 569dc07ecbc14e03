"""`event_dense` whose gradient to the weight lists its events from bits, which the product wrote while it read them.

    y[r, m] = b[m] + sum_k s[r, k] W[k, m]        dW[k, m] = sum_r bit[r, k] ct[r, m]    where every s is 0 or 1

Spikes that are known to be 0 or 1 are kept between forward and backward pass as bits alone, 32 in the room of one; of
others the numbers are kept as well, and used if there was another than 0 and 1. Everything else is `event_dense`, or
`event_dense_where`; but bits do not change with anything: a gradient that was compiled with them has no derivative to
the spikes. Units: as there.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jaxtyping import Bool, Float

from . import _arguments as arguments
from ._register import attach, fold_groups, is_zero, lead, map_size, multilinear_jvp, per_row, struct, unfold, zero_of
from .event_dense import (
    FORWARD_DENSITY,
    OUTER_DENSITY,
    SAMPLE_ROWS,
    affine_definition,
    dense_definition,
    dense_p,
    event_dense,
    is_sparse,
    limit,
    outer_definition,
    outer_p,
)
from .sampled_dense import event_dense_where

# Canonical shapes: spikes (R, K), bits (R, 8 ceil(K / 64)) of uint8, unit () of bool, weight (G, K, M), bias (G, M),
# ct and result (R, M). Where spikes are not known to be 0 or 1, `given` is (unit, spikes), else nothing.
marked_p = Primitive("event_packed")  # spikes, weight, bias -> result, bits, unit
packed_p = Primitive("packed_dense")  # bits, weight, *given -> result
packed_outer_p = Primitive("packed_outer")  # bits, ct, *given -> weight
marked_p.multiple_results = True
WORD = 64
"""Bits to which a row is padded."""
MOVING = ("JVPTracer", "LinearizeTracer")
"""What JAX calls values along which a derivative is taken, not all of which it shows; of another name they raise."""


def event_dense_packed(
    spikes: Float[Array, "*batch inputs"],
    weight: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"] | None = None,
    wanted: Bool[Array, "*batch inputs"] | None = None,
    *,
    binary: bool = False,
) -> Float[Array, "*batch outputs"]:
    """`event_dense(spikes, weight, bias)`, with bits for its gradient.

    Args:
        spikes: Spikes or graded events, (..., K).
        weight: Dense weights, (K, M).
        bias: What every sum begins with, (M,); None for 0.
        wanted: Where a change of `spikes` counts, bool (..., K), as in `event_dense_where`; None: everywhere.
        binary: Promises that all spikes are 0 or 1, of which bits alone are kept; any other number but 0 counts as 1.

    Returns:
        The products, (..., M).

    Raises:
        TypeError: Arrays that are not of one floating type.
        ValueError: Shapes that do not fit, or a compiled gradient that is differentiated with respect to the spikes.
    """
    spikes, weight, bias = arguments.dense_arrays(spikes, weight, bias)
    wanted = None if wanted is None else arguments.mask_of(spikes, wanted)
    return _packed(spikes, weight, bias, wanted, binary)


@functools.partial(jax.custom_jvp, nondiff_argnums=(4,))
def _packed(spikes: Array, weight: Array, bias: Array | None, wanted: Array | None, binary: bool) -> Array:
    return event_dense(spikes, weight, bias)


def _packed_jvp(binary: bool, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (spikes, weight, bias, wanted), (spikes_dot, weight_dot, bias_dot, _) = primals, tangents
    still, moved = (lambda tangent: isinstance(tangent, SymbolicZero)), []
    if still(weight_dot):
        out = event_dense(spikes, weight, bias)
    elif type(spikes).__name__ in MOVING:  # differentiated a second time
        out = event_dense(spikes, weight, bias)
        moved.append(event_dense(spikes, weight_dot))
    else:
        out, recall = _product(spikes, weight, bias, binary)
        moved.append(recall(weight_dot))
    if not still(spikes_dot):
        cross = event_dense if wanted is None else lambda s, w: event_dense_where(s, w, None, wanted)
        moved.append(jax.jvp(lambda s: cross(s, weight), (spikes,), (spikes_dot,))[1])
    if bias is not None and not still(bias_dot):
        moved.append(jnp.broadcast_to(bias_dot, out.shape))
    return out, sum(moved[1:], moved[0]) if moved else jnp.zeros_like(out)


_packed.defjvp(_packed_jvp, symbolic_zeros=True)


def _product(spikes: Array, weight: Array, bias: Array | None, binary: bool) -> tuple[Array, Any]:
    """The product, and what it is with another weight, from bits."""
    rows = spikes.reshape(math.prod(spikes.shape[:-1]), spikes.shape[-1])
    start = jnp.zeros(weight.shape[1:], weight.dtype) if bias is None else bias
    out, bits, unit = marked_p.bind(rows, weight[None], start[None], binary=binary)
    out, bits = jax.lax.optimization_barrier((out, bits))  # bits now, not when they are asked for
    given = () if binary else (unit, rows)
    shaped = lambda y: y.reshape(*spikes.shape[:-1], weight.shape[1])
    return shaped(out), lambda other: shaped(packed_p.bind(bits, other[None], *given))


# The XLA definitions, and the native calls.


def pack_definition(spikes: Array) -> Array:
    """Rows of bits: bit k % 8 of byte k // 8 is set where spike k is not 0."""
    rows, inputs = spikes.shape
    width = _width(inputs)
    bits = jnp.pad(spikes != 0, ((0, 0), (0, 8 * width - inputs))).reshape(rows, width, 8)
    return jnp.where(bits, jnp.uint8(1) << jnp.arange(8, dtype=jnp.uint8), jnp.uint8(0)).sum(-1, dtype=jnp.uint8)


def unpacked(bits: Array, inputs: int, dtype: Any) -> Array:
    """The spikes, (R, K), of their bits."""
    each = bits[:, :, None] >> jnp.arange(8, dtype=jnp.uint8) & jnp.uint8(1)
    return each.reshape(len(bits), 8 * bits.shape[1])[:, :inputs].astype(dtype)


def marked_definition(spikes: Array, weight: Array, bias: Array, *, binary: bool) -> tuple[Array, Array, Array]:
    """What `event_packed` means on every backend."""
    unit = jnp.bool_(True) if binary else ((spikes == 0) | (spikes == 1)).all()
    return affine_definition(spikes, weight, bias), pack_definition(spikes), unit


def packed_definition(bits: Array, weight: Array, *given: Array) -> Array:
    """What `packed_dense` means on every backend."""
    spikes = given[1] if given else unpacked(bits, weight.shape[1], weight.dtype)
    return dense_definition(spikes, weight)


def packed_outer_definition(bits: Array, ct: Array, *given: Array, groups: int, inputs: int) -> Array:
    """What `packed_outer` means on every backend."""
    return outer_definition(given[1] if given else unpacked(bits, inputs, ct.dtype), ct, groups=groups)


def _width(inputs: int) -> int:
    return -(-inputs // WORD) * (WORD // 8)


def _bits_shape(spikes: Any) -> Any:
    return ShapedArray((spikes.shape[0], _width(spikes.shape[1])), jnp.dtype(jnp.uint8))


def _marked_shape(spikes: Any, weight: Any, bias: Any, *, binary: bool) -> list[Any]:
    out = ShapedArray((spikes.shape[0], weight.shape[2]), spikes.dtype)
    return [out, _bits_shape(spikes), ShapedArray((), jnp.dtype(bool))]


def _packed_shape(bits: Any, weight: Any, *given: Any) -> Any:
    return ShapedArray((bits.shape[0], weight.shape[2]), weight.dtype)


def _outer_shape(bits: Any, ct: Any, *given: Any, groups: int, inputs: int) -> Any:
    return ShapedArray((groups, inputs, ct.shape[1]), ct.dtype)


def _marked_native(spikes: Array, weight: Array, bias: Array, *, binary: bool) -> Any:
    shapes = [struct(shape) for shape in _marked_shape(spikes, weight, bias, binary=binary)]

    def kernel(*operands: Array) -> Any:
        return list(jax.ffi.ffi_call("bs_event_packed_v1", shapes)(*operands))

    def dot(spikes: Array, weight: Array, bias: Array) -> list[Any]:
        out = affine_definition(spikes, weight, bias)
        if binary:
            return [out, jax.ffi.ffi_call("bs_pack_bits_v1", shapes[1])(spikes), jnp.bool_(True)]
        return [out, jnp.zeros(shapes[1].shape, jnp.uint8), jnp.bool_(False)]

    sparse = is_sparse(spikes, limit(FORWARD_DENSITY, weight.shape[2]))
    return jax.lax.cond(sparse, kernel, dot, spikes, weight, bias)


def _packed_native(bits: Array, weight: Array, *given: Array) -> Array:
    return dense_p.bind(given[1] if given else unpacked(bits, weight.shape[1], weight.dtype), weight)


def _outer_native(bits: Array, ct: Array, *given: Array, groups: int, inputs: int) -> Array:
    def native(bits: Array, ct: Array, *given: Array) -> Any:
        shape = struct(_outer_shape(bits, ct, groups=groups, inputs=inputs))
        return jax.ffi.ffi_call("bs_packed_outer_v1", shape)(bits, ct)

    def numbers(bits: Array, ct: Array, *given: Array) -> Array:
        if given:
            return outer_p.bind(given[1], ct, groups=groups)
        return packed_outer_definition(bits, ct, groups=groups, inputs=inputs)

    sample = bits[:: max(bits.shape[0] // SAMPLE_ROWS, 1) | 1]
    events = jax.lax.population_count(sample).astype(jnp.int32).sum()
    few = events <= int(limit(OUTER_DENSITY, ct.shape[1]) * len(sample) * inputs)
    return jax.lax.cond(few & given[0] if given else few, native, numbers, bits, ct, *given)


# Derivatives and batching.


def _marked_jvp(primals: Any, tangents: Any, *, binary: bool) -> tuple[Any, Any]:
    if not is_zero(tangents[0]):
        raise ValueError(
            "`spikes` kept as bits have no second derivative: call `bs.run` with `remat=None`, or `event_dense`."
        )
    out, bits, unit = marked_p.bind(*primals, binary=binary)
    moved = []
    if not is_zero(tangents[1]):
        moved.append(packed_p.bind(bits, tangents[1], *(() if binary else (unit, primals[0]))))
    if not is_zero(tangents[2]):
        moved.append(per_row(tangents[2], out.shape[0]))
    return [out, bits, unit], [sum(moved[1:], moved[0]) if moved else zero_of(out), zero_of(bits), zero_of(unit)]


def _packed_transpose(ct: Any, bits: Any, weight: Any, *given: Any) -> list[Any]:
    if is_zero(ct):
        return [None] * (2 + len(given))
    groups, inputs, _ = weight.aval.shape
    return [None, packed_outer_p.bind(bits, ct, *given, groups=groups, inputs=inputs), *[None] * len(given)]


def _outer_transpose(ct: Any, bits: Any, grad: Any, *given: Any, groups: int, inputs: int) -> list[Any]:
    return [None, None if is_zero(ct) else packed_p.bind(bits, ct, *given), *[None] * len(given)]


def _rows(x: Any, dim: int | None, size: int) -> Any:
    x = lead(x, dim, size)
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _given(args: Any, dims: Any, size: int) -> tuple[Any, ...]:
    """The flag, one for all, and the rows of all."""
    if not args:
        return ()
    unit = args[0] if dims[0] is None else args[0].all()
    return unit, _rows(args[1], dims[1], size)


def _marked_batch(args: Any, dims: Any, *, binary: bool) -> Any:
    size = map_size(args, dims)
    weight, bias = (fold_groups(lead(x, dim, size), 0, size) for x, dim in zip(args[1:], dims[1:], strict=True))
    out, bits, unit = marked_p.bind(_rows(args[0], dims[0], size), weight, bias, binary=binary)
    return [unfold(out, size), unfold(bits, size), unit], [0, 0, None]


def _packed_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    given = _given(args[2:], dims[2:], size)
    out = packed_p.bind(_rows(args[0], dims[0], size), fold_groups(args[1], dims[1], size), *given)
    return unfold(out, size), 0


def _outer_batch(args: Any, dims: Any, *, groups: int, inputs: int) -> Any:
    size = map_size(args, dims)
    given = _given(args[2:], dims[2:], size)
    bits, ct = (_rows(args[k], dims[k], size) for k in range(2))
    return unfold(packed_outer_p.bind(bits, ct, *given, groups=groups * size, inputs=inputs), size), 0


attach(
    marked_p,
    shape=_marked_shape,
    portable=marked_definition,
    native=_marked_native,
    jvp=_marked_jvp,
    batch=_marked_batch,
)
attach(
    packed_p,
    shape=_packed_shape,
    portable=packed_definition,
    native=_packed_native,
    jvp=multilinear_jvp(packed_p, (1,)),
    transpose=_packed_transpose,
    batch=_packed_batch,
)
attach(
    packed_outer_p,
    shape=_outer_shape,
    portable=packed_outer_definition,
    native=_outer_native,
    jvp=multilinear_jvp(packed_outer_p, (1,)),
    transpose=_outer_transpose,
    batch=_outer_batch,
)
