"""The operations behind `feedback`: the recurrence, its tangent and its pullback as JAX primitives.

The transpose of the tangent is the pullback, to which the gradient to the weight comes; both map into themselves, but
for a weight that is mapped. The recurrence and the pullback have native programs; everything else, second derivatives
included, runs on XLA.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad

from . import feedback_tiles
from .echo import Echo, definition, pullback_definition, tangent_definition
from .pointwise import log_once, map_size, summed
from .scalar import floating, with_values
from .scan_primitives import attach, derivative_of, scan_shape, with_axis

feedback_p = Primitive("fused_feedback")  # carry, others, line, weight -> carry, ys
tangent_p = Primitive("fused_feedback_tangent")  # the same, y, tangents of `active` -> tangents of floating results
pullback_p = Primitive("fused_feedback_pullback")  # the same, y, cotangents of `given` -> cotangents of `wanted`
feedback_p.multiple_results = tangent_p.multiple_results = pullback_p.multiple_results = True


def _shape(*operands: Any, how: Echo) -> list[ShapedArray]:
    return scan_shape(how=how.loop)


def _tangent_shape(*operands: Any, how: Echo, active: Any) -> list[ShapedArray]:
    shapes = scan_shape(how=how.loop)
    return [shapes[i] for i in floating(how.loop.element.outs)]


def _pullback_shape(*operands: Any, how: Echo, wanted: Any, given: Any) -> list[ShapedArray]:
    return [how.loop.full(how.loop.lead(i), how.loop.element.ins[i].dtype) for i in wanted]


def _jvp(primals: Any, tangents: Any, *, how: Echo) -> tuple[Any, Any]:
    out = feedback_p.bind(*primals, how=how)
    dots = [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in out]
    kinds = [*how.loop.element.ins, *primals[how.count :]]
    active = tuple(i for i in floating(kinds) if type(tangents[i]) is not ad.Zero)
    if not active:
        return out, dots
    moved = tangent_p.bind(*primals, out[how.fed], *(tangents[i] for i in active), how=how, active=active)
    return out, with_values(dots, floating(how.loop.element.outs), moved)


def _tangent_transpose(cts: Any, *operands: Any, how: Echo, active: tuple[int, ...]) -> list[Any]:
    loop, count = how.loop, how.count
    primals, y, dots = operands[: count + 2], operands[count + 2], operands[count + 3 :]
    moved = floating(loop.element.outs)
    grads: list[Any] = [None] * len(dots)
    linear = {active[k]: k for k, dot in enumerate(dots) if ad.is_undefined_primal(dot)}
    if all(type(ct) is ad.Zero for ct in cts):
        for k in linear.values():
            grads[k] = ad.Zero(dots[k].aval)
        return [None] * (count + 3) + grads
    seeds = {i: ct for i, ct in zip(moved, cts, strict=True) if i == how.fed or type(ct) is not ad.Zero}
    wanted = tuple(sorted({how.heard, *(i for i in linear if i < count)}))
    pulled = pullback_p.bind(
        *primals, y, *map(ad.instantiate_zeros, seeds.values()), how=how, wanted=wanted, given=tuple(seeds)
    )
    found = dict(zip(wanted, pulled, strict=True))
    line, weight = primals[count:]
    heard, early = found[how.heard], min(how.delay, loop.length)
    for i, k in linear.items():
        if i < count:
            grads[k] = summed(found[i], dots[k].aval.shape, loop.lead(i))
        elif i == count:
            back = jax.vjp(lambda values: how.cross(values, weight), line[:early])[1](heard[:early])[0]
            grads[k] = jnp.concatenate([back, jnp.zeros_like(line[early:])])
        else:
            grads[k] = jax.vjp(functools.partial(how.cross, how.past(line, y)), weight)[1](heard)[0]
    return [None] * (count + 3) + grads


def _native(*operands: Any, how: Echo) -> list[Any]:
    return feedback_tiles.forward(operands, how, _shape(how=how))


def _pullback_native(*operands: Any, how: Echo, wanted: Any, given: Any) -> Sequence[Any]:
    backward = feedback_tiles.backward_of(how, wanted, given)
    if backward.why_not is not None:
        log_once(f"the gradient of a fused feedback runs on XLA: {backward.why_not}.")
        return pullback_definition(*operands, how=how, wanted=wanted, given=given)
    return feedback_tiles.backward(operands, how, backward, _pullback_shape(how=how, wanted=wanted, given=given))


def _batch(primitive: Primitive, portable: Callable[..., Sequence[Any]], cts: Any, leads: Any) -> Callable[..., Any]:
    """The rule of a primitive whose operands after the weight are arrays of the domain.

    Args:
        primitive: What is mapped.
        portable: Its definition, which runs where every copy has a weight of its own.
        cts: Axes before the domain of each operand after the weight.
        leads: The same of each result.
    """

    def rule(operands: Any, axes: Any, *, how: Echo, **params: Any) -> tuple[Any, Any]:
        loop, at = how.loop, how.count + 1
        if axes[at] is not None:
            function = lambda *values: list(portable(*values, how=how, **params))
            return jax.vmap(function, in_axes=axes)(*operands), [0] * len(leads(how, **params))
        kinds = [(loop.lead(i), i < loop.n_carry or i == how.heard) for i in range(how.count)]
        kinds += [(1, True), *((lead, True) for lead in cts(how, **params))]
        count, weight = map_size(operands, axes), operands[at]
        others = zip((*operands[:at], *operands[at + 1 :]), (*axes[:at], *axes[at + 1 :]), kinds, strict=True)
        moved = [with_axis(x, axis, loop, count, *kind) for x, axis, kind in others]
        moved.insert(at, weight)
        return primitive.bind(*moved, how=how._replace(loop=loop.mapped(count)), **params), leads(how, **params)

    return rule


def _tangent_batch(operands: Any, axes: Any, **params: Any) -> tuple[Any, Any]:
    function = lambda *values: tangent_definition(*values, **params)
    results = jax.vmap(function, in_axes=axes)(*operands)
    return results, [0] * len(results)


attach(
    feedback_p,
    _shape,
    definition,
    _native,
    _jvp,
    _batch(
        feedback_p,
        definition,
        lambda how: [],
        lambda how: [how.loop.out_lead(i) for i in range(len(how.loop.element.outs))],
    ),
)
attach(tangent_p, _tangent_shape, tangent_definition, None, derivative_of(tangent_definition), _tangent_batch)
attach(
    pullback_p,
    _pullback_shape,
    pullback_definition,
    _pullback_native,
    derivative_of(pullback_definition),
    _batch(
        pullback_p,
        pullback_definition,
        lambda how, wanted, given: [1, *(how.loop.out_lead(i) for i in given)],
        lambda how, wanted, given: [how.loop.lead(i) for i in wanted],
    ),
)
ad.primitive_transposes[tangent_p] = _tangent_transpose
