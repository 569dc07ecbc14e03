"""Time in segments, whose residuals the backward pass recomputes instead of storing every step.

With segments of length s, the backward pass of n steps keeps n / s states and the residuals of one segment: least
memory at s = sqrt(n), for one more forward pass (Griewank & Walther, ACM Trans. Math. Softw. 26 (2000) 19).
Truncated backpropagation through time (Williams & Peng, Neural Comput. 2 (1990) 490) cuts the gradient between them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


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


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any, length: int | None, segments: Segments
) -> tuple[Any, Any]:
    """`jax.lax.scan` whose gradient goes through time in segments."""
    if segments.length is None or length is None:
        return jax.lax.scan(body, init, xs, length=length)
    part = lambda carry, rows, steps: jax.lax.scan(body, carry, rows, length=steps)
    return in_segments(part, init, xs, length, segments)
