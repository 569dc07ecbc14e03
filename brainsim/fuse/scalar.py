"""The operations of a jaxpr of arrays, done on one element: what makes a function pointwise.

Element i of the result depends on element i of each operand, where operands go with the domain as in NumPy: axes are
matched from the last, and one of length 1 is repeated. Operations that only change the shape do nothing to an element;
`custom_jvp` and `custom_vjp` stay what they are, with their rule done on one element too.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import source_info_util
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

Shape = tuple[int, ...]

CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}
"""Primitives that only call a function, and the parameter that holds it."""

RESHAPES = frozenset({"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy", "copy_p"})
CUSTOM = frozenset({"custom_jvp_call", "custom_vjp_call"})
ELEMENTWISE = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e bitcast_convert_type cbrt ceil "
    "clamp clz convert_element_type cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igammac "
    "integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not or polygamma "
    "population_count pow reduce_precision rem round rounded_product rsqrt select_n shift_left "
    "shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor zeta".split()
)


class NotPointwiseError(Exception):
    """A function is not pointwise; the message names the operation and its source line."""


def bind(eqn: JaxprEqn, values: Sequence[Any]) -> list[Any]:
    """An equation on other values."""
    bound = eqn.primitive.get_bind_params(eqn.params)
    functions, params = bound if isinstance(bound, tuple) else ((), bound)  # a pair before JAX 0.10
    with source_info_util.user_context(eqn.source_info.traceback):
        out = eqn.primitive.bind(*functions, *values, **params)
    return list(out) if eqn.primitive.multiple_results else [out]


def literal(atom: Any) -> Any:
    """The value of a literal, with its dtype."""
    return np.asarray(atom.val, atom.aval.dtype)[()]


def shape_of(var: Any) -> Shape:
    """Shape of a variable of a jaxpr."""
    return tuple(var.aval.shape)


def called(eqn: JaxprEqn) -> tuple[Jaxpr, Sequence[Any]]:
    """The jaxpr that a call runs, and its constants."""
    inner = eqn.params[CALLS[eqn.primitive.name]]
    return (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())


def size(shape: Shape) -> int:
    """Number of elements."""
    return math.prod(shape)


def is_aligned(shape: Shape, domain: Shape) -> bool:
    """Whether an array goes with the domain: one value, one for each element, or axes matched from the last."""
    if size(shape) in (1, size(domain)):
        return True
    axes = _long_axes(shape)
    return all(back <= len(domain) and length == domain[-back] for back, length in axes.items())


def _long_axes(shape: Shape) -> dict[int, int]:
    """Axes longer than 1, counted from the last, and their lengths."""
    return {len(shape) - axis: length for axis, length in enumerate(shape) if length != 1}


def check(eqn: JaxprEqn, domain: Shape, caller: str = "") -> None:
    """Raise unless an equation, called from a line, is pointwise over the domain."""
    where = source_info_util.summarize(eqn.source_info) or caller
    name = eqn.primitive.name
    shapes = [shape_of(var) for var in eqn.invars]
    if name in CALLS:
        check_all(called(eqn)[0], domain, where)
    elif name in RESHAPES:
        if not _keeps_axes(eqn, domain):
            raise refusal(eqn, "moves axes", caller)
    elif name in CUSTOM:
        check_all(eqn.params["call_jaxpr"].jaxpr, domain, where)
    elif name not in ELEMENTWISE and name != "fused_pointwise":
        raise refusal(eqn, "is not pointwise", caller)
    full, out = size(domain), shape_of(eqn.outvars[0])
    reshaped = size(out) == full and _long_axes(out) != _long_axes(domain)
    if any(size(shape) not in (1, full) and (reshaped or not is_aligned(shape, domain)) for shape in shapes):
        raise refusal(eqn, "has operands that do not go with each other element by element", caller)


def check_all(jaxpr: Jaxpr, domain: Shape, caller: str = "") -> None:
    """Raise unless every equation of a jaxpr is pointwise over the domain."""
    for eqn in jaxpr.eqns:
        check(eqn, domain, caller)


def refusal(eqn: JaxprEqn, why: str, caller: str = "") -> NotPointwiseError:
    """The error for an equation, with its source line or that of its caller."""
    where = source_info_util.summarize(eqn.source_info) or caller or "an unknown line"
    return NotPointwiseError(f"`{eqn.primitive.name}` at {where} {why}")


def _keeps_axes(eqn: JaxprEqn, domain: Shape) -> bool:
    before, after = (shape_of(var) for var in (eqn.invars[0], eqn.outvars[0]))
    if size(before) == 1 or size(before) == size(after) == size(domain):
        return True
    if eqn.primitive.name != "broadcast_in_dim":
        return _long_axes(before) == _long_axes(after)
    where = eqn.params["broadcast_dimensions"]
    back = {len(after) - where[axis]: length for axis, length in enumerate(before) if length != 1}
    return back == _long_axes(before)


def run(jaxpr: Jaxpr, consts: Sequence[Any], values: Sequence[Any], domain: Shape) -> list[Any]:
    """A jaxpr of arrays on one element of each.

    Args:
        jaxpr: Of arrays that go with the domain.
        consts: Its constants; each one value.
        values: A scalar for each input.
        domain: Shape of the domain.
    """
    env = dict(zip(jaxpr.invars, values, strict=True))
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        if size(shape_of(var)) != 1:
            raise NotPointwiseError("an array that a custom derivative closes over is not one number")
        env[var] = jnp.reshape(const, ())
    read = lambda var: literal(var) if isinstance(var, Literal) else env[var]
    for eqn in jaxpr.eqns:
        env.update(zip(eqn.outvars, apply(eqn, [read(var) for var in eqn.invars], domain), strict=True))
    return [read(var) for var in jaxpr.outvars]


def apply(eqn: JaxprEqn, values: Sequence[Any], domain: Shape) -> list[Any]:
    """One equation on one element."""
    check(eqn, domain)
    name = eqn.primitive.name
    if name in RESHAPES:
        return [values[0]]
    if name in CALLS:
        return run(*called(eqn), values, domain)
    if name == "custom_jvp_call":
        return _custom_jvp(eqn, domain)(*values)
    if name == "custom_vjp_call":
        return _custom_vjp(eqn, domain)(*values)
    if name == "fused_pointwise":
        return eqn.params["element"](*values)
    return bind(eqn, values)


def floating(variables: Sequence[Any]) -> tuple[int, ...]:
    """Which variables or arrays can have a tangent."""
    dtypes = [getattr(var, "aval", var).dtype for var in variables]
    return tuple(i for i, dtype in enumerate(dtypes) if jnp.issubdtype(dtype, jnp.inexact))


def with_values(base: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """`base` with other values at some places."""
    merged = list(base)
    for place, value in zip(places, values, strict=True):
        merged[place] = value
    return merged


def _custom_jvp(eqn: JaxprEqn, domain: Shape) -> Callable[..., list[Any]]:
    """A function with a jvp rule of its own, on one element."""
    closed = eqn.params["call_jaxpr"]
    moving, moved = floating(eqn.invars), floating(eqn.outvars)

    def both(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        function = lambda *active: bind(eqn, with_values(primals, moving, active))
        out, out_dot = jax.jvp(function, [primals[i] for i in moving], list(tangents))
        return out, [out_dot[i] for i in moved]

    shapes = _structs(eqn.invars)
    rule_jaxpr = jax.make_jaxpr(both)(shapes, [shapes[i] for i in moving])
    check_all(rule_jaxpr.jaxpr, domain)

    @jax.custom_jvp
    def function(*values):
        return run(closed.jaxpr, closed.consts, values, domain)

    @function.defjvp
    def rule(primals, tangents):
        given = [*primals, *(tangents[i] for i in moving)]
        results = run(rule_jaxpr.jaxpr, rule_jaxpr.consts, given, domain)
        out, dots = results[: len(eqn.outvars)], results[len(eqn.outvars) :]
        zeros = [np.zeros((), jax.dtypes.float0) for _ in out]
        return out, with_values(zeros, moved, dots)

    return function


def _custom_vjp(eqn: JaxprEqn, domain: Shape) -> Callable[..., list[Any]]:
    """A function with a vjp rule of its own, on one element; what the rule keeps is computed again."""
    closed = eqn.params["call_jaxpr"]
    moving, moved = floating(eqn.invars), floating(eqn.outvars)

    def backward(primals: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
        function = lambda *active: [bind(eqn, with_values(primals, moving, active))[i] for i in moved]
        return jax.vjp(function, *(primals[i] for i in moving))[1](list(cotangents))

    shapes = _structs(eqn.invars)
    rule_jaxpr = jax.make_jaxpr(backward)(shapes, [_structs(eqn.outvars)[i] for i in moved])
    check_all(rule_jaxpr.jaxpr, domain)

    @jax.custom_vjp
    def function(*values):
        return run(closed.jaxpr, closed.consts, values, domain)

    def pull(values, cotangents):
        results = run(rule_jaxpr.jaxpr, rule_jaxpr.consts, [*values, *(cotangents[i] for i in moved)], domain)
        return tuple(with_values([None] * len(values), moving, results))

    function.defvjp(lambda *values: (function(*values), values), pull)
    return function


def _structs(variables: Sequence[Any]) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in variables]
