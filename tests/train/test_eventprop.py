"""EventProp on the grid: against the event-driven network, against the derivative of a readout, and what it refuses."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train.gradients.eventprop_exact import EventDriven, Wiring
from brainsim.train.losses.spike_times import time_to_first_spike
from brainsim.units import ms
from tests.train.gradients import gradient

DT, STEPS, DELAY = 0.01, 4000, 2.0
IN = np.array([[3.1, 2.4], [1.9, 3.6], [2.7, 1.8]])
REC = np.array([[0.4, -0.9], [1.1, 0.3]])
TIMES, IDS = np.array([0.5, 2.0, 3.5, 9.0, 11.0, 16.0, 18.5]), np.array([0, 1, 2, 0, 2, 1, 0])


def sum_of_times(out, y, mask=None):
    """Sum over all spikes of c_j (t / 10)^2; its derivative with respect to a spike is -dt times that to its time."""
    t = DT * (1 + jnp.arange(len(out), dtype=out.dtype))[:, None, None]
    price = y * jnp.square(t / 10)
    earlier = -DT * y * t / 50 * (out - jax.lax.stop_gradient(out))
    return jnp.sum(jax.lax.stop_gradient(out) * price + jax.lax.stop_gradient(out) * earlier)


def continuous(price, *, late=0.0, recurrent=REC):
    """Value and gradient of the sum over all spikes of `price(neuron, t)`, from event to event."""
    net = EventDriven(20.0, 5.0, duration=STEPS * DT, max_spikes=24)
    wiring = (IN, np.zeros((3, 2)) + late, recurrent, np.full((2, 2), DELAY))

    @jax.jit
    @jax.value_and_grad
    def value(wiring):
        t, who, _ = net(wiring, jnp.asarray(TIMES), jnp.asarray(IDS))
        return jnp.sum(jnp.where(who >= 0, price(who, t), 0))

    return value(Wiring(*map(jnp.asarray, wiring)))


READOUT = np.array([1.0, -0.7])


@pytest.mark.parametrize("readout", [False, True], ids=["spikes", "voltage"])
def test_a_recurrent_layer_has_the_gradient_of_continuous_time(x64, readout):
    """Losses: READOUT (t / 10)^2 summed over spikes; int v dt of a readout with weights READOUT."""
    recurrent = bs.Recurrent(bs.CubaLIF(20 * ms, tau_syn=5 * ms), 2, weight=REC, delay=DELAY * ms)
    layers = [bs.Linear(3, 2, init=IN), recurrent]
    x = np.zeros((STEPS, 1, 3))
    x[np.round(TIMES / DT).astype(int) - 1, 0, IDS] = 1
    if readout:
        layers += [bs.Linear(2, 1, init=READOUT[:, None]), bs.LI(10 * ms)]
        loss, rest = lambda out, y, mask: DT * jnp.sum(out), lambda t: 10 * -jnp.expm1((t - STEPS * DT) / 10)
    else:
        loss, rest = sum_of_times, lambda t: (t / 10) ** 2
    outcome, slopes = gradient("eventprop", bs.Sequential(*layers, dt=DT * ms), loss, x, READOUT)
    value, expected = continuous(lambda who, t: jnp.asarray(READOUT)[who] * rest(t))
    assert float(outcome.value) == pytest.approx(float(value), rel=5e-3)
    for got, wanted in ((slopes["0"].weight, expected.weight_in), (slopes["1"].weight, expected.weight)):
        np.testing.assert_allclose(got, wanted, atol=0.02 * np.abs(wanted).max(), rtol=0.01)


def test_delays_of_a_linear_layer_have_the_gradient_of_continuous_time(x64):
    """A narrow kernel on a grid of 0.05 ms against delays from event to event."""
    delay, dt = np.array([[0.4, 2.0], [1.2, 0.8], [2.4, 1.6]]), 5 * DT
    forward = bs.Linear(3, 2, init=IN, delay=delay * ms, max_delay=2.8 * ms, sigma=0.05 * ms)
    layers = (forward, bs.CubaLIF(20 * ms, tau_syn=5 * ms), bs.Linear(2, 1, init=READOUT[:, None]), bs.LI(10 * ms))
    x = np.zeros((STEPS // 5, 1, 3))
    x[np.round(TIMES / dt).astype(int) - 1, 0, IDS] = 1
    loss = lambda out, y, mask: dt * jnp.sum(out)
    _, slopes = gradient("eventprop", bs.Sequential(*layers, dt=dt * ms), loss, x, READOUT)
    rest = lambda who, t: jnp.asarray(READOUT)[who] * 10 * -jnp.expm1((t - STEPS * DT) / 10)
    _, expected = continuous(rest, late=delay, recurrent=np.zeros((2, 2)))
    for got, wanted in (
        (slopes[0].weight, expected.weight_in),
        (slopes[0].delays.delay, expected.delay_in),
    ):
        np.testing.assert_allclose(got, wanted, atol=0.04 * np.abs(wanted).max(), rtol=0.02)


@pytest.mark.parametrize("readout", [False, True], ids=["spikes", "voltage"])
def test_delays_that_are_all_the_same_are_one_delay(x64, readout):
    """A `DelayedRecurrent` whose synapses all have a delay of 3 steps, against `Recurrent` with that delay."""
    neuron, tail = bs.CubaLIF(20 * ms, tau_syn=5 * ms), [bs.Linear(6, 3), bs.LI(10 * ms)] if readout else []
    loss = bs.losses.ce_sum if readout else bs.losses.first_spike
    slopes = []
    for delay, options in ((3.0, {}), (np.full((6, 6), 3.0), {"max_delay": 5 * ms})):
        recurrent = bs.Recurrent(neuron, 6, weight=bs.Normal(0, 2), delay=delay * ms, **options)
        model = bs.Sequential(bs.Linear(4, 6, init=bs.Uniform(2, 6)), recurrent, *tail, dt=1 * ms)
        slopes.append(gradient("eventprop", model, loss, X, Y)[1])
    for name in ("0", "1"):
        assert float(jnp.abs(slopes[0][name].weight).max()) > 0
        np.testing.assert_allclose(slopes[1][name].weight, slopes[0][name].weight, rtol=1e-10)


def deep(**options):
    return bs.Sequential(
        bs.Linear(4, 6, init=bs.Uniform(1, 4), bias=True),
        bs.CubaLIF(20 * ms, tau_syn=5 * ms, **options),
        bs.Linear(6, 3),
        bs.LI(10 * ms),
        dt=0.1 * ms,
    )


X = np.random.default_rng(1).random((200, 5, 4)) < 0.02
Y = np.arange(5) % 3


def test_the_readout_has_the_gradient_of_jax(x64):
    """What follows the last spikes is differentiated over time as it is."""
    slopes = [gradient(method, deep(), bs.losses.ce_sum, X, Y)[1]["2"].weight for method in ("eventprop", "bptt")]
    np.testing.assert_allclose(*slopes, rtol=1e-9)
    assert float(jnp.abs(slopes[0]).max()) > 0


def test_a_penalty_on_rates_quietens(x64):
    """At each spike it adds to dL/dv, so that the weights of neurons that fire too much fall."""
    penalty = bs.losses.rate("1.spikes", 0, 1, weight=1e-6)
    plain, calm = (
        gradient("eventprop", deep(), bs.losses.ce_sum, X, Y, regularize=r)[1]["0"].weight for r in ((), [penalty])
    )
    assert float((calm - plain).min()) >= 0 and float((calm - plain).max()) > 0


def test_it_trains_through_fit():
    """First spikes of three outputs learn three patterns."""
    rng = np.random.default_rng(0)
    x = np.zeros((200, 24, 6), np.float32)
    y = np.arange(24) % 3
    for i, label in enumerate(y):
        x[5 + 40 * np.array([label, (label + 1) % 3]) + rng.integers(0, 5, 2), i, [0, 1]] = 1
        x[rng.integers(0, 100, 4), i, [2, 3, 4, 5]] = 1
    model = bs.Sequential(
        bs.Linear(6, 20, init=bs.Normal(1.5, 0.8)),
        bs.CubaLIF(20 * ms, tau_syn=5 * ms),
        bs.Linear(20, 3, init=bs.Normal(0.6, 0.2)),
        bs.CubaLIF(20 * ms, tau_syn=5 * ms),
        dt=0.2 * ms,
    )
    loss = functools.partial(time_to_first_spike, tau=0.5, dt=0.2)
    options = {"optimizer": optax.adam(0.01), "epochs": 120, "progress": False}
    metrics = ["accuracy_first_spike"]
    history = bs.fit(model, [(x, y)], loss=loss, gradient="eventprop", metrics=metrics, **options).history
    assert history.steps[-1] < 0.5 * history.steps[0] and history["accuracy_first_spike"][-1] > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: bs.LIF(), '"eventprop" cannot treat layer 1: LIF is no CubaLIF'),
        (lambda: bs.CubaLIF(t_ref=1 * ms), "layer 1: it has a refractory time `t_ref`"),
        (lambda: bs.CubaLIF(reset="none"), 'layer 1: its `reset` is "none"'),
        (lambda: bs.CubaLIF(integrator="rk4"), 'layer 1: its `integrator` is "rk4"'),
        (lambda: bs.CubaLIF(trainable=("tau_syn",)), '`trainable`: "1.tau_syn" has no gradient by "eventprop"'),
        (lambda: bs.LI(), '"eventprop" needs a layer that spikes'),
    ],
)
def test_a_model_it_cannot_treat_is_named(change, message):
    model = bs.Sequential(bs.Linear(4, 3), change(), bs.Linear(3, 3), bs.LI(), dt=1 * ms)
    with pytest.raises(ValueError, match=message):
        gradient("eventprop", model, bs.losses.ce_sum, X, Y)


def test_losses_and_penalties_it_cannot_treat_are_named():
    spiking = bs.Sequential(bs.Linear(4, 3), bs.CubaLIF(), dt=1 * ms)
    with pytest.raises(ValueError, match="needs a loss of spike times .*, got ce_count"):
        gradient("eventprop", spiking, bs.losses.ce_count, X, Y)
    network = bs.Network(
        {"in": bs.Input(4), "E": bs.Population(3, bs.LIF(trainable=("tau_mem",)))}, [], dt=1 * ms, outputs="E"
    )
    with pytest.raises(ValueError, match='"eventprop" needs a Sequential, got a Network'):
        gradient("eventprop", network, bs.losses.ce_count, X, Y)
