"""What the output of a layer is to a neuron: a jump, a current held over the step, or the input of a synapse."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.neurons import IF, CubaLI, CubaLIF, Integrator
from brainsim.units import ms, mV

N, STEPS = 3, 30
X = np.random.default_rng(0).random((STEPS, N)).astype(np.float32)


def traced(neuron) -> np.ndarray:
    model = bs.Sequential(("n", neuron), dt=1 * ms, input_shape=(N,))
    return np.asarray(bs.run(model, X, record=["n.v"]).records["n.v"])


def test_a_current_rises_towards_r_times_itself():
    v = 0.0
    for x, found in zip(X, traced(bs.LIF(7 * ms, v_th=90 * mV, r_mem=3.0, port="current")), strict=True):
        v = 3 * x + (v - 3 * x) * np.exp(-1 / 7)
        np.testing.assert_allclose(found, v, rtol=1e-5)


@pytest.mark.parametrize("port", ["jump", "current"])
def test_without_leak_inputs_add_up(port):
    gain = 1.0 if port == "jump" else 0.25
    for neuron in (Integrator(gain=0.25, port=port), IF(90 * mV, gain=0.25, port=port)):
        np.testing.assert_allclose(traced(neuron), gain * np.cumsum(X, 0), rtol=1e-5)


def test_a_held_input_goes_through_the_synapse_exactly():
    """Against a thousand Euler steps of the two equations in every step."""
    tau_mem, tau_syn, r_mem, w_in = 7.0, 3.0, 2.0, 5.0
    v, i, fine = np.zeros(N), np.zeros(N), 1000
    expected = []
    for x in X:
        for _ in range(fine):
            v, i = v + (r_mem * i - v) / tau_mem / fine, i + (w_in * x - i) / tau_syn / fine
        expected.append(v)
    options = dict(tau_syn=tau_syn * ms, r_mem=r_mem, w_in=w_in, port="held")
    for neuron in (CubaLI(tau_mem * ms, **options), CubaLIF(tau_mem * ms, v_th=90 * mV, **options)):
        np.testing.assert_allclose(traced(neuron), expected, rtol=2e-3, atol=1e-3)
