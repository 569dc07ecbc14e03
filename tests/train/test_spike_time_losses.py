"""Losses of spike times against NumPy, and the signs of their derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.train.losses.spike_times import require_spike_times, time_to_first_spike
from brainsim.units import ms

FIRST = np.array([[3, 7, 19], [10, 2, 11]])  # step of the first spike; neuron 2 of trial 0 never spikes
OUT = np.zeros((20, 2, 3), np.float32)
for trial, neuron in np.ndindex(2, 3):
    if FIRST[trial, neuron] < 19:
        OUT[[FIRST[trial, neuron], FIRST[trial, neuron] + 5], trial, neuron] = 1
Y = np.array([1, 0])
LOSS = functools.partial(time_to_first_spike, tau=2 * ms, tau_late=6 * ms, weight=0.1, dt=0.5 * ms)


def test_it_is_the_formula_of_the_paper():
    times = (FIRST + 1) * 0.5
    own = times[np.arange(2), Y]
    softmax = np.exp(-own / 2) / np.exp(-times / 2).sum(axis=1)
    expected = np.mean(-np.log(softmax) + 0.1 * (np.exp(own / 6) - 1))
    assert float(LOSS(jnp.asarray(OUT), Y)) == pytest.approx(expected, rel=1e-6)


def test_the_derivative_is_at_first_spikes_and_calls_for_the_right_order():
    """dL/ds = -dt dL/dt: negative where an earlier spike lowers the loss."""
    slope = np.array(jax.grad(lambda out: LOSS(out, Y))(jnp.asarray(OUT)))
    at = slope[FIRST, np.arange(2)[:, None], np.arange(3)]
    assert (at[np.arange(2), Y] < 0).all() and (np.delete(at[0], 1) > 0).all() and (np.delete(at[1], 0) > 0).all()
    slope[FIRST, np.arange(2)[:, None], np.arange(3)] = 0
    assert not slope.any()


def test_steps_after_the_end_do_not_count():
    out = jnp.asarray(OUT)
    padded = jnp.concatenate([out, jnp.ones((4, 2, 3))])
    assert float(LOSS(padded, Y, jnp.array([20, 20]))) == pytest.approx(float(LOSS(out, Y)), rel=1e-6)


def test_only_losses_of_spike_times_are_taken_for_such():
    require_spike_times(LOSS)
    require_spike_times(functools.partial(bs.losses.first_spike, tau=1 * ms))
    require_spike_times(lambda out, y, mask=None: jnp.sum(out))
    with pytest.raises(ValueError, match="needs a loss of spike times .*, got ce_count"):
        require_spike_times(bs.losses.ce_count)
    with pytest.raises(ValueError, match="`tau_late` must be > 0"):
        time_to_first_spike(jnp.asarray(OUT), Y, tau_late=0 * ms)
