"""What of a loop's body does not change from step to step, computed once before the loop.

An operation is invariant where everything that it reads is: constants, parameters, and those parts of the carry that
come out as they went in. So the propagators exp(-dt / tau) leave the loop, also where tau is trained. An array that
repeats one number is that number, and an array that follows from counting (the counters of random numbers) is counted
again in every step: what leaves the loop as an array has to be fetched from memory in every step.
"""

import dataclasses
from typing import Any

import numpy as np

from .emit_arithmetic import ARITHMETIC
from .emit_functions import FUNCTIONS
from .graph import Atom, Graph, Literal, Node, Type, evaluate, read

IDENTITIES = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy", "copy_p")
_ELEMENTWISE = frozenset((*ARITHMETIC, *FUNCTIONS, "convert_element_type", "bitcast_convert_type"))
_CHEAP = ("add", "sub", "mul", "and", "or", "xor", "not", "shift_left", "shift_right_logical", "convert_element_type")
_RECIPE = 6
"""Operations from which on an array is fetched rather than counted again."""


@dataclasses.dataclass(frozen=True)
class Hoisted:
    """A body parted in two.

    Attributes:
        before: Operations to evaluate before the loop.
        nodes: Operations of every step.
        invariant: Values that do not change.
        scalar_of: Invariant values that repeat one number, and that number.
    """

    before: tuple[Node, ...]
    nodes: tuple[Node, ...]
    invariant: frozenset[int]
    scalar_of: dict[int, Atom]

    def seen(self, atom: Atom) -> Atom:
        """What an operation reads in place of an atom: the number that an array repeats."""
        return atom if isinstance(atom, Literal) else self.scalar_of.get(atom, atom)

    def evaluate(self, known: dict[int, Any]) -> dict[int, Any]:
        """The known values and every invariant one, by JAX."""
        known = dict(known)
        for node in self.before:
            values = [read(atom, known) for atom in node.ins]
            known.update(zip(node.outs, evaluate(node, values), strict=True))
        return known


def hoist(graph: Graph, held: set[int]) -> tuple[Graph, Hoisted]:
    """Part a body; `held` are the inputs that do not change. The graph comes back with types for new values."""
    return _Parting(graph, held).part()


class _Parting:
    def __init__(self, graph: Graph, held: set[int]):
        self.graph, self.types = graph, list(graph.types)
        self.invariant = held | set(graph.constants)
        self.scalar_of: dict[int, Atom] = {}
        self.recipes: dict[Atom, tuple[Node, ...]] = {}  # of counted arrays: what makes them from single numbers
        self.before: list[Node] = []

    def part(self) -> tuple[Graph, Hoisted]:
        nodes = []
        for node in self.graph.nodes:
            if not all(isinstance(atom, Literal) or atom in self.invariant for atom in node.ins):
                nodes.append(node)
                continue
            self.before.append(node)
            self.invariant.update(node.outs)
            if len(node.outs) == 1:
                self.find_number(node, node.outs[0])
                self.find_recipe(node, node.outs[0])
        again = self.counted_again(nodes)
        self.invariant -= {value for node in again for value in node.outs}
        hoisted = Hoisted(tuple(self.before), (*again, *nodes), frozenset(self.invariant), self.scalar_of)
        return dataclasses.replace(self.graph, types=tuple(self.types)), hoisted

    def seen(self, atom: Atom) -> Atom:
        return atom if isinstance(atom, Literal) else self.scalar_of.get(atom, atom)

    def is_single(self, atom: Atom) -> bool:
        return isinstance(atom, Literal) or self.types[atom].size == 1

    def find_number(self, node: Node, out: int) -> None:
        """Note the number that an array repeats: elementwise operations on such arrays are done on the numbers."""
        ins = tuple(self.seen(atom) for atom in node.ins)
        if node.op in IDENTITIES and self.is_single(ins[0]):
            self.scalar_of[out] = ins[0]
        elif node.op == "convert_element_type" and isinstance(ins[0], Literal):
            dtype = self.types[out].dtype
            self.scalar_of[out] = Literal(np.asarray(ins[0].value).astype(dtype).item(), dtype)
        elif self.types[out].size > 1 and node.op in _ELEMENTWISE and all(map(self.is_number, ins)):
            self.types.append(Type((), self.types[out].dtype))
            self.scalar_of[out] = new = len(self.types) - 1
            self.invariant.add(new)
            self.before.append(dataclasses.replace(node, ins=ins, outs=(new,)))

    def is_number(self, atom: Atom) -> bool:
        return isinstance(atom, Literal) or self.types[atom].shape == ()

    def find_recipe(self, node: Node, out: int) -> None:
        """Note how an array follows from counting, where that takes a few cheap operations."""
        if node.op == "iota":
            self.recipes[out] = (node,)
        elif node.op in (*_CHEAP, *IDENTITIES):
            parts = [self.recipes.get(atom) for atom in node.ins if not self.is_single(self.seen(atom))]
            if parts and None not in parts:
                made = dict.fromkeys(step for part in parts for step in part or ())
                sizes = {self.types[step.outs[0]].size for step in (*made, node)}
                if len(made) < _RECIPE and len(sizes) == 1:
                    self.recipes[out] = (*made, node)

    def counted_again(self, nodes: list[Node]) -> tuple[Node, ...]:
        """Counted arrays are made anew in every step where elementwise operations alone read them: that costs less
        than to fetch them from memory."""
        readers: dict[Atom, list[Node]] = {}
        for node in nodes:
            for atom in node.ins:
                readers.setdefault(atom, []).append(node)

        def suits(atom: Atom) -> bool:
            size = self.graph.type_of(atom).size
            return atom not in self.graph.outputs and all(
                node.op in _ELEMENTWISE and self.types[node.outs[0]].size == size for node in readers.get(atom, ())
            )

        recipes = [self.recipes[atom] for atom in readers if atom in self.recipes]
        again = {step for recipe in recipes if all(suits(step.outs[0]) for step in recipe) for step in recipe}
        return tuple(node for node in self.before if node in again)
