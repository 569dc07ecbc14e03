"""Surrogates: their areas, peaks and values, and the step they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from brainsim._types import Drive
from brainsim.neurons import (
    LIF,
    Arctan,
    Custom,
    FastSigmoid,
    OfVoltage,
    Sigmoid,
    Slayer,
    StraightThrough,
    Triangle,
)

ALL = [
    Arctan(),
    FastSigmoid(),
    Triangle(),
    Sigmoid(),
    Slayer(),
    StraightThrough(),
    Custom(jnp.cos),
    OfVoltage(Sigmoid(), 3.0),
]


def slope(surrogate, x):
    return float(jax.grad(surrogate)(jnp.asarray(x)))


@pytest.mark.parametrize("surrogate", ALL, ids=lambda s: type(s).__name__)
class TestStep:
    def test_a_spike_where_x_is_not_negative(self, surrogate):
        x = jnp.array([-1.0, -1e-30, 0.0, 1e-30, 2.0, jnp.nan])
        np.testing.assert_array_equal(surrogate(x), [0, 0, 1, 1, 1, 0])

    def test_keeps_the_dtype(self, surrogate, x64):
        for dtype in (jnp.float32, jnp.float64):
            x = jnp.zeros(3, dtype)
            assert surrogate(x).dtype == dtype
            assert jax.jvp(surrogate, (x,), (x,))[1].dtype == dtype

    def test_gradient_is_the_derivative_forward_reverse_and_batched(self, surrogate):
        x = jnp.linspace(-1.5, 1.5, 7)
        expected = surrogate.derivative(x)
        np.testing.assert_array_equal(jax.vmap(jax.grad(surrogate))(x), expected)
        np.testing.assert_array_equal(jax.jvp(surrogate, (x,), (jnp.ones_like(x),))[1], expected)

    def test_is_a_hashable_value(self, surrogate):
        assert hash(surrogate) == hash(surrogate) and surrogate == surrogate


@pytest.mark.parametrize(
    ("surrogate", "peak", "area"),
    [
        (Arctan(), 1.0, 1.0),
        (Arctan(5.0), 2.5, 1.0),
        (FastSigmoid(), 1.0, 2 / 25),
        (FastSigmoid(4.0), 1.0, 2 / 4),
        (Triangle(), 0.3, 0.3),
        (Sigmoid(), 25 / 4, 1.0),
        (Sigmoid(3.0), 3 / 4, 1.0),
        (Slayer(), 1.0, 0.4),
        (Slayer(2.0, 1.5), 1.5, 1.5),
        (OfVoltage(FastSigmoid(4.0), 10.0), 10.0, 2 / 4),
    ],
)
def test_peak_and_area(surrogate, peak, area, x64):
    def half(x):
        return float(surrogate.derivative(jnp.asarray(x, jnp.float64)))

    whole = 2 * (quad(half, 0, 1, limit=200)[0] + quad(half, 1, np.inf, limit=200)[0])
    np.testing.assert_allclose(half(0.0), peak, rtol=1e-12)
    np.testing.assert_allclose(whole, area, rtol=1e-7)


def test_values_against_the_formulas(x64):
    x = 0.13
    np.testing.assert_allclose(slope(Arctan(2.0), x), 1 / (1 + (np.pi * x) ** 2), rtol=1e-12)
    np.testing.assert_allclose(slope(FastSigmoid(25.0), -x), 1 / (1 + 25 * x) ** 2, rtol=1e-12)
    np.testing.assert_allclose(slope(Triangle(0.3), x), 0.3 * (1 - x), rtol=1e-12)
    np.testing.assert_allclose(slope(Sigmoid(25.0), x), 25 * np.exp(-25 * x) / (1 + np.exp(-25 * x)) ** 2, rtol=1e-12)
    assert slope(StraightThrough(), 7.0) == 1.0
    assert slope(Triangle(), 1.5) == 0.0
    assert slope(Sigmoid(), 1e4) == 0.0


def test_names_functions_and_objects_of_a_neuron(sim):
    assert LIF().surrogate == Arctan(2.0)
    assert LIF(surrogate="fast_sigmoid").surrogate == FastSigmoid(25.0)
    assert LIF(surrogate=Sigmoid(3.0)).surrogate == Sigmoid(3.0)
    assert LIF(surrogate=jnp.cos).surrogate == Custom(jnp.cos)
    with pytest.raises(ValueError, match='`surrogate`: expected one of "atan", "fast_sigmoid"'):
        LIF(surrogate="boxcar")
    with pytest.raises(ValueError, match="`k` must be > 0"):
        FastSigmoid(0.0)


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_the_neuron_sees_normalised_overdrive(sim, scale):
    """The same model in units of 1 mV and of 50 mV has the same gradient per normalised voltage."""
    neuron = sim.build(LIF(v_th=scale, v_reset=0.0, surrogate="fast_sigmoid"))
    state = sim.start(neuron)

    def spikes(v):
        return neuron.step(state.replace(v=v), Drive(), 0.1)[1].sum()

    slope_in_units = jax.grad(spikes)(jnp.full(1, 0.9 * scale)) * scale
    decay = np.exp(-0.1 / 20)
    np.testing.assert_allclose(slope_in_units, decay / (1 + 25 * abs(0.9 * decay - 1)) ** 2, rtol=1e-4)
