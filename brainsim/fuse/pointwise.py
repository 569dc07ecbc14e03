"""A pure function of arrays of one shape as one native loop: `pointwise(step)`.

    y_i = f(x_i, c)        for all elements i, with everything that does not depend on i computed once before

The function is traced like by `jax.jit`, parted (`divide`), and becomes one operation that differentiates, transposes
and maps into operations of its own kind: the gradient of a fused step is a fused step. Its definition is XLA's
evaluation of the same function; on the CPU it is one call of the native handler.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, JaxprEqn, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir, xla

from .. import _native
from . import compile
from .divide import Division, Level, Ref
from .domain import domain_of
from .element import Element
from .graph import CALLS
from .native import element_kernel, why_not
from .program import Kind, Loop, Operand, Program, run_kernel
from .scalar import NotPointwiseError, Shape, floating, size

logger = logging.getLogger("brainsim")
P = ParamSpec("P")
R = TypeVar("R")

pointwise_p = Primitive("fused_pointwise")  # operands, () or with all axes of the domain -> arrays of the domain
pointwise_p.multiple_results = True


def pointwise(step: Callable[P, R]) -> Callable[P, R]:
    """`step` as one native loop, where that is possible; the same results, gradients and maps.

    Like `jax.jit`, it traces `step` once for each structure, shape and dtype of the arguments; arguments that are no
    arrays are part of the structure. Leaves of the first argument share memory with those of the first result where
    they are alike, so that a state is updated in place.

    Args:
        step: Pure function of pytrees. The largest array it returns sets the domain; what it computes for each element
            must depend on that element only, and on smaller arrays that broadcast.

    Returns:
        A function with the signature and the results of `step`. Where `step` is not pointwise, or has an operation
        that is not supported, XLA runs it and the log of "brainsim" says why.
    """

    def call(static: "_Static", arrays: list[Any]) -> Any:
        args, kwargs = static.arguments(arrays)
        if _native.WHY_XLA is not None:
            return step(*args, **kwargs)
        return _fused(step, args, kwargs)

    jitted = jax.jit(call, static_argnums=0, inline=True)

    @functools.wraps(step)
    def fused(*args: P.args, **kwargs: P.kwargs) -> R:
        leaves, tree = jax.tree.flatten((args, kwargs))
        static = _Static(tree, tuple(None if _is_array(x) else (type(x), x) for x in leaves))
        return jitted(static, [x for x in leaves if _is_array(x)])

    return fused


class _Static(NamedTuple):
    """The arguments of a call without the arrays: their structure, and what is no array."""

    tree: Any
    leaves: tuple[tuple[type, Any] | None, ...]

    def arguments(self, arrays: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments."""
        rest = iter(arrays)
        return jax.tree.unflatten(self.tree, [next(rest) if leaf is None else leaf[1] for leaf in self.leaves])


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _fused(step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    leaves, tree = jax.tree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if _is_array(leaf)]
    arrays = [jnp.asarray(leaves[i]) for i in places]

    def flat(*values: Any) -> Any:
        filled = list(leaves)
        for place, value in zip(places, values, strict=True):
            filled[place] = value
        args, kwargs = jax.tree.unflatten(tree, filled)
        return step(*args, **kwargs)

    closed, shape = jax.make_jaxpr(flat, return_shape=True)(*arrays)
    n_state = len([x for x in jax.tree.leaves(args[:1]) if _is_array(x)])
    first = shape[0] if isinstance(shape, tuple | list) and shape else shape
    try:
        out = _divided(closed, arrays, n_state, len(jax.tree.leaves(first)))
    except NotPointwiseError as why:
        log_once(f"{step_name(step)} runs on XLA: {why}.")
        out = jaxpr_as_fun(closed)(*arrays)
    return jax.tree.unflatten(jax.tree.structure(shape), out)


def step_name(step: Callable[..., Any]) -> str:
    """What to call a function in the log."""
    return getattr(step, "__qualname__", type(step).__name__)


@functools.lru_cache(maxsize=4096)
def log_once(message: str) -> None:
    """Say in the log which function does not run natively, and why."""
    logger.info(message)


