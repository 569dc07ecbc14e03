"""A loop over time of elements that hear what all elements emitted some steps before: `feedback(step, cross)`.

    c_{t+1}, y_t = step(c_t, x_t + y_{t-d} W)        for t = 0 ... T - 1, where y_{-d} ... y_{-1} are given

Element i of the step depends on element i only; rows of elements (the trials of a batch) do not hear each other, so
that a few rows run through all steps in the cache, and threads share the rows without waiting for each other. The
gradient runs the same way: nothing is stored between forward and backward pass but x and y, for what was heard follows
from both. The definition is `jax.lax.scan`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from .. import _native
from .echo import Echo
from .feedback_primitives import feedback_p
from .parted import Parts, run_parts, step_of
from .pointwise import log_once, step_name
from .recurrence import Recurrence
from .scalar import NotPointwiseError


def feedback(
    step: Callable[[Any, Any], tuple[Any, Any]], cross: Callable[[Any, Any], Any]
) -> Callable[..., tuple[Any, Any] | None]:
    """The function `run(carry, line, weight, x, rows)` to the last carry and what is emitted.

    Args:
        step: Pure function `(carry, (x, row)) -> (carry, (y, more))`, pointwise as in `scan`; all of x and y heard and
            emitted are of one shape, `(..., n)`.
        cross: `cross(y, weight)` is what `y @ weight` is to mean where no native program runs, and its derivative.

    Returns:
        The function. `line`, `(d, ..., n)`, is what was emitted before the first step, the oldest first; `weight` is
        `(n, n)`; `x` `(time, ..., n)`; `rows` is a pytree of what else changes with time. It returns None where no
        native program can do the step: the caller then steps by itself.

    Raises:
        ValueError: Shapes of `line` or `weight` that do not fit `x`.
    """

    def call(carry: Any, line: Any, weight: Any, x: Any, rows: Any) -> tuple[Any, Any] | None:
        fits = jax.default_backend() == "cpu" and x.ndim > 1 and 0 not in x.shape
        if _native.WHY_XLA is not None or not fits:
            return None
        _require(x, line, weight)
        xs, row_tree = jax.tree.flatten((x, rows))
        types = [jax.ShapeDtypeStruct(row.shape[1:], row.dtype) for row in xs]
        traced = step_of(step, carry, jax.tree.unflatten(row_tree, types))
        if traced is None:
            return None
        closed, out = traced
        leaves, tree = jax.tree.flatten(carry)
        bind = functools.partial(_bind, line=line, weight=weight, shape=x.shape[1:], cross=cross)
        try:
            results = run_parts(closed, leaves, xs, len(x), bind)
        except NotPointwiseError as why:
            log_once(f"the feedback of {step_name(step)} goes step by step: {why}.")
            return None
        ys = jax.tree.unflatten(jax.tree.structure(out[1]), results[len(leaves) :])
        return jax.tree.unflatten(tree, results[: len(leaves)]), ys

    return jax.jit(call, inline=True)


def _require(x: Any, line: Any, weight: Any) -> None:
    n, shape = x.shape[-1], x.shape[1:]
    if line.ndim == 0 or len(line) < 1 or line.shape[1:] != shape:
        raise ValueError(f"`line`: expected at least one step of shape {shape}, as in `x`, got {line.shape}.")
    if weight.shape != (n, n):
        raise ValueError(f"`weight`: expected ({n}, {n}), the elements of a row of `x`, got {weight.shape}.")


def _bind(
    parts: Parts,
    carry: list[Any],
    others: list[Any],
    how: Recurrence,
    *,
    line: Any,
    weight: Any,
    shape: Any,
    cross: Any,
) -> Sequence[Any]:
    heard, fed = parts.ins[parts.n_carry], parts.n_carry
    places = [ref.key for ref in parts.operands]
    if how.domain != shape or heard.key not in places or fed not in parts.emitted:
        raise NotPointwiseError("what is heard or emitted is not an array of the elements")
    if line.dtype != weight.dtype or weight.dtype != how.element.outs[len(carry)].dtype:
        raise NotPointwiseError("what is emitted and the weight are of two types")
    echo = Echo(how, len(carry) + places.index(heard.key), len(carry), len(line), cross)
    return feedback_p.bind(*carry, *others, line, weight, how=echo)
