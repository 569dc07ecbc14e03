"""Izhikevich's neurons: the published program by NumPy, spike for spike, and the form of 2007 against SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from brainsim import _native
from brainsim._types import Drive
from brainsim.fuse.loop import loop
from brainsim.neurons import Izhikevich, Izhikevich2007
from brainsim.units import mV, pA

PATTERNS = {  # a, b, c, d of figure 2
    "regular spiking": (0.02, 0.2, -65, 8),
    "intrinsically bursting": (0.02, 0.2, -55, 4),
    "chattering": (0.02, 0.2, -50, 2),
    "fast spiking": (0.1, 0.2, -65, 2),
    "low-threshold spiking": (0.02, 0.25, -65, 2),
}
A, B, C, D = np.array(list(PATTERNS.values()), float).T


def published(current, steps):
    """The program of 2003: v in two half milliseconds, u in one; spikes are seen at the start of the next step."""
    v, u = np.full(len(A), -65.0), B * -65.0
    spikes = np.zeros((steps, len(A)))
    for k in range(steps):
        for _ in range(2):
            v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u = u + A * (B * v - u)
        spikes[k] = v >= 30
        u = np.where(v >= 30, u + D, u)
        v = np.where(v >= 30, C, v)
    return spikes


def test_the_published_program_spike_for_spike(sim, x64):
    neuron = sim.build(Izhikevich(A, B, C * mV, D, i_bias=10 * pA), len(A), dt=1.0, dtype=jnp.float64)
    state = sim.start(neuron, len(A), dtype=jnp.float64, init={"v": -65 * mV, "u": B * -65})
    _, (_, out) = sim.run(neuron, state, dt=1.0, steps=1000, over=loop)
    truth = published(10.0, 1000)
    if _native.WHY_XLA is None:
        np.testing.assert_array_equal(out, truth)
    else:  # XLA contracts products and sums, and some of the patterns are chaotic at this step
        np.testing.assert_allclose(out.sum(0), truth.sum(0), rtol=0.05)
    counts = dict(zip(PATTERNS, truth.sum(0), strict=True))
    assert counts["regular spiking"] < counts["chattering"] < counts["fast spiking"]
    assert np.diff(np.flatnonzero(out[:, 2])).min() < 5  # bursts


def test_the_form_of_2007_against_scipy(sim, x64):
    """The regular spiking cell at 70 pA and 100 pA: spike times within a step over 500 ms."""

    def times(current, end=500.0):
        def slope(t, y):
            v, u = y
            return [(0.7 * (v + 60) * (v + 40) - u + current) / 100, 0.03 * (-2 * (v + 60) - u)]

        peak = lambda t, y: y[0] - 35
        peak.terminal = True
        t, y, found = 0.0, [-60.0, 0.0], []
        while True:
            run = solve_ivp(slope, (t, end), y, method="DOP853", rtol=1e-10, atol=1e-10, events=peak)
            if run.status != 1:
                return np.array(found)
            t, y = run.t[-1], [-50.0, run.y[1, -1] + 100]
            found.append(t)

    neuron = Izhikevich2007(i_bias=np.array([70.0, 100.0]) * pA, integrator="rk4", precise_times=True)
    neuron = sim.build(neuron, 2, dt=0.05, dtype=jnp.float64)
    _, (states, out) = sim.run(neuron, sim.start(neuron, 2, dtype=jnp.float64), dt=0.05, steps=10_000)
    for i, current in enumerate((70.0, 100.0)):
        steps = np.flatnonzero(out[:, i])
        ours, truth = (steps + 1) * 0.05 - np.asarray(states.spike_offset)[steps, i], times(current)
        assert len(ours) == len(truth) > 2
        np.testing.assert_allclose(ours, truth, atol=0.05)


@pytest.mark.parametrize("kind", [Izhikevich, Izhikevich2007])
def test_published_takes_conductances_and_decaying_currents(kind, sim):
    drive = Drive(
        conductance=jnp.full((300, 1), 0.1),
        reversal=jnp.zeros((300, 1)),
        decaying=((jnp.full((300, 1), 20.0 if kind is Izhikevich else 400.0), jnp.full(300, 5.0)),),
    )
    counts = []
    for integrator in ("published", "rk4"):
        neuron = sim.build(kind(integrator=integrator), dt=0.1)
        counts.append(int(sim.run(neuron, sim.start(neuron), drive)[1][1].sum()))
    assert counts[0] == counts[1] > 0
