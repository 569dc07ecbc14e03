"""e-prop: against the formulas of its paper in NumPy, against JAX with recurrent spikes stopped, flat in time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._streams import Stream
from brainsim._types import State
from brainsim.neurons import Neuron, Triangle, param
from brainsim.units import ms
from tests.train.gradients import gradient, shapes

KEY = Stream.of(jax.random.key(0), 0)
STEPS, BATCH, N_IN, N, N_OUT = 23, 2, 3, 5, 2
RNG = np.random.default_rng(3)
X = (RNG.random((STEPS, BATCH, N_IN)) < 0.4).astype(float)
Y = RNG.normal(size=(STEPS, BATCH, N_OUT))
W_IN, W_REC, W_OUT = (RNG.normal(0, s, shape) for s, shape in ((0.6, (N_IN, N)), (0.4, (N, N)), (1.0, (N, N_OUT))))


class PaperALIF(Neuron):
    """Bellec et al. 2020: v' = alpha v + x - v_th z, b' = rho b + z, z' = H(v' - v_th - beta b')."""

    alpha: jax.Array = param(0.9)
    rho: jax.Array = param(0.97)
    beta: jax.Array = param(0.3)
    v_th: jax.Array = param(0.62, unit="mV")
    states = {"v": 0.0, "b": 0.0, "z": 0.0}

    def step(self, state, drive, dt, key=None):
        v = self.alpha * state.v + drive.jump - self.v_th * jax.lax.stop_gradient(state.z)
        b = self.rho * state.b + state.z
        z = Triangle(0.3)((v - self.v_th - self.beta * b) / self.v_th)
        return State(v=v, b=b, z=z), z


def network(neuron, *, recurrent=True, bias=False, delay=1):
    hidden = bs.Recurrent(neuron, N, weight=W_REC, delay=delay * ms) if recurrent else neuron
    read = bs.LI(10 * ms)
    return bs.Sequential(
        bs.Linear(N_IN, N, init=W_IN, bias=bias), hidden, bs.Linear(N, N_OUT, init=W_OUT), read, dt=1 * ms
    )


def error(out, y, mask=None):
    return jnp.sum(jnp.square(out - y)) / 2


def paper():
    """Equations 4, 24 and 25 of the paper, with the filtered eligibility."""
    alpha, rho, beta, v_th, kappa = 0.9, 0.97, 0.3, 0.62, np.exp(-1 / 10)
    g_in, g_rec, g_out = np.zeros_like(W_IN), np.zeros_like(W_REC), np.zeros_like(W_OUT)
    for trial in range(BATCH):
        v, b, z, out = np.zeros(N), np.zeros(N), np.zeros(N), np.zeros(N_OUT)
        eps_v, eps_a, bar = np.zeros(N_IN + N), np.zeros((N_IN + N, N)), np.zeros((N_IN + N, N))
        psi, z_bar = np.zeros(N), np.zeros(N)
        for t in range(STEPS):
            v, b = alpha * v + X[t, trial] @ W_IN + z @ W_REC - v_th * z, rho * b + z
            eps_a = (rho - beta * psi) * eps_a + psi * eps_v[:, None]
            eps_v = alpha * eps_v + np.concatenate([X[t, trial], z])
            psi = 0.3 / v_th * np.maximum(0, 1 - np.abs((v - v_th - beta * b) / v_th))
            z = (v - v_th - beta * b >= 0).astype(float)
            bar = kappa * bar + psi * (eps_v[:, None] - beta * eps_a)
            z_bar, out = kappa * z_bar + z, kappa * out + z @ W_OUT
            missed = out - Y[t, trial]
            total = bar * (missed @ W_OUT.T)
            g_in, g_rec, g_out = g_in + total[:N_IN], g_rec + total[N_IN:], g_out + np.outer(z_bar, missed)
    return g_in, g_rec, g_out


def test_it_is_the_formula_of_the_paper(x64):
    _, slopes = gradient("eprop", network(PaperALIF()), error, X, Y)
    for index, expected in zip((0, 1, 2), paper(), strict=True):
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(slopes[index].weight, expected, rtol=1e-10, atol=1e-12)


NEURONS = {
    "AdaptiveLIF": bs.AdaptiveLIF(8 * ms, tau_adapt=50 * ms, t_ref=2 * ms, detach_reset=False),
    "CubaLIF": bs.CubaLIF(8 * ms, 0.2, tau_syn=3 * ms, detach_reset=False, reset="subtract"),
}


