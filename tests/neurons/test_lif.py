"""LIF: resets, ports, the f-I curve, initial values and gradients through the reset."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive
from brainsim.neurons import LIF
from brainsim.units import GOhm, ms, mV, nS, pA, pF
from brainsim.values import Normal


def test_defaults_are_the_normalised_model():
    lif = LIF()
    assert (lif.tau_mem, lif.v_th, lif.v_reset, lif.v_rest, lif.t_ref, lif.r_mem, lif.c_mem, lif.i_bias) == (
        *(20.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        None,
        0.0,
    )
    assert (lif.reset, lif.integrator, lif.detach_reset) == ("value", "exact", True)


def test_two_ports(sim):
    """A jump is added whole after the leak; a current is integrated with gain R (1 - exp(-dt / tau))."""
    neuron = sim.build(LIF(10 * ms, v_th=100, r_mem=2 * GOhm), dt=1.0)
    state = sim.start(neuron, init={"v": 5.0})
    beta = np.exp(-0.1)
    last, _ = sim.run(neuron, state, Drive(jump=jnp.full((1, 1), 3.0)), dt=1.0)
    np.testing.assert_allclose(last.v[0], 5 * beta + 3, rtol=1e-6)
    last, _ = sim.run(neuron, state, Drive(current=jnp.full((1, 1), 3.0)), dt=1.0)
    np.testing.assert_allclose(last.v[0], 5 * beta + 2 * 3 * (1 - beta), rtol=1e-6)


def test_capacitance_stands_for_the_resistance(sim, x64):
    by_c = sim.build(LIF(20 * ms, v_th=50, c_mem=200 * pF, i_bias=200 * pA), dtype=jnp.float64)
    by_r = sim.build(LIF(20 * ms, v_th=50, r_mem=0.1 * GOhm, i_bias=200 * pA), dtype=jnp.float64)
    assert by_c.r_mem is None and by_r.c_mem is None
    np.testing.assert_allclose(by_c.resistance, by_r.resistance, rtol=1e-15)
    ends = [sim.run(n, sim.start(n, dtype=jnp.float64), steps=50)[0].v for n in (by_c, by_r)]
    np.testing.assert_allclose(*ends, rtol=1e-14)


@pytest.mark.parametrize(("reset", "after"), [("value", 0.25), ("subtract", 3.0 - 0.75), ("none", 3.0)])
def test_resets(reset, after, sim):
    neuron = sim.build(LIF(v_th=1, v_reset=0.25, reset=reset), dt=1.0)
    last, (_, out) = sim.run(neuron, sim.start(neuron), Drive(jump=jnp.full((1, 1), 3.0)), dt=1.0)
    np.testing.assert_array_equal(out, 1.0)
    np.testing.assert_allclose(last.v[0], after, rtol=1e-6)


def test_subtract_above_two_thresholds_waits_out_the_refractory_time(sim):
    neuron = sim.build(LIF(1e6 * ms, reset="subtract", t_ref=2 * ms), dt=1.0)
    jump = jnp.zeros((9, 1)).at[0].set(3.5)
    _, (states, out) = sim.run(neuron, sim.start(neuron), Drive(jump=jump), dt=1.0)
    np.testing.assert_array_equal(out[:, 0], [1, 0, 0, 1, 0, 0, 1, 0, 0])
    np.testing.assert_allclose(states.v[:, 0], [2.5, 2.5, 2.5, 1.5, 1.5, 1.5, 0.5, 0.5, 0.5], rtol=1e-4)


@pytest.mark.parametrize("t_ref", [0.0, 2.0])
def test_f_i_curve(t_ref, sim, x64):
    """Intervals are t_ref + tau ln((R I) / (R I - v_th)), rounded up to a step after the refractory time."""
    current, tau, dt = np.array([1.05, 1.3, 2.0, 5.0]), 20.0, 0.1
    neuron = sim.build(LIF(tau, t_ref=t_ref, i_bias=current), 4, dtype=jnp.float64, dt=dt)
    _, (_, out) = sim.run(neuron, sim.start(neuron, 4, dtype=jnp.float64), steps=2500, dt=dt)
    for i, drive in enumerate(current):
        interval = np.diff(np.flatnonzero(out[:, i]))
        np.testing.assert_array_equal(interval, np.ceil(tau * np.log(drive / (drive - 1)) / dt) + round(t_ref / dt))
    below = sim.build(LIF(tau, i_bias=0.999), dtype=jnp.float64)
    assert not sim.run(below, sim.start(below, dtype=jnp.float64), steps=2500)[1][1].any()


def test_conductance_pulls_to_its_reversal(sim):
    """A large conductance towards -80 mV holds v at (v_rest + R g e) / (1 + R g)."""
    neuron = sim.build(LIF(v_th=-50, v_reset=-60, v_rest=-60), dt=0.5)
    drive = Drive(conductance=jnp.full((200, 1), 9.0), reversal=jnp.full((200, 1), -720.0))
    last, _ = sim.run(neuron, sim.start(neuron), drive, dt=0.5)
    np.testing.assert_allclose(last.v[0], (-60 - 720) / 10, rtol=1e-6)


class TestInitialState:
    def test_starts_at_rest_or_where_told(self, sim):
        neuron = sim.build(LIF(v_th=-50, v_reset=-60, v_rest=np.array([-60.0, -61.0])), 2)
        np.testing.assert_array_equal(sim.start(neuron, 2, batch=3).v, [[-60, -61]] * 3)
        np.testing.assert_array_equal(sim.start(neuron, 2, init={"v": -55 * mV}).v, [-55, -55])
        np.testing.assert_array_equal(sim.start(neuron, 2, batch=2, init={"v": np.eye(2)}).v, np.eye(2))

    def test_every_trial_and_neuron_has_its_own_draw(self, sim):
        neuron = sim.build(LIF(), 50)
        for slot in (Normal(0, 1), lambda key, context: jax.random.normal(key, context.shape)):
            v = sim.start(neuron, 50, batch=8, init={"v": slot}).v
            assert np.unique(v).size == 400 and abs(float(v.mean())) < 4 / 20

    def test_a_wrong_unit_or_shape(self, sim):
        neuron = sim.build(LIF(), 2)
        with pytest.raises(ValueError, match=r"`v`: expected a voltage \(mV\), got 3 nS"):
            sim.start(neuron, 2, init={"v": 3 * nS})
        with pytest.raises(ValueError, match=r"`v`: expected one value or an array of shape \(2,\), got \(5,\)"):
            sim.start(neuron, 2, init={"v": np.zeros(5)})


class TestBuild:
    def test_slots_become_arrays_of_one_or_n(self, sim):
        lif = LIF(Normal(20 * ms, 2 * ms), i_bias=lambda key, context: np.arange(context.shape[0]), v_th=1)
        neuron = sim.build(lif, 5)
        assert neuron.tau_mem.shape == (5,) and np.unique(neuron.tau_mem).size == 5
        np.testing.assert_array_equal(neuron.i_bias, np.arange(5))
        assert neuron.v_th.shape == () and neuron.v_th.dtype == jnp.float32

    def test_bounds_hold_for_what_was_drawn(self, sim):
        with pytest.raises(ValueError, match=r"`x.tau_mem` must be > 0 ms, got min -"):
            sim.build(LIF(Normal(1 * ms, 5 * ms)), 100)
        with pytest.raises(ValueError, match=r"`v_reset` must be < `v_th` = 1 mV, got 2 mV at neuron 1"):
            sim.build(LIF(v_th=1, v_reset=np.array([0.0, 2.0])), 2)
        with pytest.raises(ValueError, match=r"`x.i_bias`: expected one value or an array of shape \(3,\), got \(2,\)"):
            sim.build(LIF(i_bias=np.zeros(2)), 3)

    def test_it_is_differentiable_from_the_slot_on(self, sim):
        def end(tau):
            neuron = sim.build(LIF(tau, i_bias=0.5))
            return sim.run(neuron, sim.start(neuron), steps=10)[0].v[0]

        np.testing.assert_allclose(jax.grad(end)(20.0), -0.5 * np.exp(-1 / 20) / 400, rtol=1e-4)


class TestGradientOfTheReset:
    """v1 = v + x; s = H(v1 - 1); v2 = beta (v1 after reset). With detach, the reset's own s is a constant."""

    def gradient(self, sim, **options):
        neuron = sim.build(LIF(v_reset=0.0, v_th=1.0, surrogate="straight_through", **options), dt=1.0)

        def second(v):
            _, (states, _) = sim.run(neuron, sim.start(neuron).replace(v=v), dt=1.0, steps=2)
            return states.v[1, 0]

        return float(jax.grad(second)(jnp.full(1, 1.2))[0]) / np.exp(-2 / 20)

    def test_detached(self, sim):
        assert self.gradient(sim, reset="value") == pytest.approx(0.0)
        assert self.gradient(sim, reset="subtract") == pytest.approx(1.0)

    def test_not_detached(self, sim):
        v1 = 1.2 * np.exp(-1 / 20)
        assert self.gradient(sim, reset="value", detach_reset=False) == pytest.approx(-v1, rel=1e-5)
        assert self.gradient(sim, reset="subtract", detach_reset=False) == pytest.approx(0.0, abs=1e-6)


def test_from_beta(sim):
    np.testing.assert_allclose(sim.build(LIF.from_beta(0.9, 2 * ms)).tau_mem, -2 / np.log(0.9), rtol=1e-6)
    assert LIF.from_beta(np.array([0.5, 0.9]), 1.0, reset="subtract").tau_mem.shape == (2,)
    for beta in (1.0, 0.0, -0.1, np.array([0.5, 1.5])):
        with pytest.raises(ValueError, match=r"`beta`: expected a decay per step in \(0, 1\)"):
            LIF.from_beta(beta, 1.0)
