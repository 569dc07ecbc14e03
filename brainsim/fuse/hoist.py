"""What of a loop's body does not change from step to step, computed once before the loop.

An operation is invariant where everything that it reads is: constants, parameters, and those parts of the carry that
come out as they went in. So the propagators exp(-dt / tau) leave the loop, also where tau is trained.
"""

import dataclasses
from typing import Any

import numpy as np

from .graph import Atom, Graph, Literal, Node, evaluate, read

IDENTITIES = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy", "copy_p")


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


def hoist(graph: Graph, held: set[int]) -> Hoisted:
    """Part a body; `held` are the inputs that do not change."""
    invariant = held | set(graph.constants)
    scalar_of: dict[int, Atom] = {}
    before, nodes = [], []
    for node in graph.nodes:
        if not all(isinstance(atom, Literal) or atom in invariant for atom in node.ins):
            nodes.append(node)
            continue
        before.append(node)
        invariant.update(node.outs)
        if node.op in IDENTITIES and graph.type_of(node.ins[0]).size == 1:
            atom = node.ins[0]
            scalar_of[node.outs[0]] = atom if isinstance(atom, Literal) else scalar_of.get(atom, atom)
        if node.op == "convert_element_type" and isinstance(node.ins[0], Literal):
            dtype = graph.types[node.outs[0]].dtype
            scalar_of[node.outs[0]] = Literal(np.asarray(node.ins[0].value).astype(dtype).item(), dtype)
    return Hoisted(tuple(before), tuple(nodes), frozenset(invariant), scalar_of)
