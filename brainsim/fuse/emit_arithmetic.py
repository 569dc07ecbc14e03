"""Arithmetic, comparisons and bits on vectors, with XLA's answers where C has none.

An integer divided by 0 is -1 (every bit set) and leaves itself as remainder; the least integer divided by -1 is itself;
a shift by the width or more leaves zeros, or copies of the sign; a comparison with NaN is false, but `!=` true;
`max` and `min` hand NaN on, and take -0 for less than +0.
"""

import math
from collections.abc import Callable

from .lanes import Vector
from .operation import BITS, FLOATS, INTEGERS, NUMBERS, Operation, Rule, kind_of, one


def _by_kind(**names: str) -> Callable[[Operation], Vector]:
    """The builder's instruction for the kind of the operands."""
    return lambda op: getattr(op.builder, names[op.kind])(*op.ins)


def _multiply(op: Operation, x: Vector, y: Vector) -> Vector:
    return (op.builder.fmul if op.kind == "float" else op.builder.mul)(x, y)


def _compare(sign: str) -> Rule:
    def emit(op: Operation) -> Vector:
        if op.kind == "float":
            compare = op.builder.fcmp_unordered if sign == "!=" else op.builder.fcmp_ordered
        else:
            compare = op.builder.icmp_signed if op.kind == "signed" else op.builder.icmp_unsigned
        return compare(sign, *op.ins)

    return one(emit)


def _extreme(real: str, signed: str, unsigned: str, of_bool: str) -> Rule:
    def emit(op: Operation) -> Vector:
        if op.kind == "bool":
            return getattr(op.builder, of_bool)(*op.ins)
        return op.intrinsic({"float": real, "signed": signed, "unsigned": unsigned}[op.kind])

    return one(emit)


_MAX, _MIN = _extreme("maximum", "smax", "umax", "or_"), _extreme("minimum", "smin", "umin", "and_")


def _clamp(op: Operation) -> list[Vector]:
    low, x, high = op.ins
    dtypes = op.in_dtypes[1:]
    above = _MAX.emit(Operation(op.lanes, {}, [low, x], dtypes, op.out_dtypes))
    return _MIN.emit(Operation(op.lanes, {}, [high, *above], dtypes, op.out_dtypes))


def _negate(op: Operation) -> Vector:
    return op.builder.fneg(op.ins[0]) if op.kind == "float" else op.builder.sub(op.constant(0), op.ins[0])


def _absolute(op: Operation) -> Vector:
    if op.kind == "unsigned":
        return op.ins[0]
    return op.intrinsic("fabs") if op.kind == "float" else op.intrinsic("abs", False)


def _sign(op: Operation) -> Vector:
    (x,) = op.ins
    if op.kind == "float":
        (real,) = op.reals
        nonzero = op.builder.fcmp_ordered("!=", x, op.constant(0.0))
        return real.of(1.0).with_sign(real).where(nonzero, real).value
    positive = op.builder.icmp_signed(">", x, op.constant(0))
    if op.kind == "unsigned":
        return op.builder.zext(op.builder.icmp_unsigned("!=", x, op.constant(0)), x.type)
    return op.builder.select(positive, op.constant(1), op.builder.ashr(x, op.constant(8 * op.dtype.itemsize - 1)))


def _round(op: Operation) -> Vector:
    return op.intrinsic("round" if int(op.params["rounding_method"]) == 0 else "roundeven")


def _divide(op: Operation) -> Vector:
    if op.kind == "float":
        return op.builder.fdiv(*op.ins)
    x, by_zero, divisor = _divisor(op)
    quotient = (op.builder.sdiv if op.kind == "signed" else op.builder.udiv)(x, divisor)
    return op.builder.select(by_zero, op.builder.not_(op.constant(0)), quotient)


def _remainder(op: Operation) -> Vector:
    if op.kind == "float":
        return _real_remainder(op)
    x, by_zero, divisor = _divisor(op)
    rest = (op.builder.srem if op.kind == "signed" else op.builder.urem)(x, divisor)
    return op.builder.select(by_zero, x, rest)


def _real_remainder(op: Operation) -> Vector:
    """x - q y with q = x / y towards zero, exact; x / y may have been rounded up to the next integer.

    Where q has too many digits, or y is 0 or infinite, the C library does it.
    """
    (x, y), name = op.reals, "fmodf" if op.dtype.itemsize == 4 else "fmod"
    size, divisor = x.apply("fabs"), y.apply("fabs")
    quotient = size / divisor
    rest = (-quotient.apply("trunc")).apply("fma", divisor, size)
    usual = (rest + divisor).where(rest < 0.0, rest).with_sign(x).value
    known = op.builder.and_(quotient < 2.0 ** (x.format.fraction - 1), divisor < math.inf)
    slow = lambda: op.lanes.lane_by_lane(lambda *pair: op.lanes.call(name, pair[0].type, pair), op.ins)
    return op.lanes.unless(op.builder.not_(known), usual, slow)


