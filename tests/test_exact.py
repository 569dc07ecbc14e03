"""Functions whose bits no compiler changes: accuracy, and that XLA does not contract."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _exact

WIDE = np.longdouble


def numbers(low: float, high: float, dtype: str) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, 200_000).astype(dtype)


def ulps(got: jax.Array, want: np.ndarray) -> float:
    unit = np.spacing(np.abs(want.astype(got.dtype)))
    return float(np.max(np.abs(np.asarray(got).astype(WIDE) - want) / unit))


def test_a_product_is_rounded_before_it_is_added():
    x, y, z = (np.random.default_rng(seed).normal(size=100_000).astype(np.float32) for seed in range(3))
    np.testing.assert_array_equal(jax.jit(lambda x, y, z: _exact.times(x, y) + z)(x, y, z), x * y + z)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
class TestAccuracy:
    def test_exp(self, dtype, x64):
        x = numbers(-60, 60, dtype)
        assert ulps(jax.jit(_exact.exp)(x), np.exp(x.astype(WIDE))) < 2

    @pytest.mark.parametrize(("low", "high"), [(1e-30, 1e-3), (1e-7, 2), (0.9, 1.1), (1, 1e30)])
    def test_log(self, dtype, low, high, x64):
        x = numbers(low, high, dtype)
        assert ulps(jax.jit(_exact.log)(x), np.log(x.astype(WIDE))) < 2

    def test_sine(self, dtype, x64):
        x = numbers(-np.pi / 2, np.pi / 2, dtype)
        got = jax.jit(lambda x: _exact.sine(x, 11 if dtype == "float64" else 6))(x)
        assert ulps(got, np.sin(x.astype(WIDE))) < 3


def test_integers_above_and_below_come_back():
    np.testing.assert_array_equal(_exact.exp(jnp.zeros(3)), 1)
    np.testing.assert_array_equal(_exact.log(jnp.ones(3)), 0)


def test_a_product_has_derivatives_batches_and_broadcasts():
    x, y = jnp.asarray([0.5, -2.0, 3.0]), jnp.asarray([4.0, 0.25, -1.0])
    value, (dx, dy) = jax.value_and_grad(lambda x, y: _exact.times(x, y).sum(), (0, 1))(x, y)
    assert value == (x * y).sum()
    np.testing.assert_array_equal(dx, y), np.testing.assert_array_equal(dy, x)
    np.testing.assert_array_equal(jax.vmap(_exact.times, (0, None))(jnp.stack([x, y]), y), jnp.stack([x * y, y * y]))
    np.testing.assert_array_equal(jax.vmap(lambda y: _exact.times(x, y))(y), jnp.outer(y, x))
    np.testing.assert_array_equal(_exact.times(x, 2.0), 2 * x)
