"""Time in segments, whose residuals the backward pass recomputes instead of storing every step.

With segments of length s, the backward pass of n steps keeps n / s states and the residuals of one segment: least
memory at s = sqrt(n), for one more forward pass (Griewank & Walther, ACM Trans. Math. Softw. 26 (2000) 19).
Truncated backpropagation through time (Williams & Peng, Neural Comput. 2 (1990) 490) cuts the gradient between them.
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
    """Length of a segment of a network's steps, or None to store every step.

    `"auto"` estimates the residuals of a step as four times the state that moves (rings do not: they are linear) and
    chooses about sqrt(steps) where all steps together would pass 2 GiB.

    Raises:
        ValueError: `remat` is not "auto", None or a number of steps >= 1.
    """
    moving = [leaf for leaf in jax.tree.leaves((state.populations, state.projections)) if leaf.ndim < 3]
    stored = _RESIDUALS_PER_STATE * sum(leaf.size * leaf.dtype.itemsize for leaf in moving)
    return chosen_length(remat, stored, steps)


def chosen_length(remat: str | int | None, stored: int, steps: int) -> int | None:
    """Length of a segment where a step stores so many bytes for the backward pass; see `segment_length`."""
    if remat is None or steps <= 1:
        return None
    if remat == "auto":
        return _near_root(steps) if steps * stored > _LIMIT_BYTES else None
    if isinstance(remat, bool) or not isinstance(remat, int) or remat < 1:
        raise ValueError(f'`remat`: expected "auto", None or a number of steps >= 1, got {remat!r}.')
    return remat


def _near_root(steps: int) -> int:
    """About sqrt(steps), and a divisor where there is one within a factor of 2: no shorter segment is left over."""
    root = math.isqrt(steps)
    divisors = [n for n in range(root // 2 + 1, 2 * root + 1) if steps % n == 0]
    return min(divisors, key=lambda n: abs(n - root), default=root)


def scan(body: Callable[..., Any], carry: Any, xs: Any, length: int, segment: int | None) -> tuple[Any, Any]:
    """`jax.lax.scan`, checkpointed in segments of `segment` steps; a shorter one comes last."""
    return in_segments(lambda carry, rows, steps: loop(body, carry, rows, steps), carry, xs, length, segment)


def in_segments(
    part: Callable[[Any, Any, int], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    length: int,
    segment: int | None,
    *,
    cut: bool = False,
) -> tuple[Any, Any]:
    """All steps, segment by segment; a shorter one comes last.

    Args:
        part: `(carry, rows, steps) -> (carry, ys)` of some steps.
        carry: What goes from one segment to the next.
        xs: Arrays with a first axis of time.
        length: Number of steps.
        segment: Steps of a segment; None for one of all steps, without a checkpoint.
        cut: Whether gradients stop between segments.
    """
    if segment is None or segment >= length:
        return part(carry, xs, length)
    count, tail = divmod(length, segment)
    head = jax.tree.map(lambda x: x[: count * segment].reshape(count, segment, *x.shape[1:]), xs)

    @jax.checkpoint
    def one_segment(carry: Any, rows: Any) -> tuple[Any, Any]:
        return part(jax.lax.stop_gradient(carry) if cut else carry, rows, segment)

    carry, ys = jax.lax.scan(one_segment, carry, head, length=count)
    ys = jax.tree.map(lambda y: y.reshape(count * segment, *y.shape[2:]), ys)
    if not tail:
        return carry, ys
    rest = jax.tree.map(lambda x: x[count * segment :], xs)
    carry, last = part(jax.lax.stop_gradient(carry) if cut else carry, rest, tail)
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), ys, last)
