"""Encoders: the rate code's mean, the latency code's closed form and order, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim.datasets import encode
from brainsim.units import ms, mV


def test_rate_has_the_intensity_as_its_mean_and_depends_on_the_key():
    x = np.array([0.0, 0.1, 0.5, 1.0], np.float32)
    spikes = np.asarray(encode.rate(x, 4000, jax.random.key(3)))
    assert spikes.shape == (4000, 4) and spikes.dtype == np.float32 and set(np.unique(spikes)) == {0.0, 1.0}
    error = np.abs(spikes.mean(0) - x)
    assert error[0] == error[3] == 0.0
    assert (error <= 4 * np.sqrt(x * (1 - x) / 4000)).all()
    assert not np.array_equal(spikes, encode.rate(x, 4000, jax.random.key(4)))


def test_latency_is_the_closed_form_step():
    x = np.array([0.05, 0.2, 0.21, 0.5, 1.0])
    spikes = np.asarray(encode.latency(x, 40, dt=0.5 * ms, tau=4 * ms, threshold=0.2))
    np.testing.assert_array_equal(spikes[:, :2], 0.0)
    expected = np.floor(4 * np.log(x[2:] / (x[2:] - 0.2)) / 0.5).astype(int)
    np.testing.assert_array_equal(spikes[:, 2:].argmax(0), expected)
    np.testing.assert_array_equal(spikes[:, 2:].sum(0), 1.0)


def test_a_stronger_intensity_never_fires_later():
    x = np.linspace(0.02, 1, 50)
    spikes = np.asarray(encode.latency(x, 64, dt=0.25, tau=5.0, threshold=0.1))
    assert (spikes.sum(0) <= 1).all()
    first = np.where(spikes.any(0), spikes.argmax(0), 64)
    assert (np.diff(first) <= 0).all() and len(np.unique(first)) > 10


def test_linear_latency_fills_the_steps():
    x = np.array([1.0, 0.75, 0.5, 0.02, 0.01])
    spikes = np.asarray(encode.latency(x, 5, dt=0.5 * ms, tau=2 * ms, linear=True))
    np.testing.assert_array_equal(spikes[:, :4].argmax(0), [0, 1, 2, 3])
    np.testing.assert_array_equal(spikes.sum(0), [1, 1, 1, 1, 0])


def test_delta_is_the_sign_of_a_large_change():
    x = np.array([[0.5, 0.0], [0.75, 0.25], [0.25, 0.25], [0.5, -1.0]])
    np.testing.assert_array_equal(encode.delta(x, 0.25), [[0, 0], [1, 1], [0, 0], [1, 0]])
    np.testing.assert_array_equal(encode.delta(x, 0.25, off=True), [[0, 0], [1, 1], [-1, 0], [1, -1]])


def test_population_is_a_row_of_gaussians():
    x = np.array([-1.0, 0.3, 2.0])
    found = encode.population(x, 4, low=-1.0, high=2.0, width=0.5)
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found, np.exp(-((x[:, None] - [-1.0, 0.0, 1.0, 2.0]) ** 2) / (2 * 0.5**2)), rtol=1e-5)
    assert encode.rate(found, 3, jax.random.key(0)).shape == (3, 3, 4)


def test_a_latency_beyond_the_window_gives_no_spike():
    assert not np.asarray(encode.latency(np.array([0.011]), 3, dt=1.0, tau=5.0)).any()


def test_constant_repeats():
    out = encode.constant(np.array([[1, 2]]), 3)
    assert out.shape == (3, 1, 2) and jnp.issubdtype(out.dtype, jnp.floating)
    np.testing.assert_array_equal(out, np.broadcast_to([[1.0, 2.0]], (3, 1, 2)))


def test_what_is_refused():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="`x` must be <= 1"):
        encode.rate(np.array([2.0]), 5, key)
    with pytest.raises(ValueError, match="`tau`: expected a time"):
        encode.latency(np.array([0.5]), 5, dt=1.0, tau=3 * mV)
    with pytest.raises(ValueError, match="`threshold`"):
        encode.latency(np.array([0.5]), 5, dt=1.0, threshold=1.0)
    with pytest.raises(ValueError, match="`threshold` must be > 0"):
        encode.delta(np.array([0.5]), 0.0)
    with pytest.raises(ValueError, match="`n` must be >= 2"):
        encode.population(np.array([0.5]), 1)
