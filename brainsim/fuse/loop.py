"""A loop over time as one native program: `jax.lax.scan` for bodies of pointwise operations and event operators.

The definition is `jax.lax.scan`, which gradients, `vmap` and other devices get. On the CPU the whole loop is one call
of the native handler, if the body has nothing that it cannot do; otherwise XLA runs it, and a line in the log of
"brainsim" says what stood in the way.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir, xla

from .. import _native
from .empty import without_empty_pushes
from .graph import Graph, Literal, graph_of, read
from .hoist import Hoisted, hoist
from .layout import Roles
from .plan import Plan
from .rewrite import Unfusable
from .segments import WHOLE, Segments, scan
from .stitch import Stitched
from .trace import trace

logger = logging.getLogger("brainsim")

loop_p = Primitive("fused_loop")  # captured, carry, xs -> carry, ys
loop_p.multiple_results = True


def loop(
    body: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    segments: Segments = WHOLE,
) -> Any:
    """`jax.lax.scan(body, init, xs, length)`.

    Args:
        body: `(carry, x) -> (carry, y)`.
        init: Initial carry.
        xs: Arrays with a leading axis of time, or None.
        length: Number of steps, where `xs` does not tell it.
        segments: How a gradient goes through time; a loop that is not differentiated is one loop all the same.

    Returns:
        The last carry and the stacked `y`.
    """
    init = jax.tree.map(jnp.asarray, init)
    rows = jax.tree.leaves(xs)
    steps = length if length is not None else (rows[0].shape[0] if rows else None)
    if steps is None or any(row.shape[0] != steps for row in rows) or _native.WHY_XLA is not None:
        return scan(body, init, xs, length, segments)
    traced = trace(body, init, jax.tree.map(_row, xs))
    carry, _ = traced.out
    if [_type(leaf) for leaf in jax.tree.leaves(carry)] != [_type(leaf) for leaf in jax.tree.leaves(init)]:
        return scan(body, init, xs, steps, segments)
    leaves, tree = jax.tree.flatten(init)
    numbers = {"n_captured": len(traced.captured), "n_carry": len(leaves), "length": steps, "segments": segments}
    flat = loop_p.bind(*traced.captured, *leaves, *rows, jaxpr=traced.jaxpr, **numbers)
    ys = jax.tree.unflatten(jax.tree.structure(traced.out[1]), flat[len(leaves) :])
    return jax.tree.unflatten(tree, flat[: len(leaves)]), ys


def _type(leaf: Any) -> tuple[Any, ...]:
    return leaf.shape, leaf.dtype


def definition(
    *operands: Any, jaxpr: ClosedJaxpr, n_captured: int, n_carry: int, length: int, segments: Segments
) -> list[Any]:
    """What the loop means on every backend."""
    captured, carry, xs = _parts(operands, n_captured, n_carry)
    function = jaxpr_as_fun(jaxpr)

    def body(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        out = function(*captured, *carry, *row)
        return out[:n_carry], out[n_carry:]

    carry, ys = scan(body, list(carry), list(xs), length, segments)
    return [*carry, *ys]


def _parts(operands: Sequence[Any], n_captured: int, n_carry: int) -> tuple[Sequence[Any], ...]:
    end = n_captured + n_carry
    return operands[:n_captured], operands[n_captured:end], operands[end:]


def _shape(*operands: Any, jaxpr: ClosedJaxpr, n_carry: int, length: int, **_: Any) -> list[ShapedArray]:
    lead = [()] * n_carry + [(length,)] * (len(jaxpr.out_avals) - n_carry)
    return [ShapedArray((*a, *aval.shape), aval.dtype) for a, aval in zip(lead, jaxpr.out_avals, strict=True)]


class Choice(NamedTuple):
    """How a loop runs on the CPU.

    Attributes:
        graph: Its body.
        hoisted: The body parted into what changes and what does not.
        way: One native call for all steps (`Plan`), native calls in each step (`Stitched`), or XLA (None).
        why: What stood in the way of the first.
    """

    graph: Graph
    hoisted: Hoisted
    way: Plan | Stitched | None
    why: tuple[str, ...]


def choose(jaxpr: ClosedJaxpr, n_captured: int, n_carry: int, length: int, **_: Any) -> Choice:
    """The fastest way that a loop can go, from the parameters of `loop_p`."""
    graph = without_empty_pushes(graph_of(jaxpr))
    captured, carry, rows = _parts(graph.inputs, n_captured, n_carry)
    kept = {value for value, out in zip(carry, graph.outputs, strict=False) if out == value}
    graph, hoisted = hoist(graph, {*captured, *kept})
    carried = {at: value for at, value in enumerate(carry) if value not in kept}
    try:
        roles = Roles(carried, tuple(rows), tuple(range(n_carry, len(graph.outputs))))
        return Choice(graph, hoisted, Plan(graph, hoisted, roles, length), ())
    except Unfusable as reason:
        why = str(reason)
    try:
        step = Stitched(graph, hoisted, carried)
    except Unfusable as reason:
        return Choice(graph, hoisted, None, (str(reason),))
    return Choice(graph, hoisted, step, tuple(dict.fromkeys([why, *step.refusals])))


def _lowered(
    *operands: Any, jaxpr: ClosedJaxpr, n_captured: int, n_carry: int, length: int, segments: Segments
) -> list[Any]:
    del segments  # of a gradient, which is taken before anything is lowered
    numbers = {"n_captured": n_captured, "n_carry": n_carry, "length": length}
    if any(eqn.primitive is loop_p for eqn in jaxpr.eqns):
        return definition(*operands, jaxpr=jaxpr, **numbers, segments=WHOLE)  # the inner loop is the native one
    graph, hoisted, way, why = choose(jaxpr, **numbers)
    known = {**graph.constants, **dict(zip(graph.inputs, operands, strict=True))}
    if why:
        logger.info("A loop goes %s: %s.", "to XLA" if way is None else "step by step", "; ".join(why))
    if way is None:
        return definition(*operands, jaxpr=jaxpr, **numbers, segments=WHOLE)
    known = hoisted.evaluate(known)
    return way.run(known) if isinstance(way, Plan) else _scan(way, known, n_carry, length)


def _scan(step: Stitched, known: dict[int, Any], n_carry: int, length: int) -> list[Any]:
    """A loop of XLA over a step that is native in parts."""
    graph, carried = step.graph, step.carried
    changing = (value for value in graph.inputs if value not in step.hoisted.invariant)
    rows = [value for value in changing if value not in carried.values()]

    def body(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        now = dict(zip((*carried.values(), *rows), (*carry, *row), strict=True))
        out = step.run(known | now)
        return [out[at] for at in carried], out[n_carry:]

    first = [known[value] for value in carried.values()]
    carry, ys = jax.lax.scan(body, first, [known[value] for value in rows], length=length)
    last = dict(zip(carried, carry, strict=True))
    return [*(last[at] if at in last else read(graph.outputs[at], known) for at in range(n_carry)), *ys]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    moving = [at for at, tangent in enumerate(tangents) if type(tangent) is not ad.Zero]

    def function(*active: Any) -> list[Any]:
        operands = list(primals)
        for at, value in zip(moving, active, strict=True):
            operands[at] = value
        return definition(*operands, **params)

    return jax.jvp(function, [primals[at] for at in moving], [tangents[at] for at in moving])


def _batch(
    args: Sequence[Any], dims: Sequence[Any], *, jaxpr: ClosedJaxpr, n_captured: int, n_carry: int, **rest: Any
) -> tuple[Any, Any]:
    """The loop over a body with one more axis, the first; what does not depend on a mapped operand does without."""
    size = next(arg.shape[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None)
    mapped = [dim is not None for dim in dims]
    out = _depends(graph_of(jaxpr), mapped, n_captured, n_carry)
    for at in range(n_carry):
        mapped[n_captured + at] |= out[at]
    args = [
        _with_axis(arg, dim, size, int(place >= n_captured + n_carry)) if is_mapped else arg
        for place, (arg, dim, is_mapped) in enumerate(zip(args, dims, mapped, strict=True))
    ]
    inner = jax.vmap(
        jaxpr_as_fun(jaxpr), in_axes=tuple(0 if m else None for m in mapped), out_axes=[0 if m else None for m in out]
    )
    captured, carry, rows = _parts(args, n_captured, n_carry)
    traced = trace(lambda *values: list(inner(*values)), *captured, *carry, *(_row(row) for row in rows))
    numbers = {"n_captured": len(traced.captured) + n_captured, "n_carry": n_carry}
    result = loop_p.bind(*traced.captured, *args, jaxpr=traced.jaxpr, **numbers, **rest)
    return result, [(int(place >= n_carry) if m else None) for place, m in enumerate(out)]


def _depends(graph: Graph, mapped: Sequence[bool], n_captured: int, n_carry: int) -> list[bool]:
    """Which outputs depend on a mapped input, after any number of steps."""
    known = {value for value, is_mapped in zip(graph.inputs, mapped, strict=True) if is_mapped}
    carry = _parts(graph.inputs, n_captured, n_carry)[1]
    while True:
        for node in graph.nodes:
            if known.intersection(atom for atom in node.ins if not isinstance(atom, Literal)):
                known.update(node.outs)
        out = [not isinstance(atom, Literal) and atom in known for atom in graph.outputs]
        more = {value for value, is_mapped in zip(carry, out, strict=False) if is_mapped} - known
        if not more:
            return out
        known |= more


def _with_axis(arg: Any, dim: int | None, size: int, lead: int) -> Any:
    """An operand with its mapped axis at `lead`, made where it has none."""
    if dim is None:
        return jnp.broadcast_to(jnp.expand_dims(arg, lead), (*arg.shape[:lead], size, *arg.shape[lead:]))
    return jnp.moveaxis(arg, dim, lead)


def _row(rows: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype)


loop_p.def_abstract_eval(_shape)
loop_p.def_impl(functools.partial(xla.apply_primitive, loop_p))
mlir.register_lowering(loop_p, mlir.lower_fun(definition, multiple_results=True))
if _native.WHY_XLA is None:
    mlir.register_lowering(loop_p, mlir.lower_fun(_lowered, multiple_results=True), platform="cpu")
ad.primitive_jvps[loop_p] = _jvp
batching.primitive_batchers[loop_p] = _batch
