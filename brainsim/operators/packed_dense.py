"""`event_dense` of spikes that are all 0 or 1, of which the gradient keeps one bit each.

    y[r, m] = b[m] + sum_k s[r, k] W[k, m]        dW[k, m] = sum_r bit[r, k] ct[r, m]

Between forward and backward pass 32 spikes take the room of one, and the gradient to the weight lists its events from
them. Everything else is `event_dense`, or `event_dense_where`; but bits do not change with anything: a gradient that
was compiled with them has no derivative to the spikes. Units: as there.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad
from jaxtyping import Bool, Float

from . import _arguments as arguments
from ._register import attach, fold_groups, is_zero, lead, map_size, multilinear_jvp, struct, unfold, zero_of
from .event_dense import OUTER_DENSITY, SAMPLE_ROWS, dense_definition, dense_p, event_dense, limit, outer_definition
from .sampled_dense import event_dense_where

# Canonical shapes: spikes (R, K), bits (R, 8 ceil(K / 64)) of uint8, weight (G, K, M), ct and result (R, M).
pack_p = Primitive("pack_bits")  # spikes -> bits
packed_p = Primitive("packed_dense")  # bits, weight -> result
packed_outer_p = Primitive("packed_outer")  # bits, ct -> weight
WORD = 64
"""Bits to which a row is padded."""


def event_dense_binary(
    spikes: Float[Array, "*batch inputs"],
    weight: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"] | None = None,
    wanted: Bool[Array, "*batch inputs"] | None = None,
) -> Float[Array, "*batch outputs"]:
    """`event_dense(spikes, weight, bias)` of spikes that are 0 or 1; the gradient takes any other number but 0 for 1.

    Args:
        spikes: Spikes, (..., K), each 0 or 1.
        weight: Dense weights, (K, M).
        bias: What every sum begins with, (M,); None for 0.
        wanted: Where a change of `spikes` counts, bool (..., K), as in `event_dense_where`; None: everywhere.

    Returns:
        The products, (..., M).
    """
    return _binary(arguments.spikes_array(spikes), weight, bias, wanted)


@jax.custom_jvp
def _binary(spikes: Array, weight: Array, bias: Array | None, wanted: Array | None) -> Array:
    return event_dense(spikes, weight, bias)


def _binary_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (spikes, weight, bias, wanted), (spikes_dot, weight_dot, bias_dot, _) = primals, tangents
    out = _binary(spikes, weight, bias, wanted)
    moved = []
    if not isinstance(spikes_dot, SymbolicZero):
        cross = (lambda s: event_dense(s, weight)) if wanted is None else (lambda s: _where(s, weight, wanted))
        moved.append(jax.jvp(cross, (spikes,), (spikes_dot,))[1])
    if not isinstance(weight_dot, SymbolicZero):
        if isinstance(spikes, ad.JVPTracer):  # differentiated once more
            moved.append(event_dense(spikes, weight_dot))
        else:
            rows = spikes.reshape(math.prod(spikes.shape[:-1]), spikes.shape[-1])
            out, bits = jax.lax.optimization_barrier((out, pack_p.bind(rows)))  # now, not when they are asked for
            moved.append(packed_p.bind(bits, weight_dot[None]).reshape(out.shape))
    if bias is not None and not isinstance(bias_dot, SymbolicZero):
        moved.append(jnp.broadcast_to(bias_dot, out.shape))
    return out, sum(moved[1:], moved[0]) if moved else jnp.zeros_like(out)


_binary.defjvp(_binary_jvp, symbolic_zeros=True)


def _where(spikes: Array, weight: Array, wanted: Array) -> Array:
    return event_dense_where(spikes, weight, None, wanted)


# The XLA definitions, and the native calls.


def pack_definition(spikes: Array) -> Array:
    """What `pack_bits` means on every backend: bit k % 8 of byte k // 8 is set where spike k is not 0."""
    rows, inputs = spikes.shape
    width = _width(inputs)
    bits = jnp.pad(spikes != 0, ((0, 0), (0, 8 * width - inputs))).reshape(rows, width, 8)
    return jnp.where(bits, jnp.uint8(1) << jnp.arange(8, dtype=jnp.uint8), jnp.uint8(0)).sum(-1, dtype=jnp.uint8)


