"""Numbers that can only be 0 or 1, and what they say.

A spike is a number, 1.0 where v >= v_th, so that it has a gradient; what follows asks whether that number is above 0.
In vectors this is a detour over a conversion, a choice among numbers and one more comparison for each question. Here a
question about such a number becomes its truth value itself:

    float(b) > 0  ->  b         where(h, 0, float(b)) != 0  ->  where(h, False, b)         float(b) <= 0  ->  not b

Nothing is approximated: a value is replaced by another one that is always equal to it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .graph import Atom, Literal, Node, Type, needed
from .hoist import IDENTITIES

_QUESTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_CONNECTIVES = {"mul": "and", "min": "and", "max": "or"}


class Plain(NamedTuple):
    """Operations without detours.

    Attributes:
        nodes: Those that are left.
        types: Type of every value, new ones last.
        instead: Values that are gone, each with one that is equal.
    """

    nodes: tuple[Node, ...]
    types: Sequence[Type]
    instead: dict[Atom, Atom]


def plain(nodes: Iterable[Node], types: Sequence[Type], outputs: Iterable[Atom]) -> Plain:
    """Ask truth values in place of the numbers made from them."""
    walk = _Walk(types)
    for node in nodes:
        walk.add(node)
    kept = [walk.instead.get(atom, atom) for atom in outputs]
    return Plain(needed(walk.nodes, kept), walk.types, walk.instead)


class _Walk:
    def __init__(self, types: Sequence[Type]):
        self.types = list(types)
        self.nodes: list[Node] = []
        self.instead: dict[Atom, Atom] = {}
        self.meaning: dict[Atom, Atom] = {}  # of a number that is 0 or 1: whether it is 1

    def add(self, node: Node) -> None:
        node = dataclasses.replace(node, ins=tuple(self.instead.get(atom, atom) for atom in node.ins))
        answer = self.answer(node)
        if answer is not None and not isinstance(answer, str):
            self.instead[node.outs[0]] = answer
            return
        if answer == "not":
            node = Node("not", {}, (self.truth(node.ins[0]),), node.outs, node.where)
        self.nodes.append(node)
        meaning = self.said_by(node)
        if meaning is not None:
            self.meaning[node.outs[0]] = meaning

    def is_bool(self, atom: Atom) -> bool:
        return (atom.dtype if isinstance(atom, Literal) else self.types[atom].dtype) == np.bool_

    def truth(self, atom: Atom) -> Any:
        """Whether a value is 1, for a value that is 0 or 1; None for others."""
        if isinstance(atom, Literal):
            return Literal(bool(atom.value), np.dtype(bool)) if atom.value in (0, 1) else None
        return atom if self.is_bool(atom) else self.meaning.get(atom)

    def answer(self, node: Node) -> Atom | str | None:
        """What a question about a 0 or 1 comes to: a truth value, "not" its opposite, or None."""
        truth = self.truth(node.ins[0]) if node.ins else None
        if truth is None or isinstance(truth, Literal):
            return None
        if node.op == "convert_element_type" and self.is_bool(node.outs[0]):
            return truth
        if node.op not in _QUESTIONS or not isinstance(node.ins[1], Literal):
            return None
        ask, bound = _QUESTIONS[node.op], node.ins[1].value
        return {(False, True): truth, (True, False): "not"}.get((bool(ask(0, bound)), bool(ask(1, bound))))

    def said_by(self, node: Node) -> Atom | None:
        """The truth value of what an operation makes, where that is a number that is 0 or 1."""
        if len(node.outs) != 1 or self.is_bool(node.outs[0]):
            return None
        if node.op == "convert_element_type" or node.op in IDENTITIES:
            return self.truth(node.ins[0])
        if node.op == "select_n" and self.is_bool(node.ins[0]):
            return self.connected("select_n", node, node.ins[0], *map(self.truth, node.ins[1:]))
        if node.op in _CONNECTIVES:
            return self.connected(_CONNECTIVES[node.op], node, *map(self.truth, node.ins))
        return None

    def connected(self, op: str, node: Node, *truths: Atom | None) -> Atom | None:
        """A new truth value made from others."""
        if None in truths:
            return None
        self.types.append(Type(self.types[node.outs[0]].shape, np.dtype(bool)))
        new = len(self.types) - 1
        ins = tuple(truth for truth in truths if truth is not None)
        self.nodes.append(Node(op, {}, ins, (new,), node.where))
        return new
