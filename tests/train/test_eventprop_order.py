"""EventProp on the grid, how far it is from the exact gradient, and that the distance falls as dt does."""

import jax
import jax.numpy as jnp
import numpy as np

import brainsim as bs
from brainsim.train.gradients.eventprop_exact import EventDriven, Wiring
from brainsim.units import ms
from tests.train.gradients import gradient

WIRING = Wiring(
    weight_in=np.array([[3.1, 2.4], [1.9, 3.6], [2.7, 1.8]]),
    delay_in=np.array([[0.4, 2.0], [1.2, 0.8], [2.4, 1.6]]),
    weight=np.array([[0.4, -0.9], [1.1, 0.3]]),
    delay=np.array([[2.0, 1.3], [0.9, 2.6]]),
)
READOUT, DURATION, SAMPLES = np.array([1.0, -0.7]), 40.0, 32
RNG = np.random.default_rng(0)
TIMES = 0.4 * np.sort(RNG.choice(np.arange(1, 50), (SAMPLES, 7)), axis=1)
IDS = RNG.integers(0, 3, (SAMPLES, 7))


def exact() -> Wiring:
    """Gradient of int v dt of a readout of 10 ms, from event to event, leaves `(samples, n, 2)`."""
    net = EventDriven(20 * ms, 5 * ms, duration=DURATION, max_spikes=24)

    def value(wiring, times, ids):
        t, who, _ = net(wiring, times, ids)
        return jnp.sum(jnp.where(who >= 0, jnp.asarray(READOUT)[who] * 10 * -jnp.expm1((t - DURATION) / 10), 0))

    each = jax.jit(jax.vmap(jax.grad(value), (None, 0, 0)))
    return each(Wiring(*map(jnp.asarray, WIRING)), jnp.asarray(TIMES), jnp.asarray(IDS))


def on_the_grid(dt: float) -> Wiring:
    """The same by `fit`'s method; the kernel of the input delays is as wide as a step."""
    forward = bs.Linear(3, 2, init=WIRING.weight_in, delay=WIRING.delay_in * ms, max_delay=2.8 * ms, sigma=dt * ms)
    recurrent = bs.Recurrent(
        bs.CubaLIF(20 * ms, tau_syn=5 * ms), 2, weight=WIRING.weight, delay=WIRING.delay * ms, max_delay=2.8 * ms
    )
    model = bs.Sequential(forward, recurrent, bs.Linear(2, 1, init=READOUT[:, None]), bs.LI(10 * ms), dt=dt * ms)
    x = np.zeros((SAMPLES, round(DURATION / dt), 1, 3))
    np.add.at(x, (np.arange(SAMPLES)[:, None], np.round(TIMES / dt).astype(int) - 1, 0, IDS), 1)

    def one(x):
        slopes = gradient("eventprop", model, lambda out, y, mask: dt * jnp.sum(out), x, READOUT)[1]
        return Wiring(slopes[0].weight, slopes[0].delays.delay, slopes[1].weight, slopes[1].delays.delay)

    return jax.jit(jax.vmap(one))(jnp.asarray(x))


def test_the_distance_to_the_exact_gradient_is_of_first_order(x64):
    """Weights and delays of inputs and of recurrent synapses; the median over samples, for spikes that graze differ."""
    wanted, steps = exact(), np.array([0.2, 0.1, 0.05])
    norm = lambda leaf: np.linalg.norm(np.asarray(leaf).reshape(SAMPLES, -1), axis=1)
    found = [on_the_grid(dt) for dt in steps]
    for name in Wiring._fields:
        truth = getattr(wanted, name)
        away = [np.median(norm(getattr(slopes, name) - truth) / norm(truth)) for slopes in found]
        order = np.polyfit(np.log(steps), np.log(away), 1)[0]
        assert 0.75 < order < 1.35 and away[-1] < 0.1, (name, away, order)
