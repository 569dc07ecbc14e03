"""The operations behind `scan`: the recurrence, its tangent and its pullback as JAX primitives.

Each maps into itself, the mapped axis becoming the first of the domain; the transpose of the tangent is the pullback.
The recurrence and the pullback have native programs; everything else, second derivatives included, runs on XLA.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir, xla

from .. import _native
from . import tiles
from .pointwise import first_axis, log_once, map_size, summed
from .recurrence import Recurrence, definition, pullback_definition, split, tangent_definition
from .scalar import floating, with_values

scan_p = Primitive("fused_scan")  # carry, others -> carry, ys
tangent_p = Primitive("fused_scan_tangent")  # carry, others, tangents of `active` -> tangents of floating results
pullback_p = Primitive("fused_scan_pullback")  # carry, others, cotangents of `given` -> cotangents of `wanted`
scan_p.multiple_results = tangent_p.multiple_results = pullback_p.multiple_results = True


def scan_shape(*operands: Any, how: Recurrence) -> list[ShapedArray]:
    """Types of the results of a recurrence."""
    return [how.full(how.out_lead(i), out.dtype) for i, out in enumerate(how.element.outs)]


def _tangent_shape(*operands: Any, how: Recurrence, active: Any) -> list[ShapedArray]:
    shapes = scan_shape(how=how)
    return [shapes[i] for i in floating(how.element.outs)]


def _pullback_shape(*operands: Any, how: Recurrence, wanted: Any, given: Any) -> list[ShapedArray]:
    return [how.full(how.lead(i), how.element.ins[i].dtype) for i in wanted]


def _scan_jvp(primals: Any, tangents: Any, *, how: Recurrence) -> tuple[Any, Any]:
    out = scan_p.bind(*primals, how=how)
    dots = [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in out]
    active = tuple(i for i in floating(how.element.ins) if type(tangents[i]) is not ad.Zero)
    if not active:
        return out, dots
    moved = tangent_p.bind(*primals, *(tangents[i] for i in active), how=how, active=active)
    return out, with_values(dots, floating(how.element.outs), moved)


def _tangent_transpose(cts: Any, *operands: Any, how: Recurrence, active: tuple[int, ...]) -> list[Any]:
    primals, dots = split(operands, how)
    moved = floating(how.element.outs)
    given = tuple(i for i, ct in zip(moved, cts, strict=True) if type(ct) is not ad.Zero)
    linear = [k for k, dot in enumerate(dots) if ad.is_undefined_primal(dot)]
    grads: list[Any] = [None] * len(dots)
    for k in linear:
        grads[k] = ad.Zero(dots[k].aval)
    if given:
        seeds = [ct for ct in cts if type(ct) is not ad.Zero]
        wanted = tuple(active[k] for k in linear)
        pulled = pullback_p.bind(*primals, *seeds, how=how, wanted=wanted, given=given)
        for k, ct in zip(linear, pulled, strict=True):
            grads[k] = summed(ct, dots[k].aval.shape, how.lead(active[k]))
    return [None] * len(primals) + grads


def derivative_of(function: Callable[..., Sequence[Any]]) -> Callable[..., tuple[Any, Any]]:
    """Differentiate by the definition: second derivatives run on XLA."""

    def rule(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
        active = [i for i in floating([jax.typeof(x) for x in primals]) if type(tangents[i]) is not ad.Zero]
        along = lambda *moving: list(function(*with_values(primals, active, moving), **params))
        return jax.jvp(along, [primals[i] for i in active], [tangents[i] for i in active])

    return rule


def with_axis(operand: Any, axis: int | None, how: Recurrence, count: int, lead: int, whole: bool) -> Any:
    """An operand with the mapped axis as the first of the domain; `whole` ones repeat over nothing."""
    moved = first_axis(operand, axis, len(how.domain), lead)
    return jnp.broadcast_to(moved, (*moved.shape[:lead], count, *how.domain)) if whole else moved


def _batch(primitive: Primitive, extra: Callable[..., list[tuple[int, bool]]], outs: Callable[..., list[int]]) -> Any:
    """The rule of a primitive: `extra` tells of each operand after the others its lead and whether it is whole."""

    def rule(operands: Any, axes: Any, *, how: Recurrence, **params: Any) -> tuple[Any, Any]:
        count = map_size(operands, axes)
        first = [(how.lead(i), i < how.n_carry) for i in range(how.n_carry + len(how.timed))]
        kinds = [*first, *extra(how, **params)]
        moved = [with_axis(x, axis, how, count, *kind) for x, axis, kind in zip(operands, axes, kinds, strict=True)]
        return primitive.bind(*moved, how=how.mapped(count), **params), outs(how, **params)

    return rule


def attach(primitive: Primitive, shape: Any, portable: Any, native: Any, jvp: Any, batch: Any) -> None:
    """Give a primitive its type, its ways to run, and its rules."""
    primitive.def_abstract_eval(shape)
    primitive.def_impl(functools.partial(xla.apply_primitive, primitive))
    mlir.register_lowering(primitive, mlir.lower_fun(portable, multiple_results=True))
    if native is not None and _native.WHY_XLA is None:
        mlir.register_lowering(primitive, mlir.lower_fun(native, multiple_results=True), platform="cpu")
    ad.primitive_jvps[primitive] = jvp
    batching.primitive_batchers[primitive] = batch


def _scan_native(*operands: Any, how: Recurrence) -> list[Any]:
    return tiles.forward(operands, how, scan_shape(how=how))


def _pullback_native(*operands: Any, how: Recurrence, wanted: Any, given: Any) -> Sequence[Any]:
    backward = tiles.backward_of(how.element, how.n_carry, how.timed, wanted, given)
    if backward.why_not is not None:
        log_once(f"the gradient of a fused scan runs on XLA: {backward.why_not}.")
        return pullback_definition(*operands, how=how, wanted=wanted, given=given)
    return tiles.backward(operands, how, backward, _pullback_shape(how=how, wanted=wanted, given=given))


attach(
    scan_p,
    scan_shape,
    definition,
    _scan_native,
    _scan_jvp,
    _batch(scan_p, lambda how: [], lambda how: [how.out_lead(i) for i in range(len(how.element.outs))]),
)
attach(
    tangent_p,
    _tangent_shape,
    tangent_definition,
    None,
    derivative_of(tangent_definition),
    _batch(
        tangent_p,
        lambda how, active: [(how.lead(i), i < how.n_carry) for i in active],
        lambda how, active: [how.out_lead(i) for i in floating(how.element.outs)],
    ),
)
attach(
    pullback_p,
    _pullback_shape,
    pullback_definition,
    _pullback_native,
    derivative_of(pullback_definition),
    _batch(
        pullback_p,
        lambda how, wanted, given: [(how.out_lead(i), True) for i in given],
        lambda how, wanted, given: [how.lead(i) for i in wanted],
    ),
)
ad.primitive_transposes[tangent_p] = _tangent_transpose
