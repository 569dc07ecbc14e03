"""A recurrence whose elements hear each other, its tangent, and that one's transpose: what they mean.

    h_t = x_t + y_{t-d} W;    c_{t+1}, y_t = f(c_t, h_t)
    pullback:  cy_t = given_t + ch_{t+d} W^T,   (cc_t, ch_t) = vjp of f at (c_t, h_t) of (cc_{t+1}, cy_t)
               cx = ch,   cW = sum_t y_{t-d}^T ch_t

Operands are those of the recurrence of independent elements, x among them, then y before the first step `(d, ..., n)`
and the weight `(n, n)`; the derivatives get y of all steps beside them. All three are `jax.lax.scan` and its
derivatives.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .recurrence import Recurrence
from .scalar import floating, with_values


class Echo(NamedTuple):
    """How elements hear each other.

    Attributes:
        loop: The recurrence of independent elements.
        heard: Which of its operands is heard.
        fed: Which of its results is fed back.
        delay: After how many steps.
        cross: What `y @ weight` means.
    """

    loop: Recurrence
    heard: int
    fed: int
    delay: int
    cross: Callable[[Any, Any], Any]

    @property
    def count(self) -> int:
        """Number of operands before `line` and `weight`."""
        return self.loop.n_carry + len(self.loop.timed)

    def past(self, line: Any, y: Any) -> Any:
        """What crosses the weight in each step."""
        return jnp.concatenate([line, y])[: self.loop.length]


def definition(*operands: Any, how: Echo) -> list[Any]:
    """What the recurrence means on every backend."""
    loop, (line, weight) = how.loop, operands[how.count :]
    timed = [loop.n_carry + i for i, time in enumerate(loop.timed) if time]
    own = operands[: how.count]

    def step(state: tuple[Any, Any], row: list[Any]) -> tuple[tuple[Any, Any], list[Any]]:
        carry, line = state
        values = with_values([*carry, *own[loop.n_carry :]], timed, row)
        values[how.heard] = values[how.heard] + how.cross(line[0], weight)
        out = loop.element.over(loop.domain, values)
        line = jnp.concatenate([line[1:], out[how.fed][None]])
        return (out[: loop.n_carry], line), out[loop.n_carry :]

    start = list(operands[: loop.n_carry]), line
    (carry, _), ys = jax.lax.scan(step, start, [operands[i] for i in timed], length=loop.length)
    return [*carry, *ys]


def tangent_definition(*operands: Any, how: Echo, active: tuple[int, ...]) -> list[Any]:
    """The tangents of the floating results."""
    primals, dots = operands[: how.count + 2], operands[how.count + 3 :]
    function = lambda *moving: definition(*with_values(primals, active, moving), how=how)
    out_dots = jax.jvp(function, [primals[i] for i in active], list(dots))[1]
    return [out_dots[i] for i in floating(how.loop.element.outs)]


def pullback_definition(*operands: Any, how: Echo, wanted: tuple[int, ...], given: tuple[int, ...]) -> Sequence[Any]:
    """The cotangents of the operands `wanted`, of each element, from those of the results `given`."""
    primals, cts = operands[: how.count + 2], operands[how.count + 3 :]
    spread = [how.loop.whole(primals[i], how.loop.lead(i)) for i in wanted]

    def function(*moving: Any) -> list[Any]:
        out = definition(*with_values(primals, wanted, moving), how=how)
        return [out[i] for i in given]

    return jax.vjp(function, *spread)[1](list(cts))
