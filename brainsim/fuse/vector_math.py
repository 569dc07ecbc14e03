"""Exponentials, logarithms and what follows from them, as polynomials on vectors.

    exp(x) = 2^n e^r          n = round(x / ln 2),  r = x - n ln 2,             |r| <= ln(2) / 2
    log(x) = n ln 2 + log(m)  x = 2^n m,            m in [2/3, 4/3)

ln 2 is taken off in two parts of which the first has so few bits that n times it is exact (Cody and Waite, "Software
Manual for the Elementary Functions", 1980). The polynomials (two of them in `_exact`) are minimax fits of the relative
error over the reduced range, made with 40 digits by Lawson's iteration (weighted least squares on 400 Chebyshev points,
weights multiplied by the errors), each coefficient rounded to the format before the next is fitted:

| polynomial                                  | float32              | float64               |
|---------------------------------------------|----------------------|-----------------------|
| e^r = 1 + r + r^2 P(r)                      | degree 6, 1.4e-8     | degree 12, 3e-19      |
| log(1 + f) = f + f^2 P(f), -1/3 <= f < 1/3  | degree 9, 3.7e-8     |                       |
| log(1 + f) = 2 atanh(s), s = f / (2 + f)    |                      | degree 15 in s, 1.5e-17 |
| tanh(x) = x + x^3 P(x^2)                    | degree 11, 2.8e-9    | degree 21, 2e-17      |

(errors before rounding; the functions' own are in `tests/fuse/test_vector_math.py`). Results are right over the whole
range, subnormal numbers, infinities, NaN and signed zeros included; a thread that flushes subnormal numbers to zero, as
XLA's threads do, gets zeros for them.
"""

import dataclasses
import math

from .._exact import EXPONENTIAL, LN2, LOGARITHM
from .lanes import Vector
from .real import DOUBLE, SINGLE, Format, Nearest, Real

_LN2, _LOG2_E = math.log(2.0), 1.0 / math.log(2.0)


@dataclasses.dataclass(frozen=True)
class _Numbers:
    """What the functions need in one format, beside the polynomials of `_exact`.

    Attributes:
        least, most: Where exp is 0 and infinite, with some room.
        minus_one: Where expm1 is -1, with some room.
        tiny: Below this, f(x) = x for expm1 and log1p.
        tangent: P of tanh, for |x| below `bent`.
        bent: Where the polynomial ends.
    """

    least: float
    most: float
    minus_one: float
    tiny: float
    tangent: tuple[float, ...]
    bent: float


_NUMBERS: dict[Format, _Numbers] = {
    SINGLE: _Numbers(
        least=-105.0,
        most=89.0,
        minus_one=-18.0,
        tiny=2.0**-26,
        tangent=(-0.333332986, 0.133319363, -0.0537847169, 0.0207986254, -0.00589796668),
        bent=0.6,
    ),
    DOUBLE: _Numbers(
        least=-746.0,
        most=710.0,
        minus_one=-38.0,
        tiny=2.0**-55,
        tangent=(
            *(-0.33333333333332316, 0.13333333333168934, -0.053968253876163795, 0.021869485976432353),
            *(-0.008863194522437194, 0.0035917198248987697, -0.0014532173100641173, 0.0005791384803661841),
            *(-0.0002103045605570881, 5.102284125479556e-05),
        ),
        bent=0.55,
    ),
}


def exp(x: Real) -> Real:
    """e^x."""
    numbers = _NUMBERS[x.format]
    n, _, r = _reduced(x.clamp(numbers.least, numbers.most))
    return r.horner((1.0, 1.0, *EXPONENTIAL[x.format.dtype])).times_power(n)


def exp2(x: Real) -> Real:
    """2^x."""
    numbers = _NUMBERS[x.format]
    x = x.clamp(numbers.least * _LOG2_E, numbers.most * _LOG2_E)
    n = Nearest.to(x, 1.0)
    return ((x - n.real) * _LN2).horner((1.0, 1.0, *EXPONENTIAL[x.format.dtype])).times_power(n)


def expm1(x: Real) -> Real:
    """e^x - 1 = 2 (2^(n-1) (r + d + r^2 P(r)) + (2^(n-1) - 1/2)), where 2^(n-1) never overflows; d is r's rounding."""
    numbers = _NUMBERS[x.format]
    low = LN2[x.format.dtype][1]
    n, first, r = _reduced(x.clamp(numbers.minus_one, numbers.most))
    builder, fraction = x.lanes.builder, x.integer(x.format.fraction)
    half = x.from_bits(builder.add(builder.shl(n.integer, fraction), x.integer(x.format.pattern(0.5))))
    rest = (r * r).fma(r.horner(EXPONENTIAL[x.format.dtype]), n.real.fma(-low, first - r))
    return _from_tiny(x, 2.0 * rest.fma(half, r.fma(half, half - 0.5)))


