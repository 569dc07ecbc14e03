"""A recurrence of independent elements, its tangent, and that one's transpose: what they mean.

    c_{t+1}, y_t = f(c_t, p, x_t)
    tangent:   (c_0, p, x), (dc_0, dp, dx) -> dc_T, dy                  linear in the second group
    pullback:  (c_0, p, x), (cc_T, cy) -> cc_0, cp, cx                  the transpose, one cotangent for each element

Operands are the carry, arrays of the domain, and then the others in the order of `f`, `()` or with all axes of the
domain (of length 1 where they repeat), those that change with time after an axis of time. All three are `jax.lax.scan`
and its derivatives.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import ShapedArray

from .element import Element
from .scalar import Shape, floating, with_values


class Recurrence(NamedTuple):
    """What is repeated, and how its operands lie.

    Attributes:
        element: `(carry..., others...) -> (carry..., ys...)` of one element.
        domain: Shape of the arrays whose elements are independent.
        n_carry: Number of carried values.
        timed: Which of the other operands have an axis of time.
        length: Number of steps.
    """

    element: Element
    domain: Shape
    n_carry: int
    timed: tuple[bool, ...]
    length: int

    def lead(self, operand: int) -> int:
        """Number of axes of an operand before those of the domain."""
        return int(operand >= self.n_carry and self.timed[operand - self.n_carry])

    def out_lead(self, result: int) -> int:
        """Number of axes of a result before those of the domain."""
        return int(result >= self.n_carry)

    def full(self, lead: int, dtype: Any) -> ShapedArray:
        """An array of the domain, after an axis of time where `lead` is 1."""
        return ShapedArray((*(self.length,) * lead, *self.domain), dtype)

    def whole(self, operand: Any, lead: int) -> Any:
        """An operand with what it repeats written out."""
        missing = tuple(range(operand.ndim, lead + len(self.domain)))
        return jnp.broadcast_to(jnp.expand_dims(operand, missing), self.full(lead, operand.dtype).shape)

    def mapped(self, count: int) -> "Recurrence":
        """The same with another axis of the domain, the first."""
        return self._replace(domain=(count, *self.domain))


def definition(*operands: Any, how: Recurrence) -> list[Any]:
    """What the recurrence means on every backend."""
    timed = [how.n_carry + i for i, time in enumerate(how.timed) if time]

    def step(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        out = how.element.over(how.domain, with_values([*carry, *operands[how.n_carry :]], timed, row))
        return out[: how.n_carry], out[how.n_carry :]

    carry, ys = jax.lax.scan(step, list(operands[: how.n_carry]), [operands[i] for i in timed], length=how.length)
    return [*carry, *ys]


def tangent_definition(*operands: Any, how: Recurrence, active: tuple[int, ...]) -> list[Any]:
    """The tangents of the floating results."""
    primals, dots = split(operands, how)
    function = lambda *moving: definition(*with_values(primals, active, moving), how=how)
    out_dots = jax.jvp(function, [primals[i] for i in active], list(dots))[1]
    return [out_dots[i] for i in floating(how.element.outs)]


def pullback_definition(
    *operands: Any, how: Recurrence, wanted: tuple[int, ...], given: tuple[int, ...]
) -> Sequence[Any]:
    """The cotangents of the operands `wanted`, of each element, from those of the results `given`."""
    primals, cts = split(operands, how)
    spread = [how.whole(primals[i], how.lead(i)) for i in wanted]

    def function(*moving: Any) -> list[Any]:
        out = definition(*with_values(primals, wanted, moving), how=how)
        return [out[i] for i in given]

    return jax.vjp(function, *spread)[1](list(cts))


def split(operands: Sequence[Any], how: Recurrence) -> tuple[Sequence[Any], Sequence[Any]]:
    """The operands of the recurrence, and those that a derivative takes after them."""
    count = how.n_carry + len(how.timed)
    return operands[:count], operands[count:]
