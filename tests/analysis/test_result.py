"""A result: what was recorded by path, times and units, files, and what was not recorded."""

import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import State
from brainsim.analysis import Result
from brainsim.analysis import result as result_module
from brainsim.recording import Rate, RateRecord, Recorder, Recording, Spikes, Trace, TraceRecord
from brainsim.units import ms

RNG = np.random.default_rng(0)
SPIKES = RNG.random((40, 5)) < 0.2
V = RNG.normal(size=(40, 5)).astype(np.float32)


def result(to=None, start=5, batch=None):
    specs = [
        Spikes("E"),
        Trace("E.v", [4, 1]),
        Rate("E", bin=0.7),
        Trace("I->E.g", every=0.5),
        Trace("E.v", reduce="mean"),
    ]
    sizes = {"E.spikes": 5, "E.v": 5, "E.rate": 5, "I->E.g": 5}
    with Recorder(specs, dt=0.1, sizes=sizes, start=start, to=to) as recorder:
        chunk = {"E.spikes": SPIKES, "E.v": V[:, [4, 1]], "E.rate": SPIKES.sum(1), "I->E.g": V, "E.v_mean": V.mean(1)}
        recorder.append(chunk, start, 40)
        return Result(
            recorder.finish(state=State(v=jnp.ones(3)), units={"E.v": "mV", "I->E.g": "nS"}, meta={"seed": 3})
        )


class TestAccess:
    def test_by_path(self):
        r = result()
        np.testing.assert_array_equal(r["E"].spikes.dense, SPIKES)
        np.testing.assert_array_equal(r["E"].v, V[:, [4, 1]])
        np.testing.assert_array_equal(r["E"].v_mean, V.mean(1))
        np.testing.assert_array_equal(r["I->E"].g, V[4::5])
        assert r.recorded == ("E.spikes", "E.v", "E.rate", "I->E.g", "E.v_mean") and r.parts == ("E", "I->E")
        assert "E" in r and "E.v" in r and "I" not in r
        assert r["E"].v is r["E"].v and r.meta == {"seed": 3} and (r.state.v == 1).all()

    def test_layers_by_number(self):
        with Recorder([Spikes("1")], dt=1.0, sizes={"1.spikes": 2}) as recorder:
            recorder.append({"1.spikes": np.ones((3, 2), bool)}, 0, 3)
            r = Result(recorder.finish())
        assert r[1].spikes.counts.tolist() == r["1"].spikes.counts.tolist() == [3, 3]

    def test_times(self):
        r = result()
        np.testing.assert_allclose(r.t, (5 + 1 + np.arange(40)) * 0.1)
        np.testing.assert_array_equal(r.times("E.v"), r.t)
        np.testing.assert_allclose(r.times("I->E.g"), np.arange(1.0, 4.6, 0.5))
        assert (r.t_start, r.t_stop) == (0.5, 4.5) and len(r.times("I->E.g")) == len(r["I->E"].g)

    def test_rates_are_hertz_also_in_bins_that_the_run_cuts(self):
        r = result()
        edges = np.asarray([5, 7, 14, 21, 28, 35, 42, 45])
        counts = [SPIKES[a - 5 : b - 5].sum() for a, b in zip(edges[:-1], edges[1:], strict=True)]
        np.testing.assert_allclose(r["E"].rate, np.asarray(counts) / (5 * np.diff(edges) * 1e-4), rtol=1e-12)
        np.testing.assert_allclose(r.times("E.rate"), (edges[1:] + edges[:-1]) / 2 * 0.1)

    def test_units_and_ids(self):
        r = result()
        assert r.size("E.spikes") == r.size("E.rate") == 5
        for call in (lambda: r.size("E.v"), lambda: r.edges("E.v")):
            with pytest.raises(ValueError, match=r'"E\.v": expected'):
                call()
        assert [r.unit(key) for key in r.recorded] == ["", "mV", "Hz", "nS", ""]
        np.testing.assert_array_equal(r.ids("E.v"), [4, 1])
        assert r.ids("E.rate") is None and r.ids("E.v_mean") is None
        np.testing.assert_array_equal(r["I->E"].ids, range(5))
        with pytest.raises(ValueError, match="have different neurons"):
            _ = r["E"].ids

    def test_part_of_a_trace(self):
        np.testing.assert_array_equal(result().read("E.v", 3, 6), V[3:6][:, [4, 1]])
        with pytest.raises(ValueError, match="expected a trace"):
            result().read("E.spikes")

    def test_names_for_completion(self):
        assert {"spikes", "v", "rate", "v_mean", "ids"} == set(dir(result()["E"]))
        assert "E.spikes" in repr(result()) and "spikes" in repr(result()["E"]) and "0.5 to 4.5 ms" in repr(result())


