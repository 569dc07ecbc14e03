"""The leaky astrocyte against the published code's update, and its closed form."""

import jax.numpy as jnp
import numpy as np

import brainsim as bs
from brainsim._types import Drive
from brainsim.neurons import LeakyAstrocyte
from brainsim.units import ms, mV


def test_the_published_update_with_fading_step_by_step(sim, x64):
    """A, w_a and b_a are all multiplied by 0.99 at the end of every 1 ms, as in the second phase of the original."""
    counts = np.random.default_rng(0).integers(-30, 60, (200, 1)).astype(float)
    neuron = LeakyAstrocyte(100 * ms, 0.015, 0.15, tau_fade=-1 / np.log(0.99) * ms, leak="paper")
    built = sim.build(neuron, dt=1.0, dtype=jnp.float64)
    _, (states, a) = sim.run(built, sim.start(built, dtype=jnp.float64), Drive(jump=jnp.asarray(counts)), dt=1.0)
    level, w, b, expected = 0.15, 0.015, 0.15, []
    for x in counts[:, 0]:
        level = (level + (-level + w * x + b) / 100.0) * 0.99
        w, b = w * 0.99, b * 0.99
        expected.append(level)
    np.testing.assert_allclose(a[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(states.fade[:, 0], 0.99 ** np.arange(1, 201), rtol=1e-12)


def test_the_exact_leak_does_not_depend_on_the_step(sim, x64):
    ends = []
    for dt in (0.1, 1.0, 5.0):
        built = sim.build(LeakyAstrocyte(), dt=dt, dtype=jnp.float64)
        jump = np.zeros((round(50 / dt), 1))
        jump[round(10 / dt) - 1] = 40.0
        last, _ = sim.run(built, sim.start(built, dtype=jnp.float64), Drive(jump=jnp.asarray(jump)), dt=dt)
        ends.append(float(last.level[0]))
    np.testing.assert_allclose(ends, 0.15 + 40 * 0.015 / 100 * np.exp(-0.4), rtol=1e-13)


def test_it_counts_a_liquid_against_its_input_within_the_step():
    """Delay 0: the level after a step has the spikes of that step, +1 each from the liquid and -1 from the input."""
    net = bs.Network(
        {"in": bs.Input(20), "liquid": bs.Population(30, bs.LIF(64 * ms, v_th=20 * mV)),
         "astro": bs.Population(1, LeakyAstrocyte(leak="paper"))},
        [
            bs.Projection("in", "liquid", bs.FixedProbability(0.5), 8 * mV),
            bs.Projection("liquid", "astro", bs.AllToAll(), 1 * mV, delay=0 * ms),
            bs.Projection("in", "astro", bs.AllToAll(), -1 * mV, delay=0 * ms),
        ],
        dt=1 * ms,
        outputs="astro",
    )  # fmt: skip
    xs = (np.random.default_rng(1).random((60, 20)) < 0.1).astype(np.float32)
    run = bs.run(net, {"in": xs}, record=["liquid.spikes", "astro.level"])
    level, expected = 0.15, []
    for x in np.asarray(run.records["liquid.spikes"]).sum(1) - xs.sum(1):
        level += (0.15 - level + 0.015 * x) / 100
        expected.append(level)
    assert run.records["liquid.spikes"].sum() > 50
    np.testing.assert_allclose(run.out[:, 0], expected, rtol=1e-5)
    np.testing.assert_array_equal(run.out, run.records["astro.level"])
