"""Every primitive that fuses, and how it becomes vector code: strict IEEE arithmetic, nothing contracted or reordered.

A loop (`while`) goes on until no lane asks for more; a lane that asks no more keeps what it has, as under `vmap`.
A branch (`cond`) is computed in every lane, and chosen from.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .emit_arithmetic import ARITHMETIC
from .emit_conversions import CONVERSIONS
from .emit_functions import FUNCTIONS
from .graph import Graph, Literal, Node, Type
from .lanes import Lanes, Vector, has_type
from .operation import Operation, Rule, kind_of

RULES: dict[str, Rule] = {**ARITHMETIC, **CONVERSIONS, **FUNCTIONS}
"""Rules by the name of the JAX primitive; loops and branches come on top."""

PER_LANE = frozenset(name for name, rule in RULES.items() if rule.per_lane)
"""Primitives that go through the C library lane by lane."""


def emit(
    lanes: Lanes, node: Node, ins: Sequence[Vector], in_dtypes: Sequence[Any], out_dtypes: Sequence[Any]
) -> list[Vector]:
    """Write one operation, which `unsupported` does not object to; may begin new blocks.

    Args:
        lanes: Where to.
        node: The operation.
        ins: A vector for each input, bools as bits.
        in_dtypes: Their dtypes.
        out_dtypes: Dtypes of the results.

    Returns:
        A vector for each result.
    """
    if node.op == "while":
        return _loop(lanes, node.params, ins)
    if node.op == "cond":
        return _branches(lanes, node.params["branches"], ins, in_dtypes[0])
    return RULES[node.op].emit(Operation(lanes, node.params, ins, in_dtypes, out_dtypes))


def emit_graph(lanes: Lanes, graph: Graph, ins: Sequence[Vector]) -> list[Vector]:
    """Write a whole graph."""
    known = dict(zip(graph.inputs, ins, strict=True))
    for number, value in graph.constants.items():
        known[number] = lanes.constant(np.asarray(value).reshape(()), graph.types[number].dtype)

    def read(atom: Any) -> Vector:
        return lanes.constant(atom.value, atom.dtype) if isinstance(atom, Literal) else known[atom]

    for node in graph.nodes:
        dtypes = [[np.dtype(graph.type_of(atom).dtype) for atom in atoms] for atoms in (node.ins, node.outs)]
        results = emit(lanes, node, [read(atom) for atom in node.ins], *dtypes)
        known.update(zip(node.outs, results, strict=True))
    return [read(atom) for atom in graph.outputs]


def unsupported(node: Node, ins: Sequence[Type], outs: Sequence[Type]) -> str | None:
    """Why an operation cannot be vector code, or None.

    Args:
        node: The operation.
        ins: Types of its inputs.
        outs: Types of its outputs.
    """
    for kind in (*ins, *outs):
        if not has_type(kind.dtype):
            return f"values of dtype {kind.dtype}"
    if node.op in ("while", "cond"):
        bodies = node.params["branches"] if node.op == "cond" else (node.params["cond"], node.params["body"])
        return next((problem for body in bodies if (problem := _unsupported_body(body)) is not None), None)
    rule = RULES.get(node.op)
    if rule is None:
        return "not one of the operations that work element by element"
    if ins and kind_of(ins[-1].dtype) not in rule.kinds:
        return f"it takes no {ins[-1].dtype}"
    return rule.refuse(node.params, ins, outs)


def _unsupported_body(graph: Graph) -> str | None:
    sizes = {kind.size for kind in graph.types} - {1}
    if len(sizes) > 1:
        return "arrays of different sizes in its body"
    if any(np.size(value) != 1 for value in graph.constants.values()):
        return "an array that its body holds"
    for node in graph.nodes:
        problem = unsupported(node, *([graph.type_of(atom) for atom in atoms] for atoms in (node.ins, node.outs)))
        if problem is not None:
            return f"{node.op} in its body: {problem}"
    return None


def _loop(lanes: Lanes, params: dict[str, Any], ins: Sequence[Vector]) -> list[Vector]:
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    of_condition, of_body, start = ins[:first], ins[first:second], ins[second:]
    builder = lanes.builder

    def wanted(carry: Sequence[Vector]) -> Vector:
        (more,) = emit_graph(lanes, params["cond"], [*of_condition, *carry])
        return more if lanes.active is None else builder.and_(more, lanes.active)

    loop, after = builder.append_basic_block("while"), builder.append_basic_block("done")
    more, before = wanted(start), builder.block
    builder.cbranch(lanes.any(more), loop, after)
    builder.position_at_end(loop)
    going = builder.phi(more.type)
    going.add_incoming(more, before)
    carry = [builder.phi(value.type) for value in start]
    running = dataclasses.replace(lanes, active=going)
    stepped = emit_graph(running, params["body"], [*of_body, *carry])
    stepped = [builder.select(going, new, old) for new, old in zip(stepped, carry, strict=True)]
    more = wanted(stepped)
    end = builder.block
    going.add_incoming(more, end)
    for phi, old, new in zip(carry, start, stepped, strict=True):
        phi.add_incoming(old, before)
        phi.add_incoming(new, end)
    builder.cbranch(lanes.any(more), loop, after)
    builder.position_at_end(after)
    results = [builder.phi(value.type) for value in start]
    for phi, old, new in zip(results, start, stepped, strict=True):
        phi.add_incoming(old, before)
        phi.add_incoming(new, end)
    return results


def _branches(lanes: Lanes, branches: Sequence[Graph], ins: Sequence[Vector], dtype: Any) -> list[Vector]:
    which, *operands = ins
    builder, last = lanes.builder, len(branches) - 1
    chosen: list[Vector] = []
    for number, branch in enumerate(branches):
        sign = "<=" if number == 0 else ">=" if number == last else "=="
        taken = builder.icmp_signed(sign, which, lanes.constant(number, dtype))
        active = taken if lanes.active is None else builder.and_(taken, lanes.active)
        results = emit_graph(dataclasses.replace(lanes, active=active), branch, operands)
        chosen = [builder.select(taken, new, old) for new, old in zip(results, chosen or results, strict=True)]
    return chosen
