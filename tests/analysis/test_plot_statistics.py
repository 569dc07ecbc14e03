"""Panels of distributions, of connections and of weights: axes, units, and what the bars add up to."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.analysis import Result, plot_connectivity, plot_statistics, plot_weights
from brainsim.recording import Recorder, Spikes, Trace
from brainsim.units import ms, mV, pA


def result(dense):
    with Recorder([Spikes("E"), Spikes("I")], dt=1.0, sizes={"E.spikes": 30, "I.spikes": 10}) as recorder:
        recorder.append({"E.spikes": dense[:, :30], "I.spikes": dense[:, 30:]}, 0, len(dense))
        return Result(recorder.finish())


def area(stairs):
    values, edges, _ = stairs.get_data()
    return (values * np.diff(edges)).sum()


def test_distributions(tmp_path):
    dense = np.random.default_rng(0).random((4000, 40)) < 0.03
    figure = plot_statistics(result(dense), tmp_path / "s.png", skip=100 * ms)
    assert (tmp_path / "s.png").stat().st_size > 10_000
    rate, interval, cv, pairs = figure.axes
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "rate (Hz)", "interval (ms)", "CV of intervals", "coefficient of counts in 5 ms",
    ]  # fmt: skip
    assert interval.get_xscale() == "log"
    for axes in (rate, cv, pairs):
        np.testing.assert_allclose([area(patch) for patch in axes.patches], 1, atol=0.05)
    labels = [text.get_text() for text in rate.get_legend().get_texts()]
    mean = dense[100:, :30].mean() * 1000
    assert labels[0] == f"E, mean {mean:.3g}"


def test_silent_populations_can_be_drawn_and_traces_cannot():
    figure = plot_statistics(result(np.zeros((50, 40), bool)))
    assert [text.get_text() for axes in figure.axes[1:] for text in axes.texts] == ["too few spikes"] * 3
    with Recorder([Trace("E.v")], dt=1.0, sizes={"E.v": 2}) as recorder:
        empty = Result(recorder.finish())
    with pytest.raises(ValueError, match="no spikes were recorded; recorded: E.v"):
        plot_statistics(empty)


def network():
    lif = bs.LIF(i_bias=1 * pA)
    return bs.Network(
        {"E": bs.Population(6, lif), "I": bs.Population(3, lif), "x": bs.Poisson(2, 10.0)},
        [
            bs.Projection("E", "I", bs.AllToAll(), bs.Normal(1 * mV, 0.1 * mV)),
            bs.Projection("x", "E", bs.EdgeList([0, 1, 1], [0, 2, 5]), [1.0, 2.0, 3.0] * mV),
        ],
        dt=0.1,
    )


def test_a_matrix_shows_every_synapse_at_its_place(tmp_path):
    figure = plot_connectivity(network(), tmp_path / "c.png")
    matrix, degree = figure.axes
    image = np.asarray(matrix.images[0].get_array())
    assert image.shape == (8, 9, 3)
    connected = (image < 1).any(-1)
    expected = np.zeros((8, 9), bool)
    expected[:6, 6:] = True
    expected[[6, 7, 7], [0, 2, 5]] = True
    np.testing.assert_array_equal(connected, expected)
    assert [label.get_text() for label in matrix.get_yticklabels()] == ["E\n6", "x\n2"]
    assert [text.get_text() for text in degree.get_legend().get_texts()] == ["E->I, mean 6", "x->E, mean 0.5"]
    np.testing.assert_allclose([area(patch) for patch in degree.patches], 1)


def test_large_matrices_are_binned(monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules["brainsim.analysis.plot_network"], "_CELLS", 4)
    matrix = plot_connectivity(network()).axes[0]
    assert np.asarray(matrix.images[0].get_array()).shape == (3, 3, 3) and "cells of 3 x 3" in matrix.get_title("left")


def test_weights_are_all_there(tmp_path):
    figure = plot_weights(network(), tmp_path / "w.png")
    first, second = figure.axes
    assert first.get_xlabel() == "weight (mV)" and second.get_title("left") == "x->E"
    assert [int(axes.patches[0].get_data()[0].sum()) for axes in (first, second)] == [18, 3]
    with pytest.raises(ValueError, match="`network`: expected a Network with projections"):
        plot_weights(bs.Network({"E": bs.Population(2, bs.LIF())}, dt=0.1))
