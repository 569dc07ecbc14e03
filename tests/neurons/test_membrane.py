"""The leaky membrane against its closed form, over ten step sizes; evaluated in 50 decimal digits."""

from decimal import Decimal, getcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive
from brainsim.neurons import LI, LIF
from brainsim.neurons.membrane import exprel, propagator
from brainsim.units import GOhm, ms, mV, pA

getcontext().prec = 50
EPS = 2.0**-53
STEP_SIZES = [2.0**-k for k in range(10)]
T, TAU, REST, R, I0 = 5.0, 20.0, -65.0, 0.5, 30.0


def decay(t, tau):
    return (-Decimal(t) / Decimal(tau)).exp()


def seen_through_membrane(t, tau_mem, tau_syn):
    """Integral of exp(-(t - s) / tau_mem) exp(-s / tau_syn) over 0..t, exactly rounded inputs."""
    a, b = 1 / Decimal(tau_mem), 1 / Decimal(tau_syn)
    if a == b:
        return Decimal(t) * decay(t, tau_mem)
    return ((-b * Decimal(t)).exp() - (-a * Decimal(t)).exp()) / (a - b)


def drive_of(dt, tau_syn, dtype):
    steps = round(T / dt)
    start = I0 * np.exp(-dt * np.arange(steps) / tau_syn)[:, None]
    return Drive(decaying=((jnp.asarray(start, dtype), jnp.full(steps, tau_syn, dtype)),))


def membrane(dtype, bias=0.0):
    return LIF(TAU * ms, v_th=1e6 * mV, v_rest=REST * mV, v_reset=REST * mV, r_mem=R * GOhm, i_bias=bias * pA)


@pytest.mark.parametrize("dt", STEP_SIZES)
def test_constant_current(dt, sim, x64):
    neuron = sim.build(membrane(jnp.float64, I0), dt=dt, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64, init={"v": -70.0})
    last, _ = sim.run(neuron, state, dt=dt, steps=round(T / dt))
    target = Decimal(REST) + Decimal(R) * Decimal(I0)
    truth = float(target + (Decimal(-70) - target) * decay(T, TAU))
    assert abs(float(last.v[0]) - truth) <= 2 * round(T / dt) * EPS * abs(truth)


@pytest.mark.parametrize("tau_syn", [2.0, 5.0, 50.0, TAU, TAU * (1 + 1e-10), TAU * (1 - 1e-10), TAU * (1 + 1e-5)])
@pytest.mark.parametrize("dt", STEP_SIZES)
def test_exponential_current(dt, tau_syn, sim, x64):
    neuron = sim.build(membrane(jnp.float64), dt=dt, dtype=jnp.float64)
    last, _ = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), drive_of(dt, tau_syn, jnp.float64), dt=dt)
    truth = float(Decimal(REST) + Decimal(R) * Decimal(I0) / Decimal(TAU) * seen_through_membrane(T, TAU, tau_syn))
    assert abs(float(last.v[0]) - truth) <= (2 * round(T / dt) + 4) * EPS * abs(truth)


def test_float32_stays_within_its_rounding(sim):
    for dt in STEP_SIZES[::3]:
        neuron = sim.build(membrane(jnp.float32), dt=dt)
        last, _ = sim.run(neuron, sim.start(neuron), drive_of(dt, 5.0, jnp.float32), dt=dt)
        truth = float(Decimal(REST) + Decimal(R) * Decimal(I0) / Decimal(TAU) * seen_through_membrane(T, TAU, 5.0))
        assert abs(float(last.v[0]) - truth) <= (2 * round(T / dt) + 4) * 2.0**-24 * abs(truth)


@pytest.mark.parametrize("dt", [4.0, 0.1])
def test_held_conductance_and_exponential_current_together(dt, sim, x64):
    """With g held, the load only shortens the time constant: v = v_inf + ... with rate (1 + R g) / tau."""
    g, e_rev, tau_syn, steps = 3.0, 10.0, 2.0, 12
    start = I0 * np.exp(-dt * np.arange(steps) / tau_syn)[:, None]
    drive = Drive(
        conductance=jnp.full((steps, 1), g),
        reversal=jnp.full((steps, 1), g * e_rev),
        decaying=((jnp.asarray(start), jnp.full(steps, tau_syn)),),
    )
    neuron = sim.build(membrane(jnp.float64), dt=dt, dtype=jnp.float64)
    last, _ = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), drive, dt=dt)
    load, t = 1 + R * g, steps * dt
    target = (REST + R * g * e_rev) / load
    kernel = R * I0 / TAU * float(seen_through_membrane(t, TAU / load, tau_syn))
    np.testing.assert_allclose(last.v[0], target + (REST - target) * np.exp(-t * load / TAU) + kernel, rtol=1e-12)


