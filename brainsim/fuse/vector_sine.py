"""Sine and cosine on vectors.

    sin(x) = +-sin(r) or +-cos(r),   n = round(2 x / pi),   r = x - n pi / 2,   |r| <= pi / 4

pi / 2 is taken off in three parts, of which n times the first two is exact for |x| < 2^20 (Cody and Waite, "Software
Manual for the Elementary Functions", 1980); beyond, the lanes go through the C library one by one. float32 is computed
in float64. The polynomials are fitted like those of `vector_math`: relative errors 5e-12 and 7e-11 (float32), 4e-18 and
6e-20 (float64) for sin(r) = r (1 + r^2 P(r^2)) and cos(r) = 1 + r^2 P(r^2).
"""

import math

from llvmlite import ir

from .lanes import Vector
from .real import DOUBLE, SINGLE, Format, Nearest, Real

_HALF_PI = (6746518852 / 2**32, 2242054355 / 2**65, 2.0222662487959506e-21)
_FAR = 2.0**20

_SINE: dict[Format, tuple[float, ...]] = {
    SINGLE: (-0.16666666640774072, 0.008333329302179029, -0.00019839311415925068, 2.7181135195774286e-06),
    DOUBLE: (
        *(-0.1666666666666663, 0.008333333333321912, -0.0001984126982945138),
        *(2.755731357968122e-06, -2.5050741924414427e-08, 1.5895921717062753e-10),
    ),
}
_COSINE: dict[Format, tuple[float, ...]] = {
    SINGLE: (-0.49999999694199915, 0.041666620326342545, -0.001388668068489499, 2.4383477354252738e-05),
    DOUBLE: (
        *(-0.5, 0.041666666666666595, -0.0013888888888873342, 2.4801587289001568e-05),
        *(-2.7557314216699174e-07, 2.0875705322761514e-09, -1.1358744085695188e-11),
    ),
}


def sin(x: Real) -> Real:
    """sin(x)."""
    return _near_or_far(x, "sin", quarters=0)


def cos(x: Real) -> Real:
    """cos(x) = sin(x + pi / 2)."""
    return _near_or_far(x, "cos", quarters=1)


def _near_or_far(x: Real, name: str, quarters: int) -> Real:
    symbol = name if x.format == DOUBLE else f"{name}f"
    far = lambda: x.lanes.lane_by_lane(lambda one: x.lanes.call(symbol, one.type, [one]), [x.value])
    return Real(x.lanes, x.lanes.unless(x.apply("fabs") > _FAR, _near(x, quarters).value, far))


def _near(x: Real, quarters: int) -> Real:
    builder, r = x.lanes.builder, x.to(DOUBLE)
    n = Nearest.to(r, 2 / math.pi)
    for part in _HALF_PI if x.format == DOUBLE else _HALF_PI[:2]:
        r = n.real.fma(-part, r)
    square = r * r
    sine = r * square.fma(square.horner(_SINE[x.format]), 1.0)
    cosine = square.fma(square.horner(_COSINE[x.format]), 1.0)
    turn = builder.add(n.integer, r.integer(quarters))
    value = cosine.where(_bit(r, turn), sine)
    halves = builder.shl(builder.lshr(turn, r.integer(1)), r.integer(63))
    return value.from_bits(builder.xor(value.bits, halves)).to(x.format)


def _bit(r: Real, turn: Vector) -> Vector:
    """Whether the lowest bit is set."""
    return r.lanes.builder.trunc(turn, ir.VectorType(ir.IntType(1), r.lanes.count))
