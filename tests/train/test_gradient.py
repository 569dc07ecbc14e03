"""The methods by name, in a step of training and in `fit`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train.batches import Batch
from brainsim.train.gradients import METHODS, method
from brainsim.train.objective import Objective
from brainsim.train.step import update_step
from brainsim.units import ms

RNG = np.random.default_rng(0)
LABELS = np.arange(12) % 2
X = (RNG.random((15, 12, 4)) < 0.1 + 0.5 * (np.arange(4) % 2 == LABELS[:, None])).astype(np.float32)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="`gradient`: expected one of .*\"ottt\", got 'rtrl'"):
        update_step(Objective(bs.losses.ce_sum, (), {}), optax.sgd(0.1), "rtrl")
    assert sorted(METHODS) == ["bptt", "eprop", "eventprop", "ottt"]


def test_a_step_absorbs_what_the_state_has_learnt():
    model = bs.Sequential(bs.Linear(4, 3), bs.layers.BatchNorm(), bs.LIF(5 * ms), bs.Linear(3, 2), bs.LI(), dt=1 * ms)
    params, static = eqx.partition(model, bs.mask(model))
    optimizer = bs.constrain(optax.sgd(0.1), params)
    update = update_step(Objective(bs.losses.ce_sum, (), {}), optimizer)
    batch = Batch(jnp.asarray(X), jnp.asarray(LABELS), None)
    changed, _, rest, figures = update(params, optimizer.init(params), static, batch, jax.random.key(0))
    assert jax.tree.structure(rest) == jax.tree.structure(static) and set(figures) == {"loss"}
    after, known = eqx.combine(changed, rest), model.parameters()
    assert not any(
        np.array_equal(known[path].where(after), known[path].where(model)) for path in ("0.weight", "3.weight")
    )
    expected = bs.absorb(model, bs.run(model, X, key=jax.random.key(0)).state)
    leaves = map(jax.tree.leaves, (static, rest, eqx.partition(expected, bs.mask(model))[1]))
    changes = []
    for old, new, wanted in zip(*leaves, strict=True):
        np.testing.assert_allclose(new, wanted, rtol=1e-6)
        changes.append(not np.array_equal(old, new))
    assert any(changes)


@pytest.mark.parametrize("name", ["eprop", "ottt"])
def test_online_methods_train_through_fit(name):
    cell = bs.LIF(8 * ms, reset="subtract")
    model = bs.Sequential(bs.Linear(4, 8, init=bs.Uniform(0, 2)), cell, bs.Linear(8, 2), bs.LI(8 * ms), dt=1 * ms)
    options = {"loss": bs.losses.ce_sum, "optimizer": optax.adam(0.02), "epochs": 15, "progress": False}
    history = bs.fit(model, [(X, LABELS)], gradient=name, metrics=["accuracy"], **options).history
    assert history.steps[-1] < 0.5 * history.steps[0]


@pytest.mark.parametrize("name", ["eprop", "ottt"])
def test_a_run_that_bptt_would_cut_into_segments_is_left_whole(name):
    cell = bs.LIF(8 * ms, reset="subtract")
    model = bs.Sequential(bs.Linear(4, 64), cell, bs.Linear(64, 2), bs.LI(8 * ms), dt=1 * ms)
    call, (params, static) = method(name), eqx.partition(model, bs.mask(model))
    objective, key = Objective(bs.losses.ce_sum, (), {}), jax.random.key(0)
    x, y = jax.ShapeDtypeStruct((100_000, 100, 4), jnp.float32), jax.ShapeDtypeStruct((100,), jnp.int32)
    slope = jax.eval_shape(lambda x, y: call(objective, params, static, Batch(x, y, None), key)[1], x, y)
    assert slope[0].weight.shape == (4, 64)
