"""A body that is native in parts: segments of native operations, with XLA between them.

The phase of an operation is the number of changes between native and XLA on the way to it; the operations of an even
phase become one native call of a single step, those of an odd one are left to XLA.
"""

import dataclasses
from typing import Any

from .graph import Graph, Literal, Node, evaluate, read
from .hoist import Hoisted
from .layout import Roles
from .plan import Plan
from .refusal import refusal
from .rewrite import Unfusable

WORTH = 64
"""Elements below which a segment is left to XLA."""


class Stitched:
    """One step of a body.

    Args:
        graph: The body.
        hoisted: The body parted into what changes and what does not.
        carried: Output position to input value, for every part of the carry that changes.

    Raises:
        Unfusable: No part of it is worth a native call.
    """

    def __init__(self, graph: Graph, hoisted: Hoisted, carried: dict[int, int]):
        self.graph, self.hoisted, self.carried = graph, hoisted, carried
        self.refusals: list[str] = []
        phases = self._phases()
        self.segments = [
            [node for node in hoisted.nodes if phases[node] == phase] for phase in range(max(phases.values()) + 1)
        ]
        self.plans = {phase: self._plan(phase) for phase in range(0, len(self.segments), 2)}
        if not any(self.plans.values()):
            raise Unfusable(self.refusals[0])

    def _phases(self) -> dict[Node, int]:
        phases, maker = {}, {}
        fixed = lambda atom: isinstance(atom, Literal) or atom in self.hoisted.invariant
        for node in self.hoisted.nodes:
            why = refusal(node, self.graph.type_of, fixed)
            self.refusals += [why] if why else []
            phase = int(why is not None)
            for atom in node.ins:
                before = maker.get(atom)
                if before is not None:
                    phase = max(phase, phases[before] + (phases[before] % 2 != (why is not None)))
            phases[node] = phase
            maker.update(dict.fromkeys(node.outs, node))
        return phases

    def _plan(self, phase: int) -> Plan | None:
        """The native call of a phase; None where XLA does as well."""
        nodes = self.segments[phase]
        if max((self.graph.types[value].size for node in nodes for value in node.outs), default=0) < WORTH:
            return None
        made = {value for node in nodes for value in node.outs}
        outside = [atom for part in self.segments if part is not nodes for node in part for atom in node.ins]
        outputs = tuple(value for value in dict.fromkeys((*outside, *self.graph.outputs)) if value in made)
        inputs = self._inputs(nodes, made)
        later = {atom for part in self.segments[phase + 1 :] for node in part for atom in node.ins}
        source = {self.graph.outputs[at]: value for at, value in self.carried.items()}
        carried = {
            at: source[value]
            for at, value in enumerate(outputs)
            if value in source and source[value] in inputs and source[value] not in later
        }
        written = tuple(at for at in range(len(outputs)) if at not in carried)
        graph = Graph(inputs, outputs, tuple(nodes), self.graph.types)
        hoisted = dataclasses.replace(self.hoisted, before=(), nodes=tuple(nodes))
        try:
            return Plan(graph, hoisted, Roles(carried, (), written), 1)
        except Unfusable as reason:
            self.refusals.append(str(reason))
            return None

    def _inputs(self, nodes: list[Node], made: set[int]) -> tuple[int, ...]:
        """What operations read from outside, and the scalars that stand for arrays among it."""
        reads = dict.fromkeys(atom for node in nodes for atom in node.ins)
        reads |= dict.fromkeys(self.hoisted.seen(atom) for atom in list(reads))
        return tuple(atom for atom in reads if not isinstance(atom, Literal) and atom not in made)

    def run(self, known: dict[int, Any]) -> list[Any]:
        """The outputs of one step, inside a traced function, from the inputs and every value that does not change."""
        known = dict(known)
        for phase, nodes in enumerate(self.segments):
            plan = self.plans.get(phase)
            if plan is None:
                for node in nodes:
                    values = [read(atom, known) for atom in node.ins]
                    known.update(zip(node.outs, evaluate(node, values), strict=True))
                continue
            for at, value in enumerate(plan.run(known)):
                out = plan.graph.outputs[at]
                assert not isinstance(out, Literal)
                known[out] = value if at in plan.roles.carried else value.reshape(value.shape[1:])
        return [read(atom, known) for atom in self.graph.outputs]
