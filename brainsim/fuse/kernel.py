"""One fused function: pointwise operations as one LLVM loop over explicit vectors.

    void k(const void* const* in, void* const* out, int64_t begin, int64_t end, int64_t base)

computes elements begin ... end - 1 of one row, a few lanes at a time, and the rest under a mask. Every input is read
before an output of the same element is written, so they may share memory. A BITS output holds one bit per element.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from . import machine
from .emit import emit
from .emit_functions import FUNCTIONS
from .graph import Atom, Literal, Node, Type
from .lanes import Lanes, Vector, storage_type
from .truth import plain

I8, I32, I64, POINTER = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.PointerType()
NAME = "k"

FUNCTION_WORK = 20
"""About how many operations a function such as `exp` is made of."""
LONG = 64
"""Operations from which on two vectors go side by side: neither alone keeps the processor busy, as each operation waits
for the one before it (AdEx with noise, 300 operations: 4.6 to 4.0 ns; a LIF, 20 operations: nothing gained)."""


class Output(NamedTuple):
    """What a kernel writes: a value, as an array or (of a bool value) as bits."""

    atom: Atom
    bits: bool = False


class Body(NamedTuple):
    """Operations of one domain.

    Attributes:
        nodes: Operations, in order.
        inputs: Values that are read, each with whether it is one number for a whole row.
        outputs: What is written.
        types: Type of every value.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[tuple[int, bool], ...]
    outputs: tuple[Output, ...]
    types: Sequence[Type]

    def dtype(self, atom: Atom) -> np.dtype:
        """Dtype of an atom."""
        return np.dtype(atom.dtype if isinstance(atom, Literal) else self.types[atom].dtype)

    @property
    def lanes(self) -> int:
        """Elements side by side: 64 bytes of the widest type, at least 8 and at most 16, twice that in long bodies."""
        touched = [atom for node in self.nodes for atom in (*node.ins, *node.outs)]
        touched += [value for value, _ in self.inputs] + [output.atom for output in self.outputs]
        vector = 8 if any(self.dtype(atom).itemsize == 8 for atom in touched) else 16
        return 2 * vector if machine.has_avx512() and self.is_long else vector

    @property
    def is_long(self) -> bool:
        """Whether there is work for two vectors; a loop goes on until its last lane is done, so it stays narrow."""
        work = sum(FUNCTION_WORK if node.op in FUNCTIONS else 1 for node in self.nodes)
        return work >= LONG and all(node.op != "while" for node in self.nodes)


class Kernel(NamedTuple):
    """LLVM source and the name it is known by: SHA-256 of source, machine and compiler."""

    source: str
    digest: str


def kernel_of(body: Body) -> Kernel:
    """The LLVM function of a body."""
    source = str(_Writer(_plain(body)).module())
    digest = hashlib.sha256(f"{machine.identity()}\n{source}".encode()).hexdigest()
    return Kernel(source, digest)


def _plain(body: Body) -> Body:
    nodes, types, instead = plain(body.nodes, body.types, [output.atom for output in body.outputs])
    outputs = tuple(output._replace(atom=instead.get(output.atom, output.atom)) for output in body.outputs)
    return Body(nodes, body.inputs, outputs, types)


