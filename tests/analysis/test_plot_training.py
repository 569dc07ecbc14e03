"""Curves of a training."""

import numpy as np
import pytest

from brainsim.analysis.plot_training import training_curves

EPOCHS = [
    {"loss": 2 / k, "accuracy": 1 - 1 / k, "valid_loss": 3 / k, "valid_accuracy": 1 - 2 / k, "seconds": 1.0}
    for k in (1, 2, 3)
]


def test_loss_and_metrics_beside_their_validation(tmp_path):
    figure = training_curves(np.linspace(2, 1, 12), EPOCHS, tmp_path / "training.png")
    assert [axes.get_title("left") for axes in figure.axes] == ["Loss", "Accuracy"]
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["each step", "training", "validation"]
    np.testing.assert_array_equal(loss.lines[2].get_ydata(), [3, 1.5, 1])
    assert loss.lines[0].get_xdata()[-1] < 3 and loss.lines[0].get_xdata()[0] > 0
    assert len(accuracy.lines) == 2 and accuracy.get_xlabel() == "epoch"
    assert (tmp_path / "training.png").stat().st_size > 10_000


def test_rates_of_layers_share_a_panel():
    figure = training_curves([], [{"loss": 1.0, "rate_1": 10.0, "rate_3": 5.0}])
    assert [axes.get_title("left") for axes in figure.axes] == ["Loss", "Firing rate"]
    assert [line.get_label() for line in figure.axes[1].lines] == ["1, training", "3, training"]


def test_no_epoch_no_curve():
    with pytest.raises(ValueError, match="`epochs`: expected at least one"):
        training_curves([1.0], [])
