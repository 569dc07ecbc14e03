"""Floating-point lanes with operators, so that vector code reads like its equations.

An operation is the IEEE operation, and a constant is rounded to the lanes' own format; nothing is contracted but `fma`.
"""

import dataclasses
import math
from typing import TypeAlias

import numpy as np
from llvmlite import ir

from .lanes import Lanes, Vector


@dataclasses.dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    Attributes:
        dtype: As NumPy names it.
        bits: Width.
        fraction: Bits of the fraction; the exponent's bias follows from both.
    """

    dtype: type
    bits: int
    fraction: int

    @property
    def bias(self) -> int:
        """What is added to the exponent in the stored bits."""
        return (1 << (self.bits - self.fraction - 2)) - 1

    @property
    def least(self) -> float:
        """Smallest normal number."""
        return 2.0 ** (1 - self.bias)

    def pattern(self, number: float) -> int:
        """Bits of a number."""
        return int(np.asarray(number, self.dtype).view(f"u{self.bits // 8}"))


SINGLE = Format(np.float32, 32, 23)
DOUBLE = Format(np.float64, 64, 52)


@dataclasses.dataclass(frozen=True, eq=False)
class Real:
    """Lanes of real numbers; a Python float stands for itself in every lane.

    Attributes:
        lanes: Where operations are written to.
        value: The LLVM vector.
    """

    lanes: Lanes
    value: Vector

    @property
    def format(self) -> Format:
        """The lanes' format."""
        return DOUBLE if self.value.type.element == ir.DoubleType() else SINGLE

    def of(self, number: "Number") -> "Real":
        """A number in this one's format."""
        if isinstance(number, Real):
            return number
        return Real(self.lanes, self.lanes.constant(number, self.format.dtype))

    def _binary(self, op: str, left: "Number", right: "Number") -> "Real":
        return Real(self.lanes, getattr(self.lanes.builder, op)(self.of(left).value, self.of(right).value))

    def __add__(self, other: "Number") -> "Real":
        return self._binary("fadd", self, other)

    def __radd__(self, other: "Number") -> "Real":
        return self._binary("fadd", other, self)

    def __sub__(self, other: "Number") -> "Real":
        return self._binary("fsub", self, other)

    def __rsub__(self, other: "Number") -> "Real":
        return self._binary("fsub", other, self)

    def __mul__(self, other: "Number") -> "Real":
        return self._binary("fmul", self, other)

    def __rmul__(self, other: "Number") -> "Real":
        return self._binary("fmul", other, self)

    def __truediv__(self, other: "Number") -> "Real":
        return self._binary("fdiv", self, other)

    def __rtruediv__(self, other: "Number") -> "Real":
        return self._binary("fdiv", other, self)

    def __neg__(self) -> "Real":
        return Real(self.lanes, self.lanes.builder.fneg(self.value))

    def _compare(self, op: str, other: "Number") -> Vector:
        return self.lanes.builder.fcmp_ordered(op, self.value, self.of(other).value)

    def __lt__(self, other: "Number") -> Vector:
        return self._compare("<", other)

    def __gt__(self, other: "Number") -> Vector:
        return self._compare(">", other)

    def equals(self, other: "Number") -> Vector:
        """Which lanes are equal."""
        return self._compare("==", other)

    def where(self, condition: Vector, other: "Number") -> "Real":
        """This number where a condition holds, and another one elsewhere."""
        return Real(self.lanes, self.lanes.builder.select(condition, self.value, self.of(other).value))

    def fma(self, factor: "Number", term: "Number") -> "Real":
        """`self * factor + term`, rounded once where the processor can do that."""
        return self.apply("fmuladd", factor, term)

    def apply(self, intrinsic: str, *others: "Number") -> "Real":
        """LLVM's operation of that name."""
        return Real(self.lanes, self.lanes.intrinsic(intrinsic, [self.value, *(self.of(o).value for o in others)]))

    def clamp(self, low: float, high: float) -> "Real":
        """Between two bounds; NaN stays NaN."""
        above = self.of(low).where(self < low, self)
        return above.of(high).where(above > high, above)

    def horner(self, coefficients: tuple[float, ...]) -> "Real":
        """c0 + c1 x + c2 x^2 + ..."""
        *rest, last = coefficients
        total = self.of(last)
        for coefficient in reversed(rest):
            total = total.fma(self, coefficient)
        return total

    @property
    def bits(self) -> Vector:
        """The same bits as integers."""
        integers = ir.VectorType(ir.IntType(self.format.bits), self.lanes.count)
        return self.lanes.builder.bitcast(self.value, integers)

    def from_bits(self, bits: Vector) -> "Real":
        """Integers as the bits of numbers of this one's format."""
        return Real(self.lanes, self.lanes.builder.bitcast(bits, self.value.type))

    def integer(self, number: int) -> Vector:
        """An integer as wide as the format in every lane."""
        return self.lanes.constant(np.asarray(number).astype(f"i{self.format.bits // 8}"), f"i{self.format.bits // 8}")

    def with_sign(self, other: "Real") -> "Real":
        """This magnitude with the sign of another number."""
        return self.apply("copysign", other)

    def to(self, kind: Format) -> "Real":
        """The number in another format."""
        builder, target = self.lanes.builder, self.lanes.vector(kind.dtype)
        change = builder.fpext if kind.bits > self.format.bits else builder.fptrunc
        return self if kind == self.format else Real(self.lanes, change(self.value, target))

    def times_power(self, nearest: "Nearest") -> "Real":
        """`self * 2^n` rounded once, also where the result is subnormal or too large, for |self| near 1."""
        lanes, builder, fraction = self.lanes, self.lanes.builder, self.integer(self.format.fraction)
        per_register = 512 // self.format.bits
        if lanes.avx512 and lanes.count % per_register == 0:
            return Real(lanes, _scalef(lanes, self.value, nearest.real.value, per_register))
        half = builder.ashr(nearest.integer, self.integer(1))
        one = self.integer(self.format.pattern(1.0))
        powers = (half, builder.sub(nearest.integer, half))
        first, second = (self.from_bits(builder.add(one, builder.shl(power, fraction))) for power in powers)
        return self * first * second