def tanh(x: Real) -> Real:
    """Of |x|: a polynomial near 0, elsewhere 1 - 2 / (e^2x + 1)."""
    size, limit = x.apply("fabs"), _NUMBERS[x.format].bent
    square = size * size
    near = (size * square).fma(square.horner(_NUMBERS[x.format].tangent), size)
    return near.where(size < limit, 1.0 - 2.0 / (exp(2.0 * size) + 1.0)).with_sign(x)


def logistic(x: Real) -> Real:
    """1 / (1 + e^-x) = b - b q with z = e^-|x|, q = z / (1 + z) and b = z below 0, 1 above: nothing overflows."""
    power = exp(-x.apply("fabs"))
    base = power.where(x < 0.0, 1.0)
    return (-base).fma(power / (1.0 + power), base)


def log(x: Real) -> Real:
    """Natural logarithm; a subnormal number is scaled up first."""
    subnormal, up = x < x.format.least, x.format.fraction
    scaled = (x * 2.0**up).where(subnormal, x)
    n = _exponent(scaled)
    m = x.from_bits(x.lanes.builder.sub(scaled.bits, n))
    result = _logarithm(m - 1.0, _as_real(x, n) - x.of(up).where(subnormal, 0.0))
    return _log_edges(x, result, zero_at=0.0)


def log1p(x: Real) -> Real:
    """log(1 + x): n is that of 1 + x, and m - 1 = 2^-n x + (2^-n - 1) is made from x itself.

    4 * 2^-n is a normal number where 2^-n is not.
    """
    builder = x.lanes.builder
    n = _exponent(x + 1.0)
    scaled, power = x.from_bits(builder.sub(x.bits, n)), x.from_bits(builder.sub(x.of(4.0).bits, n))
    shift = power.fma(0.25, -1.0)
    f = scaled + shift
    result = _logarithm(f, _as_real(x, n), scaled - (f - shift))
    return _log_edges(x, _from_tiny(x, result), zero_at=-1.0)


def _reduced(x: Real) -> tuple[Nearest, Real, Real]:
    """n, r before ln 2's second part is taken off, and r."""
    high, low = LN2[x.format.dtype]
    n = Nearest.to(x, _LOG2_E)
    first = n.real.fma(-high, x)
    return n, first, n.real.fma(-low, first)


def _from_tiny(x: Real, result: Real) -> Real:
    """x itself where the result rounds to it, which keeps the sign of zero."""
    return x.where(x.apply("fabs") < _NUMBERS[x.format].tiny, result)


def _exponent(x: Real) -> Vector:
    """n of x = 2^n m with m in [2/3, 4/3), at the exponent's place among the bits."""
    builder, mask = x.lanes.builder, x.integer(-(1 << x.format.fraction))
    return builder.and_(builder.sub(x.bits, x.integer(x.format.pattern(2.0 / 3.0))), mask)


def _as_real(x: Real, exponent: Vector) -> Real:
    builder = x.lanes.builder
    return Real(x.lanes, builder.sitofp(builder.ashr(exponent, x.integer(x.format.fraction)), x.value.type))


def _logarithm(f: Real, n: Real, lost: Real | None = None) -> Real:
    """n ln 2 + log(1 + f), where `lost` is f's rounding error."""
    if f.format == SINGLE:
        polynomial, square = f.horner(LOGARITHM[f.format.dtype]), f * f
        return n.fma(_LN2, square.fma(polynomial, f) if lost is None else f + square.fma(polynomial, lost))
    high, low = LN2[f.format.dtype]
    s, half_square = f / (2.0 + f), 0.5 * f * f
    rest = (s * s) * (s * s).horner(LOGARITHM[f.format.dtype])
    return n.fma(high, f - (half_square - s.fma(half_square + rest, n.fma(low, 0.0 if lost is None else lost))))


def _log_edges(x: Real, result: Real, zero_at: float) -> Real:
    """-inf where the argument is 0, NaN below; infinity and NaN stay."""
    result = result.where(x < math.inf, x)
    result = x.of(-math.inf).where(x.equals(zero_at), result)
    return x.of(math.nan).where(x < zero_at, result)
