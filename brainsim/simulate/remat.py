"""Time in segments, whose residuals the backward pass recomputes instead of storing every step.

With segments of length s, the backward pass of n steps keeps n / s states and the residuals of one segment: least
memory at s = sqrt(n), for one more forward pass (Griewank & Walther, ACM Trans. Math. Softw. 26 (2000) 19).
Truncated backpropagation through time (Williams & Peng, Neural Comput. 2 (1990) 490) cuts the gradient between them.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._types import State
from ..fuse.loop import loop

_RESIDUALS_PER_STATE = 4
_LIMIT_BYTES = 2**31


class Segments(NamedTuple):
    """How the backward pass goes through time.

    Attributes:
        length: Steps of a segment that is recomputed; None: every step is stored.
        cut: Whether gradients stop between segments.
    """

    length: int | None = None
    cut: bool = False

    def of_blocks(self, block: int) -> "Segments":
        """The same in blocks of several steps.

        Raises:
            ValueError: The gradient would be cut inside a block.
        """
        if self.length is None:
            return self
        if self.cut and self.length % block:
            raise ValueError(
                f"`truncate`: expected a multiple of {block} steps, in which `every` of a recorded trace comes, got "
                f"{self.length}."
            )
        return self._replace(length=max(1, self.length // block))


WHOLE = Segments()
"""Every step is stored."""


def segments_of(remat: str | int | None, truncate: int | None, stored: int, steps: int) -> Segments:
    """How to go through steps each of which stores so many bytes for the backward pass.

    `remat="auto"` chooses about sqrt(steps) where all steps together would pass 2 GiB.

    Raises:
        ValueError: `remat` is not "auto", None or a number of steps >= 1; or `truncate` is not None or such a number.
    """
    if truncate is not None:
        if remat not in ("auto", None):
            raise ValueError(f"`truncate`: its segments are recomputed as well, got `remat` = {remat!r} beside it.")
        return Segments(_steps("truncate", truncate, "None"), cut=True)
    if remat is None or steps <= 1:
        return Segments()
    if remat == "auto":
        return Segments(_near_root(steps) if steps * stored > _LIMIT_BYTES else None)
    return Segments(_steps("remat", remat, '"auto", None'))


def stored_by(network_state: State) -> int:
    """About how many bytes a step of a network stores: four times the state that moves (rings, being linear, not)."""
    moving = jax.tree.leaves((network_state.populations, network_state.projections))
    return _RESIDUALS_PER_STATE * sum(leaf.size * leaf.dtype.itemsize for leaf in moving if leaf.ndim < 3)


def stored_by_layers(shapes: Iterable[tuple[int, ...]], batch: int | None, dtype: Any) -> int:
    """About how many bytes a step of layers stores: what each emits, and its gradient."""
    return 2 * (batch or 1) * sum(map(math.prod, shapes)) * jnp.dtype(dtype).itemsize


def _steps(name: str, value: Any, others: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}`: expected {others} or a number of steps >= 1, got {value!r}.")
    return value


def _near_root(steps: int) -> int:
    """About sqrt(steps), and a divisor where there is one within a factor of 2: no shorter segment is left over."""
    root = math.isqrt(steps)
    divisors = [n for n in range(root // 2 + 1, 2 * root + 1) if steps % n == 0]
    return min(divisors, key=lambda n: abs(n - root), default=root)


def scan(body: Callable[..., Any], carry: Any, xs: Any, length: int, segments: Segments) -> tuple[Any, Any]:
    """`jax.lax.scan`, checkpointed in segments; a shorter one comes last."""
    return in_segments(lambda carry, rows, steps: loop(body, carry, rows, steps), carry, xs, length, segments)


def in_segments(
    part: Callable[[Any, Any, int], tuple[Any, Any]], carry: Any, xs: Any, length: int, segments: Segments
) -> tuple[Any, Any]:
    """All steps, segment by segment; a shorter one comes last.

    Args:
        part: `(carry, rows, steps) -> (carry, ys)` of some steps.
        carry: What goes from one segment to the next.
        xs: Arrays with a first axis of time.
        length: Number of steps.
        segments: Their length, and whether gradients stop between them.
    """
    segment, cut = segments
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
