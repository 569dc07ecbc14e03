"""Checks of the operators' arguments: floating types, index types and shapes, each with a sentence."""

from typing import Any

import jax.numpy as jnp
from jax import Array


def spikes_array(spikes: Any) -> Array:
    """`spikes` as an array of float32 or float64."""
    spikes = jnp.asarray(spikes)
    if not jnp.issubdtype(spikes.dtype, jnp.floating):
        raise TypeError(
            f"`spikes` must be float32 or float64, got {spikes.dtype}; a bool or an integer in a gradient path would "
            "silently give a zero gradient. Convert with `.astype(jnp.float32)` after the surrogate."
        )
    return float_array("spikes", spikes)


def float_array(name: str, value: Any, dtype: Any = None) -> Array:
    """`value` as an array of float32 or float64, and of `dtype` where given; Python numbers take `dtype`."""
    array = jnp.asarray(value, dtype) if isinstance(value, (int, float)) else jnp.asarray(value)
    if array.dtype not in (jnp.float32, jnp.float64):
        raise TypeError(f"`{name}` must be float32 or float64, got {array.dtype}.")
    if dtype is not None and array.dtype != dtype:
        raise TypeError(f"`{name}` must have the type of `spikes` or of the accumulator, {dtype}, got {array.dtype}.")
    return array


def dense_arrays(spikes: Any, weight: Any, bias: Any) -> tuple[Array, Array, Array | None]:
    """`spikes` (..., inputs), `weight` (inputs, outputs) and `bias` (outputs,) or None, all of one floating type."""
    spikes = spikes_array(spikes)
    weight = float_array("weight", weight, spikes.dtype)
    if weight.ndim != 2:
        raise ValueError(f"`weight` must have shape (inputs, outputs), got {weight.shape}.")
    last_axis("spikes", spikes, weight.shape[0], "the inputs of `weight`")
    if bias is None:
        return spikes, weight, None
    bias = float_array("bias", bias, spikes.dtype)
    if bias.shape != weight.shape[1:]:
        raise ValueError(f"`bias` must have shape ({weight.shape[1]},), the outputs of `weight`, got {bias.shape}.")
    return spikes, weight, bias


def mask_of(spikes: Array, wanted: Any) -> Array:
    """`wanted` as a mask of the shape of `spikes`."""
    wanted = jnp.asarray(wanted)
    if wanted.dtype != jnp.bool_ or wanted.shape != spikes.shape:
        raise ValueError(
            f"`wanted` must be bool of the shape of `spikes`, {spikes.shape}, got {wanted.dtype} {wanted.shape}."
        )
    return wanted


def int_array(name: str, value: Any, ndim: tuple[int, ...]) -> Array:
    """`value` as an int32 array with one of the numbers of dimensions `ndim`; Python integers are converted."""
    array = jnp.asarray(value, jnp.int32) if isinstance(value, int) else jnp.asarray(value)
    if array.dtype != jnp.int32:
        raise TypeError(f"`{name}` must be int32, got {array.dtype}.")
    if array.ndim not in ndim:
        expected = " or ".join(f"{n}-dimensional" for n in ndim)
        raise ValueError(f"`{name}` must be {expected}, got shape {array.shape}.")
    return array


def csr_arrays(indices: Any, indptr: Any) -> tuple[Array, Array]:
    """`indices` (nnz,) and `indptr` (n_pre + 1,) as int32 arrays."""
    indices, indptr = int_array("indices", indices, (1,)), int_array("indptr", indptr, (1,))
    if indptr.size == 0:
        raise ValueError("`indptr` must have one more entry than there are presynaptic neurons, got none.")
    return indices, indptr


def per_synapse(name: str, array: Array, nnz: int) -> Array:
    """A scalar or per-synapse array as (1,) or (nnz,)."""
    if array.shape not in ((), (nnz,)):
        raise ValueError(f"`{name}` must be a scalar or have one entry per synapse, ({nnz},), got shape {array.shape}.")
    return array.reshape(-1)


def last_axis(name: str, array: Array, size: int, meaning: str) -> None:
    """Raise unless the last axis of `array` has `size` entries."""
    if array.ndim == 0 or array.shape[-1] != size:
        raise ValueError(f"`{name}` must have {size} entries on its last axis ({meaning}), got shape {array.shape}.")


def same_batch(name: str, batch: tuple[int, ...], other: str, other_batch: tuple[int, ...]) -> None:
    """Raise unless two arguments have the same batch axes."""
    if batch != other_batch:
        raise ValueError(f"`{name}` and `{other}` must have the same batch axes, got {batch} and {other_batch}.")
