"""Every model with a closed form against the matrix exponential of its own drift, over 14 step sizes, to 1e-12."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from brainsim._types import Drive, State
from brainsim.neurons import GIF, GLIF, LIF, MAT2, AdaptiveLIF, CubaLIF, EscapeLIF, RateUnit, ResonateAndFire
from brainsim.neurons.integrate import synaptic_current
from brainsim.units import GOhm, ms, mV, pA

T, TAU_SYN, HELD, START = 4.0, 3.0, 2.0, 5.0
STEP_SIZES = [T * 2.0**-k for k in range(14)]
KERNELS = dict(tau_stc_1=7 * ms, q_stc_1=5 * pA, tau_stc_2=20 * ms, q_stc_2=5 * pA, tau_sfa_1=9 * ms, q_sfa_1=1 * mV)
FAR = 1e4 * mV
MODELS = {
    "LIF": (LIF(20 * ms, FAR, -65 * mV, -65 * mV, r_mem=0.5 * GOhm), START),
    "LIF, equal time constants": (LIF(TAU_SYN * ms, FAR, -65 * mV, -65 * mV), START),
    "AdaptiveLIF": (AdaptiveLIF(20 * ms, FAR), START),
    "CubaLIF": (CubaLIF(20 * ms, FAR), START),
    "EscapeLIF": (EscapeLIF(20 * ms, FAR), START),
    "GIF": (GIF(v_th=FAR, **KERNELS), START),
    "GLIF 4": (GLIF(4, v_th=FAR), START),
    "GLIF 5": (GLIF(5, v_th=FAR), 0.0),  # its threshold takes decaying currents by their mean
    "GLIF 5, equal time constants": (GLIF(5, v_th=FAR, tau_th_v=58.72 / 9.43 * ms), 0.0),
    "MAT2": (MAT2(v_th=FAR), START),
    "ResonateAndFire": (ResonateAndFire(v_th=1e4), 0.0),
}


def by_matrix(neuron, state, start):
    """The states after T, from the drift's matrix with the decaying current and the constant as two more states."""
    names = list(neuron.states)

    def slope(y):
        drive = Drive(current=HELD + y[-2])
        rates = neuron.drift(State(**dict(zip(names, y, strict=False))), synaptic_current(0.0, drive, 1.0, 0.0))
        return jnp.stack([*(rates[name] for name in names), -y[-2] / TAU_SYN, 0.0 * y[-1]])

    y = jnp.asarray([*(float(getattr(state, name)[0]) for name in names), start, 1.0])
    matrix = np.array(jax.jacobian(slope)(y))
    matrix[:, -1] += np.asarray(slope(jnp.zeros_like(y)))
    return dict(zip(names, expm(T * matrix) @ np.asarray(y), strict=False))


@pytest.mark.parametrize("name", MODELS)
def test_any_step_size_is_exact(name, sim, x64):
    neuron, start = MODELS[name]
    neuron = sim.build(neuron, dt=1.0, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64)
    shift = {n: 3.0 + j for j, n in enumerate(neuron.states)}
    state = state.replace(**{n: getattr(state, n) + shift[n] for n in neuron.states if not (start == 0 and "asc" in n)})
    truth = by_matrix(neuron, state, start)

    @jax.jit
    def after(dt, steps):
        def one(k, state):
            decaying = ((start * jnp.exp(-dt * k / TAU_SYN) * jnp.ones(1), jnp.asarray(TAU_SYN)),) if start else ()
            drive = Drive(current=jnp.full(1, HELD), decaying=decaying)
            return State(**neuron.exact(state, drive, dt))

        return jax.lax.fori_loop(0, steps, one, State(**{n: getattr(state, n) for n in neuron.states}))

    for dt in STEP_SIZES:
        last = after(dt, round(T / dt))
        for field, value in truth.items():
            assert abs(float(getattr(last, field)[0]) - value) < 1e-12 * max(abs(value), 1.0), (dt, field)


def test_a_rate_unit_is_exact_too(sim, x64):
    neuron = sim.build(RateUnit(5 * ms, "linear", i_bias=2 * pA), dt=0.5, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64, init={"x": 3.0})
    last, (_, out) = sim.run(neuron, state, Drive(jump=jnp.full((8, 1), -1.0)), dt=0.5)
    np.testing.assert_allclose(last.x[0], 1 + 2 * np.exp(-4 / 5), rtol=1e-13)
    np.testing.assert_array_equal(out[-1], last.x)