def _divisor(op: Operation) -> tuple[Vector, Vector, Vector]:
    """Dividend, where the divisor is 0, and a divisor that the processor does not fault on: 1 for 0 and overflow."""
    (x, y), builder = op.ins, op.builder
    by_zero = faults = builder.icmp_unsigned("==", y, op.constant(0))
    if op.kind == "signed":
        least = builder.icmp_signed("==", x, op.constant(-1 << (8 * op.dtype.itemsize - 1)))
        overflows = builder.and_(least, builder.icmp_signed("==", y, op.constant(-1)))
        faults = builder.or_(by_zero, overflows)
    return x, by_zero, builder.select(faults, op.constant(1), y)


def _shift(instruction: str, copies_sign: bool) -> Rule:
    def emit(op: Operation) -> Vector:
        (x, by), width = op.ins, 8 * op.dtype.itemsize
        inside = op.builder.icmp_unsigned("<", by, op.constant(width))
        if copies_sign:
            return getattr(op.builder, instruction)(x, op.builder.select(inside, by, op.constant(width - 1)))
        shifted = getattr(op.builder, instruction)(x, op.builder.select(inside, by, op.constant(0)))
        return op.builder.select(inside, shifted, op.constant(0))

    return one(emit, INTEGERS)


def _select(op: Operation) -> Vector:
    """Case number `which`: the first below 0, the last above."""
    which, *cases = op.ins
    chosen = cases[0]
    for number, case in enumerate(cases[1:], 1):
        reached = which
        if kind_of(op.in_dtypes[0]) != "bool":
            reached = op.builder.icmp_signed(">=", which, op.lanes.constant(number, op.in_dtypes[0]))
        chosen = op.builder.select(reached, case, chosen)
    return chosen


def _integer_power(op: Operation) -> Vector:
    """x^y by squaring, the same products in the same order as JAX."""
    power, left, total = op.ins[0], abs(op.params["y"]), None
    while left:
        if left & 1:
            total = power if total is None else _multiply(op, total, power)
        left >>= 1
        if left:
            power = _multiply(op, power, power)
    total = op.constant(1) if total is None else total
    return op.builder.fdiv(op.constant(1.0), total) if op.params["y"] < 0 else total


def _no_reciprocal(params, ins, outs) -> str | None:
    return "a reciprocal of integers" if params["y"] < 0 and ins[0].dtype.kind != "f" else None


ARITHMETIC: dict[str, Rule] = {
    **dict.fromkeys(("add", "add_any"), one(_by_kind(float="fadd", signed="add", unsigned="add"), NUMBERS)),
    "sub": one(_by_kind(float="fsub", signed="sub", unsigned="sub"), NUMBERS),
    **dict.fromkeys(("mul", "rounded_product"), one(lambda op: _multiply(op, *op.ins), NUMBERS)),
    "div": one(_divide, NUMBERS),
    "rem": one(_remainder, NUMBERS),
    "neg": one(_negate, NUMBERS),
    "abs": one(_absolute, NUMBERS),
    "sign": one(_sign, NUMBERS),
    "square": one(lambda op: _multiply(op, op.ins[0], op.ins[0]), NUMBERS),
    "integer_pow": one(_integer_power, NUMBERS, refuse=_no_reciprocal),
    "floor": one(lambda op: op.intrinsic("floor"), FLOATS),
    "ceil": one(lambda op: op.intrinsic("ceil"), FLOATS),
    "round": one(_round, FLOATS),
    "max": _MAX,
    "min": _MIN,
    "clamp": Rule(_clamp),
    "select_n": one(_select),
    "is_finite": one(lambda op: op.reals[0].apply("fabs") < math.inf, FLOATS),
    "eq": _compare("=="),
    "ne": _compare("!="),
    "lt": _compare("<"),
    "le": _compare("<="),
    "gt": _compare(">"),
    "ge": _compare(">="),
    "and": one(lambda op: op.builder.and_(*op.ins), BITS),
    "or": one(lambda op: op.builder.or_(*op.ins), BITS),
    "xor": one(lambda op: op.builder.xor(*op.ins), BITS),
    "not": one(lambda op: op.builder.not_(*op.ins), BITS),
    "shift_left": _shift("shl", copies_sign=False),
    "shift_right_logical": _shift("lshr", copies_sign=False),
    "shift_right_arithmetic": _shift("ashr", copies_sign=True),
    "population_count": one(lambda op: op.intrinsic("ctpop"), INTEGERS),
    "clz": one(lambda op: op.intrinsic("ctlz", False), INTEGERS),
}
