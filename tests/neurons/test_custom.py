"""A user's own neuron: the twelve-line AdEx of the documentation, and what the base asks of a class."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import brainsim
from brainsim import neurons as bs
from brainsim._types import Drive
from brainsim.units import ms, mV, nS, pA, pF

P = jax.Array


# fmt: off
class AdEx(bs.Neuron):
    """C v' = -g (v-E) + g D exp((v-V_T)/D) - w + I;  tau_w w' = a (v-E) - w"""
    c_mem: P = bs.param(200*pF, positive=True);  g_leak: P = bs.param(10*nS);  e_leak: P = bs.param(-70*mV)   # P = jax.Array  # noqa: E501, E702
    v_T: P = bs.param(-50*mV);  delta: P = bs.param(2*mV);  a: P = bs.param(2*nS);  b: P = bs.param(60*pA)  # noqa: E702
    tau_w: P = bs.param(120*ms, positive=True);  v_th: P = bs.param(0*mV);  v_reset: P = bs.param(-58*mV)  # noqa: E702
    states = {"v": -70*mV, "w": 0*pA}
    def drift(self, s, i):                                   # i(v): bias + inputs + sum of g (e_rev - v)
        up = self.g_leak * self.delta * jnp.exp((s.v - self.v_T) / self.delta)
        return dict(v=(-self.g_leak*(s.v - self.e_leak) + up - s.w + i(s.v)) / self.c_mem,
                    w=(self.a*(s.v - self.e_leak) - s.w) / self.tau_w)
    def overdrive(self, s): return (s.v - self.v_th) / (self.v_th - self.v_reset)  # noqa: E704
    def reset(self, s): return dict(v=self.v_reset, w=s.w + self.b)  # noqa: E704
# fmt: on


@pytest.mark.parametrize("dt", [0.1, 0.05, 0.01])
def test_adex_spike_counts_do_not_depend_on_the_step(dt, sim):
    """1 s of 300, 500 and 800 pA with a load of 1 nS towards 0 mV, which the class knows nothing of."""
    neuron = sim.build(AdEx(i_bias=np.array([300.0, 500.0, 800.0]) * pA), 3, dt=dt)
    steps = round(1000 / dt)
    load = Drive(conductance=jnp.ones((steps, 3)), reversal=jnp.zeros((steps, 3)))
    _, (_, out) = sim.run(neuron, sim.start(neuron, 3), load, dt=dt)
    np.testing.assert_array_equal(out.sum(0), [17, 39, 71])


def test_adex_against_scipy(sim, x64):
    """The same current until just before the first spike, against an adaptive solver."""
    neuron = sim.build(AdEx(i_bias=300 * pA, integrator="rk4"), dt=0.01, dtype=jnp.float64)
    _, (states, out) = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), dt=0.01, steps=5000)
    steps = int(np.argmax(out[:, 0])) - 200

    def slope(t, y):
        v, w = y
        return [(-10 * (v + 70) + 20 * np.exp((v + 50) / 2) - w + 300) / 200, (2 * (v + 70) - w) / 120]

    truth = solve_ivp(slope, (0, steps * 0.01), [-70, 0], method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    assert steps > 500
    np.testing.assert_allclose([states.v[steps - 1, 0], states.w[steps - 1, 0]], truth, rtol=1e-8)


@pytest.mark.kernels
def test_a_users_neuron_is_fused():
    net = brainsim.Network({"E": brainsim.Population(50, AdEx(t_ref=2 * ms))}, dt=0.1 * ms)
    found = brainsim.explain(net)
    assert (found.loop, found.parts[0].way, found.why) == ("one native call", "fused", ())


def test_units_of_a_users_parameter_are_checked():
    with pytest.raises(ValueError, match=r"`c_mem`: expected a capacitance \(pF\), got 3 mV"):
        AdEx(c_mem=3 * mV)
    assert AdEx(c_mem=0.3 * pF * 1000).c_mem == pytest.approx(300)
    assert AdEx.params["tau_w"].unit == "ms" and AdEx.params["t_ref"].unit == "ms"
    assert AdEx().state_units() == {"v": "mV", "w": "pA"}
    assert AdEx(t_ref=2 * ms).state_units() == {"v": "mV", "w": "pA", "refractory": ""}


def test_gradient_reaches_every_parameter(sim):
    neuron = sim.build(AdEx(i_bias=600 * pA, v_th=-40 * mV, trainable=("delta",)))
    state = sim.start(neuron)

    def rate(neuron):
        _, (states, out) = sim.run(neuron, state, steps=400)
        return out.sum() + 1e-3 * states.v.mean()

    grads = jax.grad(rate)(neuron)
    assert all(bool(jnp.isfinite(g).all()) for g in jax.tree.leaves(grads))
    for name in ("c_mem", "g_leak", "v_T", "delta", "tau_w", "a", "v_th", "i_bias"):
        assert getattr(grads, name) != 0, name


class TestWhatTheBaseAsks:
    def test_a_plain_array_field(self):
        with pytest.raises(TypeError, match=r"`tau` of Bad must be declared with `param\(...\)`"):

            class Bad(bs.Neuron):
                tau: jax.Array = 20 * ms

    def test_a_missing_function(self):
        class Half(bs.Neuron):
            states = {"v": 0 * mV}

            def drift(self, s, i):
                return dict(v=-s.v)

        with pytest.raises(TypeError, match="Half must define `overdrive`, or `step`"):
            Half()

    def test_a_drift_without_one_of_the_states(self, sim):
        class Forgetful(AdEx):
            def drift(self, s, i):
                return dict(v=-s.v)

        neuron = sim.build(Forgetful())
        with pytest.raises(ValueError, match="`drift` of Forgetful: expected v, w, got v"):
            sim.run(neuron, sim.start(neuron), steps=1)

    def test_a_discrete_model_overrides_step(self, sim):
        class Counter(bs.Neuron):
            gain: jax.Array = bs.param(2.0)
            labelled: bool = eqx.field(static=True, default=False)
            states = {"n": 0.0}

            def step(self, state, drive, dt, key=None):
                n = state.n + self.gain
                return state.replace(n=n), n

        neuron = sim.build(Counter(), 2)
        _, (_, out) = sim.run(neuron, sim.start(neuron, 2), steps=3)
        np.testing.assert_array_equal(out, [[2, 2], [4, 4], [6, 6]])

    def test_noise_needs_a_stream(self):
        class Noise(AdEx):
            def diffusion(self, s):
                return dict(v=jnp.ones_like(s.v))

        neuron = Noise().build("x", (1,), dt=0.1, key=jax.random.key(0), dtype=jnp.float32)
        state = neuron.init_state((1,), key=jax.random.key(0), dtype=jnp.float32)
        with pytest.raises(ValueError, match="`key`: Noise has noise and needs a random stream"):
            neuron.step(state, Drive(), 0.1)

    def test_a_jump_needs_a_voltage(self, sim):
        class Voltless(bs.Neuron):
            states = {"u": 0.0}

            def drift(self, s, i):
                return dict(u=-s.u)

            def overdrive(self, s):
                return s.u - 1

            def reset(self, s):
                return dict(u=0.0)

        neuron = sim.build(Voltless())
        with pytest.raises(ValueError, match="Voltless has no state `v` that a jump could be added to"):
            sim.run(neuron, sim.start(neuron), Drive(jump=jnp.ones((1, 1))))