def _divided(closed: ClosedJaxpr, arrays: Sequence[Any], n_state: int, n_first: int) -> list[Any]:
    """The outputs of a traced step, by one operation for all that is of its domain."""
    shapes = [tuple(var.aval.shape) for var in closed.jaxpr.outvars]
    domain = max(shapes, key=lambda shape: (size(shape), len(shape)), default=())
    if size(domain) <= 1:
        return jaxpr_as_fun(closed)(*arrays)
    division = Division(domain, hoists=False)
    given = [(array, jax.typeof(array)) for array in arrays]
    full = [size(aval.shape) == division.size for _, aval in given]
    ins = [
        division.given(Level.INNER, aval) if is_full else division.fixed(array, aval)
        for (array, aval), is_full in zip(given, full, strict=True)
    ]
    outs = division.walk(closed.jaxpr, closed.consts, ins)
    values = {ref.value: array for ref, array in zip(ins, arrays, strict=True) if ref.level == Level.INNER}
    made = [i for i, out in enumerate(outs) if out.level == Level.INNER and out.value not in values]
    results = [out.of(values) if i not in made else None for i, out in enumerate(outs)]
    if not made:
        return results
    inputs = [ref for ref in ins if ref.level == Level.INNER]
    element, operands = division.element(inputs, [outs[i] for i in made], ())
    require_supported(element)
    aliases = _aliases(ins[:n_state], operands, [(i, outs[i]) for i in made if i < n_first])
    spread = [division.spread(ref.of(values)) for ref in operands]
    for i, result in zip(made, pointwise_p.bind(*spread, element=element, domain=domain, aliases=aliases), strict=True):
        results[i] = jnp.reshape(result, shapes[i])
    return results


def require_supported(element: Element) -> None:
    """Raise where a function has an operation that no native code exists for."""
    if (why := why_not(element)) is not None:
        raise NotPointwiseError(why)


def _aliases(state: Sequence[Ref], operands: Sequence[Ref], first: Sequence[tuple[int, Ref]]) -> tuple[Any, ...]:
    """Pairs (operand, output) that share memory: each part of the state and the next output like it."""
    places = {ref.key: number for number, ref in enumerate(operands)}
    free = list(enumerate(ref for _, ref in first))
    pairs = []
    for ref in state:
        like = [(number, out) for number, out in free if (out.shape, out.dtype) == (ref.shape, ref.dtype)]
        if ref.key in places and like:
            pairs.append((places[ref.key], like[0][0]))
            free.remove(like[0])
    return tuple(pairs)


def definition(*operands: Any, element: Element, domain: Shape, aliases: Any = ()) -> list[Any]:
    """What the operation means on every backend: the function, mapped over the elements."""
    return element.over(domain, operands)


def expanded(eqn: JaxprEqn) -> ClosedJaxpr:
    """The jaxpr of arrays that a `fused_pointwise` equation stands for."""
    avals: list[Any] = [var.aval for var in eqn.invars]
    shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    return jax.make_jaxpr(functools.partial(definition, **eqn.params))(*shapes)


def _shape(*operands: Any, element: Element, domain: Shape, aliases: Any) -> list[ShapedArray]:
    return [ShapedArray(domain, out.dtype) for out in element.outs]


def _native_call(*operands: Any, element: Element, domain: Shape, aliases: Any) -> list[Any]:
    why = why_not(element)
    if why is not None:
        log_once(f"a fused function runs on XLA: {why}.")
        return definition(*operands, element=element, domain=domain)
    layout = domain_of(domain, [x.shape for x in operands])
    kernel = element_kernel(element, layout.kinds)
    compile.load(kernel)
    outs = [Operand(len(operands) + j, Kind.FULL, out.dtype.itemsize) for j, out in enumerate(element.outs)]
    ins = [Operand(i, kind, x.dtype.itemsize) for i, (x, kind) in enumerate(zip(operands, layout.kinds, strict=True))]
    own = tuple((i, j) for i, j in aliases if operands[i].shape == domain)
    for i, j in own:
        ins[i] = outs[j]
    loop = Loop(1, ((run_kernel(0, layout.rows, layout.n, ins, outs),),))
    program = Program((kernel,), len(ins), len(outs), (), own, (loop,))
    results = _shape(element=element, domain=domain, aliases=())
    return program.call(layout.spread(operands, [0] * len(operands)), results)


