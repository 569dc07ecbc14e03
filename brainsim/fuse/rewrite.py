"""A loop's body in the terms of the native handler: pointwise operations, and operators that read bits.

    csr_push(acc, ..., s)   becomes   push(acc, ..., bits of s != 0),   with s itself where it may be other than 0 or 1
    procedural_push(...)    likewise  procedural(...)
    stdp_csr(w, s, ...)     becomes   stdp(w, ..., bits of s != 0, ...)
    sum(s) of a binary s    becomes   count(bits);       any and all become a count and a comparison

An operator that works in place owns what it changes, and every array that leaves a step was made in it: where that is
not so by itself, a copy (a pointwise operation) comes in between.
"""

import math
from collections import Counter
from typing import Any

import numpy as np

from .graph import Atom, Graph, Literal, Node, Type
from .hoist import IDENTITIES, Hoisted
from .refusal import REDUCTIONS, refusal

IN_PLACE = {"push": 0, "procedural": 0, "take": 0, "stdp": 0}
"""Operators that change an array, and which of their inputs it is."""

OPERATORS = (*IN_PLACE, "count", "sum", "gather")

_KEEPS_BINARY = (*IDENTITIES, "select_n", "mul", "convert_element_type", "max", "min")


def reads_bits(node: Node, at: int) -> bool:
    """Whether an operator reads its input number `at` as bits."""
    bits = {"push": 6, "procedural": 4, "stdp": 4, "count": 0, "gather": 0 if node.params.get("bits") else -1}
    return at == bits.get(node.op, -1)


class Unfusable(Exception):
    """Something that the native handler cannot do, in one sentence."""


