"""Resonate-and-fire: it prefers pulses at its own rhythm, and the reset; BRF by the published loop in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive
from brainsim.neurons import BRF, ResonateAndFire
from brainsim.units import Hz, ms


def pulses(times, dt, steps, size):
    jump = np.zeros((steps, 1))
    jump[np.round(np.array(times) / dt).astype(int)] = size
    return Drive(jump=jnp.asarray(jump))


@pytest.mark.parametrize(("interval", "fires"), [(25.0, True), (12.5, False), (37.5, False)])
def test_a_doublet_must_come_at_the_period(interval, fires, sim, x64):
    """Two pulses that alone are too weak fire one period apart (25 ms at 40 Hz), and not half a period off."""
    neuron = sim.build(ResonateAndFire(40 * Hz, 100 * ms), dt=0.5, dtype=jnp.float64)
    drive = pulses([0, interval], 0.5, 200, 0.8)
    _, (_, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), drive, dt=0.5)
    assert bool(out.any()) == fires


def test_reset_to_j_and_the_damped_turn_from_there(sim, x64):
    neuron = sim.build(ResonateAndFire(40 * Hz, 10 * ms), dt=0.5, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64, init={"v": 2.0, "i": 3.0})
    _, (states, out) = sim.run(neuron, state, dt=0.5, steps=30)
    first = int(np.argmax(out[:, 0]))
    assert first == 0 and states.v[0, 0] == 1.0 and states.i[0, 0] == 0.0
    t = 0.5 * np.arange(30)
    z = 1j * np.exp((-1 / 10 + 2j * np.pi * 0.04) * t)
    np.testing.assert_allclose(states.v[:, 0], z.imag, atol=1e-13)
    np.testing.assert_allclose(states.i[:, 0], z.real, atol=1e-13)
    assert not out[1:].any()


def test_the_published_loop_of_the_balanced_neuron(sim, x64):
    """Higuchi et al. (2024), steps of 10 ms: u, v, q and spikes."""
    omega, b_offset, dt, steps = np.array([5.0, 20.0, 60.0]), np.array([0.1, 1.0, 2.0]), 0.01, 400
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps, 3)) * 60
    u = v = q = np.zeros(3)
    spikes = []
    for row in x:
        b = (-1 + np.sqrt(1 - (dt * omega) ** 2)) / dt - b_offset - q
        u, v = u + dt * (b * u - omega * v + row), v + dt * (omega * u + b * v)
        z = (u - 1 - q > 0).astype(float)
        q = 0.9 * q + z
        spikes.append(z)
    neuron = sim.build(BRF(omega, b_offset), 3, dt=10.0, dtype=jnp.float64)
    last, (_, out) = sim.run(neuron, sim.start(neuron, 3, dtype=jnp.float64), Drive(jump=jnp.asarray(x)), dt=10.0)
    np.testing.assert_array_equal(out, spikes)
    assert 5 < np.sum(spikes) < steps
    for field, value in (("u", u), ("v", v), ("q", q)):
        np.testing.assert_allclose(getattr(last, field), value, rtol=1e-10)
    with pytest.raises(ValueError, match=r"`omega` must be <= 1/dt = 100 rad/s, got max 120"):
        sim.build(BRF(120.0), dt=10.0)


def test_a_conductance_is_refused_where_there_is_no_voltage_for_it(sim):
    load = Drive(conductance=jnp.ones(1), reversal=jnp.zeros(1))
    for neuron in (sim.build(ResonateAndFire()), sim.build(BRF())):
        with pytest.raises(ValueError, match=f"`conductance`: {type(neuron).__name__} takes"):
            neuron.step(sim.start(neuron), load, 0.1)
