"""`inference_mode` switches every part that trains otherwise than it is used; models cross plain JAX in both modes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import BatchNorm, Chain, Dropout
from brainsim.units import ms

X = jnp.asarray(np.random.default_rng(0).random((6, 3, 4)) < 0.5, jnp.float32)


@pytest.fixture
def model() -> bs.Sequential:
    late = bs.Linear(4, 5, delay=bs.Uniform(0 * ms, 3 * ms), sigma=1 * ms)
    return bs.Sequential(late, BatchNorm(), Chain(bs.LIF(5 * ms), Dropout(0.5)), bs.Linear(5, 2), dt=1 * ms)


def test_plain_jit_and_grad_take_a_model_in_both_modes(model):
    loss = lambda model, x: jnp.sum(bs.run(model, x).out ** 2)
    for mode in (model, bs.inference_mode(model)):
        np.testing.assert_allclose(jax.jit(loss)(mode, X), loss(mode, X), rtol=1e-5)
        slopes = jax.jit(jax.grad(loss))(mode, X)
        assert jax.tree.structure(slopes) == jax.tree.structure(mode)
        assert np.abs(slopes["3"].weight).max() > 0


def test_every_part_is_switched_and_nothing_else_changed(model):
    fixed = bs.inference_mode(model)
    parts = lambda model: (model["0"].delays, model["1"], model["2.1"])
    assert [part.inference for part in (*parts(model), *parts(fixed))] == [False] * 3 + [True] * 3
    assert all(a is b for a, b in zip(jax.tree.leaves(model), jax.tree.leaves(fixed), strict=True))
    assert jax.tree.structure(bs.inference_mode(fixed, value=False)) == jax.tree.structure(model)


def test_parts_of_equinox_are_switched_too():
    assert bs.inference_mode({"own": eqx.nn.Dropout(0.3)})["own"].inference is True


def test_a_mode_that_is_no_bool_is_refused(model):
    with pytest.raises(TypeError, match="`value`: expected True for inference or False for training, got 1"):
        bs.inference_mode(model, 1)
