"""Random pointwise functions, fused, against wide arithmetic: within the bound of `bounds`, and no crash."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from brainsim.fuse.graph import graph_of
from tests.fuse.bounds import Evaluation
from tests.fuse.native import Native
from tests.fuse.test_emit import emitter

LANES = 67
TOGETHER = 50
"""Functions compiled in one module."""

INPUTS = ("float32", "float32", "float32", "float64", "int32", "uint32", "int8", "int64", "uint8", "bool")
FLOATS, WHOLES = ("float32", "float64"), ("int8", "int32", "int64", "uint8", "uint32")


def halved(x: jax.Array) -> jax.Array:
    """A loop that goes round a different number of times in each lane."""
    return lax.while_loop(lambda y: (abs(y) > 1) & (abs(y) < 1e4), lambda y: y * 0.625, x)


UNARY: dict[str, Callable] = {
    **{f.__name__: f for f in (lax.neg, lax.abs, lax.sign, lax.floor, lax.ceil, lax.square, lax.exp2, lax.expm1)},
    **{f.__name__: f for f in (lax.log, lax.log1p, lax.tanh, lax.logistic, lax.sin, lax.cos, lax.sqrt, lax.rsqrt)},
    **{f.__name__: f for f in (lax.erf, lax.cbrt, jax.nn.softplus, jax.nn.relu, jax.nn.elu, lax.exp, lax.round)},
    **{f"power_{y}": lambda x, y=y: lax.integer_pow(x, y) for y in (-2, -1, 2, 3, 5)},
    "to_even": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    "clip": lambda x: jnp.clip(x, -2, 3),
    "wrapped": lambda x: jax.jit(lambda y: jnp.where(y > 1, y - 1, y))(x),
    "halved": lambda x: jax.vmap(halved)(x),
}
BINARY: dict[str, Callable] = {
    **{f.__name__: f for f in (lax.add, lax.sub, lax.mul, lax.div, lax.rem, lax.max, lax.min, jnp.logaddexp)},
    **{f.__name__: f for f in (jnp.add, jnp.subtract, jnp.multiply, jnp.hypot, jnp.arctan2)},
    "power": lambda x, y: lax.pow(abs(x), lax.clamp(x.dtype.type(-4), y, x.dtype.type(4))),
}
WHOLE_BINARY: dict[str, Callable] = {
    **{f.__name__: f for f in (lax.add, lax.sub, lax.mul, lax.div, lax.rem, lax.max, lax.min, lax.shift_left)},
    **{f.__name__: f for f in (lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor, lax.shift_right_logical)},
    **{f.__name__: f for f in (lax.shift_right_arithmetic, jnp.floor_divide, jnp.remainder)},
}
WHOLE_UNARY: dict[str, Callable] = {
    **{f.__name__: f for f in (lax.bitwise_not, lax.population_count, lax.square, lax.sign)},
    "cube": lambda x: lax.integer_pow(x, 3),
}
COMPARE: dict[str, Callable] = {f.__name__: f for f in (lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge)}


class Writer:
    """Writes one random function while it is traced: operations take values from a pool and add theirs to it."""

    def __init__(self, seed: int, inputs: list[Any]):
        self.rng = np.random.default_rng([7, seed])
        self.pool: list[Any] = list(inputs)

    def choose(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def value(self, dtypes: tuple[str, ...]) -> Any:
        """A late value of one of some dtypes, or another one converted, or now and then a constant."""
        dtype = self.choose(dtypes)
        if self.rng.random() < 0.15:
            number = self.rng.normal() * 3 if dtype in FLOATS else self.rng.integers(0, 100)
            return jnp.full((LANES,), number).astype(dtype)
        fitting = [value for value in self.pool if value.dtype == dtype]
        return self.choose(fitting[-3:]) if fitting else self.choose(self.pool).astype(dtype)

    def like(self, other: Any) -> Any:
        return self.value((str(other.dtype),))

    def step(self) -> Any:
        kind = self.choose(("unary", "binary", "binary", "whole", "compare", "select", "convert"))
        if kind == "unary":
            return self.choose(list(UNARY.values()))(self.value(FLOATS))
        if kind == "binary":
            x = self.value(FLOATS)
            return self.choose(list(BINARY.values()))(x, self.like(x))
        if kind == "whole":
            x = self.value(WHOLES)
            if self.rng.random() < 0.3:
                return self.choose(list(WHOLE_UNARY.values()))(x)
            return self.choose(list(WHOLE_BINARY.values()))(x, self.like(x))
        if kind == "compare":
            x = self.value((*FLOATS, *WHOLES, "bool"))
            return self.choose(list(COMPARE.values()))(x, self.like(x))
        if kind == "select":
            x = self.value((*FLOATS, *WHOLES))
            if self.rng.random() < 0.2:
                return lax.select_n(self.value(("int32",)), x, self.like(x), self.like(x))
            return jnp.where(self.value(("bool",)), x, self.like(x))
        return self.choose(self.pool).astype(self.choose((*FLOATS, *WHOLES, "bool")))


def random_function(seed: int) -> tuple[Callable, list[np.ndarray]]:
    """A function of arrays, and arguments for it."""
    rng = np.random.default_rng([3, seed])
    arguments = []
    for dtype in rng.choice(INPUTS, size=int(rng.integers(1, 5))):
        scale = float(rng.choice([0.1, 1.0, 3.0, 30.0]))
        drawn = rng.normal(size=LANES) * scale
        if dtype in FLOATS:
            drawn[:4] = (0.0, -0.0, 1.0, np.inf) if rng.random() < 0.3 else drawn[:4]
            arguments.append(drawn.astype(dtype))
        elif dtype == "bool":
            arguments.append(drawn > 0)
        else:
            info = np.iinfo(dtype)
            arguments.append(rng.integers(info.min, info.max, LANES, dtype=dtype, endpoint=True))
    steps = int(rng.integers(3, 16))

    def function(*inputs):
        writer = Writer(seed, [jnp.asarray(value) for value in inputs])
        for _ in range(steps):
            writer.pool.append(writer.step())
        return tuple(writer.pool[-3:])

    return function, arguments


def check(seeds: range) -> tuple[int, int]:
    """Compare; returns how many numbers were compared and how many dropped."""
    parts, cases = {}, {}
    for seed in seeds:
        function, arguments = random_function(seed)
        graph = graph_of(jax.make_jaxpr(function)(*arguments))
        outs = [np.dtype(graph.type_of(atom).dtype) for atom in graph.outputs]
        parts[f"f{seed}"] = ([a.dtype for a in arguments], outs, emitter(graph))
        cases[f"f{seed}"] = (graph, arguments, outs)
    native = Native(parts, count=8)
    compared = dropped = 0
    for name, (graph, arguments, outs) in cases.items():
        evaluation = Evaluation(LANES)
        with np.errstate(all="ignore"):
            expected = evaluation.run(graph, [evaluation.given(array) for array in arguments])
        definite = ~evaluation.dropped
        compared, dropped = compared + int(definite.sum()), dropped + int(evaluation.dropped.sum())
        for got, (want, error), dtype in zip(native(name, *arguments), expected, outs, strict=True):
            if dtype.kind != "f":
                np.testing.assert_array_equal(got[definite], want[definite], name)
                continue
            with np.errstate(invalid="ignore"):
                close = (np.abs(got - want) <= error) | (got == want) | (np.isnan(got) & np.isnan(want))
            assert close[definite].all(), (name, np.flatnonzero(~close & definite), got[~close], want[~close])
    return compared, dropped


@pytest.mark.parametrize("start", range(0, 150, TOGETHER))
def test_random_functions(start, x64):
    compared, dropped = check(range(start, start + TOGETHER))
    assert dropped < compared / 3


@pytest.mark.slow
def test_two_thousand_random_functions(x64):
    compared = dropped = 0
    for start in range(0, 2000, TOGETHER):
        both = check(range(start, start + TOGETHER))
        compared, dropped = compared + both[0], dropped + both[1]
    assert dropped < compared / 3
