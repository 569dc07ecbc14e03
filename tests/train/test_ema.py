"""The running average of the parameters is the weighted mean of every step's, and is what `fit` serves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train.ema import Average
from brainsim.units import ms

BATCHES = [(np.full((3, 2, 2), value, np.float32), np.array([0, 1])) for value in (1.0, 2.0, 0.5)]


def train(**options):
    model = bs.Sequential(bs.Linear(2, 2), bs.LI(5 * ms), dt=1 * ms)
    options = {"optimizer": optax.sgd(0.3), "epochs": 1, "metrics": (), **options}
    return bs.fit(model, BATCHES, loss=bs.losses.ce_sum, progress=False, **options)


def test_it_is_the_weighted_mean_of_all_steps():
    average, values = Average(0.7), [np.array([1.0, -2.0]), np.array([4.0, 0.5]), np.array([-1.0, 3.0])]
    state = average.init(jnp.zeros(2))
    for value in values:
        state = average.advanced(jnp.asarray(value, jnp.float32), state)
    weights = 0.3 * 0.7 ** np.array([2.0, 1.0, 0.0])
    np.testing.assert_allclose(state.ema, weights @ values, rtol=1e-6)


def test_the_trained_model_and_its_validation_are_those_of_the_average():
    seen = []
    for steps in (1, 2, 3):
        seen.append(np.asarray(train().model["0"].weight) if steps == 3 else _after(steps))
    weights = 0.5 * 0.5 ** np.array([2.0, 1.0, 0.0])
    expected = np.tensordot(weights / weights.sum(), seen, 1)
    averaged = train(ema=0.5, valid=BATCHES)
    np.testing.assert_allclose(averaged.model["0"].weight, expected, rtol=1e-5)
    frozen = bs.fit(
        averaged.model, BATCHES, loss=bs.losses.ce_sum, optimizer=optax.sgd(0.0), epochs=1, metrics=(), progress=False
    )
    assert averaged.history["valid_loss"][0] == pytest.approx(frozen.history["loss"][0], rel=1e-5)
    assert averaged.history.steps == train().history.steps


def _after(steps: int) -> np.ndarray:
    model = bs.Sequential(bs.Linear(2, 2), bs.LI(5 * ms), dt=1 * ms)
    result = bs.fit(
        model, BATCHES[:steps], loss=bs.losses.ce_sum, optimizer=optax.sgd(0.3), epochs=1, metrics=(), progress=False
    )
    return np.asarray(result.model["0"].weight)


def test_an_average_of_nothing_is_the_start(x64):
    start = train(ema=0.9, epochs=0).model
    same = bs.Sequential(bs.Linear(2, 2), bs.LI(5 * ms), dt=1 * ms)
    jax.tree.map(np.testing.assert_array_equal, start, same)
    assert train(ema=0.9).model["0"].weight.dtype == jnp.float64


@pytest.mark.parametrize("decay", [0, 1, 1.5, -0.1])
def test_a_decay_outside_0_and_1_is_refused(decay):
    with pytest.raises(ValueError, match="`ema`: expected a decay between 0 and 1"):
        train(ema=decay)
