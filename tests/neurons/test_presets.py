"""LIF.like: the same spikes as the published update of each simulator, written out as a NumPy loop in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive
from brainsim.neurons import LIF

STEPS, N, DT = 300, 20, 1.0


@pytest.fixture
def inputs():
    return np.random.default_rng(1).normal(0.25, 0.5, (STEPS, N))


def ours(sim, lif, x, port, *, dt=DT):
    neuron = sim.build(lif, N, dt=dt, dtype=jnp.float64)
    drive = Drive(**{port: jnp.asarray(x)})
    _, (states, out) = sim.run(neuron, sim.start(neuron, N, dtype=jnp.float64), drive, dt=dt)
    return np.asarray(states.v), np.asarray(out)


@pytest.mark.parametrize("threshold", [1.0, 0.7])
@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
def test_snntorch_with_its_reset_one_step_late(mechanism, threshold, inputs, sim, x64):
    beta, u = 0.9, np.zeros(N)
    mem, spikes = [], []
    for x in inputs:
        reset = u > threshold
        if mechanism == "subtract":
            u = beta * u + x - reset * threshold
        else:
            u = beta * (u * ~reset if mechanism == "zero" else u) + x
        mem.append(u)
        spikes.append(u > threshold)
    lif = LIF.like("snntorch", beta=beta, threshold=threshold, reset_mechanism=mechanism)
    v, out = ours(sim, lif, inputs, "jump")
    np.testing.assert_array_equal(out, spikes)
    assert 0.02 < out.mean()
    taken = {"subtract": threshold / beta, "zero": np.asarray(mem), "none": 0.0}[mechanism]
    np.testing.assert_allclose(v, mem - out * taken, atol=1e-12)


@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
def test_snntorch_without_the_delay(mechanism, inputs, sim, x64):
    beta, u = 0.9, np.zeros(N)
    mem, spikes = [], []
    for x in np.minimum(inputs, 0.9):  # never two thresholds in one step
        u = beta * u + x
        spike = u > 1
        u = u - spike * (1.0 if mechanism == "subtract" else u)
        mem.append(u)
        spikes.append(spike)
    lif = LIF.like("snntorch", beta=beta, reset_mechanism=mechanism, reset_delay=False)
    v, out = ours(sim, lif, np.minimum(inputs, 0.9), "jump")
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(v, mem, atol=1e-12)


@pytest.mark.parametrize("v_reset", [0.0, -0.3, None])
def test_spikingjelly(v_reset, inputs, sim, x64):
    tau, threshold, rest = 2.5, 0.8, v_reset or 0.0
    u = np.full(N, rest)
    spikes = []
    for x in inputs:
        u = u - (u - rest) / tau + x
        spike = u >= threshold
        u = u - spike * threshold if v_reset is None else np.where(spike, v_reset, u)
        spikes.append(spike)
    lif = LIF.like("spikingjelly", tau=tau, decay_input=False, v_threshold=threshold, v_reset=v_reset)
    _, out = ours(sim, lif, inputs, "jump")
    np.testing.assert_array_equal(out, spikes)


@pytest.mark.parametrize("reset_method", ["value", "subtract"])
def test_norse(reset_method, inputs, sim, x64):
    u, spikes, inputs = np.full(N, 0.1), [], 8 * inputs
    for x in inputs:
        u = u + 0.001 * DT * 150.0 * (0.1 - u + x)
        spike = u > 0.9
        u = np.where(spike, u - 0.9 if reset_method == "subtract" else 0.0, u)
        spikes.append(spike)
    lif = LIF.like("norse", tau_mem_inv=150.0, v_leak=0.1, v_th=0.9, reset_method=reset_method)
    _, out = ours(sim, lif, inputs, "current")
    np.testing.assert_array_equal(out, spikes)
    assert 0.02 < out.mean()


def test_nest(inputs, sim, x64):
    """iaf_psc_delta: exact propagator, then jumps, unless refractory."""
    x, y, hold, spikes = 20 * inputs, np.full(N, 0.0), np.zeros(N, int), []
    decay = np.exp(-DT / 10)
    for row in x:
        free = hold == 0
        y = np.where(free, decay * y + 10 / 250 * 100.0 * (1 - decay) + row, y)
        hold = np.maximum(hold - 1, 0)
        spike = y >= 15.0
        y, hold = np.where(spike, 0.0, y), np.where(spike, 2, hold)
        spikes.append(spike)
    v, out = ours(sim, LIF.like("nest", I_e=100.0), x, "jump")
    np.testing.assert_array_equal(out, spikes)
    np.testing.assert_allclose(v[-1], y - 70, atol=1e-11)


def test_surrogates_are_theirs_as_functions_of_v(sim, x64):
    """d spike / dv at v - v_th = d, whatever the scale of the threshold."""
    jelly = LIF.like("spikingjelly", decay_input=False, v_threshold=2.0)
    cases = [
        (LIF.like("snntorch", beta=0.9, threshold=0.5), lambda d: 1 / (1 + (np.pi * d) ** 2)),
        (jelly, lambda d: 4 * np.exp(-4 * d) / (1 + np.exp(-4 * d)) ** 2),
        (LIF.like("norse", v_th=0.5), lambda d: 1 / (1 + 100 * abs(d)) ** 2),
    ]
    for lif, formula in cases:
        neuron = sim.build(lif, dt=1.0, dtype=jnp.float64)
        state = sim.start(neuron, dtype=jnp.float64)
        for d in (-0.2, 0.05):

            def spike(v, neuron=neuron, state=state):
                return neuron.surrogate(neuron.overdrive(state.replace(v=v)))[0]

            slope = jax.grad(spike)(jnp.full(1, float(neuron.v_th) + d))
            np.testing.assert_allclose(slope, formula(d), rtol=1e-9)


def test_the_decay_holds_at_any_step(sim):
    for dt in (1.0, 4.0):
        neuron = sim.build(LIF.like("snntorch", beta=0.9), dt=dt)
        np.testing.assert_allclose(np.exp(-dt / neuron.tau_mem), 0.9, rtol=1e-6)


@pytest.mark.parametrize(
    ("simulator", "names", "message"),
    [
        ("brian", {}, r'`simulator`: expected one of "snntorch", "spikingjelly", "norse", "nest"'),
        ("snntorch", {}, r'`beta`: LIF.like\("snntorch"\) needs it'),
        ("snntorch", {"beta": 0.9, "inhibition": True}, r'`inhibition`: LIF.like\("snntorch"\) takes beta, threshold'),
        ("snntorch", {"beta": 1.0}, r"`beta`: expected a decay per step in \(0, 1\)"),
        ("snntorch", {"beta": np.array([0.5, 0.9])}, r"`beta`: expected one number with `reset_delay=True`"),
        ("spikingjelly", {}, r"`decay_input`: True divides the input by `tau`"),
        ("spikingjelly", {"decay_input": False, "tau": 1.0}, r"`tau`: expected a number of steps > 1"),
        ("norse", {"tau_syn_inv": 200.0}, r'`tau_syn_inv`: LIF.like\("norse"\) takes'),
        ("norse", {"method": "tanh"}, r'`method`: expected one of "super"'),
        ("nest", {"tau_syn_ex": 2.0}, r'`tau_syn_ex`: LIF.like\("nest"\) takes tau_m'),
    ],
)
def test_what_cannot_be_kept_is_refused(simulator, names, message):
    with pytest.raises(ValueError, match=message):
        LIF.like(simulator, **names)