def test_propagator_is_symmetric_and_never_overflows(x64):
    for a, b, dt in ((0.05, 0.2, 0.1), (1e3, 1e-3, 10.0), (1e-3, 1e3, 10.0)):
        np.testing.assert_allclose(propagator(a, b, dt), propagator(b, a, dt), rtol=1e-14)
        truth = ((-Decimal(b) * Decimal(dt)).exp() - (-Decimal(a) * Decimal(dt)).exp()) / (Decimal(a) - Decimal(b))
        np.testing.assert_allclose(propagator(a, b, dt), float(truth), rtol=1e-14)


@pytest.mark.parametrize("equal", [20.0, 20.0 * (1 + 1e-10)])
def test_propagator_has_its_gradient_at_equal_time_constants(equal, x64):
    """d/d tau of the closed form at tau_syn = tau_mem, against central differences in 50 digits."""

    def ours(tau_mem, tau_syn):
        return propagator(1 / tau_mem, 1 / tau_syn, 1.0)

    for argument in (0, 1):
        grad = float(jax.grad(ours, argument)(20.0, equal))
        h = Decimal("1e-12")
        at = [Decimal(20), Decimal(equal)]
        up, down = list(at), list(at)
        up[argument] += h
        down[argument] -= h
        truth = float((seen_through_membrane(1, *up) - seen_through_membrane(1, *down)) / (2 * h))
        np.testing.assert_allclose(grad, truth, rtol=1e-9)


def test_exprel_value_and_derivatives(x64):
    for z in (-700.0, -3.0, -0.1, -0.0999, -1e-3, -1e-12, 0.0, 1e-12, 0.0999, 0.1, 2.0):
        d = Decimal(z)
        truth = 1 if z == 0 else (d.exp() - 1) / d
        slope = Decimal("0.5") if z == 0 else (d * d.exp() - d.exp() + 1) / d**2
        np.testing.assert_allclose(exprel(jnp.asarray(z)), float(truth), rtol=4e-16)
        np.testing.assert_allclose(jax.grad(exprel)(jnp.asarray(z)), float(slope), rtol=1e-13)
        assert np.isfinite(jax.grad(jax.grad(exprel))(jnp.asarray(z)))


def test_with_conductance_a_step_costs_one_exponential_and_one_division():
    """What the speed of a large network rests on."""
    neuron = LIF(v_th=-50.0, v_reset=-60.0, v_rest=-60.0, t_ref=5.0).build(
        "x", (7,), dt=0.1, key=jax.random.key(0), dtype=jnp.float32
    )
    state = neuron.init_state((7,), key=jax.random.key(0), dtype=jnp.float32)
    drive = Drive(conductance=jnp.ones(7), reversal=jnp.ones(7))
    program = jax.make_jaxpr(lambda s, d: neuron.step(s, d, 0.1))(state, drive)
    costly = [str(e.primitive) for e in program.eqns if e.outvars[0].aval.shape == (7,)]
    assert [costly.count(name) for name in ("exp", "div", "expm1", "log")] == [1, 1, 0, 0]


def test_li_is_the_same_membrane_and_emits_its_voltage(sim, x64):
    readout = sim.build(LI(TAU * ms, v_rest=REST * mV, r_mem=R * GOhm, i_bias=I0 * pA), dt=0.5, dtype=jnp.float64)
    last, (states, out) = sim.run(readout, sim.start(readout, dtype=jnp.float64), dt=0.5, steps=10)
    np.testing.assert_array_equal(out, states.v)
    np.testing.assert_allclose(last.v[0], REST + R * I0 * (1 - np.exp(-T / TAU)), rtol=1e-14)
    jumped, _ = sim.run(readout, last, Drive(jump=jnp.full((1, 1), 2.0)), dt=0.5)
    plain, _ = sim.run(readout, last, dt=0.5, steps=1)
    np.testing.assert_allclose(jumped.v - plain.v, 2.0, rtol=1e-13)
    assert LI.emits == "v" and LI().state_units() == {"v": "mV"}
