"""The event-driven network: spike times against closed forms, gradients against finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from brainsim.train.gradients.eventprop_exact import EventDriven, Wiring


def small(seed, n_in=3, n=2):
    """A recurrent network of 2 neurons and 8 input spikes, all of them random."""
    rng = np.random.default_rng(seed)
    wiring = Wiring(
        rng.uniform(1.5, 4, (n_in, n)),
        rng.uniform(0, 6, (n_in, n)),
        rng.normal(0, 1.2, (n, n)),
        rng.uniform(1, 8, (n, n)),
    )
    return (
        Wiring(*map(jnp.asarray, wiring)),
        jnp.asarray(np.sort(rng.uniform(0, 30, 8))),
        jnp.asarray(rng.integers(0, n_in, 8)),
    )


@pytest.mark.parametrize(("tau_mem", "time"), [(2.0, 0.599433), (1.0, 0.354474)])
def test_the_first_spike_is_that_of_the_closed_form(x64, tau_mem, time):
    """Goeltz et al. 2021 for tau_mem = 2 tau_syn and for tau_mem = tau_syn, evaluated in Python."""
    wiring = Wiring(jnp.array([[1.2], [1.0], [0.8]]), jnp.zeros((3, 1)), jnp.zeros((1, 1)), jnp.ones((1, 1)))
    net = EventDriven(tau_mem, 1.0, 0.35, duration=20.0, max_spikes=4)
    spikes = net(wiring, jnp.array([0.0, 0.3, 0.7]), jnp.arange(3))
    assert float(spikes.t[0]) == pytest.approx(time, abs=1e-6)


NET = EventDriven(duration=60.0, max_spikes=24)


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def value(wiring, times, ids):
    """A random loss on all spike times, and the number of spikes."""
    t, neuron, _ = NET(wiring, times, ids)
    weights = jnp.array([1.0, -0.7])
    return jnp.sum(jnp.where(neuron >= 0, weights[neuron] * (t / 10) ** 2, 0)), jnp.sum(neuron >= 0)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_gradients_are_finite_differences(x64, seed):
    """To weights and delays of inputs and of recurrent synapses, and to input times; no spike appears or vanishes."""
    wiring, times, ids = small(seed)
    flat, unravel = ravel_pytree((wiring, times))
    shifted = jnp.concatenate([flat[None], flat + 1e-5 * jnp.eye(len(flat)), flat - 1e-5 * jnp.eye(len(flat))])
    values, counts = value(*jax.vmap(unravel)(shifted), ids)
    slopes = jax.jit(jax.grad(lambda x: value(*jax.tree.map(lambda leaf: leaf[None], unravel(x)), ids)[0][0]))(flat)
    up, down = np.split(np.asarray(values[1:]), 2)
    assert bool(NET(wiring, times, ids).complete) and counts[0] >= 4 and bool(jnp.all(counts == counts[0]))
    (slopes, early), (wanted, wanted_early) = unravel(slopes), unravel(jnp.asarray((up - down) / 2e-5))
    for name, got, expected in zip((*Wiring._fields, "times"), (*slopes, early), (*wanted, wanted_early), strict=True):
        largest = np.abs(expected).max()
        assert largest > 1e-3, name
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 * largest, err_msg=name)


def test_too_few_places_for_spikes_are_told(x64):
    wiring, times, ids = small(0)
    assert not bool(EventDriven(duration=60.0, max_spikes=2)(wiring, times, ids).complete)