@pytest.mark.parametrize("name", NEURONS)
def test_it_is_autodiff_with_recurrent_spikes_stopped(x64, name):
    model = network(NEURONS[name], bias=True, delay=2)

    def stopped(model):
        hidden, start = model[1], model.init_state(BATCH, KEY.key).layers
        cell = start[1].cell

        def step(carry, x):
            cell, early, late = carry
            jump = x @ model[0].weight + model[0].bias + jax.lax.stop_gradient(early) @ hidden.weight
            cell, z = hidden.neuron.step(cell, hidden.neuron.fed(jump), 1.0)
            return (cell, late, z), z @ model[2].weight

        none = jnp.zeros((BATCH, N))
        _, ys = jax.lax.scan(step, (cell, none, none), jnp.asarray(X))
        return error(model.layers[3].unroll(start[3], ys, 1.0, KEY)[1], Y)

    expected = eqx.filter_jit(eqx.filter_grad(stopped))(model)
    _, slopes = gradient("eprop", model, error, X, Y)
    for got, wanted in (
        (slopes[0].weight, expected[0].weight),
        (slopes[0].bias, expected[0].bias),
        (slopes[1].weight, expected[1].weight),
        (slopes[2].weight, expected[2].weight),
    ):
        assert float(jnp.abs(wanted).max()) > 1e-3
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


class Loud:
    """A penalty on the rate of a layer and on the spikes of two of its neurons."""

    record = ("1.rate", "1.spikes[:2]")

    def __call__(self, records, *, dt, lengths=None):
        return 1e-4 * jnp.mean(jnp.square(records["1.rate"])) + jnp.mean(records["1.spikes"])


@pytest.mark.parametrize("penalty", [bs.losses.rate("1.spikes", 20, 50, weight=1e-3), Loud()], ids=["rate", "own"])
def test_without_recurrence_it_is_backpropagation_through_time(penalty, x64):
    """Penalties on rates included; and the value is the same."""
    model = network(bs.LIF(8 * ms), recurrent=False)
    (left, a), (right, b) = (gradient(name, model, error, X, Y, regularize=[penalty]) for name in ("eprop", "bptt"))
    assert float(left.value) == pytest.approx(float(right.value), rel=1e-12)
    for index in (0, 2):
        np.testing.assert_allclose(a[index].weight, b[index].weight, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["eprop", "ottt"])
def test_neurons_may_come_first_and_the_batch_may_be_missing(x64, name):
    """Neurons without weights, two stages of them, one trial: only the readout has a gradient to get."""
    cell = bs.LIF(8 * ms, reset="subtract")
    model = bs.Sequential(bs.layers.Flatten(N_IN), cell, cell, bs.Linear(N_IN, N_OUT), bs.LI(10 * ms), dt=1 * ms)
    slopes = [gradient(method, model, error, X[:, 0], Y[:, 0])[1][3].weight for method in (name, "bptt")]
    np.testing.assert_allclose(*slopes, rtol=1e-10)


@pytest.mark.parametrize("name", ["eprop", "ottt"])
def test_nothing_hidden_is_held_over_time(name):
    steps, hidden = 53, 7
    model = bs.Sequential(
        bs.Linear(3, hidden), bs.LIF(8 * ms, reset="subtract"), bs.Linear(hidden, 2), bs.LI(10 * ms), dt=1 * ms
    )
    x, y = np.zeros((steps, 2, 3), np.float32), np.zeros((steps, 2, 2), np.float32)
    wide = lambda shape: steps in shape and int(np.prod(shape)) > steps * 2 * 3
    assert not any(map(wide, shapes(name, model, error, x, y, rates=("1",))))
    assert any(map(wide, shapes("bptt", model, error, x, y)))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((bs.layers.Conv1d(1, 2, 3), bs.LIF()), "cannot treat layer 1: Conv1d.* before it is no Linear"),
        ((bs.LI(), bs.LIF()), "cannot treat layer 0, LI: it has a memory, but does not spike"),
        ((bs.LI(),), '"eprop" needs a layer that spikes'),
    ],
)
def test_what_it_cannot_treat_is_named(layers, message):
    model = bs.Sequential(*layers, dt=1 * ms, input_shape=(1, 4))
    with pytest.raises(ValueError, match=message):
        gradient("eprop", model, lambda out, y, mask: jnp.sum(out), np.zeros((3, 1, 1, 4)), np.zeros(1))
    voltage = network(bs.LIF(8 * ms, trainable=("tau_mem",)), recurrent=False)
    with pytest.raises(ValueError, match='`trainable`: "1.tau_mem" has no gradient by "eprop"'):
        gradient("eprop", voltage, error, X, Y)
