"""Evaluates a graph in wide arithmetic, and bounds by how much an evaluation in its own formats may differ.

Every real number carries an error e: the true operands of an operation lie within [x - e, x + e], so its result is
evaluated at the middle and at all corners; the new error is the largest deviation, plus what the operation itself may
be off, `ULPS[op]` units of the last place of the result (2^-23 or 2^-52 of its size), plus one smallest normal number
for results that are flushed or lose bits. An error made early counts as much as later operations amplify it: a
tolerance in units of the last result, or of the largest intermediate one, would be too tight after `exp` or a
cancellation and far too loose elsewhere.

A lane is dropped where a decision (comparison, rounding to an integer, overflow, a pole) comes out differently at the
corners: both answers are right there.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from brainsim.fuse.graph import Graph, Literal, Node

WIDE = np.longdouble
SMOOTH_WITHIN = 1e-3
"""Largest error of the argument of a function that goes up and down."""

ULPS = {
    **{"exp": 1.3, "exp2": 1.3, "expm1": 1.5, "log": 1.3, "log1p": 2, "tanh": 1.6, "logistic": 2, "rsqrt": 1.5},
    **dict.fromkeys(("round", "floor", "ceil", "sign", "neg", "abs", "max", "min", "clamp"), 0),
    **dict.fromkeys(("sin", "cos", "pow", "erf", "cbrt", "atan2"), 2),
}
"""Units of the last place that a function may be off; half of one for all other operations."""


class Bounded(NamedTuple):
    """Values, and for real numbers how far off they may be."""

    value: np.ndarray
    error: np.ndarray | float = 0.0


def _integer_quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    info, wide = np.iinfo(x.dtype), (x.astype(object), np.where(y == 0, 1, y).astype(object))
    quotient = np.array([abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) for a, b in zip(*wide, strict=True)])
    quotient = np.array([(int(q) - info.min) % (1 << info.bits) + info.min for q in quotient], x.dtype)
    return np.where(y == 0, np.array(-1).astype(x.dtype), quotient)


def _integer_rest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, y + y.dtype.type(1), y)))


def _shift(function: Callable, sign: bool = False) -> Callable:
    def shift(x: np.ndarray, by: np.ndarray) -> np.ndarray:
        width = 8 * x.dtype.itemsize
        inside = (by >= 0) & (by < width)
        held = np.where(inside, by, width - 1 if sign else 0).astype(x.dtype)
        return np.where(inside | sign, function(x, held), 0).astype(x.dtype)

    return shift


def _logical(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    unsigned = f"u{x.dtype.itemsize}"
    return (x.view(unsigned) >> by.view(unsigned)).view(x.dtype)


def _arithmetic(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    signed = f"i{x.dtype.itemsize}"
    return (x.view(signed) >> by.view(signed)).view(x.dtype)


def _round_away(x: np.ndarray) -> np.ndarray:
    return np.copysign(np.floor(np.abs(x)) + (np.abs(x) - np.floor(np.abs(x)) >= 0.5), x)


REAL: dict[str, Callable] = {
    **{"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "rem": np.fmod, "neg": np.negative},
    **{"add_any": np.add, "square": np.square, "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "sqrt": np.sqrt},
    **{"max": np.maximum, "min": np.minimum, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log},
    **{"log1p": np.log1p, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "pow": np.power},
    **{"cbrt": np.cbrt, "atan2": np.arctan2, "is_finite": np.isfinite},
    **{"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater},
    **{"ge": np.greater_equal, "clamp": lambda low, x, high: np.minimum(np.maximum(low, x), high)},
    "sign": lambda x: np.where((x == 0) | np.isnan(x), x, np.copysign(1, x)),
    "logistic": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "erf": lambda x: scipy.special.erf(x.astype(np.float64)).astype(x.dtype),
}
WHOLE: dict[str, Callable] = {
    **{name: REAL[name] for name in ("add", "sub", "mul", "neg", "square", "abs", "max", "min", "clamp", "eq", "ne")},
    **{name: REAL[name] for name in ("lt", "le", "gt", "ge")},
    **{"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "sign": np.sign},
    **{"div": _integer_quotient, "rem": _integer_rest, "shift_left": _shift(np.left_shift)},
    "shift_right_logical": _shift(_logical),
    "shift_right_arithmetic": _shift(_arithmetic, sign=True),
    "population_count": lambda x: np.bitwise_count(x.view(f"u{x.dtype.itemsize}")).astype(x.dtype),
}
SAME = ("broadcast_in_dim", "reshape", "squeeze", "copy", "copy_p", "optimization_barrier")


def _ends(x: Bounded) -> tuple[np.ndarray, ...]:
    """The ends of a number's range, and 0 where it lies within."""
    if not np.any(x.error != 0):
        return (x.value,)
    return x.value - x.error, x.value + x.error, np.where(np.abs(x.value) <= x.error, 0, x.value)


