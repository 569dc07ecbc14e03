"""`event_dense` whose gradient to the spikes is wanted at few places: sparse spiking gradient descent.

    y = b + s W        dL/ds[r, k] = sum_m ct[r, m] W[k, m]  where wanted[r, k], else 0

A surrogate that is 0 away from the threshold passes nothing on from elsewhere, so that the gradient is exact where
`wanted` is the surrogate's support. Each place is one dot product of two rows; where too many are wanted for that to
pay, the compiled program takes XLA's dot, as `event_dense` does. Perez-Nieves and Goodman, NeurIPS 2021 (arXiv
2105.08810). Units: as in `event_dense`.
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
from ._register import attach, fold_groups, is_zero, lead, map_size, multilinear_jvp, struct, unfold
from .event_dense import dense_definition, dense_p, event_dense, is_sparse, limit, outer_p

# The form sum_rk wanted[r, k] s[r, k] sum_m W[k, m] ct[r, m]: its derivative to s, and to ct. Canonical shapes as in
# `event_dense`; wanted (R, K).
sampled_p = Primitive("sampled_dense")  # ct, weight, wanted -> like spikes
chosen_p = Primitive("chosen_dense")  # spikes, weight, wanted -> result

# (outputs from, density): the largest density at which the dot products were not slower than XLA's whole product.
# Measured for 256 x 20, 700 x 64, 256 x 256 and 1024 x 1024 with 12,800 rows of float32 at 2, 5, 10, 20, 30 and 50 %:
# one thread, AVX-512 (Zen 4), jaxlib 0.10.2.
SAMPLED_DENSITY = ((0, 0.0), (64, 0.15), (128, 0.25))


def sampling_pays(outputs: int) -> bool:
    """Whether there is a density at which `event_dense_where` is faster than `event_dense` for so many outputs."""
    return limit(SAMPLED_DENSITY, outputs) > 0


def event_dense_where(
    spikes: Float[Array, "*batch inputs"],
    weight: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"] | None,
    wanted: Bool[Array, "*batch inputs"],
) -> Float[Array, "*batch outputs"]:
    """`event_dense(spikes, weight, bias)`, with a gradient to `spikes` where it is wanted and 0 elsewhere.

    Args:
        spikes: Spikes or graded events, (..., K).
        weight: Dense weights, (K, M).
        bias: What every sum begins with, (M,); None for 0.
        wanted: Where a change of `spikes` counts, bool (..., K).

    Returns:
        The products, (..., M).
    """
    spikes, weight, bias = arguments.dense_arrays(spikes, weight, bias)
    return _where(spikes, weight, bias, arguments.mask_of(spikes, wanted))


@jax.custom_jvp
def _where(spikes: Array, weight: Array, bias: Array | None, wanted: Array) -> Array:
    return event_dense(spikes, weight, bias)


def _where_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (spikes, weight, bias, wanted), (spikes_dot, weight_dot, bias_dot, _) = primals, tangents
    out = event_dense(spikes, weight, bias)
    dot = jnp.zeros_like(out)
    if not _still(spikes_dot):
        moved = chosen_p.bind(_rows(spikes_dot), weight[None], _rows(wanted))
        dot = dot + moved.reshape(out.shape)
    if not _still(weight_dot):
        dot = dot + event_dense(spikes, weight_dot)
    return out, dot if bias is None or _still(bias_dot) else dot + bias_dot


_where.defjvp(_where_jvp, symbolic_zeros=True)


def _still(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _rows(x: Array) -> Array:
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


# The XLA definitions, and the native call.


def sampled_definition(ct: Array, weight: Array, wanted: Array) -> Array:
    """What the gradient to the spikes means on every backend."""
    return jnp.where(wanted, dense_definition(ct, weight.swapaxes(1, 2)), 0)


def chosen_definition(spikes: Array, weight: Array, wanted: Array) -> Array:
    """What a change of the spikes means on every backend."""
    return dense_p.bind(jnp.where(wanted, spikes, 0), weight)


def _sampled_shape(ct: Any, weight: Any, wanted: Any) -> Any:
    return ShapedArray(wanted.shape, ct.dtype)


def _chosen_shape(spikes: Any, weight: Any, wanted: Any) -> Any:
    return ShapedArray((spikes.shape[0], weight.shape[2]), spikes.dtype)


def _sampled_native(ct: Array, weight: Array, wanted: Array) -> Array:
    def kernel(ct: Array, weight: Array, wanted: Array) -> Any:
        return jax.ffi.ffi_call("bs_sampled_dense_v1", struct(_sampled_shape(ct, weight, wanted)))(ct, weight, wanted)

    sparse = is_sparse(wanted, limit(SAMPLED_DENSITY, weight.shape[2]))
    return jax.lax.cond(sparse, kernel, sampled_definition, ct, weight, wanted)


# Derivatives and batching.


def _transpose(other: Primitive, ct_is_spikes: bool) -> Any:
    """The rule of a primitive whose cotangent is like spikes, or like results; `other` is its transpose."""

    def rule(ct: Any, first: Any, weight: Any, wanted: Any) -> list[Any]:
        if is_zero(ct):
            return [None, None, None]
        if ad.is_undefined_primal(first):
            return [other.bind(ct, weight, wanted), None, None]
        spikes, results = (ct, first) if ct_is_spikes else (first, ct)
        return [None, outer_p.bind(jnp.where(wanted, spikes, 0), results, groups=weight.aval.shape[0]), None]

    return rule


def _batch(primitive: Primitive) -> Any:
    def rule(args: Any, dims: Any) -> Any:
        size = map_size(args, dims)
        first, wanted = (_rows(lead(args[i], dims[i], size)) for i in (0, 2))
        return unfold(primitive.bind(first, fold_groups(args[1], dims[1], size), wanted), size), 0

    return rule


attach(
    sampled_p,
    shape=_sampled_shape,
    portable=sampled_definition,
    native=_sampled_native,
    jvp=multilinear_jvp(sampled_p, (0, 1)),
    transpose=_transpose(chosen_p, ct_is_spikes=True),
    batch=_batch(sampled_p),
)
attach(
    chosen_p,
    shape=_chosen_shape,
    portable=chosen_definition,
    native=chosen_definition,
    jvp=multilinear_jvp(chosen_p, (0, 1)),
    transpose=_transpose(sampled_p, ct_is_spikes=False),
    batch=_batch(chosen_p),
)
