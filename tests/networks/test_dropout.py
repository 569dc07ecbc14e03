"""Dropout: one mask a sample, the same at all times, another with every key; the identity in inference."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.networks.layers import Dropout
from brainsim.units import ms

XS = jnp.ones((6, 4, 500))


@pytest.fixture
def model() -> bs.Sequential:
    return bs.Sequential(Dropout(0.3), dt=1 * ms, input_shape=(500,))


def test_a_mask_is_fixed_over_time_and_differs_between_samples_and_keys(model):
    out = np.asarray(bs.run(model, XS, key=jax.random.key(0)).out)
    np.testing.assert_array_equal(out, np.broadcast_to(out[0], out.shape))
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.7)}
    assert (out[0] == 0).mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 2000))
    other = np.asarray(bs.run(model, XS, key=jax.random.key(1)).out)
    for a, b in ((out[0, 0], out[0, 1]), (out[0], other[0])):
        assert ((a == 0) != (b == 0)).mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.1)
    np.testing.assert_array_equal(bs.run(model, XS, key=jax.random.key(0)).out, out)


def test_stepping_and_going_on_keep_the_mask(model):
    first = bs.run(model, XS[:2])
    np.testing.assert_array_equal(bs.run(model, XS[2:], state=first.state).out[0], first.out[0])
    state, emitted = model.step(model.init_state(4), XS[0])
    np.testing.assert_array_equal(emitted["0"], first.out[0])
    np.testing.assert_array_equal(model.step(state, XS[0])[1]["0"], first.out[0])


def test_two_layers_drop_different_inputs():
    model = bs.Sequential(Dropout(0.5), Dropout(0.5), dt=1 * ms, input_shape=(500,))
    assert (bs.run(model, XS).out[0] > 0).mean() == pytest.approx(0.25, abs=0.05)


def test_inference_passes_everything_and_back(model):
    fixed = bs.inference_mode(model)
    np.testing.assert_array_equal(bs.run(fixed, XS).out, XS)
    again = bs.inference_mode(fixed, value=False)
    np.testing.assert_array_equal(bs.run(again, XS).out, bs.run(model, XS).out)


def test_fit_draws_another_mask_in_every_step():
    """With weight 1 and p = 1/2 the loss counts the dropped inputs, so that equal masks would give equal losses."""
    model = bs.Sequential(Dropout(0.5), bs.Linear(500, 1, init=1.0), dt=1 * ms, input_shape=(500,))
    loss = lambda out, y, mask=None: jnp.mean(out)
    batches = [(np.ones((2, 4, 500), np.float32), np.zeros(4, np.int32))] * 3
    done = bs.fit(model, batches, loss=loss, optimizer=optax.sgd(0.0), epochs=1, metrics=(), progress=False)
    assert len(set(done.history.steps)) == 3
    assert np.mean(done.history.steps) == pytest.approx(500, rel=0.05)


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_probability_of_nothing_is_refused(p):
    with pytest.raises(ValueError, match="`p` must be"):
        Dropout(p)
