"""QIF: the f-I curve in closed form, and its rheobase."""

import jax.numpy as jnp
import numpy as np

from brainsim.neurons import QIF
from brainsim.units import ms, pA


def test_f_i_curve(sim, x64):
    """Intervals of the closed form, by precise times to a thousandth of a step, on the grid within a step."""
    tau, k, rest, crit, v_th, v_reset, t_ref = 10.0, 1 / 15, -65.0, -50.0, -30.0, -65.0, 2.0
    currents, dt = np.array([4.0, 6.0, 10.0, 30.0]), 0.02
    excess, middle = currents - k * (crit - rest) ** 2 / 4, (rest + crit) / 2
    turn = lambda v: np.arctan(np.sqrt(k / excess) * (v - middle))
    truth = t_ref + tau / np.sqrt(k * excess) * (turn(v_th) - turn(v_reset))
    for precise in (True, False):
        neuron = QIF(t_ref=t_ref, i_bias=currents * pA, integrator="rk4", precise_times=precise)
        neuron = sim.build(neuron, 4, dt=dt, dtype=jnp.float64)
        _, (states, out) = sim.run(neuron, sim.start(neuron, 4, dtype=jnp.float64), dt=dt, steps=10_000)
        offset = np.asarray(states.spike_offset) if precise else np.zeros(out.shape)
        for i in range(4):
            steps = np.flatnonzero(out[:, i])
            intervals = np.diff((steps + 1) * dt - offset[steps, i])
            np.testing.assert_allclose(intervals, truth[i], atol=dt / 100 if precise else dt)


def test_rheobase_and_both_fixed_points(sim, x64):
    """k (v - v_rest)(v - v_crit) + R I = 0 has two solutions below 3.75 pA: one that attracts, one that repels."""
    below = sim.build(QIF(10 * ms, i_bias=2 * pA), 2, dtype=jnp.float64)
    stable, unstable = np.roots([1 / 15, 115 / 15, 3250 / 15 + 2])
    stable, unstable = min(stable, unstable), max(stable, unstable)
    start = sim.start(below, 2, dtype=jnp.float64, init={"v": np.array([unstable - 0.01, unstable + 0.01])})
    last, (_, out) = sim.run(below, start, steps=3000)
    assert not out[:, 0].any() and out[:, 1].any()
    np.testing.assert_allclose(last.v[0], stable, rtol=1e-6)
    above = sim.build(QIF(10 * ms, i_bias=3.9 * pA), dtype=jnp.float64)
    assert sim.run(above, sim.start(above, dtype=jnp.float64), steps=6000)[1][1].any()
