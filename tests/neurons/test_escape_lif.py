"""EscapeLIF: at a constant voltage a Poisson process of the stated rate, and the gradient of its mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from brainsim._types import Drive
from brainsim.neurons import EscapeLIF
from brainsim.units import Hz, ms, mV

N, STEPS, DT = 400, 4000, 0.5


def held(sim, v, **options):
    """Neurons whose v stays where it starts: no leak to speak of, no reset."""
    neuron = sim.build(EscapeLIF(1e9 * ms, v_th=1.0, reset="none", width=0.2 * mV, **options), N, dt=DT)
    return neuron, sim.start(neuron, N, init={"v": v})


def test_a_constant_voltage_is_a_poisson_process(sim):
    """Counts have the mean and variance of independent draws; the intervals are geometric."""
    neuron, state = held(sim, 0.8 * mV, rate_th=30 * Hz)
    _, (_, out) = sim.run(neuron, state, dt=DT, steps=STEPS)
    out = np.asarray(out)
    rate = 30e-3 * np.exp((0.8 - 1) / 0.2)
    chance = -np.expm1(-rate * DT)
    counts, mean, variance = out.sum(0), STEPS * chance, STEPS * chance * (1 - chance)
    assert abs(counts.mean() - mean) < 4 * np.sqrt(variance / N)
    assert abs(counts.var() / variance - 1) < 4 * np.sqrt(2 / N)
    intervals = np.diff(np.flatnonzero(out.T))  # end to end: what has no memory does not see the seams
    spread = intervals - np.random.default_rng(0).random(intervals.size)  # geometric to exponential, cell by cell
    assert kstest(spread * rate * DT, "expon").pvalue > 0.01
    assert abs(np.corrcoef(out[:, 0], out[:, 1])[0, 1]) < 4 / np.sqrt(STEPS)


def test_survival_follows_the_hazard_of_a_moving_voltage(sim):
    """The first spike of v = 1 - exp(-t / tau): P(none until t) = exp(-integral of h)."""
    neuron = sim.build(EscapeLIF(20 * ms, width=0.2 * mV, rate_th=100 * Hz, i_bias=1.0, reset="none"), 4000, dt=DT)
    _, (states, out) = sim.run(neuron, sim.start(neuron, 4000), dt=DT, steps=100)
    v = 1 - np.exp(-DT * np.arange(1, 101) / 20)
    survived = np.exp(-np.cumsum(0.1 * np.exp((v - 1) / 0.2)) * DT)
    np.testing.assert_allclose(states.v[:, 0], v, rtol=1e-5)
    found = 1 - np.maximum.accumulate(np.asarray(out), axis=0).mean(1)
    assert (np.abs(found - survived) < 4 * np.sqrt(survived * (1 - survived) / 4000) + 1e-9).all()


def test_the_gradient_is_that_of_the_mean_number_of_spikes(sim):
    """One step: d E[s] / dv = h dt exp(-h dt) / width, whatever was drawn."""
    neuron, state = held(sim, 0.9 * mV, rate_th=500 * Hz)

    def spikes(v):
        return sim.run(neuron, state.replace(v=v), dt=DT, steps=1)[1][1].sum()

    h = 0.5 * np.exp((0.9 - 1) / 0.2) * DT
    np.testing.assert_allclose(jax.grad(spikes)(jnp.full(N, 0.9)), h * np.exp(-h) / 0.2, rtol=1e-4)


def test_a_drawn_spike_needs_a_stream(sim):
    neuron, state = held(sim, 0.0)
    with pytest.raises(ValueError, match="`key`: EscapeLIF draws its spikes and needs a random stream"):
        neuron.step(state, Drive(), DT)