def _jvp(primals: Any, tangents: Any, *, element: Element, domain: Shape, aliases: Any) -> tuple[Any, Any]:
    out = pointwise_p.bind(*primals, element=element, domain=domain, aliases=aliases)
    able = floating([jax.typeof(x) for x in primals])
    active = tuple(i for i in able if type(tangents[i]) is not ad.Zero)
    dots = [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in out]
    part = element.tangent(active)
    if part.moved:
        given = [*primals, *(tangents[i] for i in active)]
        moved = pointwise_p.bind(*(given[i] for i in part.uses), element=part.element, domain=domain, aliases=())
        for i, dot in zip(part.moved, moved, strict=True):
            dots[i] = dot
    return out, dots


def _transpose(cts: Any, *operands: Any, element: Element, domain: Shape, aliases: Any) -> list[Any]:
    linear = tuple(i for i, x in enumerate(operands) if ad.is_undefined_primal(x))
    given = tuple(j for j, ct in enumerate(cts) if type(ct) is not ad.Zero)
    grads: list[Any] = [None] * len(operands)
    for i in linear:
        grads[i] = ad.Zero(operands[i].aval)
    if not given:
        return grads
    part = element.pullback(linear, given)
    known = [x for i, x in enumerate(operands) if i not in linear] + [cts[j] for j in given]
    pulled = pointwise_p.bind(*(known[i] for i in part.uses), element=part.element, domain=domain, aliases=())
    for place, ct in zip(part.moved, pulled, strict=True):
        grads[linear[place]] = summed(ct, operands[linear[place]].aval.shape)
    return grads


def summed(ct: Any, shape: Shape, lead: int = 0) -> Any:
    """Cotangents of all elements as the cotangent of an operand of some shape, which was repeated over them."""
    if not shape[lead:]:
        return jnp.sum(ct, axis=tuple(range(lead, ct.ndim)))
    repeated = tuple(i for i in range(lead, ct.ndim) if shape[i] != ct.shape[i])
    return jnp.sum(ct, axis=repeated, keepdims=True) if repeated else ct


def first_axis(operand: Any, axis: int | None, rank: int, lead: int = 0) -> Any:
    """An operand with the mapped axis as the first of a domain that had `rank` axes.

    Args:
        operand: `lead` axes, then none or those of the domain; and the mapped one.
        axis: The mapped axis, or None.
        rank: Number of axes of the domain.
        lead: Axes that do not belong to the domain, such as time.
    """
    if axis is None:
        return operand if operand.ndim == lead else jnp.expand_dims(operand, lead)
    moved = jnp.moveaxis(operand, axis, lead)
    return moved if moved.ndim > lead + 1 else jnp.reshape(moved, (*moved.shape, *(1,) * rank))


def map_size(operands: Sequence[Any], axes: Sequence[int | None]) -> int:
    """Length of the mapped axis."""
    return next(x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None)


def _batch(operands: Any, axes: Any, *, element: Element, domain: Shape, aliases: Any) -> tuple[Any, Any]:
    wider = (map_size(operands, axes), *domain)
    moved = [first_axis(x, axis, len(domain)) for x, axis in zip(operands, axes, strict=True)]
    return pointwise_p.bind(*moved, element=element, domain=wider, aliases=aliases), [0] * len(element.outs)


CALLS[pointwise_p.name] = expanded
pointwise_p.def_abstract_eval(_shape)
pointwise_p.def_impl(functools.partial(xla.apply_primitive, pointwise_p))
mlir.register_lowering(pointwise_p, mlir.lower_fun(definition, multiple_results=True))
if _native.WHY_XLA is None:
    mlir.register_lowering(pointwise_p, mlir.lower_fun(_native_call, multiple_results=True), platform="cpu")
ad.primitive_jvps[pointwise_p] = _jvp
ad.primitive_transposes[pointwise_p] = _transpose
batching.primitive_batchers[pointwise_p] = _batch
