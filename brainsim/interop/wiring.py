"""How the nodes of a NIR graph hang together: a chain, perhaps with neurons that project onto themselves, or a graph.

A neuron n with n -> w -> n (or n -> delay -> w -> n), where w is Linear and touches nothing else, is one recurrent
node; what remains is a chain where every node has one sender and one receiver.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .diagram import Diagram, Edge, Node
from .neuron_nodes import KINDS


class Loop(NamedTuple):
    """A neuron's way back to itself: the node of its weight, and that of a delay before it, if any."""

    weight: str
    delay: str | None


class Wiring(NamedTuple):
    """What `wiring_of` finds.

    Attributes:
        source: Name of the Input.
        sink: Name of the Output.
        loops: The way back of every recurrent neuron, by the neuron's name.
        edges: The edges that are left.
        chain: The nodes between Input and Output in their order; None where they are no chain.
    """

    source: str
    sink: str
    loops: dict[str, Loop]
    edges: tuple[Edge, ...]
    chain: tuple[str, ...] | None


def wiring_of(diagram: Diagram, path: str) -> Wiring:
    """How the nodes of one level of a graph hang together.

    Args:
        diagram: The graph.
        path: What to call it in messages.

    Raises:
        ValueError: Edges to nodes that are not there, or not one Input and one Output.
    """
    edges = diagram.edges
    for edge in edges:
        for name in edge:
            if name not in diagram.nodes:
                raise ValueError(f"{path}: the edge {edge} names no node {name!r}.")
    if twice := next((edge for edge in edges if edges.count(edge) > 1), None):
        raise ValueError(f"{path}: the edge {twice} comes twice.")
    ends = []
    for kind in ("Input", "Output"):
        found = diagram.ends(kind)
        if len(found) != 1:
            raise ValueError(f"{path}: expected one node of kind {kind}, got {len(found)}: {found}.")
        ends.append(found[0])
    loops = {name: loop for name in diagram.nodes if (loop := _loop(diagram, name)) is not None}
    inside = {part for loop in loops.values() for part in loop}
    left = tuple(edge for edge in edges if not inside.intersection(edge))
    nodes = [name for name in diagram.nodes if name not in inside]
    return Wiring(ends[0], ends[1], loops, left, _chain(nodes, left, ends[0], ends[1]))


def _loop(diagram: Diagram, name: str) -> Loop | None:
    node = diagram.nodes[name]
    if not isinstance(node, Node) or node.kind not in KINDS:
        return None
    for weight in _after(diagram.edges, name):
        delay, through = None, weight
        if _kind(diagram, weight) == "Delay" and _private(diagram.edges, weight) and _one_delay(diagram, weight):
            delay, through = weight, _after(diagram.edges, weight)[0]
        if (
            _kind(diagram, through) == "Linear"
            and _private(diagram.edges, through)
            and _after(diagram.edges, through) == [name]
        ):
            return Loop(through, delay)
    return None


def _kind(diagram: Diagram, name: str) -> str:
    node = diagram.nodes[name]
    return node.kind if isinstance(node, Node) else ""


def _one_delay(diagram: Diagram, name: str) -> bool:
    node = diagram.nodes[name]
    return isinstance(node, Node) and np.unique(node.fields["delay"]).size == 1


def _after(edges: Iterable[Edge], name: str) -> list[str]:
    return [post for pre, post in edges if pre == name]


def _private(edges: tuple[Edge, ...], name: str) -> bool:
    """Whether a node has one sender and one receiver."""
    return len(_after(edges, name)) == 1 and sum(post == name for _, post in edges) == 1


def _chain(nodes: list[str], edges: tuple[Edge, ...], source: str, sink: str) -> tuple[str, ...] | None:
    if len(dict(edges)) < len(edges) or len({post for _, post in edges}) < len(edges):
        return None
    following, order, name = dict(edges), [], source
    while name in following and len(order) <= len(nodes):
        name = following[name]
        order.append(name)
    return tuple(order[:-1]) if len(order) == len(nodes) - 1 and order[-1] == sink else None
