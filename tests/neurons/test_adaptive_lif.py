"""AdaptiveLIF against a NumPy loop of its equations, and what adaptation does."""

import jax.numpy as jnp
import numpy as np

from brainsim._types import Drive
from brainsim.neurons import LIF, AdaptiveLIF


def test_against_a_loop_of_its_equations(sim, x64):
    x = np.random.default_rng(0).normal(0.3, 0.4, (400, 5))
    alpha, rho, v, a, spikes = np.exp(-1 / 20), np.exp(-1 / 50), np.zeros(5), np.zeros(5), []
    for row in x:
        v, a = alpha * v + row, rho * a
        spike = v >= 1 + 0.3 * a
        v, a = v - spike, a + spike
        spikes.append(spike)
    lif = AdaptiveLIF(20, tau_adapt=50, beta_adapt=0.3, reset="subtract")
    neuron = sim.build(lif, 5, dt=1.0, dtype=jnp.float64)
    last, (_, out) = sim.run(neuron, sim.start(neuron, 5, dtype=jnp.float64), Drive(jump=jnp.asarray(x)), dt=1.0)
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(last.a, a, rtol=1e-12)
    np.testing.assert_allclose(last.v, v, rtol=1e-9, atol=1e-12)


def test_intervals_grow_and_beta_zero_is_a_lif(sim):
    for lif, adapts in ((AdaptiveLIF(i_bias=3.0), True), (AdaptiveLIF(i_bias=3.0, beta_adapt=0.0), False)):
        neuron = sim.build(lif)
        _, (_, out) = sim.run(neuron, sim.start(neuron), steps=3000)
        intervals = np.diff(np.flatnonzero(out[:, 0]))
        assert (intervals[-1] > 1.5 * intervals[0]) == adapts
    plain = sim.build(LIF(i_bias=3.0))
    np.testing.assert_array_equal(out, sim.run(plain, sim.start(plain), steps=3000)[1][1])
