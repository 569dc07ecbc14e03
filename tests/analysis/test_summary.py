"""The table of a run's firing statistics."""

import json

import numpy as np
import pytest

from brainsim.analysis import Result
from brainsim.recording import Rate, Recorder, Spikes


def result(dense, specs, batch=None, size=None):
    size = dense.shape[-1] if size is None else size
    sizes = {spec.path: size for spec in specs}
    with Recorder(specs, dt=1.0, sizes=sizes, batch=batch) as recorder:
        chunk = {s.key: dense.sum(-1) if isinstance(s, Rate) else dense[..., : len(s.select(size))] for s in specs}
        recorder.append(chunk, 0, len(dense))
        return Result(recorder.finish())


def clocks():
    """Four neurons in 1000 ms: 100 Hz and 50 Hz exactly, one single spike, one silent."""
    dense = np.zeros((1000, 4), bool)
    dense[::10, 0] = dense[::20, 1] = dense[500, 2] = True
    return dense


def test_closed_form():
    row = result(clocks(), [Spikes("E")]).summary()["E"]
    assert (row["neurons"], row["recorded"]) == (4, 4)
    assert row["rate"] == pytest.approx(151 / 4) and row["rate_sd"] == pytest.approx(np.std([100, 50, 1, 0]))
    assert row["active"] == 0.75 and row["silent"] == 0.25
    assert row["isi_cv"] == pytest.approx(0, abs=1e-9)
    assert row["fano"] == pytest.approx(np.mean([0, 0, 0.09 / 0.1]))


def test_trials_are_averaged():
    one, two = clocks(), np.zeros((1000, 4), bool)
    row = result(np.stack([one, two], 1), [Spikes("E")], batch=2).summary()["E"]
    assert row["rate"] == pytest.approx(151 / 8) and row["active"] == pytest.approx(0.375)
    assert row["rate_sd"] == pytest.approx(np.std([50, 25, 0.5, 0]))
    assert "2 trials" in result(np.stack([one, two], 1), [Spikes("E")], batch=2).summary().title


def test_the_rate_of_all_neurons_wins_over_that_of_the_recorded():
    row = result(clocks(), [Spikes("E", ids=[0]), Rate("E", bin=10)]).summary()["E"]
    assert row["rate"] == pytest.approx(151 / 4) and row["recorded"] == 1 and row["neurons"] == 4
    assert row["active"] == 1


def test_rates_alone():
    row = result(clocks(), [Rate("E", bin=10)]).summary(skip=500)["E"]
    assert row["rate"] == pytest.approx((50 + 25 + 1) / 4 / 0.5)
    assert row["isi_cv"] is None and row["recorded"] is None


def test_a_bin_that_skip_cuts_is_left_out():
    row = result(clocks(), [Rate("E", bin=10)]).summary(skip=503)["E"]
    assert row["rate"] == pytest.approx((49 + 24) / 4 / 0.49)


def test_bins_that_the_run_cuts_count_by_their_width():
    """Bins (7, 10], (10, 20], (20, 22] of one neuron that fires in the first three steps and the last."""
    dense = np.zeros((15, 1), bool)
    dense[[0, 1, 2, 14]] = True
    with Recorder([Rate("E", bin=10)], dt=1.0, sizes={"E.rate": 1}, start=7) as recorder:
        recorder.append({"E.rate": dense.sum(-1)}, 7, 15)
        table = Result(recorder.finish()).summary
    assert table()["E"]["rate"] == pytest.approx(4 / 0.015)
    assert table(skip=1)["E"]["rate"] == pytest.approx(1 / 0.012)


def test_skip_leaves_out_the_beginning():
    dense = clocks()
    dense[:200] = True
    assert result(dense, [Spikes("E")]).summary(skip=200)["E"]["rate"] == pytest.approx((80 + 40 + 1) / 4 / 0.8)


def test_text_and_dict():
    table = result(clocks(), [Spikes("E"), Rate("I", bin=10)]).summary(skip=100)
    lines = str(table).splitlines()
    assert lines[0] == "100 to 1000 ms, dt 1 ms" and lines[1].split()[0] == "population"
    assert len(lines) == 5 and lines[3].startswith("E ") and "75.0 %" in lines[3] and " - " in lines[4]
    assert json.loads(json.dumps(table.to_dict()))["E"]["neurons"] == 4
    assert [row["population"] for row in table.rows] == ["E", "I"]
    with pytest.raises(ValueError, match='"X": expected one of E, I'):
        table["X"]


def test_a_silent_population():
    row = result(np.zeros((100, 3), bool), [Spikes("E")]).summary()["E"]
    assert row["rate"] == 0 and row["silent"] == 1 and row["isi_cv"] is None and row["synchrony"] is None
