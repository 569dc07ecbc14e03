"""A loop over time of independent elements as one native call: `scan(step)`.

    c_{t+1}, y_t = step(c_t, x_t)        for t = 0 ... T - 1, where element i depends on element i only

All steps of a few hundred elements are done before the next elements begin, so that the carry never leaves the cache.
The gradient runs the same way: the steps forward once more, then backward by JAX's own derivative of `step`, fused;
between forward and backward pass nothing is stored but the inputs. The definition is `jax.lax.scan`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from .. import _native
from .parted import Parts, run_parts, step_of
from .pointwise import log_once, step_name
from .recurrence import Recurrence
from .scalar import NotPointwiseError
from .scan_primitives import scan_p


def scan(step: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """The function `run(carry, xs=None, length=None)`, which is `jax.lax.scan(step, carry, xs, length)`.

    Like `jax.jit`, it traces `step` once for each structure, shape and dtype of the arguments.

    Args:
        step: Pure function `(carry, x) -> (carry, y)` of pytrees. The largest array it returns sets the domain; what it
            computes for each element must depend on that element only, and on smaller arrays that broadcast. Numbers
            that change with time, such as the number of the step, may be part of the carry.

    Returns:
        The function. Where `step` is not pointwise or has an operation that is not supported, `jax.lax.scan` runs it
        and the log of "brainsim" says why.
    """

    def call(carry: Any, xs: Any, length: int | None) -> tuple[Any, Any]:
        fused = _fused(step, carry, xs, length) if _native.WHY_XLA is None else None
        return jax.lax.scan(step, carry, xs, length=length) if fused is None else fused

    jitted = jax.jit(call, static_argnums=2, inline=True)

    @functools.wraps(step)
    def run(carry: Any, xs: Any = None, length: int | None = None) -> tuple[Any, Any]:
        return jitted(carry, xs, length)

    return run


def _fused(step: Callable[..., Any], carry: Any, xs: Any, length: int | None) -> tuple[Any, Any] | None:
    """The results, or None where `jax.lax.scan` is to run the step, or to say what is wrong with it."""
    leaves, tree = jax.tree.flatten(carry)
    rows, row_tree = jax.tree.flatten(xs)
    lengths: set[Any] = {row.shape[0] if row.ndim else None for row in rows} | (
        {length} if length is not None else set()
    )
    if lengths in ({0}, {None}) or len(lengths) != 1 or jax.default_backend() != "cpu":
        return None
    row = jax.tree.unflatten(row_tree, [jax.ShapeDtypeStruct(row.shape[1:], row.dtype) for row in rows])
    traced = step_of(step, carry, row)
    if traced is None:
        return None
    closed, out = traced
    try:
        results = run_parts(closed, leaves, rows, *lengths, bind=_bind)
    except NotPointwiseError as why:
        log_once(f"the scan of {step_name(step)} runs on XLA: {why}.")
        return None
    ys = jax.tree.unflatten(jax.tree.structure(out[1]), results[len(leaves) :])
    return jax.tree.unflatten(tree, results[: len(leaves)]), ys


def _bind(parts: Parts, carry: list[Any], others: list[Any], how: Recurrence) -> Sequence[Any]:
    return scan_p.bind(*carry, *others, how=how)
