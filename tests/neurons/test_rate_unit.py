"""Rate units: activations, and a coupled network against the solution of its linear equation."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import brainsim as bs
from brainsim.neurons import RateUnit
from brainsim.units import ms, pA


@pytest.mark.parametrize(
    ("activation", "phi"),
    [("linear", lambda x: x), ("threshold_linear", lambda x: np.maximum(x, 0)), ("tanh", np.tanh)],
)
def test_activations(activation, phi, sim, x64):
    neuron = sim.build(RateUnit(activation=activation, gain=2.0), 3, dtype=jnp.float64)
    state = sim.start(neuron, 3, dtype=jnp.float64, init={"x": np.array([-1, 0, 0.7])})
    _, (states, out) = sim.run(neuron, state, steps=2)
    expected = phi(2 * np.asarray(states.x)) if activation == "tanh" else 2 * phi(np.asarray(states.x))
    np.testing.assert_allclose(out, expected, rtol=1e-14)


def test_a_network_of_rates_is_its_linear_equation(x64):
    """tau dx/dt = -x + W r + i with delays of one step: the error falls as dt."""
    weights = np.array([[0.0, 0.8, -0.3], [0.5, 0.0, 0.2], [-0.7, 0.4, 0.0]])  # (in, out)
    pre, post = np.nonzero(weights)
    errors = []
    for dt in (0.1, 0.05):
        unit = RateUnit(10 * ms, "linear", i_bias=np.array([1.0, 0.0, -0.5]) * pA)
        wiring = bs.Projection("R", "R", bs.EdgeList(pre, post), weights[pre, post])
        net = bs.Network({"R": bs.Population(3, unit)}, [wiring], dt=dt)
        x = bs.run(net, steps=round(20 / dt), record=["R.x"]).records["R.x"][-1]
        matrix = (weights.T - np.eye(3)) / 10
        truth = np.linalg.solve(matrix, (expm(20 * matrix) - np.eye(3)) @ (np.array([1.0, 0.0, -0.5]) / 10))
        errors.append(np.abs(np.asarray(x) - truth).max())
    assert errors[0] < 0.02 and 1.8 < errors[0] / errors[1] < 2.2
