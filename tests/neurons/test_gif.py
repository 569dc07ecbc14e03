"""GIF: the published equations by NumPy, where the spikes are as good as certain, and the hazard where they are not."""

import jax.numpy as jnp
import numpy as np

from brainsim.neurons import GIF
from brainsim.units import Hz, ms, mV, pA

KERNELS = dict(
    **dict(tau_stc_1=3.0, q_stc_1=40.0, tau_stc_2=60.0, q_stc_2=12.0),
    **dict(tau_sfa_1=8.0, q_sfa_1=6.0, tau_sfa_2=90.0, q_sfa_2=2.5),
)


def by_numpy(current, dt, steps, t_ref=4.0):
    """Mensi et al.'s equations on the grid, exact between spikes, with a threshold instead of chance."""
    c, g, e, reset, v_th = 80.0, 4.0, -70.0, -55.0, -35.0
    tau, v, hold, spikes = c / g, e, 0, []
    eta, gamma, taus = np.zeros(2), np.zeros(2), (np.array([3.0, 60.0]), np.array([8.0, 90.0]))
    for k in range(steps):
        a, b = 1 / tau, 1 / taus[0]
        free = e + current / g + (v - e - current / g) * np.exp(-dt / tau)
        free -= (eta / c * (np.exp(-b * dt) - np.exp(-a * dt)) / (a - b)).sum()
        eta, gamma = eta * np.exp(-dt / taus[0]), gamma * np.exp(-dt / taus[1])
        v = v if hold else free
        if hold:
            hold -= 1
        elif v >= v_th + gamma.sum():
            spikes.append(k)
            v, hold, eta, gamma = reset, round(t_ref / dt), eta + (40.0, 12.0), gamma + (6.0, 2.5)
    return np.array(spikes)


def test_the_published_equations(sim, x64):
    """With delta_v = 1e-6 mV and a rate of 1e9 Hz at the threshold a spike is certain there and impossible below."""
    dt, steps, current = 0.1, 8000, 260.0
    neuron = GIF(delta_v=1e-6 * mV, lambda_0=1e9 * Hz, i_bias=current * pA, **KERNELS)
    neuron = sim.build(neuron, dt=dt, dtype=jnp.float64)
    _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), dt=dt, steps=steps)
    truth = by_numpy(current, dt, steps)
    np.testing.assert_array_equal(np.flatnonzero(out[:, 0]), truth)
    intervals = np.diff(truth)
    assert len(truth) > 8 and intervals[-1] > 1.4 * intervals[0]  # it adapts
    assert set(states) == {"v", "eta_1", "eta_2", "gamma_1", "gamma_2", "refractory"}


def test_the_rate_is_that_of_a_renewal_process(sim):
    """Held at rest below threshold, without kernels: intervals have the mean t_ref + 1 / h."""
    n, dt, steps = 200, 0.1, 10_000
    neuron = sim.build(GIF(v_reset=-70 * mV, v_th=-69 * mV, delta_v=1 * mV, lambda_0=200 * Hz, t_ref=2 * ms), n)
    _, (_, out) = sim.run(neuron, sim.start(neuron, n), dt=dt, steps=steps)
    chance = -np.expm1(-0.2 * np.exp(-1.0) * dt)
    mean = round(2 / dt) + 1 / chance
    assert abs(float(out.mean()) * mean - 1) < 4 * (1 - 20 / mean) / np.sqrt(n * steps / mean)