Number: TypeAlias = Real | float


@dataclasses.dataclass(frozen=True, eq=False)
class Nearest:
    """The integer nearest to a real number of at most 2^(fraction - 2), as a real number and as an integer.

    Adding 1.5 * 2^fraction pushes the fraction out of the number; what is left in the low bits is the integer.
    """

    shifted: Real

    @classmethod
    def to(cls, x: Real, factor: float) -> "Nearest":
        """Nearest to `x * factor`."""
        return cls(x.fma(factor, cls._shift(x)))

    @staticmethod
    def _shift(x: Real) -> float:
        return math.ldexp(1.5, x.format.fraction)

    @property
    def real(self) -> Real:
        """The integer as a real number."""
        return self.shifted - self._shift(self.shifted)

    @property
    def integer(self) -> Vector:
        """The integer."""
        shift = self.shifted.integer(self.shifted.format.pattern(self._shift(self.shifted)))
        return self.shifted.lanes.builder.sub(self.shifted.bits, shift)


def _scalef(lanes: Lanes, value: Vector, power: Vector, width: int) -> Vector:
    """AVX-512's `value * 2^floor(power)`, register by register."""
    builder, number = lanes.builder, ir.IntType(32)
    kind = ir.VectorType(value.type.element, width)
    name = f"llvm.x86.avx512.mask.scalef.{'pd' if value.type.element == ir.DoubleType() else 'ps'}.512"
    every, current_rounding = ir.Constant(ir.IntType(width), -1), ir.Constant(number, 4)

    def one(start: int) -> Vector:
        if width == lanes.count:
            parts = [value, power]
        else:
            lane_numbers = ir.Constant(ir.VectorType(number, width), list(range(start, start + width)))
            parts = [builder.shuffle_vector(v, v, lane_numbers) for v in (value, power)]
        return lanes.call(name, kind, [*parts, ir.Constant(kind, None), every, current_rounding])

    pieces = [one(start) for start in range(0, lanes.count, width)]
    while len(pieces) > 1:
        size = 2 * pieces[0].type.count
        together = ir.Constant(ir.VectorType(number, size), list(range(size)))
        pieces = [builder.shuffle_vector(a, b, together) for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]