class Rewritten:
    """Operations of one step, and what they make.

    Attributes:
        nodes: Pointwise operations and `OPERATORS`, in order.
        types: Type of every value.
        bits: Bool values that are wanted as bits, each with its number of rows.
        outputs: Outputs of the body.
    """

    def __init__(self, graph: Graph, hoisted: Hoisted, moving: dict[int, int]):
        """Rewrite a body; `moving` are the positions of the outputs that are carried, with the inputs they go to."""
        self.types: list[Type] = list(graph.types)
        self.hoisted, self.inputs = hoisted, set(graph.inputs)
        self.nodes: list[Node] = []
        self.bits: dict[int, int] = {}
        self._bits_of: dict[Atom, int] = {}
        self._binary: set[int] = set()
        self._inside: set[int] = set()  # single numbers that a kernel over many elements makes and nobody may read
        self._maker: dict[int, Node] = {}
        for node in hoisted.nodes:
            self._rewrite(node)
        self.outputs = self._owned_outputs(graph.outputs, moving)
        self._own_accumulators(graph, moving)
        if self._inside.intersection([*self.outputs, *(atom for node in self.nodes for atom in node.ins)]):
            raise Unfusable("a loop over many elements that also returns a single number")

    def type_of(self, atom: Atom) -> Type:
        """Type of an atom."""
        return Type((), atom.dtype) if isinstance(atom, Literal) else self.types[atom]

    def size(self, node: Node) -> int:
        """Elements of an operation's domain."""
        return max(self.types[value].size for value in node.outs)

    def is_pointwise(self, value: Atom) -> bool:
        """Whether a pointwise operation of the step makes a value."""
        return not isinstance(value, Literal) and value in self._maker and self._maker[value].op not in OPERATORS

    def _new(self, shape: tuple[int, ...], dtype: Any) -> int:
        self.types.append(Type(shape, np.dtype(dtype)))
        return len(self.types) - 1

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self._maker.update(dict.fromkeys(node.outs, node))

    def _rewrite(self, node: Node) -> None:
        why = refusal(node, self.type_of, lambda atom: isinstance(atom, Literal) or atom in self.hoisted.invariant)
        if why is not None:
            raise Unfusable(why)
        if node.op in ("csr_push", "procedural_push"):
            self._push(node)
        elif node.op == "stdp_csr":
            self._stdp(node)
        elif node.op == "delay_ring_take":
            self._add(Node("take", node.params, node.ins, node.outs, node.where))
        elif node.op in REDUCTIONS:
            self._reduction(node)
        elif node.op == "gather":
            self._gather(node)
        else:
            self._pointwise(node)

    def _pointwise(self, node: Node) -> None:
        self._add(node)
        size = self.size(node)
        self._inside.update(value for value in node.outs if self.types[value].size < size)
        read = node.ins[1:] if node.op == "select_n" else node.ins
        if node.op in _KEEPS_BINARY and all(self._is_binary(atom) for atom in read):
            self._binary.update(node.outs)

    def _is_binary(self, atom: Atom) -> bool:
        """Whether a value can be 0 or 1 only."""
        atom = self.hoisted.seen(atom)
        if isinstance(atom, Literal):
            return atom.value in (0, 1)
        return atom in self._binary or self.types[atom].dtype == bool

    def _as_bits(self, value: Atom, rows: int) -> int:
        """The bool value `value != 0`, wanted as bits in `rows` rows."""
        if isinstance(value, Literal):
            raise Unfusable("events that are one constant for all")
        kind = self.types[value]
        if kind.dtype == bool and self.is_pointwise(value):
            bits = value
        elif value in self._bits_of:
            bits = self._bits_of[value]
        else:
            bits = self._bits_of[value] = self._new(kind.shape, bool)
            self._add(Node("ne", {}, (value, Literal(0, kind.dtype)), (bits,)))
        if self.bits.setdefault(bits, rows) != rows:
            raise Unfusable("one array read in rows of two lengths")
        return bits

    def _push(self, node: Node) -> None:
        *before, spikes, step = node.ins
        shape = self.type_of(spikes).shape
        bits = self._as_bits(spikes, math.prod(shape[:-1]))
        values = () if self._is_binary(spikes) else (spikes,)
        params = {**node.params, "pre": shape}
        if node.op == "csr_push":
            params["weight"] = self.type_of(before[1]).shape
            before[1] = self._as_stored(before[1])
        op = "push" if node.op == "csr_push" else "procedural"
        self._add(Node(op, params, (*before, step, bits, *values), node.outs, node.where))

    def _as_stored(self, atom: Atom) -> Atom:
        """The array that an atom only shows in another shape: what reads memory in order needs no copy of it."""
        node = None if isinstance(atom, Literal) else self._maker.get(atom)
        if node is None or node.op not in IDENTITIES or self.type_of(node.ins[0]).size != self.type_of(atom).size:
            return atom
        return self._as_stored(node.ins[0])

    def _stdp(self, node: Node) -> None:
        weight, events, indices, indptr, order, *values = node.ins
        shape = self.type_of(events).shape
        bits = self._as_bits(events, math.prod(shape[:-1]))
        params = {**node.params, "own": shape}
        ins = (weight, indices, indptr, order, bits, *map(self._as_array, values))
        self._add(Node("stdp", params, ins, node.outs, node.where))

    def _as_array(self, atom: Atom) -> int:
        """A value that has a place in memory."""
        if not isinstance(atom, Literal):
            return atom
        node, out = self._copy(atom, self.type_of(atom))
        self.nodes.append(node)
        return out

    def _reduction(self, node: Node) -> None:
        (source,), (out,) = node.ins, node.outs
        shape = self.type_of(source).shape
        rows = math.prod(shape[: len(shape) - len(node.params["axes"])])
        if node.op == "reduce_sum":
            op = "count" if self._is_binary(source) else "sum"
            if op == "sum" and np.dtype(self.types[out].dtype).kind != "f":
                raise Unfusable(f"{node.op} at {node.where}: a sum of integers other than 0 and 1")
            read = self._as_bits(source, rows) if op == "count" else source
            self._add(Node(op, {"rows": rows}, (read,), (out,), node.where))
            return
        total = self._new(self.types[out].shape, np.int32)
        self._add(Node("count", {"rows": rows}, (self._as_bits(source, rows),), (total,), node.where))
        bound = 0 if node.op == "reduce_or" else self.type_of(source).size // rows
        self._add(Node("ne" if node.op == "reduce_or" else "eq", {}, (total, Literal(bound, np.int32)), (out,)))

    def _gather(self, node: Node) -> None:
        """`x[..., indices]`."""
        source, indices = node.ins
        shape = self.type_of(source).shape
        rows = math.prod(shape[:-1])
        params = {"rows": rows, "n": shape[-1], "m": self.type_of(indices).size, "bits": self._is_binary(source)}
        source = self._as_bits(source, rows) if params["bits"] else source
        self._add(Node("gather", params, (source, indices), node.outs, node.where))

    def _copy(self, atom: Atom, like: Type) -> tuple[Node, int]:
        out = self._new(like.shape, like.dtype)
        op = "copy" if self.type_of(atom).size == like.size else "broadcast_in_dim"
        node = Node(op, {"broadcast_dimensions": ()}, (self.hoisted.seen(atom),), (out,))
        self._maker[out] = node
        return node, out

    def _owned_outputs(self, outputs: tuple[Atom, ...], moving: dict[int, int]) -> tuple[Atom, ...]:
        """Outputs such that each carried array and each array written down was made in the step, once."""
        owned, taken = list(outputs), set()
        read = {atom for node in self.nodes for atom in node.ins} | {outputs[at] for at in moving}
        for at, atom in enumerate(outputs):
            if at not in moving and (isinstance(atom, Literal) or atom in self.hoisted.invariant):
                continue
            node = None if isinstance(atom, Literal) else self._maker.get(atom)
            if node is None:
                fit = False
            elif at in moving:
                fit = node.op not in OPERATORS or (node.op in IN_PLACE and atom == node.outs[-1])
            else:
                fit = node.op not in OPERATORS or (node.op not in IN_PLACE and atom not in read)
            if atom in taken or not fit:
                node, owned[at] = self._copy(atom, self.type_of(atom) if at not in moving else self.types[moving[at]])
                self.nodes.append(node)
            elif at in moving or (node is not None and node.op in OPERATORS):
                taken.add(atom)
        return tuple(owned)

    def _made_in_place(self, value: int) -> bool:
        node = self._maker.get(value)
        return node is not None and node.op in IN_PLACE and value == node.outs[-1]

    def _own_accumulators(self, graph: Graph, moving: dict[int, int]) -> None:
        """Copies before operators that would change what something else reads."""
        uses = Counter(atom for node in self.nodes for atom in node.ins if not isinstance(atom, Literal))
        uses.update(atom for atom in self.outputs if not isinstance(atom, Literal))
        destination = {self.outputs[at]: source for at, source in moving.items()}
        before: Counter[Atom] = Counter()  # readers that have read when the operator runs, see `schedule`
        nodes, self.nodes = self.nodes, []
        for node in nodes:
            if node.op in IN_PLACE:
                acc = node.ins[IN_PLACE[node.op]]
                own = self._carried_on(acc, node, nodes, destination)
                made = not isinstance(acc, Literal) and (self.is_pointwise(acc) or self._made_in_place(acc))
                read_on = not isinstance(acc, Literal) and uses[acc] - before[acc] > 1
                if isinstance(acc, Literal) or read_on or not (made or own):
                    copy, acc = self._copy(acc, self.types[node.outs[-1]])
                    self.nodes.append(copy)
                    node = Node(node.op, node.params, (acc, *node.ins[1:]), node.outs, node.where)
                    self._maker.update(dict.fromkeys(node.outs, node))
            before.update(atom for atom in node.ins if not isinstance(atom, Literal) and self.types[atom].size > 1)
            self.nodes.append(node)

    def _carried_on(self, acc: Atom, node: Node, nodes: list[Node], destination: dict[Atom, int]) -> bool:
        """Whether `acc` is a carried input that this chain of operators hands back to its own place."""
        end = node.outs[-1]
        for later in nodes:
            if later.op in IN_PLACE and later.ins[IN_PLACE[later.op]] == end:
                end = later.outs[-1]
        return destination.get(end) == acc
