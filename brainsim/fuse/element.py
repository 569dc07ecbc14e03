"""A function of one element, and the functions of one element that derive from it.

    y = f(x);       tangent: (x, dx) -> dy, linear in dx;       pullback: what is linear, transposed

Derivatives are JAX's own, of the scalar function; an operand that is repeated over the domain gets the cotangent of
each element, which is summed outside. Nothing is derived twice, and what is derived lives as long as its function.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun
from jax.interpreters import partial_eval

from .scalar import NotPointwiseError, Shape, floating, with_values


class Element:
    """A pure function of scalars; equal to itself only.

    Attributes:
        closed: Its jaxpr, all of scalars.
        ins: Type of every argument.
        outs: Type of every result.
    """

    def __init__(self, closed: ClosedJaxpr):
        if any(isinstance(const, Tracer) for const in closed.consts):
            raise NotPointwiseError("a custom derivative closes over a value that is being traced")
        self.closed = ClosedJaxpr(closed.jaxpr, [np.asarray(const) for const in closed.consts])
        self.ins = [_struct(var.aval) for var in closed.jaxpr.invars]
        self.outs = [_struct(var.aval) for var in closed.jaxpr.outvars]
        self._function = jaxpr_as_fun(self.closed)
        self._derived: dict[Hashable, Any] = {}

    def __call__(self, *values: Any) -> list[Any]:
        """The outputs for single numbers."""
        return self._function(*values)

    def over(self, domain: Shape, operands: Sequence[Any]) -> list[Any]:
        """The function of every element of a domain.

        Args:
            domain: Shape of the results.
            operands: Arrays of shape `()`, or with all axes of the domain, of length 1 where they repeat.
        """
        index = jnp.zeros(domain, bool)  # some array to map over where all operands are numbers
        arrays = [index, *map(jnp.asarray, operands)]
        varies = [[x.shape[axis : axis + 1] == (length,) for axis, length in enumerate(domain)] for x in arrays]
        repeats = [[i for i in range(x.ndim) if not vary[i]] for x, vary in zip(arrays, varies, strict=True)]
        function = lambda _, *values: self(*values)
        for axis in reversed(range(len(domain))):
            function = jax.vmap(function, in_axes=[0 if vary[axis] else None for vary in varies])
        return function(*(jnp.squeeze(x, repeat) for x, repeat in zip(arrays, repeats, strict=True)))

    def derived(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, computed once."""
        if name not in self._derived:
            self._derived[name] = make()
        return self._derived[name]

    def tangent(self, active: tuple[int, ...]) -> "Part":
        """The change of the results with the arguments `active`: a function of all arguments and their changes."""
        return self.derived(("tangent", active), lambda: self._tangent(active))

    def _tangent(self, active: tuple[int, ...]) -> "Part":
        moved = floating(self.outs)

        def function(*values: Any) -> list[Any]:
            primals, dots = values[: len(self.ins)], values[len(self.ins) :]
            along = lambda *moving: self(*with_values(primals, active, moving))
            out_dots = jax.jvp(along, [primals[i] for i in active], list(dots))[1]
            return [out_dots[i] for i in moved]

        ins = [*self.ins, *(self.ins[i] for i in active)]
        return _part(function, ins, range(len(self.ins), len(ins)), moved)

    def pullback(self, linear: tuple[int, ...], given: tuple[int, ...]) -> "Part":
        """The transpose in the arguments `linear`, in which the function must be linear.

        Args:
            linear: Arguments to get cotangents for.
            given: Results whose cotangents are given, after the other arguments.
        """
        return self.derived(("pullback", linear, given), lambda: self._pullback(linear, given))

    def _pullback(self, linear: tuple[int, ...], given: tuple[int, ...]) -> "Part":
        others = [i for i in range(len(self.ins)) if i not in linear]

        def function(*values: Any) -> Sequence[Any]:
            held = with_values([None] * len(self.ins), others, values[: len(others)])

            def forward(*moving: Any) -> list[Any]:
                out = self(*with_values(held, linear, moving))
                return [out[i] for i in given]

            return jax.linear_transpose(forward, *(self.ins[i] for i in linear))(list(values[len(others) :]))

        ins = [*(self.ins[i] for i in others), *(self.outs[i] for i in given)]
        return _part(function, ins, range(len(others), len(ins)), range(len(linear)))


class Part(NamedTuple):
    """A derived function, without what does not matter.

    Attributes:
        element: The function.
        uses: Which of the arguments that were asked for it takes.
        moved: Number of each result, where those not in it are always 0.
    """

    element: Element
    uses: tuple[int, ...]
    moved: tuple[int, ...]


def element_of(
    function: Callable[..., Sequence[Any]], ins: Sequence[Any], keep: Sequence[int] = ()
) -> tuple[Element, tuple[int, ...]]:
    """A function of scalars as an `Element`, and the arguments that it takes: those in `keep` and those that matter."""
    closed = jax.make_jaxpr(function)(*ins)
    return _pruned(closed, [True] * len(closed.jaxpr.outvars), keep)


def _part(function: Callable[..., Sequence[Any]], ins: Sequence[Any], moving: Sequence[int], names: Any) -> Part:
    closed = jax.make_jaxpr(function)(*ins)
    moves = _moved(closed.jaxpr, moving)
    element, uses = _pruned(closed, moves)
    return Part(element, uses, tuple(name for name, move in zip(names, moves, strict=True) if move))


def _pruned(closed: ClosedJaxpr, wanted: list[bool], keep: Sequence[int] = ()) -> tuple[Element, tuple[int, ...]]:
    """The function of the results wanted, and the arguments that it takes."""
    kept = [i in keep for i in range(len(closed.jaxpr.invars))]
    consts = list(closed.jaxpr.constvars)
    jaxpr, used = partial_eval.dce_jaxpr(closed.jaxpr, wanted, instantiate=kept)
    held = [const for var, const in zip(consts, closed.consts, strict=True) if var in jaxpr.constvars]
    return Element(ClosedJaxpr(jaxpr, held)), tuple(i for i, use in enumerate(used) if use)


def _moved(jaxpr: Jaxpr, moving: Sequence[int]) -> list[bool]:
    """Which results depend on the arguments `moving`."""
    live = {jaxpr.invars[i] for i in moving}
    for eqn in jaxpr.eqns:
        if any(var in live for var in eqn.invars if not isinstance(var, Literal)):
            live.update(eqn.outvars)
    return [not isinstance(var, Literal) and var in live for var in jaxpr.outvars]


def _struct(aval: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)
