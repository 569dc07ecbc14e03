"""Astrocyte against SciPy's LSODA, order of convergence, and its output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from brainsim._types import Drive
from brainsim.neurons import Astrocyte

INPUTS = {100: 0.02, 2500: 0.1, 2600: 0.1}  # time in ms: weight


def slope(t, y):
    """The equations once more, written from the model's description in uM and ms."""
    ip3, ca, h = y
    ca_er = 2.0 + (2.0 - ca) / 0.185
    j_pump = 0.0009 * ca**2 / (0.1**2 + ca**2)
    j_leak = 0.185 * 0.00011 * (ca_er - ca)
    m, n = ip3 / (ip3 + 0.13), ca / (ca + 0.08234)
    j_channel = 0.185 * 0.006 * m**3 * n**3 * h**3 * (ca_er - ca)
    alpha = 0.0002 * 1.049 * (ip3 + 0.13) / (ip3 + 0.9434)
    return [(0.16 - ip3) / 7142.0, j_channel - j_pump + j_leak, alpha * (1 - h) - 0.0002 * ca * h]


def lsoda(duration):
    """End state, with 5 uM per unit of input added at the times of INPUTS."""
    y, t = np.array([0.16, 0.073, 0.793]), 0.0
    for stop, weight in [*sorted(INPUTS.items()), (duration, 0.0)]:
        y = solve_ivp(slope, (t, stop), y, method="LSODA", rtol=1e-12, atol=1e-14).y[:, -1]
        y[0] += 5 * weight
        t = stop
    return y


def run(sim, dt, duration, dtype=jnp.float64, **options):
    neuron = sim.build(Astrocyte(**options), dt=dt, dtype=dtype)
    jump = np.zeros((round(duration / dt), 1))
    for time, weight in INPUTS.items():
        jump[round(time / dt) - 1] = weight
    return sim.run(neuron, sim.start(neuron, dtype=dtype), Drive(jump=jnp.asarray(jump, dtype)), dt=dt)


def test_against_lsoda_through_a_calcium_transient(sim, x64):
    last, (states, sic) = run(sim, 1.0, 10_000)
    np.testing.assert_allclose([last.ip3[0], last.ca[0], last.h[0]], lsoda(10_000), rtol=1e-7)
    assert states.ca.max() > 0.5 and sic.max() > 5.0
    y = 1000 * (np.asarray(states.ca) - 0.19669)
    np.testing.assert_allclose(sic, np.where(y > 1, np.log(np.maximum(y, 1)), 0), rtol=1e-9)


def test_float32_follows(sim):
    last, _ = run(sim, 1.0, 4000, jnp.float32)
    np.testing.assert_allclose([last.ip3[0], last.ca[0], last.h[0]], lsoda(4000), rtol=2e-3)


@pytest.mark.parametrize(("integrator", "order"), [("exp_euler", 1), ("rk2", 2), ("rk4", 4)])
def test_order_of_convergence(integrator, order, sim, x64):
    truth, errors = lsoda(4000), []
    sizes = {1: [4.0, 2.0, 1.0], 2: [20.0, 10.0, 5.0], 4: [100.0, 50.0, 25.0]}[order]
    for dt in sizes:
        last, _ = run(sim, dt, 4000, integrator=integrator)
        errors.append(abs(float(last.ca[0]) - truth[1]))
    measured = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(measured - order) < 0.15, (measured, errors)


def test_current_port_adds_to_calcium(sim, x64):
    neuron = sim.build(Astrocyte(), dt=0.1, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64)
    ends = [sim.run(neuron, state, Drive(current=jnp.full((10, 1), i)), dt=0.1)[0].ca[0] for i in (0.0, 1e-3)]
    np.testing.assert_allclose(ends[1] - ends[0], 1e-3 * 1.0, rtol=0.02)


def test_output_and_its_gradient_around_the_threshold(sim):
    neuron = sim.build(Astrocyte(), dt=0.1)
    state = sim.start(neuron)

    def sic(ca):
        return neuron.step(state.replace(ca=jnp.full(1, ca)), Drive(), 0.1)[1][0]

    for ca, silent in ((0.1, True), (0.19669, True), (0.1976, True), (0.25, False)):
        value, grad = jax.value_and_grad(sic)(ca)
        assert (value == 0) == silent and (grad == 0) == silent and np.isfinite(grad)
    assert Astrocyte.emits == "sic" and neuron.state_units() == {"ip3": "uM", "ca": "uM", "h": ""}


def test_a_conductance_is_refused(sim):
    neuron = sim.build(Astrocyte())
    with pytest.raises(ValueError, match="`conductance`: Astrocyte has no voltage"):
        sim.run(neuron, sim.start(neuron), Drive(conductance=jnp.ones((1, 1)), reversal=jnp.ones((1, 1))))
