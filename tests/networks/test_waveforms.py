"""Steps, ramps and sines against their definition, at the start of every step and in the native loop."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim.networks import Ramp, Sine, Steps
from brainsim.units import Hz, ms, mV, pA

DT = 0.5
INTEGRATOR = bs.LI(1e9 * ms, c_mem=1.0)  # v grows by current x dt: what arrived is what changed


def current(signal, steps=80, n=2, dt=DT):
    net = bs.Network({"x": bs.Population(n, INTEGRATOR)}, dt=dt, outputs="x.v")
    if _native.WHY_XLA is None:
        assert bs.explain(net, {"x": signal}).loop == "one native call"
    v = np.asarray(bs.run(net, {"x": signal}, steps=steps).out, np.float64)
    return np.diff(v, axis=0, prepend=0) / dt


T = DT * np.arange(80)


def test_steps_are_zero_before_the_first_and_hold_the_last(x64):
    values, times = np.array([[1.0, -1.0], [4.0, 0.5], [2.0, 3.0]]), np.array([2.0, 10.0, 30.0])
    at = np.searchsorted(times, T, side="right")
    expected = np.concatenate([np.zeros((1, 2)), values])[at]
    np.testing.assert_allclose(current(Steps(values * pA, times * ms)), expected, atol=1e-6)


def test_a_ramp_is_held_before_and_after(x64):
    expected = np.interp(T, [5.0, 25.0], [-2.0, 6.0])
    np.testing.assert_allclose(current(Ramp(-2 * pA, 6 * pA, 5 * ms, 25 * ms))[:, 0], expected, atol=1e-6)


def test_a_sine_of_several_frequencies_and_its_phase_after_an_hour(x64):
    frequency = np.array([17.0, 40.0])
    expected = 1 + 3 * np.sin(2 * np.pi * (frequency * T[:, None] / 1000 + 0.125))
    np.testing.assert_allclose(current(Sine(3 * pA, frequency * Hz, 1 * pA, 0.125)), expected, atol=1e-5)
    net = bs.Network({"x": bs.Population(2, INTEGRATOR)}, dt=DT, outputs="x.v")
    late = 7_200_000
    state = net.init_state().replace(step=jnp.int32(late))
    v = np.asarray(bs.run(net, {"x": Sine(3 * pA, frequency * Hz)}, steps=3, state=state).out)
    angle = frequency * DT * (late + np.arange(3))[:, None] / 1000
    np.testing.assert_allclose(np.diff(v, axis=0, prepend=0) / DT, 3 * np.sin(2 * np.pi * angle), atol=0.05)


def test_a_sine_modulates_a_poisson_source():
    """The first Fourier coefficient of the counts is half the amplitude, within 4 standard errors."""
    n, steps, dt = 400, 5000, 1.0
    net = bs.Network({"p": bs.Poisson(n, 0.0)}, dt=dt, outputs="p", seed=2)
    counts = np.asarray(bs.run(net, {"p": Sine(30 * Hz, 8 * Hz, 50 * Hz)}, steps=steps).out).sum(1) / (n * dt / 1000)
    wave = np.exp(-2j * np.pi * 8 * dt * np.arange(steps) / 1000)
    error = np.sqrt(50 / (n * dt / 1000) / steps)
    assert abs((counts * wave).mean() - 30 / 2j) < 4 * error and abs(counts.mean() - 50) < 4 * error


def test_gradients_reach_the_values():
    net = bs.Network({"x": bs.Population(1, INTEGRATOR)}, dt=DT, outputs="x.v")
    out = lambda values, first: (
        bs.run(net, {"x": Steps(values, [0.0, 10.0])}, steps=40).out[-1, 0]
        + bs.run(net, {"x": Ramp(first, 2.0, 0.0, 10.0)}, steps=40).out[-1, 0]
    )
    gradient = eqx.filter_grad(lambda both: out(*both))((jnp.array([1.0, 2.0]), jnp.array(1.0)))
    np.testing.assert_allclose(gradient[0], [10.0, 10.0], rtol=1e-4)
    np.testing.assert_allclose(gradient[1], DT * np.clip(1 - T[:40] / 10, 0, 1).sum(), rtol=1e-4)


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (Steps([1.0, 2.0] * pA, [3.0, 2.0] * ms), "`times` of `inputs.*` must ascend"),
        (Steps([1.0] * pA, [3.0, 4.0] * ms), "Steps needs one value for each time"),
        (Steps([1.0] * pA, [3.2] * ms), "`times` = 3.2 ms is not a multiple of dt = 0.5 ms"),
        (Steps([1.0] * mV, [3.0] * ms), r"expected a current \(pA\)"),
        (Ramp(0 * pA, 1 * pA, 5 * ms, 5 * ms), "`stop` of `inputs.*` must be > `start` = 5 ms"),
        (Sine(1 * pA, 2000 * Hz), "`frequency` must be <= 1000 Hz"),
        (Sine(1 * Hz, 20 * Hz), r"`amplitude`: expected a current \(pA\)"),
    ],
)
def test_misuse(signal, words):
    with pytest.raises(ValueError, match=words):
        current(signal)


def test_a_rate_may_not_become_negative():
    net = bs.Network({"p": bs.Poisson(3, 1.0)}, dt=1.0)
    with pytest.raises(ValueError, match="`mean` - |`amplitude|` must be >= 0 Hz, got min -10"):
        bs.run(net, {"p": Sine(30 * Hz, 8 * Hz, 20 * Hz)}, steps=3)
