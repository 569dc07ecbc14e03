"""Each operation as vector code gives the bits of XLA's operation, special values and all pairs of them included."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax import lax

from brainsim._streams import Stream, _poisson
from brainsim.fuse.emit import PER_LANE, RULES, emit_graph, unsupported
from brainsim.fuse.graph import Graph, graph_of
from tests.fuse.native import Native

FLOATS = ("float32", "float64")
SIGNED, UNSIGNED = ("int8", "int16", "int32", "int64"), ("uint8", "uint16", "uint32", "uint64")
INTEGERS, NUMBERS = SIGNED + UNSIGNED, FLOATS + SIGNED + UNSIGNED
EVERY = (*NUMBERS, "bool")

UNARY: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "neg": (lax.neg, NUMBERS),
    "abs": (lax.abs, FLOATS + SIGNED),
    "sign": (lax.sign, NUMBERS),
    "floor": (lax.floor, FLOATS),
    "ceil": (lax.ceil, FLOATS),
    "round_away": (lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), FLOATS),
    "round_even": (lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), FLOATS),
    "is_finite": (lax.is_finite, FLOATS),
    "square": (lax.square, NUMBERS),
    "sqrt": (lax.sqrt, FLOATS),
    "cube": (lambda x: lax.integer_pow(x, 3), NUMBERS),
    "power_0": (lambda x: lax.integer_pow(x, 0), NUMBERS),
    "power_6": (lambda x: lax.integer_pow(x, 6), NUMBERS),
    "power_-2": (lambda x: lax.integer_pow(x, -2), FLOATS),
    "not": (lax.bitwise_not, (*INTEGERS, "bool")),
    "population_count": (lax.population_count, INTEGERS),
    "clz": (lax.clz, INTEGERS),
    "clip": (lambda x: lax.clamp(x.dtype.type(1), x, x.dtype.type(3)), NUMBERS),
    "reduce_precision": (lambda x: lax.reduce_precision(x, jnp.finfo(x.dtype).nexp, jnp.finfo(x.dtype).nmant), FLOATS),
    "barrier": (lambda x: lax.optimization_barrier((x, x))[1], EVERY),
    "reshape": (lambda x: x.reshape(1, -1).reshape(-1), EVERY),
    "sum_of_gradients": (lambda x: jax.grad(lambda y: (y * x + y).sum())(x), FLOATS),
    "iota": (lambda x: lax.iota(x.dtype, x.size), NUMBERS),
    "constant": (lambda x: lax.max(x, x.dtype.type(100)), NUMBERS),
}
BINARY: dict[str, tuple[Callable, tuple[str, ...]]] = {
    **{name: (getattr(lax, name), NUMBERS) for name in ("add", "sub", "mul", "div", "rem")},
    **{name: (getattr(lax, name), EVERY) for name in ("max", "min", "eq", "ne", "lt", "le", "gt", "ge")},
    **{f"bitwise_{name}": (getattr(lax, f"bitwise_{name}"), (*INTEGERS, "bool")) for name in ("and", "or", "xor")},
    **{f"shift_{name}": (getattr(lax, f"shift_{name}"), INTEGERS) for name in ("left", "right_logical")},
    "shift_right_arithmetic": (lax.shift_right_arithmetic, INTEGERS),
    "select": (lambda x, y: lax.select_n(x < y, x, y), NUMBERS),
    "select_3": (lambda x, y: lax.select_n(x.astype(jnp.int32), x, y, x), ("int8", "int32")),
    "clamp": (lambda x, y: lax.clamp(x, lax.max(x, y), y), NUMBERS),
}


def values(dtype: str) -> np.ndarray:
    """Numbers on which operations differ if they can."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([False, True])
    if kind.kind == "f":
        info = np.finfo(kind)
        edges = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 1e-3, 2.0**22 + 0.5, 2.0**52 + 1, 2.0**31, 2.0**63, info.tiny, info.max]
        edges += [np.inf, np.pi, 127.5, 255.0, 65535.9, 1e10, float(np.nextafter(kind.type(0.5), kind.type(0)))]
        return np.array([*edges, *(-edge for edge in edges), np.nan], kind)
    info = np.iinfo(kind)
    edges = {0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 33, 63, 64, 100, info.max, info.max - 1, info.max // 3, info.min}
    edges |= {-edge for edge in edges} | {info.min + 1}
    return np.array(sorted(edge for edge in edges if info.min <= edge <= info.max), kind)


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Every value with every value."""
    x = values(dtype)
    return np.repeat(x, x.size), np.tile(x, x.size)


def emitter(graph: Graph) -> Callable:
    for node in graph.nodes:
        ins, outs = ([graph.type_of(atom) for atom in atoms] for atoms in (node.ins, node.outs))
        assert unsupported(node, ins, outs) is None, (node.op, unsupported(node, ins, outs))
    return lambda lanes, ins: emit_graph(lanes, graph, ins)


def compiled(functions: dict[str, Callable], examples: dict[str, tuple[np.ndarray, ...]], **options: Any) -> Native:
    """Functions of arrays as vector code."""
    parts = {}
    for name, function in functions.items():
        arguments = examples[name]
        graph = graph_of(jax.make_jaxpr(function)(*arguments))
        outs = [np.dtype(graph.type_of(atom).dtype) for atom in graph.outputs]
        parts[name] = ([a.dtype for a in arguments], outs, emitter(graph))
    return Native(parts, **options)


def assert_same_bits(got: np.ndarray, want: np.ndarray, name: str) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape, name
    if got.dtype.kind == "f":
        nan = np.isnan(want)
        np.testing.assert_array_equal(np.isnan(got), nan, name)
        got, want = (np.where(nan, 0, a).view(f"u{a.itemsize}") for a in (got, want))
    np.testing.assert_array_equal(got, want, name)


@pytest.mark.parametrize("dtype", EVERY)
@pytest.mark.parametrize(("table", "arguments"), [(UNARY, lambda d: (values(d),)), (BINARY, pairs)])
def test_operations_give_the_bits_of_xla(table, arguments, dtype, x64):
    functions = {name: function for name, (function, dtypes) in table.items() if dtype in dtypes}
    native = compiled(functions, dict.fromkeys(functions, arguments(dtype)), count=8)
    for name, function in functions.items():
        want = np.asarray(jax.jit(function)(*arguments(dtype)))
        assert_same_bits(native(name, *arguments(dtype), flush=True)[0], want, f"{name} {dtype}")


@pytest.mark.parametrize("dtype", EVERY)
def test_conversions_give_the_bits_of_xla(dtype, x64):
    functions = {f"to_{target}": functools.partial(lax.convert_element_type, new_dtype=target) for target in EVERY}
    same = [t for t in NUMBERS if np.dtype(t).itemsize == np.dtype(dtype).itemsize and dtype != "bool"]
    functions |= {f"bits_{target}": functools.partial(lax.bitcast_convert_type, new_dtype=target) for target in same}
    native = compiled(functions, dict.fromkeys(functions, (values(dtype),)), count=16)
    for name, function in functions.items():
        want = np.asarray(jax.jit(function)(values(dtype)))
        assert_same_bits(native(name, values(dtype), flush=True)[0], want, f"{dtype} {name}")


LIBRARY = {
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "cbrt")},
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
    "pow": np.power,
    "atan2": np.arctan2,
    "nextafter": np.nextafter,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}


def test_functions_of_the_c_library():
    grid = np.concatenate([np.linspace(-30, 30, 3001), values("float32")]).astype(np.float32)
    pair = (np.tile(grid[::30], 103), np.repeat(grid[::30], 103))
    two = ("pow", "atan2", "nextafter")
    examples = {name: pair if name in two else (grid,) for name in LIBRARY}
    native = compiled({name: getattr(lax, name) for name in LIBRARY}, examples)
    for name, function in LIBRARY.items():
        arguments = [a if name == "nextafter" else a.astype(np.float64) for a in examples[name]]
        with np.errstate(all="ignore"):
            want = function(*arguments).astype(np.float32)
        np.testing.assert_array_max_ulp(*np.nan_to_num([native(name, *examples[name])[0], want]), maxulp=2)
        np.testing.assert_array_equal(np.isnan(native(name, *examples[name])[0]), np.isnan(want), name)


def test_powers_of_integers_and_doubles(x64):
    x, y = pairs("float64")
    whole = np.resize(np.arange(-9, 10, dtype=np.int32), x.size)
    native = compiled({"pow": lax.pow, "whole": lax.pow}, {"pow": (x, y), "whole": (x, whole)}, count=8)
    with np.errstate(all="ignore"):
        for got, want in (
            (native("pow", x, y)[0], np.power(x, y)),
            (native("whole", x, whole)[0], np.power(x, whole.astype(np.float64))),
        ):
            np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
            np.testing.assert_array_max_ulp(*np.nan_to_num([got, want]), maxulp=1)


@pytest.mark.parametrize("cpu", ["", "x86-64"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_remainders_next_to_multiples(dtype, cpu, x64):
    rng, kind = np.random.default_rng(0), np.dtype(dtype).type
    y = rng.uniform(0.1, 20, 8000).astype(dtype) * rng.choice([-1, 1], 8000).astype(dtype)
    x = rng.integers(-1000, 1000, y.size).astype(dtype) * y
    x = np.concatenate(
        [x, np.nextafter(x, kind(np.inf)), np.nextafter(x, kind(-np.inf)), 1e4 * rng.normal(size=y.size)]
    )
    arguments = (x.astype(dtype), np.tile(y, 4))
    native = compiled({"rem": lax.rem}, {"rem": arguments}, cpu=cpu)
    assert_same_bits(native("rem", *arguments)[0], np.fmod(*arguments), "rem")


def collatz(n: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Steps to 1, and the largest number on the way."""

    def step(carry):
        n, steps, most = carry
        n = jnp.where(n % 2 == 0, n // 2, 3 * n + 1)
        return n, steps + 1, jnp.maximum(most, n)

    return lax.while_loop(lambda carry: carry[0] > 1, step, (n, jnp.int32(0), n))[1:]


def nested(x: jax.Array, times: jax.Array) -> jax.Array:
    """Heron's square root, `times` times over; an inner loop in an outer one."""

    def outer(carry):
        k, y = carry
        root = lax.while_loop(lambda r: abs(r * r - y) > 1e-6 * y, lambda r: 0.5 * (r + y / r), y)
        return k + 1, root

    return lax.while_loop(lambda carry: carry[0] < times, outer, (jnp.int32(0), x))[1]


def test_loops_stop_lane_by_lane():
    n = np.arange(1, 1000, dtype=np.int32)
    x, times = np.linspace(0.5, 90, 333).astype(np.float32), np.arange(333, dtype=np.int32) % 7
    functions = {"collatz": jax.vmap(collatz), "nested": jax.vmap(nested)}
    native = compiled(functions, {"collatz": (n,), "nested": (x, times)})
    for got, want in zip(native("collatz", n), functions["collatz"](n), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_allclose(native("nested", x, times)[0], functions["nested"](x, times), rtol=3e-7)


def test_a_lane_that_does_not_exist_keeps_no_loop_running():
    graph = graph_of(
        jax.make_jaxpr(jax.vmap(functools.partial(lax.while_loop, lambda x: x < 9.0, lambda x: x * 2.0)))(
            np.ones(5, np.float32)
        )
    )

    def emit(lanes, ins):
        there = lanes.builder.icmp_signed("<", lanes.numbers(64), lanes.constant(5, np.int64))
        return emit_graph(dataclasses.replace(lanes, active=there), graph, ins)

    native = Native({"double": ([np.float32], [np.float32], emit)})
    np.testing.assert_array_equal(native("double", np.ones(5, np.float32))[0], np.full(5, 16, np.float32))


def test_branches_are_chosen_from():
    def switch(which, x):
        return lax.switch(which, [jnp.sin, lambda x: x + 1, lambda x: x * 0.5], x)

    x = np.linspace(-2, 2, 48).astype(np.float32)
    graph = graph_of(jax.make_jaxpr(switch)(np.int32(0), x))
    native = Native({"switch": ([np.int32, np.float32], [np.float32], emitter(graph))})
    for which in (-1, 0, 1, 2, 7):
        (got,) = native("switch", np.full(x.size, which, np.int32), x)
        np.testing.assert_allclose(got, switch(which, x), rtol=2e-7)


def test_a_loop_in_a_branch_not_taken_does_not_run_for_ever():
    def loop(which, x):
        halve = functools.partial(lax.while_loop, lambda y: y != 1.0, lambda y: y * 0.5)
        return lax.cond(which, jax.vmap(halve), lambda x: x, x)

    x = np.array([1, 2, 4, 3, 1, 8], np.float32)
    native = Native({"loop": ([bool, np.float32], [np.float32], emitter(graph_of(jax.make_jaxpr(loop)(True, x))))})
    which = np.array([1, 1, 1, 0, 0, 1], bool)
    np.testing.assert_array_equal(native("loop", which, x)[0], [1, 1, 1, 3, 1, 1])


@pytest.mark.parametrize("cpu", ["", "x86-64"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_noise_has_the_bits_of_xla(dtype, cpu, x64):
    """Uniform, normal and Poisson draws, with and without a fused multiply-add."""
    rng, size = np.random.default_rng(0), 20_000
    first, second = (rng.integers(0, 2**32, size, dtype=np.uint32) for _ in range(2))
    mean = np.exp(rng.uniform(-8, 3.8, size)).astype(dtype)

    class Drawn(Stream):
        def _words(self, shape, draw):
            return self.words, self.step

    functions = {
        "uniform": lambda a, b: Drawn(a, b).uniform(a.shape, dtype=dtype),
        "normal": lambda a, b: Drawn(a, b).normal(a.shape, dtype=dtype),
        "poisson": lambda a, b, mean: jax.vmap(lambda a, b, mean: _poisson((a, b), mean, a ^ b))(a, b, mean),
    }
    arguments = {name: (first, second, mean)[: 3 if name == "poisson" else 2] for name in functions}
    native = compiled(functions, arguments, count=8, cpu=cpu)
    for name, function in functions.items():
        want = np.asarray(jax.jit(function)(*arguments[name]))
        assert_same_bits(native(name, *arguments[name], flush=True)[0], want, name)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: jnp.sort(x), "not one of the operations"),
        (lambda x: x.astype(jnp.bfloat16), "dtype bfloat16"),
        (lambda x: lax.reduce_precision(x, 5, 10), "5 exponent and 10 mantissa bits"),
        (lambda x: lax.broadcasted_iota(x.dtype, (3, 4), 1) + x, "one of several axes"),
        (lambda x: lax.switch(jnp.int32(1), [jnp.sort, jnp.cumsum], x), "sort in its body"),
        (lambda x: lax.while_loop(lambda y: y[0] < 1, jnp.sort, x), "in its body"),
        (lambda x: lax.bitcast_convert_type(x, jnp.int16), "float32 as bits of int16"),
    ],
)
def test_what_cannot_be_vector_code_says_why(function, reason):
    graph = graph_of(jax.make_jaxpr(function)(np.ones(4, np.float32)))
    problems = [
        unsupported(node, *([graph.type_of(atom) for atom in atoms] for atoms in (node.ins, node.outs)))
        for node in graph.nodes
    ]
    assert any(problem is not None and reason in problem for problem in problems)


def test_slow_operations_are_named():
    assert {"atan2", "pow", "erf"} <= PER_LANE < set(RULES)
    assert not PER_LANE & {"exp", "log", "tanh", "add"}
