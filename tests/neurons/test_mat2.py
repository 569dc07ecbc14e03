"""MAT2: Kobayashi et al.'s update by NumPy, spike for spike; nothing resets v."""

import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive
from brainsim.neurons import MAT2
from brainsim.units import mV


def by_numpy(current, dt):
    """v relative to rest, and both thresholds, exact on the grid; a spike where 2 ms have passed since the last."""
    decay, fall = np.exp(-dt / 5), np.exp(-dt / np.array([10.0, 200.0]))
    v, theta, last, spikes, voltages = 0.0, np.zeros(2), -1000, [], []
    for k, i in enumerate(current):
        v = v * decay + i * 5 / 100 * (1 - decay)
        theta = theta * fall
        if v >= 19 + theta.sum() and k - last > round(2 / dt):
            theta, last = theta + (37, 2), k
            spikes.append(k)
        voltages.append(v - 70)
    return np.array(spikes), np.array(voltages)


def test_the_published_update(sim, x64):
    dt, rng = 0.1, np.random.default_rng(0)
    current = np.repeat(rng.uniform(0, 1500, 100), 50)
    neuron = sim.build(MAT2(), dt=dt, dtype=jnp.float64)
    drive = Drive(current=jnp.asarray(current[:, None]))
    _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), drive)
    spikes, voltages = by_numpy(current, dt)
    assert len(spikes) > 15
    np.testing.assert_array_equal(np.flatnonzero(out[:, 0]), spikes)
    np.testing.assert_allclose(states.v[:, 0], voltages, rtol=1e-12)


@pytest.mark.parametrize("precise", [False, True])
def test_a_jump_is_not_lost_while_refractory(precise, sim):
    neuron = sim.build(MAT2(v_rest=0 * mV, v_th=10 * mV, precise_times=precise), dt=1.0)
    jump = jnp.zeros((4, 1)).at[0].set(20.0).at[1].set(5.0)
    _, (states, out) = sim.run(neuron, sim.start(neuron), Drive(jump=jump), dt=1.0)
    np.testing.assert_array_equal(out[:, 0], [1, 0, 0, 0])
    np.testing.assert_allclose(states.v[:2, 0], [20, 20 * np.exp(-0.2) + 5], rtol=1e-6)


def test_precise_times_without_a_reset(sim, x64):
    """A threshold crossed while refractory fires when that ends; times approach those of 32 times smaller steps."""
    found = []
    for dt in (0.25, 0.25 / 32):
        neuron = MAT2(alpha_1=2 * mV, t_ref=2.5, i_bias=800.0, precise_times=True)
        neuron = sim.build(neuron, dt=dt, dtype=jnp.float64)
        _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), dt=dt, steps=round(60 / dt))
        steps = np.flatnonzero(out[:, 0])
        found.append((steps + 1) * dt - np.asarray(states.spike_offset)[steps, 0])
    assert len(found[0]) == len(found[1]) > 8 and abs(np.diff(found[0])[0] - 2.5) < 1e-9
    np.testing.assert_allclose(found[0], found[1], atol=0.02)
