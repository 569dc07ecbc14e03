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
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from .. import _native
from .divide import Division, Level, Ref
from .pointwise import log_once, require_supported, step_name
from .recurrence import Recurrence
from .scalar import NotPointwiseError, size
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
    x_types = [jax.ShapeDtypeStruct(row.shape[1:], row.dtype) for row in rows]

    def flat(leaves: list[Any], row: list[Any]) -> Any:
        return step(jax.tree.unflatten(tree, leaves), jax.tree.unflatten(row_tree, row))

    closed, out = jax.make_jaxpr(flat, return_shape=True)(leaves, x_types)
    if not isinstance(out, tuple) or len(out) != 2 or jax.tree.structure(out[0]) != tree:
        return None
    before, after = closed.jaxpr.invars[: len(leaves)], closed.jaxpr.outvars[: len(leaves)]
    if [_type(var.aval) for var in before] != [_type(var.aval) for var in after]:
        return None
    if all(size(var.aval.shape) <= 1 for var in closed.jaxpr.outvars):
        return None
    try:
        results = _divided(closed, leaves, rows, *lengths)
    except NotPointwiseError as why:
        log_once(f"the scan of {step_name(step)} runs on XLA: {why}.")
        return None
    ys = jax.tree.unflatten(jax.tree.structure(out[1]), results[len(leaves) :])
    return jax.tree.unflatten(tree, results[: len(leaves)]), ys


def _type(aval: Any) -> tuple[Any, ...]:
    return aval.shape, aval.dtype, aval.weak_type


def _divided(closed: ClosedJaxpr, carry: Sequence[Any], xs: Sequence[Any], length: int) -> list[Any]:
    """The outputs of all steps: one operation for the elements, what is left by JAX."""
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
    parts = _Parts(division, ins, outs, n_carry)
    known, results = parts.run_slow(carry, xs, length)
    known |= {ref.key: value for ref, value in zip(ins, [*carry, *xs], strict=True) if ref.level == Level.INNER}
    results |= parts.run_inner(known, length)
    for i, ref in enumerate(outs):
        if i < n_carry and held[i]:
            results[i] = carry[i]
        elif ref.level == Level.FIXED and i >= n_carry:
            results[i] = jnp.broadcast_to(ref.value, (length, *ref.shape))
    return [jnp.reshape(results[i], ref.shape if i < n_carry else (length, *ref.shape)) for i, ref in enumerate(outs)]


class _Parts:
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

    def run_inner(self, known: dict[Any, Any], length: int) -> dict[int, Any]:
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
        return dict(zip(places, scan_p.bind(*carry, *others, how=how), strict=True))
