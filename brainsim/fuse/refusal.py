"""Why an operation of a loop's body cannot run natively, in words; None where it can."""

import math
from collections.abc import Callable

import numpy as np

from .emit import unsupported
from .graph import Atom, Node, Type, graph_of

SUMS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32))
REDUCTIONS = ("reduce_sum", "reduce_or", "reduce_and")


def refusal(node: Node, type_of: Callable[[Atom], Type], is_invariant: Callable[[Atom], bool]) -> str | None:
    """Why not; the sentence names the operation and the user's line.

    Args:
        node: Operation.
        type_of: Type of what it reads and makes.
        is_invariant: Whether an atom is the same in every step.
    """
    ins, outs = [type_of(atom) for atom in node.ins], [type_of(value) for value in node.outs]
    if any(kind.size == 0 for kind in (*ins, *outs)):
        why = "an empty array"
    elif node.op in ("csr_push", "procedural_push", "delay_ring_take"):
        why = None
    elif node.op == "stdp_csr":
        why = _update(node)
    elif node.op in REDUCTIONS:
        why = _reduction(node, ins[0], outs[0])
    elif node.op == "gather":
        why = _gather(node, ins[0], is_invariant(node.ins[1]))
    else:
        why = unsupported(node, ins, outs) or _misfit(node, ins, outs)
    return why and f"{node.op} at {node.where or 'an unknown line'}: {why}"


def _reduction(node: Node, source: Type, out: Type) -> str | None:
    axes, rank = tuple(node.params["axes"]), len(source.shape)
    if axes != tuple(range(rank - len(axes), rank)):
        return "only over all axes after the batch"
    return f"a sum of {out.dtype}" if node.op == "reduce_sum" and out.dtype not in SUMS else None


def _update(node: Node) -> str | None:
    """Why the function of a weight has no native code."""
    graph = graph_of(node.params["update"])
    for inner in graph.nodes:
        why = unsupported(inner, [graph.type_of(atom) for atom in inner.ins], [graph.types[out] for out in inner.outs])
        if why is not None:
            return f"`{inner.op}` at {inner.where}: {why}"
    return None


def _gather(node: Node, source: Type, fixed: bool) -> str | None:
    how, last = node.params["dimension_numbers"], len(source.shape) - 1
    plain = how.collapsed_slice_dims == how.start_index_map == (last,) and how.offset_dims == tuple(range(last))
    if plain and fixed and node.params["slice_sizes"] == (*source.shape[:-1], 1):
        return None
    return "only entries of the last axis, the same in every step"


def _misfit(node: Node, ins: list[Type], outs: list[Type]) -> str | None:
    """Why shapes do not let an operation be computed element by element."""
    result = max(outs, key=lambda kind: kind.size)
    if any(kind.size not in (1, result.size) for kind in outs):
        return "results of different sizes"
    fits = all(given.size in (1, result.size) or repeats(node, given, result) for given in ins)
    return None if fits else "arrays of different sizes"


def repeats(node: Node, given: Type, result: Type) -> str | None:
    """How an operation repeats an input: as "row" (for every leading index), "col" (along trailing axes), or None."""
    places = node.params["broadcast_dimensions"] if node.op == "broadcast_in_dim" else range(len(given.shape))
    axes = [axis for axis, length in zip(places, given.shape, strict=True) if length > 1]
    if [result.shape[axis] for axis in axes] != [length for length in given.shape if length > 1]:
        return None
    if math.prod(result.shape[axes[0] :]) == given.size:
        return "row"
    return "col" if math.prod(result.shape[: axes[-1] + 1]) == given.size else None
