"""What training may not break: signs, positive time constants, bounds, whatever the optimizer does."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brainsim as bs


def inside(model) -> bool:
    """Whether every parameter is in its bounds."""
    held = [(info, info.where(model)) for info in model.parameters().values() if info.where(model) is not None]
    return all(bool(jnp.all((value >= info.low) & (value <= info.high))) for info, value in held)


@pytest.mark.parametrize("optimizer", [optax.adamw(0.3, weight_decay=0.5), optax.sgd(5.0)], ids=["adamw", "sgd"])
def test_no_update_leaves_the_bounds(model, optimizer):
    params, static = eqx.partition(model, bs.mask(model))
    optimizer = bs.constrain(optimizer, params)
    state, rng = optimizer.init(params), np.random.default_rng(0)
    for _ in range(6):
        gradient = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), params)
        updates, state = optimizer.update(gradient, state, params)
        params = bs.constrain(optax.apply_updates(params, updates))
        assert inside(eqx.combine(params, static))
    assert not eqx.tree_equal(eqx.combine(params, static), model)


def test_dale_signs_are_kept_exactly_at_zero(network):
    params, static = eqx.partition(network, bs.mask(network))
    optimizer = bs.constrain(optax.sgd(1.0), params)
    push = jax.tree.map(lambda leaf: 3 * jnp.sign(leaf), params)
    updates, _ = optimizer.update(push, optimizer.init(params), params)
    moved = eqx.combine(optax.apply_updates(params, updates), static)
    for path in ("in->E", "E->I", "I->E", "E->out"):
        np.testing.assert_array_equal(np.asarray(moved[path].weight), 0.0)
    assert float(moved["E"].neuron.tau_mem) == pytest.approx(7.0)


def test_a_time_constant_stays_positive(sequential):
    low = sequential.parameters()["hid.tau_mem"].low
    sunk = bs.constrain(eqx.tree_at(lambda m: m["hid"].tau_mem, sequential, jnp.float32(-4.0)))
    assert 0 < low < 1 and float(sunk["hid"].tau_mem) == pytest.approx(low)
    spikes = bs.run(sunk, jnp.ones((5, 4))).out
    assert bool(jnp.isfinite(spikes).all())


@given(value=st.floats(-10, 10, width=32), update=st.floats(-10, 10, width=32))
@settings(max_examples=30)
def test_an_update_inside_the_bounds_is_left_alone(value, update):
    model = bs.Sequential(bs.Linear(1, 1, init=value), dt=1.0)
    optimizer = bs.constrain(optax.sgd(1.0), model)
    gradient = jax.tree.map(lambda leaf: -jnp.full_like(leaf, update), model)
    updates, _ = optimizer.update(gradient, optimizer.init(model), model)
    np.testing.assert_allclose(model["0"].weight + updates["0"].weight, value + update, atol=2e-6)


def test_extra_arguments_reach_the_optimizer(sequential):
    params = eqx.filter(sequential, bs.mask(sequential))
    seen = []

    def update(updates, state, params=None, *, value):
        seen.append(value)
        return updates, state

    inner = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    optimizer = bs.constrain(inner, params)
    optimizer.update(params, optimizer.init(params), params, value=3.0)
    assert seen == [3.0]


def test_an_update_without_parameters_is_refused(sequential):
    optimizer = bs.constrain(optax.sgd(1.0), sequential)
    with pytest.raises(ValueError, match="`params`: a constrained update needs them"):
        optimizer.update(sequential, optimizer.init(sequential))
