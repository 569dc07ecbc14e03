"""Value slots: the same five kinds everywhere, laws of the distributions, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from brainsim import values
from brainsim._types import Context
from brainsim.units import V, ms, mV, nS
from brainsim.values import LogNormal, Normal, Uniform

ALPHA = 0.01 / 8  # the number of tests of a law in this file
KEY = jax.random.key(0)


def resolve(value, shape=(4,), unit="mV", dtype=jnp.float32, key=KEY):
    return values.resolve(value, Context("E.v", shape, 0.1), unit=unit, key=key, dtype=dtype)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-60, -60),
        (np.float64(2.5), 2.5),
        (-0.06 * V, -60),
        (np.arange(4), [0, 1, 2, 3]),
        (np.arange(4.0) * V, [0, 1000, 2000, 3000]),
        ([1 * mV, 2 * mV, 3 * mV, 1 * V], [1, 2, 3, 1000]),
        (jnp.arange(4, dtype=jnp.int32), [0, 1, 2, 3]),
        (lambda key, context: jnp.full(context.shape, context.dt), [0.1] * 4),
        (lambda key, context: 2 * V, 2000),
    ],
)
def test_a_slot_becomes_an_array(value, expected):
    array = resolve(value)
    assert isinstance(array, jax.Array) and array.dtype == jnp.float32
    np.testing.assert_allclose(array, np.float32(expected), rtol=1e-6)


def test_one_value_stays_one_value():
    assert resolve(3.0).shape == () and resolve(Normal(0, 1)).shape == (4,)


def test_float64_is_kept(x64):
    assert resolve(0.1, dtype=jnp.float64) == 0.1
    assert resolve(Normal(0.1, 0.0), dtype=jnp.float64)[0] == 0.1


def test_a_function_is_told_where_it_is():
    seen = []

    def value(key, context):
        seen.append(context)
        return jax.random.normal(key, context.shape)

    np.testing.assert_array_equal(resolve(value), jax.random.normal(KEY, (4,)))
    assert seen[0].path == "E.v" and seen[0].shape == (4,) and seen[0].dt == 0.1


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.zeros(3), ValueError, r"`E.v`: expected one value or an array of shape \(4,\), got \(3,\)"),
        (lambda key, context: jnp.zeros(7), ValueError, r"array of shape \(4,\), got \(7,\)"),
        (3 * ms, ValueError, r"`E.v`: expected a voltage \(mV\), got 3 ms"),
        (lambda key, context: 3 * ms, ValueError, r"`E.v`: expected a voltage \(mV\), got 3 ms"),
        (Normal(1 * ms, 1 * ms), ValueError, r"`E.v`: expected a voltage \(mV\), got 1 ms"),
        (Normal(0, -1), ValueError, "`E.v`: `std` of Normal must be >= 0, got -1"),
        (Normal(0, 1, low=2, high=1), ValueError, "`low` of Normal must be < `high`, got 2 and 1"),
        (LogNormal(0, 1), ValueError, "LogNormal needs `mean` > 0"),
        (Uniform(1, 0), ValueError, "`low` of Uniform must be <= `high`, got 1 and 0"),
        ("high", TypeError, r"`E.v`: expected a voltage \(mV\), got 'high'"),
        (None, TypeError, r"`E.v`: expected a voltage \(mV\), got None"),
    ],
)
def test_what_does_not_fit_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        resolve(value)


def test_zero_needs_no_unit():
    assert resolve(Normal(0, 2 * mV)).shape == (4,)
    assert (np.asarray(resolve(Normal(-1 * mV, 0.5 * mV, high=0), (100,))) <= 0).all()


def test_numpy_scalars_are_numbers():
    """A NumPy float64 is a strong type to JAX; here it is only a number."""
    for law in (
        Normal(np.float64(1), np.float64(2)),
        Normal(np.float64(1), np.float64(2), low=np.float64(0)),
        LogNormal(np.float64(1), np.float64(2)),
        Uniform(np.float64(1), np.float64(2)),
        Normal(np.float64(-55) * mV, np.float64(2) * mV),
    ):
        assert resolve(law).dtype == jnp.float32
        with jax.enable_x64(True):
            assert resolve(law).dtype == jnp.float32


class TestLaws:
    def draw(self, law, unit="nS"):
        sample = np.asarray(resolve(law, (50_000,), unit))
        assert sample.dtype == np.float32
        return sample

    def test_normal(self):
        assert stats.kstest(self.draw(Normal(3 * nS, 2 * nS)), stats.norm(3, 2).cdf).pvalue > ALPHA

    @pytest.mark.parametrize(("low", "high"), [(2, None), (None, 2.5), (2, 5)])
    def test_truncated_normal(self, low, high):
        sample = self.draw(Normal(3, 2, low=low, high=high))
        a = -np.inf if low is None else (low - 3) / 2
        b = np.inf if high is None else (high - 3) / 2
        assert stats.kstest(sample, stats.truncnorm(a, b, 3, 2).cdf).pvalue > ALPHA
        assert (low is None or sample.min() >= low) and (high is None or sample.max() <= high)

    def test_log_normal_is_given_by_its_own_moments(self):
        sample = self.draw(LogNormal(2, 1))
        variance = np.log1p(0.25)
        law = stats.lognorm(np.sqrt(variance), scale=2 * np.exp(-variance / 2))
        assert law.mean() == pytest.approx(2) and law.std() == pytest.approx(1)
        assert stats.kstest(sample, law.cdf).pvalue > ALPHA

    def test_uniform(self):
        assert stats.kstest(self.draw(Uniform(-1, 3)), stats.uniform(-1, 4).cdf).pvalue > ALPHA

    @pytest.mark.parametrize("law", [Normal(3, 0), Normal(3, 0, low=1, high=4), LogNormal(3, 0), Uniform(3, 3)])
    def test_without_spread(self, law):
        np.testing.assert_allclose(self.draw(law), 3, rtol=1e-6)

    def test_another_key_is_another_draw(self):
        other = resolve(Normal(0, 1), key=jax.random.key(1))
        assert (resolve(Normal(0, 1)) != other).all()
        np.testing.assert_array_equal(resolve(Normal(0, 1)), resolve(Normal(0, 1)))


@pytest.mark.parametrize(
    "law", [lambda: Normal(-55 * mV, 2), lambda: Uniform(-55, 2 * mV), lambda: LogNormal(3 * nS, 1)]
)
def test_a_unit_here_and_none_there_is_refused_at_once(law):
    with pytest.raises(ValueError, match="has no unit, but another argument has one"):
        law()
    assert Uniform(0, 2 * mV).high == 2 * mV


def test_a_one_sided_law_asks_for_no_infinite_deviate(monkeypatch):
    """erf is 1 in float32 from 5.4 on: its inverse there would be an infinite weight, once in 2^24 draws."""
    asked = []
    zeros = lambda key, low, high, shape, dtype: asked.append((low, high)) or jnp.zeros(shape, dtype)
    monkeypatch.setattr(jax.random, "truncated_normal", zeros)
    for bounds in (dict(low=-1.0), dict(high=1.0), dict(low=-30.0, high=2.0), dict(low=8.0)):
        Normal(0.0, 1.0, **bounds).sample(jax.random.key(0), (2,), jnp.float32)
    assert all(np.isfinite(asked).ravel()) and asked[0] == (-1.0, pytest.approx(5.42, abs=0.01))
    assert asked[1] == (pytest.approx(-5.42, abs=0.01), 1.0) and asked[2][1] == 2.0 and asked[3][0] == 8.0


@pytest.mark.parametrize("law", [Normal(1.0, 0.5), Normal(1.0, 0.5, low=0.8), LogNormal(2.0, 1.0), Uniform(-1.0, 3.0)])
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (8,), (1000,), (13, 5), (3, 1, 4)])
def test_draws_do_not_depend_on_how_many_are_made(law, shape):
    """What is drawn at build time, of a round number of draws, is what the law draws, and what it draws under jit."""

    def drawn(key):
        return resolve(law, shape, key=key)

    for same in (law.sample(KEY, shape, jnp.float32), jax.jit(drawn)(KEY)):
        np.testing.assert_allclose(drawn(KEY), same, rtol=1e-6, atol=1e-6)  # vectors may round unlike what is left over


def test_networks_of_many_sizes_draw_a_few_numbers_of_values():
    rooms = {values._room(size) for size in range(1, 5000)}
    assert len(rooms) == 14 and all(values._room(size) >= size for size in range(3000))
    for size in (values.MANY + 1, 3_000_000, 12_345_678):
        assert size <= values._room(size) <= size * 9 / 8


def test_a_law_that_ignores_the_shape_is_named():
    class Constant(values.Distribution):
        def stripped(self, name, unit):
            return self

        def sample(self, key, shape, dtype):
            return jnp.ones((), dtype)

        def __repr__(self):
            return "Constant()"

    with pytest.raises(ValueError, match=r"`E.v`: expected draws of shape \(4,\) from Constant\(\), got \(\)"):
        resolve(Constant())
