"""EIF and AdEx: rheobase and fixed point in closed form, SciPy's spike times, and the firing patterns of Naud et al."""

import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from brainsim.neurons import EIF, AdEx
from brainsim.units import mV, pA

NAUD = {  # c_mem, g_leak, e_leak, v_t, delta, a, tau_w, b, v_reset, i_bias: table 1
    "tonic": (200, 10, -70, -50, 2, 2, 30, 0, -58, 500),
    "adapting": (200, 12, -70, -50, 2, 2, 300, 60, -58, 500),
    "initial burst": (130, 18, -58, -50, 2, 4, 150, 120, -50, 400),
    "bursting": (200, 10, -58, -50, 2, 2, 120, 100, -46, 210),
    "accelerating": (200, 12, -70, -50, 2, -10, 300, 0, -58, 300),
    "transient": (100, 10, -65, -50, 2, 10, 90, 100, -47, 180),
}
FIELDS = ("c_mem", "g_leak", "e_leak", "v_t", "delta", "a", "tau_w", "b", "v_reset", "i_bias")


def patterns():
    values = np.array(list(NAUD.values()), float).T
    return dict(zip(FIELDS, values, strict=True))


def spike_steps(sim, neuron, n, dt, steps):
    neuron = sim.build(neuron, n, dt=dt, dtype=jnp.float64)
    _, (states, out) = sim.run(neuron, sim.start(neuron, n, dtype=jnp.float64), dt=dt, steps=steps)
    return [np.flatnonzero(out[:, i]) for i in range(n)], states


def test_rheobase_and_rest(sim, x64):
    """The two fixed points of EIF meet at I = g (v_t - E - D); below, v rests where the current is 0."""
    rheobase = 30 * (-50.4 + 70.6 - 2)
    spikes, states = spike_steps(sim, EIF(i_bias=np.array([0.99, 1.01]) * rheobase * pA), 2, 0.1, 6000)
    assert not spikes[0].size and spikes[1].size
    current = lambda v: -30 * (v + 70.6) + 60 * np.exp((v + 50.4) / 2) + 0.99 * rheobase
    np.testing.assert_allclose(states.v[-1, 0], brentq(current, -70.6, -50.4, xtol=1e-12), rtol=1e-8)


def by_scipy(c_mem, g_leak, e_leak, v_t, delta, a, tau_w, b, v_reset, i_bias, *, v_th, end):
    """Spike times of AdEx, resets as events."""

    def slope(t, y):
        v, w = y
        dv = (-g_leak * (v - e_leak) + g_leak * delta * np.exp((min(v, v_th) - v_t) / delta) - w + i_bias) / c_mem
        return [dv, (a * (v - e_leak) - w) / tau_w]

    peak = lambda t, y: y[0] - v_th
    peak.terminal, peak.direction = True, 1
    t, y, times = 0.0, [e_leak, 0.0], []
    while t < end:
        found = solve_ivp(slope, (t, end), y, method="DOP853", rtol=1e-10, atol=1e-10, events=peak)
        t, y = found.t[-1], [v_reset, found.y[1, -1] + b]
        if found.status != 1:
            break
        times.append(t)
    return np.array(times)


def test_spike_times_of_scipy(sim, x64):
    """Three patterns for 150 ms by "rk4" with precise times: within a tenth of a step, after up to 20 spikes."""
    chosen, dt = ("tonic", "adapting", "bursting"), 0.01
    values = {field: np.array([NAUD[name][j] for name in chosen], float) for j, field in enumerate(FIELDS)}
    neuron = AdEx(v_th=-40 * mV, integrator="rk4", precise_times=True, **values)
    spikes, states = spike_steps(sim, neuron, 3, dt, 15_000)
    for i, name in enumerate(chosen):
        truth = by_scipy(*NAUD[name], v_th=-40.0, end=150.0)
        times = (spikes[i] + 1) * dt - np.asarray(states.spike_offset)[spikes[i], i]
        assert len(truth) == len(times) > 2
        np.testing.assert_allclose(times, truth, atol=dt / 10)


def test_firing_patterns(sim, x64):
    """What the names of the parameter sets say, in 500 ms."""
    spikes, _ = spike_steps(sim, AdEx(v_th=-40 * mV, **patterns()), 6, 0.05, 10_000)
    intervals = {name: np.diff(steps) for name, steps in zip(NAUD, spikes, strict=True)}
    assert np.ptp(intervals["tonic"][8:]) <= 1
    assert (np.diff(intervals["adapting"]) >= -1).all() and intervals["adapting"][-1] > 3 * intervals["adapting"][0]
    burst = intervals["initial burst"]
    assert burst[0] < 0.2 * burst[-1] and np.ptp(burst[-4:]) < 0.05 * burst[-1]
    within = intervals["bursting"] < 0.5 * intervals["bursting"].max()
    assert within.sum() >= 3 and (~within).sum() >= 3  # short and long intervals take turns
    assert spikes[4][0] > 1.5 * intervals["accelerating"][0] and (np.diff(intervals["accelerating"]) <= 1).all()
    assert 0 < len(spikes[5]) <= 8 and spikes[5].max() < 3000


def test_the_upswing_stays_finite_whatever_the_threshold(sim):
    """At v_th = 20 mV the exponential reaches e^35; state and gradient stay finite in float32."""
    neuron = AdEx(v_th=20 * mV, i_bias=800 * pA)
    built = sim.build(neuron)
    _, (states, out) = sim.run(built, sim.start(built), steps=2000)
    assert out.sum() > 3 and np.isfinite(states.v).all() and np.isfinite(states.w).all()
