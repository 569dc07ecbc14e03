"""Errors of the vector functions over the whole range, in units of the last place, against wider arithmetic."""

from collections.abc import Callable

import numpy as np
import pytest

from brainsim.fuse import vector_math, vector_sine
from brainsim.fuse.real import Real
from tests.fuse.native import Native

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "logistic": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
}

LARGEST = {
    "exp": {"float32": 1.2, "float64": 1.2},
    "exp2": {"float32": 1.3, "float64": 1.3},
    "expm1": {"float32": 1.4, "float64": 1.4},
    "log": {"float32": 1.3, "float64": 0.9},
    "log1p": {"float32": 1.7, "float64": 1.1},
    "tanh": {"float32": 1.5, "float64": 1.6},
    "sin": {"float32": 0.6, "float64": 3.0},
    "cos": {"float32": 0.6, "float64": 3.0},
    "logistic": {"float32": 2.0, "float64": 1.9},
}
"""Largest error of each function, in ulp, measured here on processors with and without a fused multiply-add."""

WIDE = np.longdouble
EDGES = [
    *(0.0, 1.0, 0.5, np.inf, 1e-30, 0.55, 0.6, 1 / 3, 2 / 3, 4 / 3, 9.0, 17.33, 37.0, 87.33, 88.72, 103.0, 103.98),
    *(104.5, 126.0, 127.99, 128.0, 149.5, 708.39, 709.78, 709.79, 744.4, 745.1, 745.2, 746.5, 1022.0, 1023.99, 1075.5),
]


def native(dtype: str, count: int, cpu: str = "") -> Native:
    def emitter(name: str):
        function = getattr(vector_sine if name in ("sin", "cos") else vector_math, name)
        return lambda lanes, ins: [function(Real(lanes, ins[0])).value]

    return Native({name: ([dtype], [dtype], emitter(name)) for name in FUNCTIONS}, count, cpu)


def arguments(dtype: str, stride: int) -> np.ndarray:
    """Bit patterns at regular distances, numbers of usual size, and edges with their neighbours."""
    kind, rng = np.dtype(dtype), np.random.default_rng(0)
    if dtype == "float32":
        patterns = np.arange(0, 2**32, stride, dtype=np.uint64).astype(np.uint32).view(kind)
    else:
        patterns = rng.integers(0, 2**64, 2**32 // stride // 4, dtype=np.uint64).view(kind)
    some = max(patterns.size // 8, 1000)
    usual = [rng.uniform(-2, 2, some), 50 * rng.normal(size=some), rng.uniform(-760, 720, some)]
    usual += [rng.uniform(-1e6, 1e6, some), np.pi / 2 * np.arange(-(some // 2), some // 2)]
    usual += [1 + 1e-3 * rng.normal(size=some), 1e-8 * rng.normal(size=some)]
    info = np.finfo(kind)
    edges = np.array([*EDGES, info.max, info.tiny, info.smallest_subnormal, info.tiny / 2], kind)
    with np.errstate(all="ignore"):
        near = [edges, np.nextafter(edges, kind.type(np.inf)), np.nextafter(edges, kind.type(0))]
        together = np.concatenate([patterns, *usual, *near, *(-e for e in near), [np.nan]])
        return together.astype(kind)


def errors(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Distance from the true value in units of the last place of the true value; infinite where it is not a number.

    A true value that rounds to infinity or to the number found counts as at most half a unit.
    """
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        _, exponent = np.frexp(np.where(np.isfinite(want) & (want != 0), want, want.dtype.type(1)))
        unit = np.ldexp(want.dtype.type(1), np.maximum(exponent - 1, info.minexp) - info.nmant)
        distance = np.abs(got.astype(want.dtype) - want) / unit
    right = (got == rounded) & (np.signbit(got) == np.signbit(rounded)) | np.isnan(got) & np.isnan(rounded)
    distance = np.where(right, np.minimum(np.nan_to_num(distance, nan=0.0), 0.5), distance)
    return np.where(np.isnan(distance) | ~right & (want == 0), np.inf, distance).astype(np.float64)


def check(dtype: str, count: int, cpu: str, stride: int) -> None:
    x, compiled = arguments(dtype, stride), native(dtype, count, cpu)
    wide = np.float64 if dtype == "float32" else WIDE
    for name, function in FUNCTIONS.items():
        with np.errstate(all="ignore"):
            want = function(x.astype(wide))
        error = errors(compiled(name, x)[0], want)
        worst = int(np.argmax(error))
        assert error[worst] <= LARGEST[name][dtype], f"{name}({x[worst]!r}): {error[worst]:.3f} ulp"


@pytest.mark.parametrize(("count", "cpu"), [(16, ""), (8, ""), (16, "x86-64"), (8, "x86-64-v3")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors(dtype, count, cpu):
    if dtype == "float64" and np.finfo(WIDE).nmant < 60:
        pytest.skip("needs a format wider than float64")
    check(dtype, count, cpu, stride=10_007)


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["", "x86-64"])
def test_errors_on_every_thousandth_number(cpu):
    check("float32", 16, cpu, stride=1009)


def test_the_table_keeps_the_promise():
    assert all(row["float32"] <= 2 and row["float64"] <= 4 for row in LARGEST.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_thread_that_flushes_gets_zero_for_subnormal_numbers(dtype):
    x, compiled, least = arguments(dtype, 1_000_003), native(dtype, 8), np.finfo(dtype).tiny
    for name in FUNCTIONS:
        kept, (flushed,) = compiled(name, x)[0], compiled(name, x, flush=True)
        small = (np.abs(x) < least) | (np.abs(kept) < 4 * least)
        np.testing.assert_array_equal(flushed[~small], kept[~small], name)
        if name != "log":  # of a subnormal number: -inf, as of 0
            assert (np.abs(flushed[small] - kept[small]) <= 4 * least).all(), name


def test_signs_of_zero_and_infinite_results():
    x = np.array([0.0, -0.0, np.inf, -np.inf, -1.0], np.float32)
    expected = {
        "exp": [1, 1, np.inf, 0, np.exp(np.float32(-1))],
        "expm1": [0.0, -0.0, np.inf, -1, np.expm1(np.float32(-1))],
        "log": [-np.inf, -np.inf, np.inf, np.nan, np.nan],
        "log1p": [0.0, -0.0, np.inf, np.nan, -np.inf],
        "tanh": [0.0, -0.0, 1, -1, np.tanh(np.float32(-1))],
        "sin": [0.0, -0.0, np.nan, np.nan, np.sin(-1)],
        "cos": [1, 1, np.nan, np.nan, np.cos(1)],
        "logistic": [0.5, 0.5, 1, 0, 1 / (1 + np.exp(1))],
    }
    compiled = native("float32", 16)
    for name, want in expected.items():
        (got,) = compiled(name, x)
        np.testing.assert_allclose(got, np.float32(want), rtol=2e-7, err_msg=name)
        np.testing.assert_array_equal(np.copysign(1, got[:2]), np.copysign(1, np.float32(want[:2])), name)
