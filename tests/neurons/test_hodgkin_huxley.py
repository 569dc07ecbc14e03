"""Hodgkin-Huxley neurons against SciPy: spike times within a step, rest, and threshold."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from brainsim._types import Drive
from brainsim.neurons import HodgkinHuxley, PinskyRinzel, TraubHH
from brainsim.units import pA


def lin(x, width):
    return x / -np.expm1(-x / width)


def squid(t, y, current):
    """Hodgkin and Huxley (1952), voltages from rest, in units of 1 cm^2."""
    v, m, h, n = y
    u = v + 65
    dv = current / 100 - 120 * m**3 * h * (u - 115) - 36 * n**4 * (u + 12) - 0.3 * (u - 10.613)
    dm = 0.1 * lin(u - 25, 10) * (1 - m) - 4 * np.exp(-u / 18) * m
    dh = 0.07 * np.exp(-u / 20) * (1 - h) - h / (1 + np.exp((30 - u) / 10))
    dn = 0.01 * lin(u - 10, 10) * (1 - n) - 0.125 * np.exp(-u / 80) * n
    return [dv, dm, dh, dn]


def hippocampal(t, y, current):
    """Brette et al. (2007), appendix 2, benchmark 3."""
    v, m, h, n = y
    x = v + 63
    dv = (10 * (-60 - v) - 20000 * m**3 * h * (v - 50) - 6000 * n**4 * (v + 90) + current) / 200
    dm = 0.32 * (13 - x) / (np.exp((13 - x) / 4) - 1) * (1 - m) - 0.28 * (x - 40) / (np.exp((x - 40) / 5) - 1) * m
    dh = 0.128 * np.exp((17 - x) / 18) * (1 - h) - 4 / (1 + np.exp((40 - x) / 5)) * h
    dn = 0.032 * (15 - x) / (np.exp((15 - x) / 5) - 1) * (1 - n) - 0.5 * np.exp((10 - x) / 40) * n
    return [dv, dm, dh, dn]


def crossings(slope, start, level, end):
    through = lambda t, y: y[0] - level
    through.direction = 1
    found = solve_ivp(slope, (0, end), start, method="LSODA", rtol=1e-10, atol=1e-10, events=through)
    return found.t_events[0]


@pytest.mark.parametrize(
    ("kind", "slope", "level", "currents"),
    [(HodgkinHuxley, squid, 0.0, (700.0, 1500.0)), (TraubHH, hippocampal, -20.0, (200.0, 800.0))],
)
def test_spike_times_of_scipy(kind, slope, level, currents, sim, x64):
    """100 ms by "rk4" with steps of 0.01 ms: each spike in the right step; with precise times, to a tenth of it."""
    dt, end = 0.01, 100.0
    for precise in (False, True):
        neuron = sim.build(kind(i_bias=np.array(currents) * pA, integrator="rk4", precise_times=precise), 2, dt=dt)
        neuron = sim.build(neuron, 2, dt=dt, dtype=jnp.float64)
        state = sim.start(neuron, 2, dtype=jnp.float64)
        _, (states, out) = sim.run(neuron, state, dt=dt, steps=round(end / dt))
        for i, current in enumerate(currents):
            start = [float(getattr(state, name)[i]) for name in ("v", "m", "h", "n")]
            truth = crossings(lambda t, y, current=current: slope(t, y, current), start, level, end)
            steps = np.flatnonzero(out[:, i])
            assert len(steps) == len(truth) > 4
            if precise:
                times = (steps + 1) * dt - np.asarray(states.spike_offset)[steps, i]
                np.testing.assert_allclose(times, truth, atol=dt / 10)
            else:
                late = (steps + 1) * dt - truth
                assert (late > -1e-4).all() and (late < dt + 1e-4).all()


@pytest.mark.parametrize("kind", [HodgkinHuxley, TraubHH])
def test_it_starts_at_the_rest_of_its_gates(kind, sim, x64):
    """The squid's axon then stays at rest; Traub's cell with v_t = -63 mV fires by itself, as in SciPy."""
    neuron = sim.build(kind(), dt=0.05, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64)
    slope = neuron.drift(state, lambda v: jnp.zeros_like(v))
    for gate in ("m", "h", "n"):
        assert abs(float(slope[gate][0])) < 1e-15
    last, (_, out) = sim.run(neuron, state, dt=0.05, steps=2000)
    if kind is TraubHH:
        start = [float(getattr(state, name)[0]) for name in ("v", "m", "h", "n")]
        assert out.sum() == len(crossings(lambda t, y: hippocampal(t, y, 0.0), start, -20.0, 100.0)) > 0
    else:
        assert not out.any() and abs(float(last.v[0] - state.v[0])) < 0.01


def test_a_spike_is_one_step_however_long_v_stays_above(sim):
    """Depolarised by a conductance, v passes the level once and stays: one spike."""
    neuron = sim.build(HodgkinHuxley(), dt=0.02)
    drive = Drive(conductance=jnp.full((2000, 1), 1e5), reversal=jnp.full((2000, 1), 2e6))
    _, (states, out) = sim.run(neuron, sim.start(neuron), drive, dt=0.02)
    assert out.sum() == 1 and (states.v[100:] > 0).all()


def cable(t, y, soma, dendrite):
    """Pinsky and Rinzel (1994), voltages from rest, per cm^2; g_c = 2.1 mS/cm^2, p = 0.5."""
    vs, vd, ca, h, n, s, c, q = y
    am = 0.32 * (13.1 - vs) / (np.exp((13.1 - vs) / 4) - 1)
    bm = 0.28 * (vs - 40.1) / (np.exp((vs - 40.1) / 5) - 1)
    m = am / (am + bm)
    i_ca = 10 * s**2 * (vd - 140)
    i_kc, i_ahp = 15 * c * min(ca / 250, 1) * (vd + 15), 0.8 * q * (vd + 15)
    dvs = (-0.1 * vs - 30 * m**2 * h * (vs - 120) - 15 * n * (vs + 15) + 2.1 / 0.5 * (vd - vs) + soma / 0.5) / 3
    dvd = (-0.1 * vd - i_ca - i_ahp - i_kc + 2.1 / 0.5 * (vs - vd) + dendrite / 0.5) / 3
    ah, bh = 0.128 * np.exp((17 - vs) / 18), 4 / (1 + np.exp((40 - vs) / 5))
    an, bn = 0.016 * (35.1 - vs) / (np.exp((35.1 - vs) / 5) - 1), 0.25 * np.exp(0.5 - 0.025 * vs)
    a_s, b_s = 1.6 / (1 + np.exp(-0.072 * (vd - 65))), 0.02 * (vd - 51.1) / (np.exp((vd - 51.1) / 5) - 1)
    if vd <= 50:
        ac = np.exp((vd - 10) / 11 - (vd - 6.5) / 27) / 18.975
        bc = 2 * np.exp((6.5 - vd) / 27) - ac
    else:
        ac, bc = 2 * np.exp((6.5 - vd) / 27), 0.0
    aq = min(0.00002 * ca, 0.01)
    gates = [(h, ah, bh), (n, an, bn), (s, a_s, b_s), (c, ac, bc), (q, aq, 0.001)]
    return [dvs, dvd, -0.13 * i_ca - 0.075 * ca, *(a * (1 - x) - b * x for x, a, b in gates)]


@pytest.mark.parametrize(("into", "soma", "dendrite"), [("soma", 0.75, 0.0), ("dendrite", 0.0, 1.0)])
def test_pinsky_and_rinzel_against_scipy(into, soma, dendrite, sim, x64):
    """400 ms of 0.75 uA/cm^2 into the soma (bursts, as published), or 1 into the dendrite by the drive."""
    dt, end = 0.02, 400.0
    neuron = sim.build(PinskyRinzel(into=into, i_bias=100 * soma, integrator="rk4"), dt=dt, dtype=jnp.float64)
    drive = Drive(current=jnp.full((round(end / dt), 1), 100 * dendrite))
    _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), drive, dt=dt)
    start = [-4.6, -4.5, 0.2, 0.999, 0.001, 0.009, 0.007, 0.010]
    truth = crossings(lambda t, y: cable(t, y, soma, dendrite), start, 30.0, end)
    times = (np.flatnonzero(out[:, 0]) + 1) * dt
    assert len(times) == len(truth) >= 2
    np.testing.assert_allclose(times, truth, atol=2 * dt)
    assert float(states.ca.max()) > 50
