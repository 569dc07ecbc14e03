"""A function of arrays parted in what belongs to the domain, one value for each element, and what does not.

What is no array of the domain (time constants, rows of parameters, keys of noise) is computed outside, by JAX, once;
there remains a function of one element, whose operands go with the domain as in NumPy. Under a scan there is a third
part: what changes from step to step without being an array of the domain, such as a number of the step.
"""

import enum
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import source_info_util
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from .element import Element, element_of
from .scalar import (
    CALLS,
    CUSTOM,
    ELEMENTWISE,
    RESHAPES,
    Shape,
    apply,
    bind,
    called,
    check,
    is_aligned,
    literal,
    shape_of,
    size,
)


class Level(enum.IntEnum):
    """Where a value is computed; an operation goes to the highest level of what it reads."""

    FIXED = 0
    SLOW = 1
    INNER = 2


class Ref(NamedTuple):
    """A value: its number, or, where it is fixed, the value itself."""

    level: Level
    value: Any
    shape: Shape
    dtype: Any

    def of(self, known: dict[int, Any]) -> Any:
        """The value."""
        return self.value if self.level == Level.FIXED else known[self.value]

    @property
    def key(self) -> tuple[Level, int]:
        """What tells values from each other."""
        return self.level, id(self.value) if self.level == Level.FIXED else self.value


class Operation(NamedTuple):
    """An equation that is done later."""

    eqn: JaxprEqn
    ins: tuple[Ref, ...]
    outs: tuple[int, ...]


class Division:
    """Walks a jaxpr once: evaluates what is fixed, writes down the rest.

    Args:
        domain: Shape of the arrays whose elements are independent.
        hoists: Whether arrays of the domain may be fixed, too: they do not change over the steps of a scan.
    """

    def __init__(self, domain: Shape, hoists: bool):
        self.domain, self.hoists, self.size = domain, hoists, size(domain)
        self.inner: list[Operation] = []
        self.slow: list[Operation] = []
        self._numbers = itertools.count()

    def given(self, level: Level, aval: Any) -> Ref:
        """A value that is known later."""
        return Ref(level, next(self._numbers), tuple(aval.shape), aval.dtype)

    def fixed(self, value: Any, aval: Any) -> Ref:
        """A value that is known now."""
        return Ref(Level.FIXED, value, tuple(aval.shape), aval.dtype)

    def walk(self, jaxpr: Jaxpr, consts: Sequence[Any], ins: Sequence[Ref], caller: str = "") -> list[Ref]:
        """The outputs of a jaxpr that is called from a line.

        Raises:
            NotPointwiseError: An operation on arrays of the domain is not pointwise.
        """
        env = dict(zip(jaxpr.invars, ins, strict=True))
        arrays = [const if isinstance(const, jax.Array) else jnp.asarray(const) for const in consts]
        env |= {var: self.fixed(array, var.aval) for var, array in zip(jaxpr.constvars, arrays, strict=True)}
        read = lambda var: self.fixed(literal(var), var.aval) if isinstance(var, Literal) else env[var]
        for eqn in jaxpr.eqns:
            refs = tuple(read(var) for var in eqn.invars)
            where = source_info_util.summarize(eqn.source_info) or caller
            if eqn.primitive.name in CALLS:
                outs = self.walk(*called(eqn), refs, where)
            else:
                outs = self.step(eqn, refs, where)
            env.update(zip(eqn.outvars, outs, strict=True))
        return [read(var) for var in jaxpr.outvars]

    def step(self, eqn: JaxprEqn, refs: tuple[Ref, ...], where: str) -> list[Ref]:
        """The outputs of an equation that is no call, written at a line."""
        level = Level.INNER if self._spreads(eqn, refs) else max((ref.level for ref in refs), default=Level.FIXED)
        if level == Level.FIXED:
            outs = zip(bind(eqn, [ref.value for ref in refs]), eqn.outvars, strict=True)
            return [self.fixed(value, var.aval) for value, var in outs]
        if level == Level.INNER:
            check(eqn, self.domain, where)
        outs = [self.given(level, var.aval) for var in eqn.outvars]
        tape = self.inner if level == Level.INNER else self.slow
        tape.append(Operation(eqn, refs, tuple(out.value for out in outs)))
        return outs

    def _spreads(self, eqn: JaxprEqn, refs: tuple[Ref, ...]) -> bool:
        """Whether an equation is done for each element although nothing that it reads is."""
        if eqn.primitive.name not in ELEMENTWISE | RESHAPES | CUSTOM or not refs:
            return False
        full = [ref for ref in refs if size(ref.shape) == self.size]
        if full:
            return not self.hoists or any(ref.level == Level.SLOW for ref in full)
        return size(shape_of(eqn.outvars[0])) == self.size

    def element(self, inputs: Sequence[Ref], outputs: Sequence[Ref], keep: Sequence[int]) -> tuple[Element, list[Ref]]:
        """The function of one element.

        Args:
            inputs: Arrays of the domain that come first, in order.
            outputs: What to return.
            keep: Which of the inputs to take though nothing depends on them.

        Returns:
            The function, and all that it takes: the inputs that matter, and operands from outside.
        """
        operands = {ref.key: ref for ref in inputs}
        made = {out for op in self.inner for out in op.outs}
        for ref in itertools.chain(*(op.ins for op in self.inner), outputs):
            if not (ref.level == Level.INNER and ref.value in made) and not _is_number(ref):
                operands.setdefault(ref.key, ref)
        refs = list(operands.values())

        def function(*values: Any) -> list[Any]:
            known = dict(zip(operands, values, strict=True))
            read = lambda ref: ref.value if _is_number(ref) else known[ref.key]
            for op in self.inner:
                with source_info_util.user_context(op.eqn.source_info.traceback):
                    results = apply(op.eqn, [read(ref) for ref in op.ins], self.domain)
                known.update(zip(((Level.INNER, out) for out in op.outs), results, strict=True))
            return [read(ref) for ref in outputs]

        element, uses = element_of(function, [jax.ShapeDtypeStruct((), ref.dtype) for ref in refs], keep)
        return element, [refs[i] for i in uses]

    def slow_function(self, inputs: Sequence[Ref], outputs: Sequence[Ref]) -> Callable[[Sequence[Any]], list[Any]]:
        """What changes from step to step outside the domain, as a function of this step's inputs."""

        def function(values: Sequence[Any]) -> list[Any]:
            known = dict(zip((ref.value for ref in inputs), values, strict=True))
            for op in self.slow:
                known.update(zip(op.outs, bind(op.eqn, [ref.of(known) for ref in op.ins]), strict=True))
            return [ref.of(known) for ref in outputs]

        return function

    def spread(self, value: Any, lead: int = 0) -> Any:
        """An array as an operand: one number, or with all axes of the domain, of length 1 where it repeats.

        Args:
            value: The array.
            lead: Axes before those that go with the domain.
        """
        first, shape = value.shape[:lead], value.shape[lead:]
        if size(shape) == self.size:
            return jnp.reshape(value, (*first, *self.domain))
        if size(shape) == 1:
            return jnp.reshape(value, first)
        assert is_aligned(shape, self.domain)
        short = shape[max(len(shape) - len(self.domain), 0) :]
        return jnp.reshape(value, (*first, *(1,) * (len(self.domain) - len(short)), *short))


def _is_number(ref: Ref) -> bool:
    return ref.level == Level.FIXED and not hasattr(ref.value, "aval")
