"""A training stops where it no longer improves, and returns its best epoch."""

import math

import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train import EarlyStopping
from brainsim.units import ms

X = np.ones((3, 2, 2), np.float32)
GOOD, BAD = (X, np.array([0, 0])), (X, np.array([1, 1]))


def train(epochs: int, stop: EarlyStopping | None = None, **options):
    """Three epochs towards class 0, then away from it; validation asks for class 0."""
    model = bs.Sequential(bs.Linear(2, 2), bs.LI(5 * ms), dt=1 * ms)
    options = {"valid": [GOOD], "metrics": (), **options}
    return bs.fit(
        model, lambda epoch: [GOOD if epoch < 3 else BAD], loss=bs.losses.ce_sum, optimizer=optax.sgd(0.1),
        epochs=epochs, stop=stop, progress=False, **options,
    )  # fmt: skip


def weight(fit: bs.train.Fit) -> np.ndarray:
    return np.asarray(fit.model["0"].weight)


def test_it_stops_and_returns_the_best_epoch():
    stopped, best = train(20, EarlyStopping(patience=2)), train(3)
    assert len(stopped.history) == stopped.state.epoch == 5
    assert np.argmin(stopped.history["valid_loss"]) == 2
    np.testing.assert_array_equal(weight(stopped), weight(best))
    assert not np.array_equal(weight(stopped), weight(train(5)))


def test_the_best_epoch_is_returned_even_where_patience_lasts():
    np.testing.assert_array_equal(weight(train(5, EarlyStopping(patience=9))), weight(train(3)))


def test_interrupted_it_stops_at_the_same_epoch_with_the_same_bits(tmp_path):
    stop = EarlyStopping(patience=2)
    for epochs in (2, 4, 20, 20):
        resumed = train(epochs, stop, checkpoint=tmp_path, ema=0.5)
    whole = train(20, stop, ema=0.5)
    assert resumed.history.steps == whole.history.steps and len(resumed.history) == len(whole.history) == 5
    np.testing.assert_array_equal(weight(resumed), weight(whole))


def test_what_is_better():
    loss, accuracy = EarlyStopping("valid_loss"), EarlyStopping("valid_accuracy")
    assert loss.better(1.0, 2.0) and not loss.better(2.0, 1.0) and not loss.better(1.0, 1.0)
    assert accuracy.better(2.0, 1.0) and not accuracy.better(1.0, 1.0)
    assert EarlyStopping("valid_loss", mode="max").better(2.0, 1.0)
    assert loss.better(1.0, None) and not loss.better(math.nan, None) and not accuracy.better(math.nan, 0.1)


def test_what_is_refused():
    with pytest.raises(ValueError, match='`mode`: expected "min" or "max", for nothing tells which is better'):
        EarlyStopping("valid_speed")
    with pytest.raises(ValueError, match="`patience` must be >= 1"):
        EarlyStopping(patience=0)
    with pytest.raises(ValueError, match='`stop`: no figure "valid_loss"; there are loss. A "valid_..." needs `valid`'):
        train(1, EarlyStopping(), valid=None)
