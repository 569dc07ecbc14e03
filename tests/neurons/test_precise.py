"""Precise spike times: their order of convergence, refractory times off the grid, jumps, and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._types import Drive
from brainsim.neurons import LIF, CubaLIF
from brainsim.neurons.integrate import synaptic_current
from brainsim.neurons.precise import _begun
from brainsim.units import ms, mV, pA

TAU, CURRENT = 20.0, 1.7


@pytest.mark.parametrize("t_ref", [0.0, 2.0])
def test_second_order_against_the_f_i_curve(t_ref, sim, x64):
    """The eighth spike of LIF is at 8 tau ln(I / (I - 1)) + 7 t_ref: the error of 50 currents falls as dt^2."""
    currents, sizes, errors = np.linspace(1.5, 3.0, 50), np.array([1.0, 0.5, 0.25]), []
    truth = 8 * TAU * np.log(currents / (currents - 1)) + 7 * t_ref
    for dt in sizes:
        neuron = LIF(TAU * ms, t_ref=t_ref * ms, i_bias=currents * pA, precise_times=True)
        neuron = sim.build(neuron, 50, dt=dt, dtype=jnp.float64)
        _, (states, out) = sim.run(neuron, sim.start(neuron, 50, dtype=jnp.float64), dt=dt, steps=round(200 / dt))
        eighth = np.argmax(np.cumsum(np.asarray(out), axis=0) == 8, axis=0)
        times = (eighth + 1) * dt - np.asarray(states.spike_offset)[eighth, np.arange(50)]
        errors.append(np.sqrt(np.mean((times - truth) ** 2)))
    order = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(order - 2) < 0.15, (order, errors)
    assert errors[-1] < 0.25 / 50


def test_a_decaying_current_is_followed_through_the_spike(sim, x64):
    """One spike and its refractory time split the step: v afterwards is that of a run with 64 times smaller steps."""
    ends = []
    for dt in (0.5, 0.5 / 64):
        steps = round(15 / dt)
        start = 12.0 * np.exp(-dt * np.arange(steps) / 5)[:, None]
        drive = Drive(decaying=((jnp.asarray(start), jnp.full(steps, 5.0)),))
        neuron = sim.build(CubaLIF(TAU * ms, t_ref=3 * ms, precise_times=True), dt=dt, dtype=jnp.float64)
        last, (_, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), drive, dt=dt)
        ends.append((float(out.sum()), float(last.v[0])))
    assert ends[0][0] == ends[1][0] == 1
    assert abs(ends[0][1] - ends[1][1]) < 2e-3


def test_a_crossing_by_a_jump_is_at_the_end_of_its_step(sim, x64):
    neuron = sim.build(LIF(TAU * ms, precise_times=True, t_ref=1 * ms), dt=0.5, dtype=jnp.float64)
    jump = jnp.zeros((8, 1)).at[2].set(2.0).at[3].set(2.0).at[5].set(0.5)
    _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), Drive(jump=jump), dt=0.5)
    np.testing.assert_array_equal(out[:, 0], [0, 0, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(states.spike_offset, 0)
    np.testing.assert_allclose(states.v[:6, 0], [0, 0, 0, 0, 0, 0.5])  # the second jump is lost, the third is not


def test_the_grid_and_precise_times_are_one_model_where_spikes_lie_on_the_grid(sim, x64):
    """Jumps only: the same spikes and voltages on both."""
    rng = np.random.default_rng(0)
    drive = Drive(jump=jnp.asarray(rng.uniform(0, 0.5, (200, 4))))
    runs = []
    for precise in (False, True):
        neuron = sim.build(LIF(5 * ms, t_ref=0.3 * ms, precise_times=precise), 4, dtype=jnp.float64)
        runs.append(sim.run(neuron, sim.start(neuron, 4, dtype=jnp.float64), drive)[1])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    np.testing.assert_allclose(runs[0][0].v, runs[1][0].v, rtol=1e-13)


def test_the_time_has_a_gradient(sim, x64):
    """d t / d I of the first spike, from `spike_offset` alone, is that of tau ln(I / (I - 1)) up to the chord's."""
    dt = 0.01

    def offset(current):
        neuron = sim.build(LIF(TAU * ms, i_bias=current, precise_times=True), dt=dt, dtype=jnp.float64)
        _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), dt=dt, steps=2000)
        return -(states.spike_offset[:, 0] * out[:, 0])[:2000][jnp.argmax(out[:, 0])]

    exact = TAU * (1 / CURRENT - 1 / (CURRENT - 1))
    np.testing.assert_allclose(jax.grad(offset)(CURRENT), exact, rtol=1e-2)


def test_a_recording_tells_the_time():
    cell = bs.LIF(TAU * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, i_bias=17 * pA, precise_times=True)
    net = bs.Network({"E": bs.Population(1, cell)}, dt=0.5)
    result = bs.simulate(net, 100 * ms, record=["E.spikes", "E.spike_offset"], progress=False)
    spikes = result["E"].spikes
    found = bs.analysis.precise_times(result["E"])
    np.testing.assert_allclose(found, TAU * np.log(1.7 / 0.7) * np.arange(1, found.size + 1), atol=0.02)
    assert (spikes.t >= found).all() and found.size == spikes.t.size > 3


def test_a_drive_goes_on_from_the_moment_of_the_spike(x64):
    """What is left of a step after `time` has the currents of the whole step at `time` + s, whatever their shape."""
    drive = Drive(
        current=jnp.array(3.0),
        decaying=((jnp.array(5.0), jnp.array(2.0)), (jnp.array(-1.0), jnp.array(7.0))),
        ramping=((jnp.array(4.0), jnp.array(2.0)),),
    )
    bias, time = jnp.array(0.5), jnp.array(0.06)
    left = _begun(drive, time)
    for s in (0.0, 0.01, 0.04):
        expected = synaptic_current(bias, drive, 0.1, 0.06 + s)(jnp.array(-60.0))
        found = synaptic_current(bias, left, 0.04, s)(jnp.array(-60.0))
        np.testing.assert_allclose(found, expected, rtol=1e-13)