class _Writer:
    """Writes one function."""

    def __init__(self, body: Body):
        self.body, self.count = body, body.lanes

    def module(self) -> ir.Module:
        module = ir.Module(name=NAME)
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64])
        function = ir.Function(module, kind, NAME)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        ins, outs, begin, end, base = function.args
        sources = self.pointers(builder, ins, len(self.body.inputs))
        targets = self.pointers(builder, outs, len(self.body.outputs))
        lanes = Lanes(builder, self.count)
        held = {
            value: lanes.splat(self.scalar(builder, pointer, value))
            for pointer, (value, uniform) in zip(sources, self.body.inputs, strict=True)
            if uniform
        }
        whole = builder.add(begin, builder.and_(builder.sub(end, begin), ir.Constant(I64, -self.count)))

        def step(at: Vector, mask: Vector | None) -> None:
            env = dict(held)
            for pointer, (value, uniform) in zip(sources, self.body.inputs, strict=True):
                if not uniform:
                    env[value] = self.load(builder, pointer, at, value, mask)
            self.compute(Lanes(builder, self.count, builder.add(base, at), mask, machine.has_avx512()), env)
            for pointer, output in zip(targets, self.body.outputs, strict=True):
                self.store(lanes, pointer, at, output, env, mask)

        _while(builder, begin, whole, self.count, lambda at: step(at, None))
        with builder.if_then(builder.icmp_signed("<", whole, end)):
            lane = ir.Constant(ir.VectorType(I64, self.count), list(range(self.count)))
            mask = builder.icmp_signed("<", lane, lanes.splat(builder.sub(end, whole)))
            step(whole, mask)
        builder.ret_void()
        return module

    def pointers(self, builder: ir.IRBuilder, array: Vector, count: int) -> list[Vector]:
        places = (builder.gep(array, [ir.Constant(I64, i)], source_etype=POINTER) for i in range(count))
        return [builder.load(place, typ=POINTER) for place in places]

    def scalar(self, builder: ir.IRBuilder, pointer: Vector, value: int) -> Vector:
        dtype = self.body.dtype(value)
        loaded = builder.load(pointer, typ=storage_type(dtype))
        return builder.icmp_unsigned("!=", loaded, ir.Constant(I8, 0)) if dtype.kind == "b" else loaded

    def compute(self, lanes: Lanes, env: dict[int, Vector]) -> None:
        for node in self.body.nodes:
            ins = [self.value(lanes, atom, env) for atom in node.ins]
            types = [self.body.dtype(atom) for atom in node.ins], [self.body.dtype(out) for out in node.outs]
            env.update(zip(node.outs, emit(lanes, node, ins, *types), strict=True))

    def value(self, lanes: Lanes, atom: Atom, env: dict[int, Vector]) -> Vector:
        return lanes.constant(atom.value, np.dtype(atom.dtype)) if isinstance(atom, Literal) else env[atom]

    def load(self, builder: ir.IRBuilder, pointer: Vector, at: Vector, value: int, mask: Vector | None) -> Vector:
        dtype = self.body.dtype(value)
        element = storage_type(dtype)
        vector = ir.VectorType(element, self.count)
        place = builder.gep(pointer, [at], source_etype=element)
        if mask is None:
            loaded = builder.load(place, align=dtype.itemsize, typ=vector)
        else:
            loaded = _masked_load(builder, vector, place, mask, dtype.itemsize)
        return builder.icmp_unsigned("!=", loaded, ir.Constant(vector, None)) if dtype.kind == "b" else loaded

    def store(
        self,
        lanes: Lanes,
        pointer: Vector,
        at: Vector,
        output: Output,
        env: dict[int, Vector],
        mask: Vector | None,
    ) -> None:
        builder, dtype = lanes.builder, self.body.dtype(output.atom)
        value = self.value(lanes, output.atom, env)
        if output.bits:
            value = value if mask is None else builder.and_(value, mask)
            place = builder.gep(pointer, [builder.lshr(at, ir.Constant(I64, 3))], source_etype=I8)
            builder.store(builder.bitcast(value, ir.IntType(self.count)), place, align=1)
            return
        element = storage_type(dtype)
        vector = ir.VectorType(element, self.count)
        value = builder.zext(value, vector) if dtype.kind == "b" else value
        place = builder.gep(pointer, [at], source_etype=element)
        if mask is None:
            builder.store(value, place, align=dtype.itemsize)
        else:
            _masked_store(builder, value, place, mask, dtype.itemsize)


def _masked_load(builder: ir.IRBuilder, vector: ir.VectorType, place: Vector, mask: Vector, align: int) -> Vector:
    zero = ir.Constant(vector, None)
    return _intrinsic(builder, "load", vector, vector, [place, ir.Constant(I32, align), mask, zero])


def _masked_store(builder: ir.IRBuilder, value: Vector, place: Vector, mask: Vector, align: int) -> None:
    _intrinsic(builder, "store", value.type, ir.VoidType(), [value, place, ir.Constant(I32, align), mask])


def _intrinsic(
    builder: ir.IRBuilder, what: str, vector: ir.VectorType, result: ir.Type, args: Sequence[Vector]
) -> Vector:
    element = vector.element
    letter = f"i{element.width}" if isinstance(element, ir.IntType) else f"f{64 if element == ir.DoubleType() else 32}"
    name = f"llvm.masked.{what}.v{vector.count}{letter}.p0"
    kind = ir.FunctionType(result, [arg.type for arg in args])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, args)


def _while(builder: ir.IRBuilder, begin: Vector, end: Vector, by: int, body: Callable[[Vector], None]) -> None:
    """`for at in range(begin, end, by): body(at)`, where `by` divides the distance."""
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("rest")
    builder.cbranch(builder.icmp_signed("<", begin, end), loop, after)
    builder.position_at_end(loop)
    at = builder.phi(I64)
    at.add_incoming(begin, before)
    body(at)
    later = builder.add(at, ir.Constant(I64, by))
    at.add_incoming(later, builder.block)
    builder.cbranch(builder.icmp_signed("<", later, end), loop, after)
    builder.position_at_end(after)
