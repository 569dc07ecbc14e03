"""Scans whose backward pass recomputes segments instead of storing every step.

With segments of length s, the backward pass of n steps keeps n / s states and the residuals of one segment: least
memory at s = sqrt(n), for one more forward pass (Griewank & Walther, ACM Trans. Math. Softw. 26 (2000) 19).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._types import State
from ..fuse.loop import loop

_RESIDUALS_PER_STATE = 4
_LIMIT_BYTES = 2**31


def segment_length(remat: str | int | None, state: State, steps: int) -> int | None:
    """Length of a segment in steps, or None to store every step.

    `"auto"` estimates the residuals of a step as four times the state that moves (rings do not: they are linear) and
    chooses sqrt(steps) where all steps together would pass 2 GiB.

    Raises:
        ValueError: `remat` is not "auto", None or a number of steps >= 1.
    """
    if remat is None or steps <= 1:
        return None
    if remat == "auto":
        moving = [leaf for leaf in jax.tree.leaves((state.populations, state.projections)) if leaf.ndim < 3]
        stored = _RESIDUALS_PER_STATE * steps * sum(leaf.size * leaf.dtype.itemsize for leaf in moving)
        return math.isqrt(steps) if stored > _LIMIT_BYTES else None
    if isinstance(remat, bool) or not isinstance(remat, int) or remat < 1:
        raise ValueError(f'`remat`: expected "auto", None or a number of steps >= 1, got {remat!r}.')
    return remat


def scan(body: Callable[..., Any], carry: Any, xs: Any, length: int, segment: int | None) -> tuple[Any, Any]:
    """`jax.lax.scan`, checkpointed in segments of `segment` steps; a shorter one comes last."""
    if segment is None or segment >= length:
        return loop(body, carry, xs, length)
    count, tail = divmod(length, segment)
    head = jax.tree.map(lambda x: x[: count * segment].reshape(count, segment, *x.shape[1:]), xs)

    @jax.checkpoint
    def one_segment(carry: Any, rows: Any) -> tuple[Any, Any]:
        return loop(body, carry, rows, segment)

    carry, ys = jax.lax.scan(one_segment, carry, head, length=count)
    ys = jax.tree.map(lambda y: y.reshape(count * segment, *y.shape[2:]), ys)
    if not tail:
        return carry, ys
    carry, last = loop(body, carry, jax.tree.map(lambda x: x[count * segment :], xs), tail)
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), ys, last)
