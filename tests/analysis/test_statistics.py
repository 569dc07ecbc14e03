"""Statistics against closed forms (clock, Poisson process) and against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainsim import analysis
from brainsim.analysis.result import Result
from brainsim.recording import Recorder, Spikes
from brainsim.units import Hz, ms, s


def spikes(dense, dt=1.0, start=0, ids=None, size=None):
    """A result's view of a dense raster (steps, [batch], n)."""
    dense = np.asarray(dense)
    size = dense.shape[-1] if size is None else size
    batch = dense.shape[1] if dense.ndim == 3 else None
    with Recorder([Spikes("E", ids)], dt=dt, sizes={"E.spikes": size}, batch=batch, start=start) as recorder:
        recorder.append({"E.spikes": dense}, start, len(dense))
        return Result(recorder.finish())["E"].spikes


def poisson(rate, n, steps, dt, seed=0):
    return np.random.default_rng(seed).random((steps, n)) < rate * dt * 1e-3


class TestClosedForms:
    def test_a_clock(self):
        dense = np.zeros((1000, 2), bool)
        dense[4::10, 0] = True
        view = spikes(dense)
        np.testing.assert_array_equal(analysis.rates(view), [100.0, 0.0])
        np.testing.assert_allclose(analysis.isi_cv(view), [0, np.nan], atol=1e-12)
        np.testing.assert_allclose(analysis.local_variation(view), [0, np.nan], atol=1e-12)
        np.testing.assert_array_equal(analysis.fano(view, window=100), [0, np.nan])
        assert analysis.active_share(view) == 0.5

    def test_alternating_intervals(self):
        """Intervals 1, 3, 1, 3: CV = 1/2, Lv = 3 (1/2)^2 = 3/4."""
        t = np.cumsum(np.tile([1.0, 3.0], 50))
        options = {"n": 1, "duration": 300}
        np.testing.assert_allclose(analysis.isi_cv((t[1:], 0 * t[1:].astype(int)), **options), 0.5, rtol=1e-12)
        np.testing.assert_allclose(
            analysis.local_variation((t[1:], 0 * t[1:].astype(int)), **options), 0.75, rtol=1e-12
        )

    def test_a_poisson_process(self):
        """CV, Lv, Fano and synchrony are 1 within four standard errors; correlations are 0."""
        view = spikes(poisson(20, 100, 400_000, 0.1), dt=0.1)
        np.testing.assert_allclose(analysis.rates(view).mean(), 20, atol=4 * np.sqrt(20 / (40 * 100)))
        for statistic, tolerance in [
            (analysis.isi_cv, 0.015),
            (analysis.local_variation, 0.015),
            (analysis.fano, 4 * np.sqrt(2 / 400 / 100)),
            (analysis.synchrony, 4 * np.sqrt(2 / 13333)),
        ]:
            np.testing.assert_allclose(np.nanmean(statistic(view)), 1, atol=tolerance)
        pairs = analysis.correlation(view, ids=range(40))[np.triu_indices(40, 1)]
        np.testing.assert_allclose(pairs.mean(), 0, atol=4 / np.sqrt(8000 * len(pairs)))

    def test_all_together(self):
        """n neurons with the same train: correlation 1, synchrony n times that of one."""
        one = poisson(30, 1, 3000, 1.0)
        many = spikes(np.repeat(one, 5, axis=1))
        np.testing.assert_allclose(analysis.correlation(many), np.ones((5, 5)), rtol=1e-12)
        np.testing.assert_allclose(analysis.synchrony(many), 5 * analysis.synchrony(spikes(one)), rtol=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.sampled_from([None, 2]),
    start=st.integers(0, 100),
    skip=st.integers(0, 29),
    dt=st.sampled_from([0.1, 0.25, 1.0]),
    graded=st.booleans(),
)
def test_against_loops(seed, batch, start, skip, dt, graded):
    rng = np.random.default_rng(seed)
    shape = (30, *(() if batch is None else (batch,)), 4)
    dense = (rng.random(shape) < 0.4) * rng.integers(1, 3 if graded else 2, shape)
    view, late, width = spikes(dense.astype(np.float32), dt, start), dense[skip:], 3
    after = {"skip": skip * dt}
    np.testing.assert_allclose(analysis.rates(view, **after), late.sum(0) / (len(late) * dt * 1e-3), rtol=1e-12)
    np.testing.assert_array_equal(analysis.active_share(view, **after), (late.sum(0) > 0).mean(-1))
    windows = late[: len(late) // width * width].reshape(-1, width, *shape[1:]).sum(1)
    if len(windows) > 1:
        mean = np.where(windows.mean(0) > 0, windows.mean(0), np.nan)
        np.testing.assert_allclose(
            analysis.fano(view, window=width * dt, **after), windows.var(0) / mean, rtol=1e-9, atol=1e-12
        )
        together = windows.sum(-1)
        expected = together.var(0) / np.where(together.mean(0) > 0, together.mean(0), np.nan)
        np.testing.assert_allclose(analysis.synchrony(view, bin=width * dt, **after), expected, rtol=1e-12)
    centres, rate = analysis.population_rate(view, bin=width * dt, **after)
    np.testing.assert_allclose(rate, windows.sum(-1) / (4 * width * dt * 1e-3), rtol=1e-12)
    np.testing.assert_allclose(centres, ((start + skip) + (np.arange(len(windows)) + 0.5) * width) * dt, rtol=1e-12)
    for where in np.ndindex(shape[1:]):
        t = np.flatnonzero(late[(slice(None), *where)])
        expected = np.std(np.diff(t)) / np.mean(np.diff(t)) if len(t) >= 3 else np.nan
        np.testing.assert_allclose(analysis.isi_cv(view, **after)[where], expected, rtol=1e-9, atol=1e-12)


def test_correlation_is_numpys():
    dense = poisson(100, 6, 600, 1.0).reshape(300, 2, 6)
    counts = dense.reshape(60, 5, 2, 6).sum(1).transpose(2, 1, 0).reshape(6, -1)
    np.testing.assert_allclose(analysis.correlation(spikes(dense), bin=5), np.corrcoef(counts), rtol=1e-9, atol=1e-12)
    few = analysis.correlation(spikes(dense), bin=5, ids=[4, 1])
    np.testing.assert_allclose(few, np.corrcoef(counts[[4, 1]]), rtol=1e-9, atol=1e-12)


def test_a_silent_neuron_has_no_correlation():
    dense = np.zeros((50, 2), bool)
    dense[::7, 0] = True
    found = analysis.correlation(spikes(dense))
    assert found[0, 0] == pytest.approx(1) and np.isnan(found[0, 1]) and np.isnan(found[1, 1])


def test_columns_are_the_recorded_neurons():
    view = spikes(np.eye(3, dtype=bool)[:, [0, 0, 2]], ids=[9, 2, 5], size=10)
    np.testing.assert_array_equal(analysis.rates(view), [1000 / 3, 1000 / 3, 1000 / 3])
    np.testing.assert_array_equal(view.counts, [1, 1, 1])


def test_a_pair_is_as_good_as_a_view():
    view = spikes(poisson(50, 4, 500, 1.0))
    for statistic in (analysis.rates, analysis.isi_cv, analysis.fano, analysis.synchrony, analysis.correlation):
        found = statistic((view.t, view.i), n=4, duration=500 * ms, skip=0.1 * s)
        np.testing.assert_array_equal(found, statistic(view, skip=100))


def test_nothing_spikes():
    view = spikes(np.zeros((10, 3), bool))
    assert (analysis.rates(view) == 0).all() and np.isnan(analysis.isi_cv(view)).all()
    assert np.isnan(analysis.fano(view)).all() and np.isnan(analysis.synchrony(view, bin=2))
    assert np.isnan(analysis.synchrony(view, bin=100)) and analysis.population_rate(view, bin=100)[1].shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: analysis.rates(v, skip=30), r"`skip` = 30 ms leaves nothing of a run of 30 ms"),
        (lambda v: analysis.rates(v, skip=-1), "`skip` must be >= 0 ms"),
        (lambda v: analysis.rates(v, skip=3 * Hz), "`skip`: expected a time"),
        (lambda v: analysis.fano(v, window=0), "`window` must be > 0 ms"),
        (lambda v: analysis.isi_cv(v, min_spikes=2), "`min_spikes` must be >= 3"),
        (lambda v: analysis.correlation(v, ids=[4]), "`ids` must be <= 3"),
        (lambda v: analysis.rates((v.t, v.i)), "`n`, `duration`: needed"),
        (lambda v: analysis.rates((v.t, v.i), n=2, duration=30), "`ids` must be <= 1"),
        (lambda v: analysis.rates((v.t, v.i), n=4, duration=3), "`times` must be <= 3 ms"),
        (lambda v: analysis.rates((v.t, v.i[1:]), n=4, duration=30), "of one length"),
        (lambda v: analysis.rates("E"), "expected r"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    view = spikes(poisson(500, 4, 30, 1.0))
    with pytest.raises((ValueError, TypeError), match=message):
        call(view)


def test_a_large_correlation_is_refused():
    view = spikes(np.zeros((3, 2001), bool))
    with pytest.raises(ValueError, match="at most 2000 neurons, got 2001"):
        analysis.correlation(view)
