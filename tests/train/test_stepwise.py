"""Updates in every step: the published loop of OTTT in NumPy, and the gradient of a batch where they are tiny."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train.batches import Batch
from brainsim.train.objective import Objective
from brainsim.train.step import update_step
from brainsim.units import ms
from tests.train.gradients import shapes_of

STEPS, BATCH = 19, 3
RNG = np.random.default_rng(5)
X = (RNG.random((STEPS, BATCH, 4)) < 0.4).astype(float)
Y = np.arange(BATCH) % 2
TARGET = RNG.normal(size=(STEPS, BATCH, 2))


def soft(tau):
    return bs.LIF(tau * ms, reset="subtract")


def layered(between=(), after=()):
    front, back = (bs.Linear(4, 6), soft(5)), (bs.Linear(6, 5), soft(7), bs.Linear(5, 2))
    return bs.Sequential(*front, *between, *back, *after, dt=1 * ms)


def recurrent():
    layer = bs.Recurrent(bs.LIF(8 * ms), 6, weight=bs.Normal(0, 0.5))
    return bs.Sequential(bs.Linear(4, 6, bias=True, init=bs.Uniform(0, 1)), layer, bs.Linear(6, 2), dt=1 * ms)


def trained(model, optimizer, name="ottt", loss=bs.losses.ce_rate, batches=((X, Y),), every="step", **options):
    """The model and the figures of the last batch."""
    params, static = eqx.partition(model, bs.mask(model, options.get("trainable")))
    optimizer = bs.constrain(optimizer, params)
    metrics = {"accuracy": bs.train.metrics.accuracy} if batches[0][1] is Y else {}
    objective = Objective(loss, options.get("regularize", ()), metrics, ("1",))
    update, opt_state, figures = update_step(objective, optimizer, name, every), optimizer.init(params), {}
    for x, y in batches:
        batch = Batch(jnp.asarray(x), jnp.asarray(y), options.get("lengths"))
        params, opt_state, static, figures = update(params, opt_state, static, batch, jax.random.key(0))
    return eqx.combine(params, static), figures


def test_ottt_is_the_published_loop(x64):
    """Xiao et al. 2022, algorithm 1 with online updates: momentum SGD in every step, over two batches."""
    model, rate, momentum = layered(), 0.3, 0.9
    weights, keep = [np.asarray(model[i].weight) for i in (0, 2, 4)], np.exp(-1 / np.array([5, 7]))
    velocities, values = [np.zeros_like(w) for w in weights], []
    for inputs in (X, X[::-1]):
        membranes, traces = [np.zeros((BATCH, n)) for n in (6, 5)], [np.zeros((BATCH, n)) for n in (4, 6)]
        values = []
        for x in inputs:
            slopes, s = [], x
            for layer in range(2):
                traces[layer] = keep[layer] * traces[layer] + s
                u = keep[layer] * membranes[layer] + s @ weights[layer]
                s = (u >= 1).astype(float)
                membranes[layer] = u - s
                slopes.append(1 / (1 + (np.pi * (u - 1)) ** 2))
            out = s @ weights[2]
            p = np.exp(out) / np.exp(out).sum(1, keepdims=True)
            values.append(-np.log(p[np.arange(BATCH), Y]).mean() / STEPS)
            missed = (p - np.eye(2)[Y]) / BATCH / STEPS
            second = missed @ weights[2].T * slopes[1]
            first = second @ weights[1].T * slopes[0]
            for layer, slope in enumerate((traces[0].T @ first, traces[1].T @ second, s.T @ missed)):
                velocities[layer] = momentum * velocities[layer] + slope
                weights[layer] = weights[layer] - rate * velocities[layer]
    found, figures = trained(model, optax.sgd(rate, momentum), batches=[(X, Y), (X[::-1], Y)])
    for index, expected in zip((0, 2, 4), weights, strict=True):
        assert np.abs(expected - model[index].weight).max() > 1e-3
        np.testing.assert_allclose(found[index].weight, expected, rtol=1e-9, atol=1e-12)
    assert float(figures["loss"]) == pytest.approx(sum(values), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "make", "loss", "y"),
    [
        ("ottt", layered, bs.losses.mse, TARGET),
        ("ottt", lambda: layered(between=[bs.layers.Dropout(0.5)]), bs.losses.ce_rate, Y),
        ("eprop", recurrent, bs.losses.mse, TARGET),
        ("eprop", recurrent, bs.losses.mse, TARGET[0]),
    ],
    ids=["ottt", "dropout", "eprop", "held target"],
)
def test_tiny_updates_add_up_to_the_gradient_of_a_batch(x64, name, make, loss, y):
    """Its value, accuracy and rates are those of a batch, too."""
    model, tiny = make(), 1e-7
    changed, figures = trained(model, optax.sgd(tiny), name, loss, [(X, y)])
    expected, wanted = trained(model, optax.sgd(tiny), name, loss, [(X, y)], every="batch")
    assert figures.keys() == wanted.keys() and float(figures["rate/1"]) > 10
    for figure, value in wanted.items():
        assert float(figures[figure]) == pytest.approx(float(value), rel=1e-6)
    for where in (info.where for info in model.parameters().values() if info.trainable):
        slope, moved = ((where(model) - where(after)) / tiny for after in (expected, changed))
        assert float(jnp.abs(slope).max()) > 1e-5
        np.testing.assert_allclose(moved, slope, rtol=1e-3, atol=1e-5 * float(jnp.abs(slope).max()))


@pytest.mark.parametrize("name", ["eprop", "ottt"])
def test_it_learns_through_fit(name):
    labels = np.arange(12) % 2
    x = (RNG.random((15, 12, 4)) < 0.1 + 0.5 * (np.arange(4) % 2 == labels[:, None])).astype(np.float32)
    model = bs.Sequential(bs.Linear(4, 8, init=bs.Uniform(0, 2)), soft(8), bs.Linear(8, 2), dt=1 * ms)
    options = {"loss": bs.losses.ce_rate, "optimizer": optax.sgd(0.5, 0.9), "epochs": 10, "progress": False}
    history = bs.fit(model, [(x, labels)], valid=[(x, labels)], gradient=name, update="step", **options).history
    assert history.steps[-1] < 0.5 * history.steps[0] and history["valid_accuracy"][-1] == 1


@pytest.mark.parametrize("name", ["eprop", "ottt"])
def test_nothing_but_input_and_output_is_held_over_time(name):
    steps, hidden = 53, 7
    model = bs.Sequential(bs.Linear(3, hidden), soft(8), bs.Linear(hidden, 2), dt=1 * ms)
    params, static = eqx.partition(model, bs.mask(model))
    optimizer = bs.constrain(optax.adam(0.1), params)
    update = update_step(Objective(bs.losses.mse, (), {}, ("1",)), optimizer, name, "step")
    call = lambda x, y: update(params, optimizer.init(params), static, Batch(x, y, None), jax.random.key(0))
    found = shapes_of(call, np.zeros((steps, 2, 3), np.float32), np.zeros((steps, 2, 2), np.float32))
    assert any(steps in shape for shape in found)
    assert not any(steps in shape and int(np.prod(shape)) > steps * 2 * 3 for shape in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "bptt"},
            '`update`: "step" needs a gradient that goes forward in time, "eprop" or "ottt", got "bptt"',
        ),
        ({"every": "epoch"}, "`update`: expected one of"),
        ({"model": layered(after=[bs.LI(5 * ms)])}, '`update`: "step" cannot treat layer 5, LI.* it has a memory'),
        ({"model": bs.Sequential(bs.Linear(4, 2), bs.LIF(), dt=1 * ms)}, '"ottt" cannot treat layer 1: its reset'),
        ({"trainable": ["1.v_th"]}, '`trainable`: "1.v_th" has no gradient by "ottt"'),
        ({"loss": bs.losses.ce_mean}, '`loss`: `update="step"` needs a mean over the steps.*ce_mean of 19 random'),
        ({"loss": lambda out, y, mask: jnp.sum(out)}, "`loss`: .*mean over the steps"),
        ({"regularize": (bs.losses.rate("1.spikes", 20, 50),)}, "`regularize`: penalties on records"),
        ({"lengths": jnp.array([19, 4, 5])}, "`lengths`: .* all samples"),
    ],
)
def test_what_a_step_cannot_know_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        trained(**{"model": layered(), "optimizer": optax.sgd(0.1), **change})
