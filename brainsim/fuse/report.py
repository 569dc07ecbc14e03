"""What becomes of one carried array in a loop: the way it is computed, and how much there is to compute and to move."""

from typing import NamedTuple

import numpy as np

from .graph import Atom, Graph, Literal, Node
from .hoist import IDENTITIES
from .loop import Choice
from .plan import Plan
from .stitch import Stitched

EVENTS = {
    "csr_push": 0,
    "procedural_push": 0,
    "delay_ring_take": 0,
    "event_dense": None,
    "event_conv": None,
    "stdp_csr": 0,
}
"""Operators that events cross, and the array that they go on with."""


class Path(NamedTuple):
    """How arrays are computed in each step.

    Attributes:
        way: "fused" (native kernels) or "xla".
        crosses: Event operators on the way, by name.
        operations: Arithmetic operations in each step; those of event operators depend on the events.
        bytes: Bytes read and written in each step, likewise.
        why: Why it is not fused, or None.
    """

    way: str
    crosses: tuple[str, ...]
    operations: int
    bytes: int
    why: str | None


def path_of(choice: Choice, places: tuple[int, ...]) -> Path:
    """How the carried outputs at `places` are computed."""
    graph = choice.graph
    nodes, crosses = _behind(graph, choice, places)
    foreign = [node for node in nodes if not _is_native(choice, node)]
    work = [node for node in nodes if node.op not in IDENTITIES]
    made = {value for node in nodes for value in node.outs}
    read = {choice.hoisted.seen(atom) for node in nodes for atom in node.ins if not isinstance(atom, Literal)} - made
    written = {atom for at in places if (atom := graph.outputs[at]) in made}
    return Path(
        "xla" if foreign else "fused",
        tuple(node.op for node in crosses),
        sum(graph.types[node.outs[0]].size for node in work),
        sum(_bytes(graph, atom) for atom in (*read, *written)),
        _reason(choice, foreign),
    )


def _behind(graph: Graph, choice: Choice, places: tuple[int, ...]) -> tuple[list[Node], list[Node]]:
    """The pointwise operations and the event operators that outputs come from within a step."""
    maker: dict[Atom, Node] = {value: node for node in choice.hoisted.nodes for value in node.outs}
    todo, nodes, crosses = [graph.outputs[at] for at in places], {}, {}
    while todo:
        node = maker.get(todo.pop())
        if node is None or node in nodes or node in crosses:
            continue
        if node.op in EVENTS:
            crosses[node] = None
            goes_on = EVENTS[node.op]
            todo += [] if goes_on is None else [node.ins[goes_on]]
        else:
            nodes[node] = None
            todo += [atom for atom in node.ins if not isinstance(atom, Literal)]
    return list(nodes), list(crosses)


def _is_native(choice: Choice, node: Node) -> bool:
    if isinstance(choice.way, Stitched):
        return any(node in choice.way.segments[at] for at, plan in choice.way.plans.items() if plan is not None)
    return isinstance(choice.way, Plan)


def _reason(choice: Choice, foreign: list[Node]) -> str | None:
    if not foreign:
        return None
    own = [why for why in choice.why if any(why.startswith(f"{node.op} at {node.where}") for node in foreign)]
    return "; ".join(own or choice.why[:1]) or None


def _bytes(graph: Graph, atom: Atom) -> int:
    kind = graph.type_of(atom)
    return kind.size * np.dtype(kind.dtype).itemsize if isinstance(kind.dtype, np.dtype) else 0