class TestNotRecorded:
    def test_what_was_recorded_is_named(self):
        r = result()
        with pytest.raises(
            AttributeError, match=r'"E\.w" was not recorded; recorded: E\.spikes, E\.v, .*`record=\["E\.w"\]`'
        ):
            _ = r["E"].w
        with pytest.raises(ValueError, match=r'"X": nothing was recorded of it .*recorded: E\.spikes'):
            _ = r["X"]
        for call in (r.unit, r.times, r.ids, r.value, r.read):
            with pytest.raises(ValueError, match=r'"I\.v" was not recorded; recorded: E\.spikes'):
                call("I.v")

    def test_nothing_at_all(self):
        empty = Result(Recording({}, 0.1, 0, 10))
        with pytest.raises(ValueError, match="recorded: nothing"):
            _ = empty["E"]
        with pytest.raises(ValueError, match="nothing was recorded"):
            empty.plot()
        with pytest.raises(ValueError, match="no spikes or rates were recorded; recorded: nothing"):
            empty.summary()
        assert len(empty.t) == 10


class TestFiles:
    @pytest.mark.parametrize("streamed", [False, True])
    def test_saved_and_loaded(self, tmp_path, streamed):
        path = tmp_path / "run.h5"
        r = result(to=path if streamed else None)
        if not streamed:
            r.save(path)
        back = Result.load(path)
        for other in (r, back):
            np.testing.assert_array_equal(other["E"].spikes.dense, SPIKES)
            np.testing.assert_array_equal(other["E"].v, V[:, [4, 1]])
            np.testing.assert_array_equal(other.read("E.v", 3, 6), V[3:6][:, [4, 1]])
            assert other.unit("E.v") == "mV" and other.meta == {"seed": 3} and (other.state.v == 1).all()
        assert str(back.summary()) == str(r.summary())
        back.save(path)
        np.testing.assert_array_equal(back["I->E"].g, V[4::5])

    def test_a_trace_that_does_not_fit_stays_in_its_file(self, tmp_path, monkeypatch):
        r = result(to=tmp_path / "run.h5")
        monkeypatch.setattr(result_module, "available_bytes", lambda: 600)
        with pytest.raises(
            MemoryError, match=r'"E\.v": 320 bytes in its file, limit 300 bytes: `r\.read\("E\.v", start, stop\)`'
        ):
            _ = r["E"].v
        np.testing.assert_array_equal(r.read("E.v", 3, 6), V[3:6][:, [4, 1]])


def test_to_dict():
    found = result().to_dict()
    assert set(found) == {"dt", "t_start", "t_stop", "meta", "E", "I->E"} and set(found["E"]["spikes"]) == {"t", "i"}
    np.testing.assert_array_equal(found["I->E"]["g"], V[4::5])


def test_traced_records_keep_their_tracers():
    import jax

    def mean_rate(counts, v):
        records = {"E.rate": RateRecord(counts, 5, 10), "E.v": TraceRecord(v, 1, np.arange(2))}
        r = Result(Recording(records, 0.1, 0, 10))
        return r["E"].rate.mean() + 0 * r["E"].v.sum()

    value, gradient = jax.value_and_grad(mean_rate)(jnp.ones(2), jnp.ones((10, 2)))
    np.testing.assert_allclose(value, 1 / (10 * 5e-4), rtol=1e-6)
    np.testing.assert_allclose(gradient, 0.5 / (10 * 5e-4) * np.ones(2), rtol=1e-6)


def test_skip_is_a_time():
    r = result()
    assert str(r.summary(skip=1 * ms)) == str(r.summary(skip=1.0))
    for skip in (-1, 4.0, 100):
        with pytest.raises(ValueError, match=r"`skip`: expected a time \(ms\) in \[0, 4\)"):
            r.summary(skip)
        with pytest.raises(ValueError, match=r"`skip`: expected a time \(ms\) in \[0, 4\)"):
            r.plot(skip=skip)
