"""Functions of real numbers: our own on vectors, the rest through the C library, one lane after the other."""

from collections.abc import Callable

from . import vector_math, vector_sine
from .lanes import Vector
from .operation import FLOATS, Operation, Rule, one
from .real import Real

_LIBRARY = (
    *("tan", "asin", "acos", "atan", "atan2", "sinh", "cosh"),
    *("asinh", "acosh", "atanh", "cbrt", "erf", "erfc", "nextafter"),
)
"""Primitives that C knows by the same name; the float32 version ends in `f`."""


def _vector(function: Callable[[Real], Real]) -> Rule:
    return one(lambda op: function(*op.reals).value, FLOATS)


def _scalar(name: str) -> Rule:
    def emit(op: Operation) -> Vector:
        symbol = name + ("f" if op.dtype.itemsize == 4 else "")
        return op.lanes.lane_by_lane(lambda *args: op.lanes.call(symbol, args[0].type, args), op.ins)

    return one(emit, FLOATS, per_lane=True)


def _power(op: Operation) -> list[Vector]:
    """x^y; an integer y is taken as a real number."""
    x, y = op.ins
    if op.kind != "float":
        y = (op.builder.sitofp if op.kind == "signed" else op.builder.uitofp)(y, x.type)
    dtypes = [op.in_dtypes[0]] * 2
    return _scalar("pow").emit(Operation(op.lanes, {}, [x, y], dtypes, op.out_dtypes))


FUNCTIONS: dict[str, Rule] = {
    "sqrt": one(lambda op: op.intrinsic("sqrt"), FLOATS),
    "rsqrt": _vector(lambda x: 1.0 / x.apply("sqrt")),
    "exp": _vector(vector_math.exp),
    "exp2": _vector(vector_math.exp2),
    "expm1": _vector(vector_math.expm1),
    "log": _vector(vector_math.log),
    "log1p": _vector(vector_math.log1p),
    "tanh": _vector(vector_math.tanh),
    "logistic": _vector(vector_math.logistic),
    "sin": _vector(vector_sine.sin),
    "cos": _vector(vector_sine.cos),
    "pow": Rule(_power, per_lane=True),
    **{name: _scalar(name) for name in _LIBRARY},
}
