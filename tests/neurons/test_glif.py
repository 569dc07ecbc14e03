"""GLIF 1 to 5: Teeter et al.'s equations by NumPy and a matrix exponential, spike for spike."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from brainsim.neurons import GLIF
from brainsim.units import ms, pA

C, G, E, V_TH, T_REF, DT = 58.72, 9.43, -78.85, -51.68, 2.0, 0.1
K_ASC, AMP = np.array([0.003, 0.1]), np.array([-9.18, -198.94])
FRACTION, ADD, B_S, TH_ADD, A_V, B_V = 0.2, 18.51, 0.009, 0.37, 0.005, 0.09


def by_numpy(level, current, steps):
    """Spike steps and the last threshold; v - E, currents and thresholds as one linear system between spikes."""
    after, spiking, voltage = level >= 3, level in (2, 4, 5), level == 5
    matrix = np.zeros((6, 6))  # v - E, asc_1, asc_2, th_s, th_v, 1
    matrix[0, :3], matrix[0, 5] = [-G / C, after / C, after / C], current / C
    matrix[1, 1], matrix[2, 2], matrix[3, 3] = -K_ASC[0], -K_ASC[1], -B_S
    matrix[4, 0], matrix[4, 4] = A_V * voltage, -B_V
    step, y, hold, spikes = expm(DT * matrix), np.array([0, 0, 0, 0, 0, 1.0]), 0, []
    for k in range(steps):
        if hold:
            hold -= 1
            continue
        y = step @ y
        if y[0] + E >= V_TH + y[3] + y[4]:
            spikes.append(k)
            hold = round(T_REF / DT)
            y[1:3] = (AMP + y[1:3] * np.exp(-K_ASC * T_REF)) * after
            y[0] = FRACTION * y[0] + ADD if spiking else 0.0
            y[3] = (y[3] * np.exp(-B_S * T_REF) + TH_ADD) * spiking
    return np.array(spikes), y


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_teeters_equations(level, sim, x64):
    steps, current = 5000, 420.0
    neuron = sim.build(GLIF(level, t_ref=T_REF * ms, i_bias=current * pA), dtype=jnp.float64)
    last, (_, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), steps=steps)
    truth, y = by_numpy(level, current, steps)
    assert len(truth) > 10
    if level < 5:
        np.testing.assert_array_equal(np.flatnonzero(out[:, 0]), truth)
        np.testing.assert_allclose(last.v[0] - E, y[0], rtol=1e-9)
    else:  # th_v takes the after-spike currents by their mean over a step: of order dt^2, here 1 step in 5000
        found = np.flatnonzero(out[:, 0])
        assert len(found) == len(truth)
        np.testing.assert_allclose(found, truth, atol=1)


def test_states_are_those_of_the_level():
    sizes = {level: len(GLIF(level).states) for level in (1, 2, 3, 4, 5)}
    assert sizes == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5}
    assert GLIF(3).state_units() == {"v": "mV", "asc_1": "pA", "asc_2": "pA"}
