"""Figures of a run have the panels, labels and points that they should."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from brainsim.analysis import Result
from brainsim.analysis import plot as plot_module
from brainsim.recording import Rate, Recorder, Spikes, Trace

RNG = np.random.default_rng(0)


def result(batch=None, specs=None, steps=200):
    lead = () if batch is None else (batch,)
    e, i = RNG.random((steps, *lead, 30)) < 0.05, RNG.random((steps, *lead, 10)) < 0.1
    v = RNG.normal(size=(steps, *lead, 8))
    data = {"E.spikes": e, "I.spikes": i, "E.rate": e.sum(-1), "E.v": v, "I->E.g": v[..., :2]}
    sizes = {"E.spikes": 30, "I.spikes": 20, "E.rate": 30, "E.v": 8, "I->E.g": 2}
    known = [Spikes("E"), Spikes("I", slice(10)), Rate("E", bin=5), Trace("E.v"), Trace("I->E.g")]
    chosen = [spec for spec in known if specs is None or spec.key in specs]
    with Recorder(chosen, dt=1.0, sizes=sizes, batch=batch) as recorder:
        recorder.append({spec.key: data[spec.key] for spec in chosen}, 0, steps)
        return Result(recorder.finish(units={"E.v": "mV", "I->E.g": "nS"}))


def test_panels_titles_units_and_legends():
    r = result()
    figure = r.plot(skip=50)
    raster, rate, v, g = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == [
        "Spikes",
        "Population rate",
        "E.v (first 5 of 8)",
        "I->E.g",
    ]
    assert (rate.get_ylabel(), v.get_ylabel(), g.get_ylabel()) == ("rate (Hz)", "v (mV)", "g (nS)")
    assert g.get_xlabel() == "time (ms)" and raster.get_xlim() == (50, 200)
    assert [label.get_text() for label in raster.get_yticklabels()] == ["E\n30", "I\n10 of 20"]
    assert [text.get_text() for text in g.get_legend().get_texts()] == ["g[0]", "g[1]"]
    assert rate.get_legend().get_texts()[0].get_text().startswith("E, mean ")
    assert len(v.lines) == 5


def test_a_spectrum_has_an_axis_of_its_own():
    figure = result(steps=2000).plot(spectrum=True)
    *panels, spectrum = figure.axes
    assert (spectrum.get_xscale(), spectrum.get_xlabel()) == ("log", "frequency (Hz)")
    assert "Hz" in spectrum.get_ylabel() and panels[-1].get_xlabel() == "time (ms)" and len(spectrum.lines) == 2
    short = result(steps=30).plot(spectrum=True).axes[-1]
    assert short.texts[0].get_text() == "too short or silent"


def test_every_spike_is_a_dot_at_its_time_and_row():
    r = result()
    dots = r.plot(skip=50).axes[0].collections
    for name, cloud, base in (("E", dots[0], 0), ("I", dots[1], 30)):
        spikes = r[name].spikes
        late = spikes.t > 50
        np.testing.assert_array_equal(cloud.get_offsets(), np.stack([spikes.t[late], base + spikes.i[late]], 1))
        assert cloud.get_rasterized()
    assert not np.array_equal(dots[0].get_facecolor(), dots[1].get_facecolor())


@pytest.mark.parametrize(
    ("specs", "panels"),
    [({"E.spikes"}, 2), ({"E.rate"}, 1), ({"E.v"}, 1), ({"E.v", "I->E.g"}, 2), ({"I.spikes", "E.rate", "I->E.g"}, 3)],
)
def test_panels_are_what_was_recorded(specs, panels):
    assert len(result(specs=specs).plot().axes) == panels


def test_trials():
    r = result(batch=3)
    figure = r.plot()
    assert "first trial" in figure.axes[0].get_title("left") and "3 trials" in figure.axes[1].get_title("left")
    assert len(figure.axes[0].collections[0].get_offsets()) == (r["E"].spikes.trial == 0).sum()
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), r["E"].rate.mean(1))


def test_many_spikes_are_thinned_by_neuron_and_it_is_said(monkeypatch):
    monkeypatch.setattr(plot_module, "_MAX_DOTS", 150)
    r = result(specs={"E.spikes"})
    axes = r.plot().axes[0]
    stride = -(-len(r["E"].spikes.t) // 150)
    assert stride > 1 and f"every {stride}th neuron" in axes.get_title("left")
    assert set(axes.collections[0].get_offsets()[:, 1]) <= set(range(0, 30, stride))


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_files(tmp_path, kind):
    path = tmp_path / f"run.{kind}"
    result().plot(path)
    assert path.stat().st_size > 10_000


def test_a_silent_run_can_be_drawn(tmp_path):
    with Recorder([Spikes("E")], dt=1.0, sizes={"E.spikes": 3}) as recorder:
        recorder.append({"E.spikes": np.zeros((10, 3), bool)}, 0, 10)
        Result(recorder.finish()).plot(tmp_path / "run.png")


def test_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    result().plot()
    assert dict(matplotlib.rcParams) == before and not plt.get_fignums()