class Evaluation:
    """One evaluation of a graph over lanes; `dropped` are the lanes without a definite answer."""

    def __init__(self, lanes: int):
        self.dropped = np.zeros(lanes, bool)
        self.shape = (lanes,)

    def run(self, graph: Graph, inputs: list[Bounded]) -> list[Bounded]:
        """The outputs of a graph."""
        known: dict[int, Bounded] = dict(zip(graph.inputs, inputs, strict=True))

        def read(atom: Any) -> Bounded:
            return self.given(np.full(self.shape, atom.value, atom.dtype)) if isinstance(atom, Literal) else known[atom]

        for node in graph.nodes:
            dtypes = [np.dtype(graph.types[out].dtype) for out in node.outs]
            results = self.node(node, [read(atom) for atom in node.ins], dtypes)
            known.update(zip(node.outs, results, strict=True))
        return [read(atom) for atom in graph.outputs]

    def given(self, array: np.ndarray) -> Bounded:
        """Exact values."""
        array = np.broadcast_to(array, self.shape)
        return Bounded(array.astype(WIDE)) if array.dtype.kind == "f" else Bounded(array)

    def node(self, node: Node, ins: list[Bounded], dtypes: list[np.dtype]) -> list[Bounded]:
        if node.op in SAME:
            return ins
        if node.op == "while":
            return self.loop(node.params, ins)
        if node.op == "select_n":
            which, *cases = ins
            at = np.clip(which.value.astype(int), 0, len(cases) - 1)
            errors = [np.broadcast_to(case.error, self.shape) for case in cases]
            return [Bounded(np.choose(at, [case.value for case in cases]), np.choose(at, errors))]
        return [self.apply(node, ins, dtypes[0])]

    def loop(self, params: dict[str, Any], ins: list[Bounded]) -> list[Bounded]:
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        carry = ins[second:]
        while True:
            (more,) = self.run(params["cond"], [*ins[:first], *carry])
            going = more.value & ~self.dropped
            if not going.any():
                return carry
            stepped = self.run(params["body"], [*ins[first:second], *carry])
            carry = [
                Bounded(np.where(going, new.value, old.value), np.where(going, new.error, old.error))
                for new, old in zip(stepped, carry, strict=True)
            ]

    def apply(self, node: Node, ins: list[Bounded], dtype: np.dtype) -> Bounded:
        """An operation at the middle and at the corners."""
        function, inexact = self.function(node, ins, dtype), any(np.any(i.error != 0) for i in ins)
        middle = function(*(i.value for i in ins))
        same = [node.ins.index(atom) for atom in node.ins]  # an operand that is read twice is off by the same twice
        ends = [_ends(i) if same[k] == k else (i.value,) for k, i in enumerate(ins)]
        corners = [function(*(at[k] for k in same)) for at in (itertools.product(*ends) if inexact else ())]
        self.drop_undecided(node, ins)
        if dtype.kind != "f":
            for corner in corners:
                self.dropped |= corner != middle
            return Bounded(middle)
        products = abs(node.params["y"]) if node.op == "integer_pow" else 1
        return self.rounded(middle, corners, products * ULPS.get(node.op, 0.5), dtype)

    def drop_undecided(self, node: Node, ins: list[Bounded]) -> None:
        """Drop lanes near a pole, and those where a function that goes up and down may have turned."""
        first, last = ins[0], ins[-1]
        if node.op in ("sin", "cos"):
            self.dropped |= first.error > SMOOTH_WITHIN
        if node.op == "rem" and last.value.dtype == WIDE:
            quotient = first.value / last.value
            doubt = (first.error + np.abs(quotient) * last.error) / np.abs(last.value)
            turned = (doubt > SMOOTH_WITHIN) | (np.abs(quotient - np.rint(quotient)) <= doubt)
            self.dropped |= turned & (doubt > 0)
        pole = node.op in ("div", "atan2") or (node.op == "integer_pow" and node.params["y"] < 0)
        if pole and last.value.dtype == WIDE:
            self.dropped |= (last.error > 0) & (np.abs(last.value) <= last.error)

    def rounded(self, middle: np.ndarray, corners: list[np.ndarray], ulps: float, dtype: np.dtype) -> Bounded:
        info = np.finfo(dtype)
        error = np.zeros(self.shape, WIDE)
        for corner in corners:
            self.dropped |= np.isnan(corner) != np.isnan(middle)
            same = (corner == middle) | np.isnan(middle)
            error = np.maximum(error, np.where(same, 0, np.nan_to_num(np.abs(corner - middle), nan=np.inf)))
        finite = np.isfinite(middle)
        error = error + np.where(finite & (middle != 0), ulps * WIDE(info.eps) * np.abs(middle) + WIDE(info.tiny), 0)
        limit, size = WIDE(info.max), np.abs(middle)
        over = finite & (size - error > limit)
        self.dropped |= finite & ~over & (size + error > limit)
        return Bounded(np.where(over, np.copysign(WIDE(np.inf), middle), middle), np.where(over | ~finite, 0, error))

    def function(self, node: Node, ins: list[Bounded], dtype: np.dtype) -> Callable:
        """The operation on wide or whole numbers."""
        if node.op == "integer_pow":
            return lambda x: x ** x.dtype.type(node.params["y"]) if x.dtype == WIDE else x ** abs(node.params["y"])
        if node.op == "round":
            return _round_away if int(node.params["rounding_method"]) == 0 else np.rint
        if node.op == "iota":
            return lambda: np.arange(self.shape[0]).astype(WIDE if dtype.kind == "f" else dtype)
        if node.op == "convert_element_type":
            return lambda x: _converted(x, dtype)
        return (REAL if any(i.value.dtype == WIDE for i in ins) else WHOLE)[node.op]


def _converted(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return x.astype(WIDE)
    if x.dtype != WIDE or dtype.kind == "b":
        return x.astype(dtype)
    info = np.iinfo(dtype)
    inside = np.where(np.isnan(x), 0, np.clip(np.trunc(x), WIDE(info.min), WIDE(info.max)))
    return np.where(inside >= WIDE(math.ldexp(1, info.bits - (info.min < 0))), info.max, inside.astype(dtype))
