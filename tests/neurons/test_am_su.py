"""AMSU: without modulation it is LIF, its trace in closed form, and what each modulation does to a spike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive
from brainsim.neurons import AMSU, LIF
from brainsim.units import ms

DT = 1.0
MODULATIONS = ["current", "gain", "threshold"]


def run(sim, neuron, x, dtype=jnp.float32, **init):
    built = sim.build(neuron, x.shape[1], dt=DT, dtype=dtype)
    state = sim.start(built, x.shape[1], dtype=dtype, init=init)
    return sim.run(built, state, Drive(jump=jnp.asarray(x, dtype)), dt=DT)[1]


@pytest.mark.parametrize("reset", ["value", "subtract"])
@pytest.mark.parametrize("modulation", MODULATIONS)
def test_without_strength_it_is_lif_bit_by_bit(modulation, reset, sim):
    x = np.random.default_rng(0).random((80, 5))
    states, spikes = run(sim, AMSU(g_astro=0.0, modulation=modulation, reset=reset), x)
    expected, same = run(sim, LIF(reset=reset), x)
    assert 0.1 < spikes.mean() < 0.9
    np.testing.assert_array_equal(spikes, same)
    np.testing.assert_array_equal(states.v, expected.v)


def test_trace_of_one_spike_and_of_a_steady_rate(sim, x64):
    """a(t) = (1 - kappa) kappa^(t - t0) r after one spike, half of it after tau ln 2; -> r f at the rate f."""
    kappa, x = np.exp(-1 / 8), np.zeros((30, 1))
    x[2] = 5.0
    states, spikes = run(sim, AMSU(tau_astro=8 * ms, r_astro=3.0, g_astro=0.0), x, jnp.float64)
    assert spikes.sum() == 1
    after = np.asarray(states.a)[2:, 0]
    np.testing.assert_allclose(after, 3 * (1 - kappa) * kappa ** np.arange(28), rtol=1e-12)
    np.testing.assert_allclose(np.interp(8 * np.log(2), np.arange(28), after), after[0] / 2, rtol=2e-3)
    states, spikes = run(sim, AMSU(tau_astro=8 * ms, r_astro=3.0, g_astro=0.0), np.full((200, 1), 5.0), jnp.float64)
    assert spikes.all()
    np.testing.assert_allclose(3 - states.a[:, 0], 3 * kappa ** np.arange(1, 201), rtol=1e-9, atol=1e-12)
    states, _ = run(sim, AMSU(tau_astro=1e-3 * ms, r_astro=3.0, g_astro=0.0), x, jnp.float64)
    np.testing.assert_allclose(states.a[:, 0], 3 * (np.arange(30) == 2), atol=1e-12)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_what_is_modulated(modulation, sim, x64):
    """One step from v = 0 with a trace of 0.5 and g = 0.4, against the equation."""
    neuron, a, g, x = AMSU(modulation=modulation, g_astro=0.4), 0.5, 0.4, 0.85
    states, spikes = run(sim, neuron, np.full((1, 1), x), jnp.float64, a=a)
    v = {"current": x + g * a, "gain": x * (1 + g * np.tanh(a)), "threshold": x}[modulation]
    fires = v >= (1 - g * a if modulation == "threshold" else 1)
    assert fires and spikes[0, 0] == 1 and states.v[0, 0] == 0
    _, spikes = run(sim, neuron, np.full((1, 1), x), jnp.float64, a=0.0)
    assert spikes[0, 0] == 0
    states, _ = run(sim, neuron, np.full((1, 1), x / 2), jnp.float64, a=a)
    half = {"current": x / 2 + g * a, "gain": x / 2 * (1 + g * np.tanh(a)), "threshold": x / 2}[modulation]
    np.testing.assert_allclose(states.v, half, rtol=1e-12)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_gradient_reaches_back_through_the_trace(modulation, sim):
    """A spike at the start, silence, and a probe 299 steps later: v has long forgotten, the trace has not."""
    neuron = sim.build(AMSU(tau_mem=5 * ms, modulation=modulation, surrogate="fast_sigmoid"), 1, dt=DT)
    state = sim.start(neuron, 1)
    x = jnp.zeros((300, 1)).at[0].set(1.1).at[-1].set(0.9)

    def late(x, neuron):
        return sim.run(neuron, state, Drive(jump=x), dt=DT)[1][1][-1].sum()

    slope, by = jax.grad(late, argnums=(0, 1))(x, neuron)
    g, kappa, h = 0.1, np.exp(-1 / 500), lambda x: 1 / (1 + 25 * np.abs(x)) ** 2
    a = kappa**298 * (1 - kappa)
    summed = 1 / (1 - np.exp(-1 / 5) / kappa) if modulation == "current" else 1  # v gathers m over its time constant
    push = 0.9 * g * np.tanh(a) if modulation == "gain" else g * a * summed
    by_a = 0.9 * g / np.cosh(a) ** 2 if modulation == "gain" else g * summed
    np.testing.assert_allclose(slope[0, 0], h(push - 0.1) * by_a * a * h(0.1), rtol=1e-3)
    np.testing.assert_allclose(by.g_astro, h(push - 0.1) * push / g, rtol=1e-3)
    assert by.tau_astro != 0
