"""What a recorded histogram says of itself, and its figure."""

import numpy as np
import pytest

from brainsim.analysis import Result, plot_histogram
from brainsim.recording import Histogram, Recorder, Spikes

KEY = "E->E.weight_histogram"


def result(batch=None, steps=40, start=0):
    """Counts of 20 weights: at first all in the first bin, later half above the last edge."""
    lead = () if batch is None else (batch,)
    counts = np.zeros((steps // 4, *lead, 5), np.int32)
    counts[: steps // 8, ..., 1], counts[steps // 8 :, ..., 2:] = 20, [4, 6, 10]
    spec = Histogram("E->E.weight", (0.0, 0.5, 1.0, 3.0), every=4.0)
    with Recorder(
        [spec, Spikes("E")], dt=1.0, sizes={spec.path: 20, "E.spikes": 3}, batch=batch, start=start
    ) as recorder:
        recorder.append({KEY: counts, "E.spikes": np.ones((steps, *lead, 3), bool)}, start, steps)
        return Result(recorder.finish(units={KEY: "nS"}))


@pytest.mark.parametrize("batch", [None, 2])
def test_nothing_is_lost(batch):
    view = result(batch)["E->E"].weight_histogram
    lead = () if batch is None else (batch,)
    assert view.counts.shape == (10, *lead, 3) and view.above.shape == (10, *lead)
    np.testing.assert_array_equal(view.below + view.counts.sum(-1) + view.above, 20)
    np.testing.assert_array_equal(view.t, np.arange(4, 44, 4))
    inside = (view.density * np.diff(view.edges)).sum(-1)
    np.testing.assert_allclose(inside[0], 1.0), np.testing.assert_allclose(inside[-1], 0.5)
    assert repr(view) == f"HistogramView({KEY}: 10 samples of 20 values, 3 bins from 0 to 3 nS)"


def test_what_a_result_says_of_it():
    r = result()
    np.testing.assert_array_equal(r.edges(KEY), [0, 0.5, 1, 3])
    assert (r.unit(KEY), r.size(KEY), r.ids(KEY)) == ("nS", 20, None)
    assert set(r.to_dict()["E->E"]["weight_histogram"]) == {"t", "edges", "counts", "below", "above"}


@pytest.mark.parametrize("batch", [None, 2])
def test_figure(batch, tmp_path):
    view = result(batch)["E->E"].weight_histogram
    image, curves = view.plot(tmp_path / "w.png").axes
    (mesh,) = image.collections
    np.testing.assert_allclose(mesh.get_array().reshape(3, 10), view.first_trial(view.density).T)
    assert image.get_xlim() == (0, 40) and image.get_ylim() == (0, 3) and image.get_ylabel() == "weight (nS)"
    assert image.get_title("left") == f"{KEY} (up to 10 of 20 outside)"
    first, last = curves.patches
    np.testing.assert_allclose(first.get_data().values, [2, 0, 0])
    np.testing.assert_allclose(last.get_data().values, [0, 0.4, 0.15])
    assert [text.get_text() for text in curves.get_legend().get_texts()] == ["4 ms", "40 ms"]
    assert (tmp_path / "w.png").stat().st_size > 0


def test_among_the_panels_of_a_run():
    *_, panel = result().plot(skip=8).axes
    assert panel.collections[0].get_array().size == 3 * 8 and panel.get_ylabel() == "weight (nS)"


def test_no_sample_is_no_figure():
    with pytest.raises(ValueError, match="has no sample"):
        plot_histogram(result(steps=0)["E->E"].weight_histogram)
