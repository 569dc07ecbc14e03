"""Where the values of a step lie, and the program that follows.

Operands of the call: what does not change, the rows of the inputs, and the carry, which shares memory with the first
results. A carried array is written in its own place where nothing reads the old one any more; otherwise it is made
beside it and copied at the end of the step.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .graph import Atom, Literal, Node, graph_of
from .kernel import Body, Kernel, Output, kernel_of
from .program import NOWHERE, Instruction, Kind, Loop, Opcode, Operand, Program
from .rewrite import IN_PLACE, Rewritten, reads_bits
from .schedule import Piece, Schedule

_CODES = {np.dtype(np.float32): 0, np.dtype(np.float64): 1, np.dtype(np.int32): 2, np.dtype(bool): 3}


_ROLES = {"own": 0, "other": 1, "shared": 2}


class Roles(NamedTuple):
    """What the inputs and outputs of a body are.

    Attributes:
        carried: Output position to input value, for every part of the carry that changes.
        rows: Inputs with one row for each step.
        written: Output positions that are written down in each step.
    """

    carried: dict[int, int]
    rows: tuple[int, ...]
    written: tuple[int, ...]


class Layout(NamedTuple):
    """A program and how to call it.

    Attributes:
        program: The program.
        operands: Values that the call takes, in order.
        results: Output positions that it returns, in order: carried ones, then those written down.
        pieces: The kernels' descriptions, for reports.
    """

    program: Program
    operands: tuple[int, ...]
    results: tuple[int, ...]
    pieces: tuple[Piece, ...]


class _Place(NamedTuple):
    """A buffer before its number is known: "operand", "result" or "temp", and which."""

    pool: str
    index: int


class _Draft(NamedTuple):
    """An instruction before buffers have numbers: an operand is a place with kind, item size and stride."""

    opcode: Opcode
    sizes: tuple[int, ...]
    operands: list[tuple[_Place, Kind, int, int] | None]


def lay_out(step: Rewritten, plan: Schedule, roles: Roles, length: int) -> Layout:
    """Assign places and write the program of `length` steps."""
    return _Layouter(step, plan, roles).layout(length)


class _Layouter:
    def __init__(self, step: Rewritten, plan: Schedule, roles: Roles):
        self.step, self.plan, self.roles = step, plan, roles
        self.maker: dict[Atom, Node] = {value: node for node in step.nodes for value in node.outs}
        self.home: dict[Atom, Piece] = {output.atom: piece for piece in plan.pieces for output in piece.writes}
        self.carries = list(roles.carried)
        self.written = [at for at in roles.written if not self.known(step.outputs[at])]
        self.operands = [roles.carried[at] for at in self.carries]
        self.temps: list[int] = []
        self.kernels: dict[str, Kernel] = {}
        self.places: dict[tuple[Atom, bool], _Place] = {}
        self.read = {value for piece in plan.pieces for value, _ in piece.reads}
        self.read |= {
            atom for _, node in plan.operators for at, atom in enumerate(node.ins) if not reads_bits(node, at)
        }

    def known(self, atom: Atom) -> bool:
        """Whether an atom is known before the loop."""
        return isinstance(atom, Literal) or atom in self.step.hoisted.invariant

    def layout(self, length: int) -> Layout:
        copies = self.place_carries()
        stages: dict[int, list[_Draft]] = {}
        for piece in self.plan.pieces:
            outs = [(output, target) for output in piece.writes for target in self.targets(output)]
            kernel = kernel_of(piece.body._replace(outputs=tuple(output for output, _ in outs)))
            ins = [self.source(value, kind) for value, kind in piece.reads]
            sizes = (self.number_of(kernel), piece.rows, piece.n, len(ins), len(outs))
            draft = _Draft(Opcode.KERNEL, sizes, [*ins, *(target for _, target in outs)])
            stages.setdefault(piece.level, []).append(draft)
        for level, node in self.plan.operators:
            stages.setdefault(level, []).append(self.operator(node))
        if copies:
            stages[max(stages, default=0) + 1] = copies
        loop = Loop(length, tuple(tuple(map(self.numbered, stages[level])) for level in sorted(stages)))
        results = (*self.carries, *self.written)
        program = Program(
            tuple(self.kernels.values()),
            len(self.operands),
            len(results),
            tuple(self.temps),
            tuple((at, at) for at in range(len(self.carries))),
            (loop,),
        )
        return Layout(program, tuple(self.operands), results, self.plan.pieces)

    def number_of(self, kernel: Kernel) -> int:
        """Index of a kernel among the program's."""
        self.kernels.setdefault(kernel.digest, kernel)
        return list(self.kernels).index(kernel.digest)

    def place_carries(self) -> list[_Draft]:
        """Give each carried output the place of its input, or a place of its own and a copy."""
        copies = []
        for index, at in enumerate(self.carries):
            chain, given = [self.step.outputs[at]], self.roles.carried[at]
            while (node := self.maker.get(chain[-1])) is not None and node.op in IN_PLACE:
                chain.append(node.ins[IN_PLACE[node.op]])
            home = _Place("result", index)
            if chain[-1] != given and not self.may_overwrite(given, self.home[chain[-1]]):
                size = self.bytes(given)
                there = self.temp(size)
                copies.append(_Draft(Opcode.COPY, (size,), [(there, Kind.FULL, 1, 0), (home, Kind.FULL, 1, 0)]))
                home = there
            self.places.update({(value, False): home for value in chain})
        for index, value in enumerate(self.roles.carried.values()):
            self.places[value, False] = _Place("result", index)
        return copies

    def may_overwrite(self, given: int, writer: Piece) -> bool:
        """Whether everything that reads a carried input has read it when a kernel writes there."""
        for piece in self.plan.pieces:
            for value, kind in piece.reads:
                if value == given and piece.level >= writer.level and not (piece is writer and kind == Kind.FULL):
                    return False
        return all(given not in node.ins or level < writer.level for level, node in self.plan.operators)

    def bytes(self, atom: Atom) -> int:
        kind = self.step.type_of(atom)
        return kind.size * np.dtype(kind.dtype).itemsize

    def temp(self, size: int) -> _Place:
        self.temps.append(size)
        return _Place("temp", len(self.temps) - 1)

    def place(self, atom: Atom, bits: bool = False) -> _Place:
        """Where a value lies."""
        if (atom, bits) in self.places:
            return self.places[atom, bits]
        assert not isinstance(atom, Literal)
        node = self.maker.get(atom)
        if node is None or self.known(atom):
            self.operands.append(atom)
            place = _Place("operand", len(self.operands) - 1)
        elif node.op in IN_PLACE and atom == node.outs[-1]:
            place = self.place(node.ins[IN_PLACE[node.op]])
        elif bits:
            rows = self.step.bits[atom]
            place = self.temp(rows * math.ceil(self.step.types[atom].size / rows / 64) * 8)
        else:
            place = self.temp(self.bytes(atom))
        self.places[atom, bits] = place
        return place

    def source(self, atom: Atom, kind: Kind = Kind.FULL) -> tuple[_Place, Kind, int, int]:
        """An operand that reads an array."""
        stride = self.bytes(atom) if atom in self.roles.rows else 0
        return self.place(atom), kind, self.itemsize(atom), stride

    def itemsize(self, atom: Atom) -> int:
        return np.dtype(self.step.type_of(atom).dtype).itemsize

    def targets(self, output: Output) -> list[tuple[_Place, Kind, int, int]]:
        """Operands that a kernel's output is written to."""
        value = output.atom
        if output.bits:
            return [(self.place(value, True), Kind.BITS, 1, 0)]
        size, item = self.bytes(value), self.itemsize(value)
        targets = [
            (_Place("result", len(self.carries) + index), Kind.FULL, item, size)
            for index, at in enumerate(self.written)
            if self.step.outputs[at] == value
        ]
        carried = any(self.step.outputs[at] == value for at in self.carries)
        return (
            targets
            if targets and not carried and value not in self.read
            else [(self.place(value), Kind.FULL, item, 0), *targets]
        )

    def result(self, value: int) -> tuple[_Place, Kind, int, int]:
        """The operand that an operator's result is written to: a place of its own, or rows that are written down."""
        for index, at in enumerate(self.written):
            if self.step.outputs[at] == value:
                place = _Place("result", len(self.carries) + index)
                return place, Kind.FULL, self.itemsize(value), self.bytes(value)
        return self.source(value)

    def operator(self, node: Node) -> _Draft:
        """The instruction of an operator."""
        full = [self.source(atom) for at, atom in enumerate(node.ins) if not reads_bits(node, at)]
        if node.op == "push":
            return self.push(node, full)
        if node.op == "procedural":
            return self.procedural(node, full)
        if node.op == "stdp":
            return self.stdp(node, full)
        if node.op == "take":
            ring, slot = (self.step.type_of(atom) for atom in node.ins)
            rows, n = math.prod(ring.shape[:-2]), ring.shape[-1]
            sizes = (_CODES[np.dtype(ring.dtype)], rows, n, ring.shape[-2], slot.size)
            return _Draft(Opcode.TAKE, sizes, [*full, self.result(node.outs[0])])
        if node.op == "gather":
            return self.gather(node)
        (source,), (out,) = node.ins, node.outs
        rows, kind = node.params["rows"], self.step.type_of(source)
        sizes = (_CODES[np.dtype(self.step.types[out].dtype)], rows, kind.size // rows)
        if node.op == "sum":
            return _Draft(Opcode.SUM, sizes, [*full, self.result(out)])
        return _Draft(Opcode.COUNT, sizes, [(self.place(source, True), Kind.BITS, 1, 0), self.result(out)])

    def gather(self, node: Node) -> _Draft:
        (source, indices), (out,), bits = node.ins, node.outs, node.params["bits"]
        code = _CODES[np.dtype(self.step.types[out].dtype)] if bits else 0
        sizes = (code, *(node.params[name] for name in ("rows", "n", "m")))
        given = (self.place(source, True), Kind.BITS, 1, 0) if bits else self.source(source)
        return _Draft(Opcode.GATHER, sizes, [given, self.source(indices), self.result(out)])

    def push(self, node: Node, full: list[Any]) -> _Draft:
        acc, _, indices, _, delays, steps = (self.step.type_of(atom) for atom in node.ins[:6])
        ring, pre, weight = (node.params[name] for name in ("is_ring", "pre", "weight"))
        sizes = (
            _CODES[np.dtype(acc.dtype)],
            int(ring),
            int(node.params["is_sorted"]),
            math.prod(pre[:-1]),
            weight[0],
            steps.size,
            pre[-1],
            acc.shape[-1],
            acc.shape[-2] if ring else 1,
            indices.size,
            weight[1],
            delays.size,
        )
        bits = (self.place(node.ins[6], True), Kind.BITS, 1, 0)
        return _Draft(Opcode.PUSH, sizes, [*full[:6], bits, full[6] if len(full) > 6 else None])

    def procedural(self, node: Node, full: list[Any]) -> _Draft:
        acc, weight, _, steps = (self.step.type_of(atom) for atom in node.ins[:4])
        rows, ring, pre = node.params["rows"], node.params["is_ring"], node.params["pre"]
        sizes = (
            _CODES[np.dtype(acc.dtype)],
            int(ring),
            int(rows.skip),
            math.prod(pre[:-1]),
            weight.shape[0],
            steps.size,
            pre[-1],
            acc.shape[-1],
            acc.shape[-2] if ring else 1,
            node.params["delay"],
            rows.degree,
            rows.law_number,
            int(rows.scale.view(np.int32)),
        )
        bits = (self.place(node.ins[4], True), Kind.BITS, 1, 0)
        return _Draft(Opcode.PROCEDURAL, sizes, [*full[:4], bits, full[4] if len(full) > 4 else None])

    def stdp(self, node: Node, full: list[Any]) -> _Draft:
        weight, indices = (self.step.type_of(atom) for atom in node.ins[:2])
        own, roles = node.params["own"], node.params["roles"]
        others = {
            self.step.type_of(atom).shape[-1] for atom, role in zip(node.ins[5:], roles, strict=True) if role == "other"
        }
        sizes = (
            self.number_of(_update_kernel(node)),
            _CODES[np.dtype(weight.dtype)],
            int(not node.params["in_rows"]),
            math.prod(own[:-1]),
            own[-1],
            max(others, default=0),
            indices.size,
            len(roles),
            *(_ROLES[role] for role in roles),
        )
        bits = (self.place(node.ins[4], True), Kind.BITS, 1, 0)
        return _Draft(Opcode.STDP, sizes, [*full[:4], bits, *full[4:]])

    def numbered(self, draft: _Draft) -> Instruction:
        first = {"operand": 0, "result": len(self.operands)}
        first["temp"] = first["result"] + len(self.carries) + len(self.written)
        operands = (
            NOWHERE if given is None else Operand(first[given[0].pool] + given[0].index, *given[1:])
            for given in draft.operands
        )
        return Instruction(draft.opcode, draft.sizes, tuple(operands))


def _update_kernel(node: Node) -> Kernel:
    """What a weight becomes, as a kernel over the synapses of one neuron, for which values of its own are numbers."""
    graph = graph_of(node.params["update"])
    uniform = (False, *(role != "other" for role in node.params["roles"]))
    inputs = tuple(zip(graph.inputs, uniform, strict=True))
    return kernel_of(Body(graph.nodes, inputs, tuple(Output(atom) for atom in graph.outputs), graph.types))
