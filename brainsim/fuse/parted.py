"""A step of a loop over time, parted: what is done for each element, and what else changes with time.

The first part is a recurrence of independent elements; numbers of steps, keys of noise and the like stay outside.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from .divide import Division, Level, Ref
from .pointwise import require_supported
from .recurrence import Recurrence
from .scalar import size

Bind = Callable[["Parts", list[Any], list[Any], Recurrence], Sequence[Any]]
"""The loop over the elements: `(parts, carry, others, recurrence)` to the carry and what is emitted."""


def step_of(step: Callable[..., Any], carry: Any, x_types: Any) -> tuple[ClosedJaxpr, Any] | None:
    """A traced step `(carry, x) -> (carry, y)` and the structure of its results; None where it is no such step.

    Args:
        step: Function of pytrees.
        carry: What it begins with.
        x_types: Shape and dtype of what it gets in a step.
    """
    leaves, tree = jax.tree.flatten(carry)
    rows, row_tree = jax.tree.flatten(x_types)

    def flat(leaves: list[Any], row: list[Any]) -> Any:
        return step(jax.tree.unflatten(tree, leaves), jax.tree.unflatten(row_tree, row))

    closed, out = jax.make_jaxpr(flat, return_shape=True)(leaves, rows)
    if not isinstance(out, tuple) or len(out) != 2 or jax.tree.structure(out[0]) != tree:
        return None
    before, after = closed.jaxpr.invars[: len(leaves)], closed.jaxpr.outvars[: len(leaves)]
    if [_type(var.aval) for var in before] != [_type(var.aval) for var in after]:
        return None
    return None if all(size(var.aval.shape) <= 1 for var in closed.jaxpr.outvars) else (closed, out)


def _type(aval: Any) -> tuple[Any, ...]:
    return aval.shape, aval.dtype, aval.weak_type


def run_parts(closed: ClosedJaxpr, carry: Sequence[Any], xs: Sequence[Any], length: int, bind: Bind) -> list[Any]:
    """The outputs of all steps: one operation for the elements, what is left by JAX.

    Args:
        closed: The traced step.
        carry: Leaves of what it begins with.
        xs: Leaves of what it gets, with an axis of time.
        length: Number of steps.
        bind: The operation.

    Raises:
        NotPointwiseError: The step mixes elements, or has an operation that no native code exists for.
    """
    jaxpr, n_carry = closed.jaxpr, len(carry)
    domain = max((tuple(var.aval.shape) for var in jaxpr.outvars), key=lambda s: (size(s), len(s)), default=())
    division = Division(domain, hoists=True)
    held = [jaxpr.outvars[i] is jaxpr.invars[i] for i in range(n_carry)]
    level = lambda var: Level.INNER if size(tuple(var.aval.shape)) == division.size else Level.SLOW
    ins = [
        division.fixed(carry[i], var.aval) if i < n_carry and held[i] else division.given(level(var), var.aval)
        for i, var in enumerate(jaxpr.invars)
    ]
    outs = division.walk(jaxpr, closed.consts, ins)
    parts = Parts(division, ins, outs, n_carry)
    known, results = parts.run_slow(carry, xs, length)
    known |= {ref.key: value for ref, value in zip(ins, [*carry, *xs], strict=True) if ref.level == Level.INNER}
    results |= parts.run_inner(known, length, bind)
    for i, ref in enumerate(outs):
        if i < n_carry and held[i]:
            results[i] = carry[i]
        elif ref.level == Level.FIXED and i >= n_carry:
            results[i] = jnp.broadcast_to(ref.value, (length, *ref.shape))
    return [jnp.reshape(results[i], ref.shape if i < n_carry else (length, *ref.shape)) for i, ref in enumerate(outs)]


class Parts:
    """A step parted in the recurrence of the elements and what else changes with time.

    Args:
        division: The walked step.
        ins: Its inputs, the carry first.
        outs: Its outputs, the carry first.
        n_carry: Parts of the carry.
    """

    def __init__(self, division: Division, ins: Sequence[Ref], outs: Sequence[Ref], n_carry: int):
        self.division, self.ins, self.outs, self.n_carry = division, ins, outs, n_carry
        self.carried = [i for i in range(n_carry) if ins[i].level == Level.INNER]
        self.emitted = [i for i in range(n_carry, len(outs)) if outs[i].level == Level.INNER]
        rows = [ref for ref in ins[n_carry:] if ref.level == Level.INNER]
        carried = [ins[i] for i in self.carried]
        wanted = [outs[i] for i in (*self.carried, *self.emitted)]
        self.element, operands = division.element([*carried, *rows], wanted, range(len(carried)))
        self.operands = operands[len(carried) :]
        require_supported(self.element)

    def run_slow(self, carry: Sequence[Any], xs: Sequence[Any], length: int) -> tuple[dict[Any, Any], dict[int, Any]]:
        """What changes with time outside the domain: operands by key, outputs by position."""
        changing = [i for i in range(self.n_carry) if self.ins[i].level == Level.SLOW]
        given = [i for i in range(self.n_carry, len(self.ins)) if self.ins[i].level == Level.SLOW]
        operands = [ref for ref in self.operands if ref.level == Level.SLOW]
        emitted = [i for i in range(self.n_carry, len(self.outs)) if self.outs[i].level == Level.SLOW]
        wanted = [*(self.outs[i] for i in changing), *operands, *(self.outs[i] for i in emitted)]
        function = self.division.slow_function([self.ins[i] for i in (*changing, *given)], wanted)

        def step(state: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
            out = function([*state, *row])
            return out[: len(changing)], out[len(changing) :]

        rows = [xs[i - self.n_carry] for i in given]
        last, stacked = [], []
        if changing:
            last, stacked = jax.lax.scan(step, [carry[i] for i in changing], rows, length=length)
        elif operands or emitted:
            stacked = jax.vmap(lambda row: step([], row)[1])(rows)
        values = dict(zip((ref.key for ref in operands), stacked, strict=False))
        return values, dict(zip((*changing, *emitted), [*last, *stacked[len(operands) :]], strict=True))

    def run_inner(self, known: dict[Any, Any], length: int, bind: Bind) -> dict[int, Any]:
        """The recurrence of the elements: outputs by position."""
        places = (*self.carried, *self.emitted)
        if not places:
            return {}
        spread = self.division.spread
        timed = tuple(ref.level != Level.FIXED for ref in self.operands)
        values = [known[ref.key] if time else ref.value for ref, time in zip(self.operands, timed, strict=True)]
        carry = [spread(known[self.ins[i].key]) for i in self.carried]
        others = [spread(value, int(time)) for value, time in zip(values, timed, strict=True)]
        how = Recurrence(self.element, self.division.domain, len(carry), timed, length)
        return dict(zip(places, bind(self, carry, others, how), strict=True))