def unpacked(bits: Array, inputs: int, dtype: Any) -> Array:
    """The spikes, (R, K), of their bits."""
    each = bits[:, :, None] >> jnp.arange(8, dtype=jnp.uint8) & jnp.uint8(1)
    return each.reshape(len(bits), 8 * bits.shape[1])[:, :inputs].astype(dtype)


def packed_definition(bits: Array, weight: Array) -> Array:
    """What `packed_dense` means on every backend."""
    return dense_definition(unpacked(bits, weight.shape[1], weight.dtype), weight)


def packed_outer_definition(bits: Array, ct: Array, *, groups: int, inputs: int) -> Array:
    """What `packed_outer` means on every backend."""
    return outer_definition(unpacked(bits, inputs, ct.dtype), ct, groups=groups)


def _width(inputs: int) -> int:
    return -(-inputs // WORD) * (WORD // 8)


def _pack_shape(spikes: Any) -> Any:
    return ShapedArray((spikes.shape[0], _width(spikes.shape[1])), jnp.dtype(jnp.uint8))


def _packed_shape(bits: Any, weight: Any) -> Any:
    return ShapedArray((bits.shape[0], weight.shape[2]), weight.dtype)


def _outer_shape(bits: Any, ct: Any, *, groups: int, inputs: int) -> Any:
    return ShapedArray((groups, inputs, ct.shape[1]), ct.dtype)


def _pack_native(spikes: Array) -> Any:
    return jax.ffi.ffi_call("bs_pack_bits_v1", struct(_pack_shape(spikes)))(spikes)


def _packed_native(bits: Array, weight: Array) -> Array:
    return dense_p.bind(unpacked(bits, weight.shape[1], weight.dtype), weight)


def _outer_native(bits: Array, ct: Array, *, groups: int, inputs: int) -> Array:
    def native(bits: Array, ct: Array) -> Any:
        shape = struct(_outer_shape(bits, ct, groups=groups, inputs=inputs))
        return jax.ffi.ffi_call("bs_packed_outer_v1", shape)(bits, ct)

    def dot(bits: Array, ct: Array) -> Array:
        return packed_outer_definition(bits, ct, groups=groups, inputs=inputs)

    sample = bits[:: max(bits.shape[0] // SAMPLE_ROWS, 1) | 1]
    events = jax.lax.population_count(sample).astype(jnp.int32).sum()
    few = events <= int(limit(OUTER_DENSITY, ct.shape[1]) * len(sample) * inputs)
    return jax.lax.cond(few, native, dot, bits, ct)


# Derivatives and batching.


def _pack_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    if not is_zero(tangents[0]):
        raise ValueError(
            "`spikes` kept as bits have no second derivative: call `bs.run` with `remat=None`, or `event_dense`."
        )
    bits = pack_p.bind(*primals)
    return bits, zero_of(bits)


def _packed_transpose(ct: Any, bits: Any, weight: Any) -> list[Any]:
    if is_zero(ct):
        return [None, None]
    groups, inputs, _ = weight.aval.shape
    return [None, packed_outer_p.bind(bits, ct, groups=groups, inputs=inputs)]


def _outer_transpose(ct: Any, bits: Any, grad: Any, *, groups: int, inputs: int) -> list[Any]:
    return [None, None if is_zero(ct) else packed_p.bind(bits, ct)]


def _pack_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    rows = lead(args[0], dims[0], size)
    return unfold(pack_p.bind(rows.reshape(-1, rows.shape[-1])), size), 0


def _packed_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    bits = lead(args[0], dims[0], size)
    return unfold(packed_p.bind(bits.reshape(-1, bits.shape[-1]), fold_groups(args[1], dims[1], size)), size), 0


def _outer_batch(args: Any, dims: Any, *, groups: int, inputs: int) -> Any:
    size = map_size(args, dims)
    rows = (lead(x, d, size) for x, d in zip(args, dims, strict=True))
    rows = (x.reshape(-1, x.shape[-1]) for x in rows)
    return unfold(packed_outer_p.bind(*rows, groups=groups * size, inputs=inputs), size), 0


attach(
    pack_p,
    shape=_pack_shape,
    portable=pack_definition,
    native=_pack_native,
    jvp=_pack_jvp,
    batch=_pack_batch,
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
