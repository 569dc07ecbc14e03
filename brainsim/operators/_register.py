"""Attaches the six rules of a JAX primitive (abstract, eager, lowering, jvp, transpose, vmap) in one call.

Operators work on rows (all axes of a batch together), shared out among groups of parameters in equal contiguous runs:
row b belongs to group b // (rows / groups). A mapped axis becomes the first axis of the batch, so that vmap stays on
the kernel.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir, xla

from .. import _native

Rule = Callable[..., Any]


def attach(
    primitive: Primitive,
    *,
    shape: Rule,
    portable: Rule,
    native: Rule,
    jvp: Rule,
    batch: Rule,
    transpose: Rule | None = None,
) -> None:
    """Attach all rules; `portable` (XLA) lowers everywhere, `native` on the CPU where the kernels are in use.

    A primitive whose `jvp` is made of others is never transposed itself.
    """
    several = primitive.multiple_results
    primitive.def_abstract_eval(shape)
    primitive.def_impl(partial(xla.apply_primitive, primitive))
    mlir.register_lowering(primitive, mlir.lower_fun(portable, multiple_results=several))
    if _native.WHY_XLA is None:
        mlir.register_lowering(primitive, mlir.lower_fun(native, multiple_results=several), platform="cpu")
    ad.primitive_jvps[primitive] = jvp
    if transpose is not None:
        ad.primitive_transposes[primitive] = transpose
    batching.primitive_batchers[primitive] = batch


def is_zero(tangent: Any) -> bool:
    """Whether a tangent or cotangent is symbolically zero."""
    return type(tangent) is ad.Zero


def zero_of(primal: Any) -> Any:
    """The symbolically zero tangent of a value."""
    return ad.Zero(jax.typeof(primal).to_tangent_aval())


def multilinear_jvp(primitive: Primitive, linear: Sequence[int]) -> Rule:
    """The jvp of a primitive that is linear in each argument at `linear`: one term for each that moves."""

    def rule(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        out = primitive.bind(*primals, **params)
        moving = [i for i in linear if not is_zero(tangents[i])]
        terms = [primitive.bind(*primals[:i], tangents[i], *primals[i + 1 :], **params) for i in moving]
        return out, reduce(jax.lax.add, terms) if terms else zero_of(out)

    return rule


def map_size(args: Sequence[Any], dims: Sequence[int | None]) -> int:
    """Length of the mapped axis."""
    return next(x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None)


def lead(x: Array, dim: int | None, size: int) -> Array:
    """The mapped axis `dim` (None: repeat `size` times) as the first axis."""
    return jnp.broadcast_to(x, (size, *x.shape)) if dim is None else jnp.moveaxis(x, dim, 0)


def fold_groups(x: Array, dim: int | None, size: int) -> Array:
    """The mapped axis merged with the leading axis of groups; one group that is not mapped stays one group."""
    if dim is None and x.shape[0] == 1:
        return x
    x = lead(x, dim, size)
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def unfold(x: Array, size: int) -> Array:
    """The leading axis of a result as the mapped axis and what was there before."""
    return x.reshape(size, x.shape[0] // size, *x.shape[1:])


def per_row(x: Array, rows: int) -> Array:
    """Repeat an argument with a leading axis of groups so that it has one entry a row."""
    return jnp.repeat(x, rows // max(x.shape[0], 1), axis=0)


def struct(shapes: Any) -> Any:
    """The result of a `shape` rule as `ffi_call` wants it."""
    return jax.tree.map(lambda aval: jax.ShapeDtypeStruct(aval.shape, aval.dtype), shapes)
