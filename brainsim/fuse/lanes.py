"""A few elements side by side: what every emitter works on, one LLVM vector per value."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir

Vector: TypeAlias = Any
"""A value in LLVM, a vector or a single number; llvmlite's own classes (`ir.Value`, `ir.IRBuilder`) have no types."""

_TYPES = {
    np.dtype(bool): ir.IntType(1),
    np.dtype(np.float32): ir.FloatType(),
    np.dtype(np.float64): ir.DoubleType(),
    **{np.dtype(f"{sign}int{bits}"): ir.IntType(bits) for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def has_type(dtype: Any) -> bool:
    """Whether values of a dtype can be held in lanes."""
    return isinstance(dtype, np.dtype | type) and np.dtype(dtype) in _TYPES


def element_type(dtype: Any) -> ir.Type:
    """LLVM type of one lane; of a bool one bit."""
    return _TYPES[np.dtype(dtype)]


def storage_type(dtype: Any) -> ir.Type:
    """LLVM type of one element in memory; of a bool one byte."""
    return ir.IntType(8) if np.dtype(dtype) == bool else element_type(dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class Lanes:
    """Where vector code is written to.

    Attributes:
        builder: LLVM's position.
        count: Number of lanes.
        index: Number of the first lane's element in the flattened arrays, int64; None where nothing asks for it.
        active: Lanes that exist, one bit each; None for all. Only loops heed it.
        avx512: Whether the processor has AVX-512F, which multiplies by a power of 2 in one instruction.
    """

    builder: Any
    count: int
    index: Vector | None = None
    active: Vector | None = None
    avx512: bool = False

    def vector(self, dtype: Any) -> ir.VectorType:
        """LLVM type of a value."""
        return ir.VectorType(element_type(dtype), self.count)

    def constant(self, value: Any, dtype: Any) -> ir.Constant:
        """A number in every lane."""
        kind, number = self.vector(dtype), np.asarray(value, dtype).item()
        if not isinstance(number, float):
            number = int(number)
        return ir.Constant(kind, [ir.Constant(kind.element, number)] * self.count)

    def splat(self, scalar: Vector) -> Vector:
        """A scalar in every lane."""
        kind = ir.VectorType(scalar.type, self.count)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), self.count), None))

    def numbers(self, bits: int) -> Vector:
        """Numbers of the lanes' elements in the flattened arrays, integers of 32 or 64 bits."""
        assert self.index is not None
        kind = ir.IntType(bits)
        first = self.index if bits == 64 else self.builder.trunc(self.index, kind)
        return self.builder.add(
            self.splat(first), ir.Constant(ir.VectorType(kind, self.count), list(range(self.count)))
        )

    def any(self, mask: Vector) -> Vector:
        """Whether a condition holds in some lane: one bit."""
        every = ir.IntType(self.count)
        return self.builder.icmp_unsigned("!=", self.builder.bitcast(mask, every), ir.Constant(every, 0))

    def intrinsic(self, name: str, args: Sequence[Vector], *flags: bool) -> Vector:
        """LLVM's operation `llvm.<name>` on vectors of one type; `flags` are its trailing bits."""
        kind = args[0].type
        constants = [ir.Constant(ir.IntType(1), int(flag)) for flag in flags]
        return self.call(f"llvm.{name}.{mangled(kind)}", kind, [*args, *constants])

    def call(self, name: str, result: ir.Type, args: Sequence[Vector]) -> Vector:
        """Call a function by name; it is declared as one without side effects."""
        function = self.builder.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result, [arg.type for arg in args])
            function = ir.Function(self.builder.module, kind, name)
            if not name.startswith("llvm."):
                function.attributes.add("readnone")
                function.attributes.add("nounwind")
        return self.builder.call(function, args)

    def unless(self, rare: Vector, usual: Vector, otherwise: Callable[[], Vector]) -> Vector:
        """`usual`, but all lanes otherwise where one of them is rare; begins a new block."""
        builder = self.builder
        before, slow, after = builder.block, builder.append_basic_block("rare"), builder.append_basic_block("usual")
        builder.cbranch(self.any(rare), slow, after)
        builder.position_at_end(slow)
        value = otherwise()
        builder.branch(after)
        builder.position_at_end(after)
        result = builder.phi(usual.type)
        result.add_incoming(usual, before)
        result.add_incoming(value, slow)
        return result

    def lane_by_lane(self, function: Callable[..., Vector], args: Sequence[Vector]) -> Vector:
        """A function of scalars, on one lane after the other."""
        result = None
        for lane in range(self.count):
            at = ir.Constant(ir.IntType(32), lane)
            value = function(*(self.builder.extract_element(arg, at) for arg in args))
            if result is None:
                result = ir.Constant(ir.VectorType(value.type, self.count), ir.Undefined)
            result = self.builder.insert_element(result, value, at)
        return result


def mangled(kind: ir.VectorType) -> str:
    """LLVM's short name of a vector type, such as `v16f32`."""
    element = kind.element
    letters = f"i{element.width}" if isinstance(element, ir.IntType) else f"f{64 if element == ir.DoubleType() else 32}"
    return f"v{kind.count}{letters}"
