"""Correlations against NumPy, correlated Poisson trains of known coefficient, and pairs counted one by one."""

import sys

import numpy as np
import pytest

from brainsim import analysis

from .processes import correlated_poisson


@pytest.mark.parametrize("coefficient", [0.1, 0.4])
def test_correlated_poisson_trains(coefficient):
    t, ids = correlated_poisson(20, coefficient, 40, 100_000)
    found = analysis.pairwise_correlations((t, ids), bin=10, neurons=None, n=40, duration=100_000)
    assert len(found) == 40 * 39 // 2
    np.testing.assert_allclose(found.mean(), coefficient, atol=0.01)


def test_some_neurons_by_seed():
    t, ids = correlated_poisson(20, 0.3, 40, 5_000)
    options = {"n": 50, "duration": 5_000, "neurons": 10}
    first = analysis.pairwise_correlations((t, ids), **options)
    assert len(first) == 45
    np.testing.assert_array_equal(first, analysis.pairwise_correlations((t, ids), seed=0, **options))
    assert not np.array_equal(first, analysis.pairwise_correlations((t, ids), seed=1, **options))


def test_a_correlogram_counts_pairs():
    rng = np.random.default_rng(0)
    t, ids = np.sort(rng.random(300) * 1000), rng.integers(0, 5, 300)
    u, ids_u = np.sort(rng.random(200) * 1000), rng.integers(0, 5, 200)
    found = analysis.cross_correlogram((t, ids), (u, ids_u), bin=2, window=20, n=5, duration=1000)
    edges = np.arange(-21, 22, 2)
    np.testing.assert_array_equal(found.counts, np.histogram((u[None] - t[:, None]).ravel(), edges)[0])
    np.testing.assert_array_equal(found.lag, np.arange(-20, 21, 2))
    own = analysis.cross_correlogram((t, ids), bin=2, window=20, n=5, duration=1000)
    lags = (t[None] - t[:, None])[ids[None] != ids[:, None]]
    np.testing.assert_array_equal(own.counts, np.histogram(lags, edges)[0])
    np.testing.assert_array_equal(own.counts, own.counts[::-1])


def test_a_train_that_follows_another_after_7_ms():
    t, ids = correlated_poisson(10, 1.0, 1, 200_000)
    kept = t < 199_000
    t, ids = t[kept], ids[kept]
    found = analysis.cross_correlogram((t, ids), (t + 7, ids), bin=1, window=15, n=1, duration=200_000)
    assert found.lag[found.counts.argmax()] == 7 and found.counts.max() >= len(t)
    away = found.rate[np.abs(found.lag - 7) > 0.5]
    np.testing.assert_allclose(away.mean(), 10, atol=4 * np.sqrt(10 / (len(t) * 30e-3)))


def test_chunks_of_pairs_change_nothing(monkeypatch):
    t, ids = correlated_poisson(50, 0.5, 10, 2000)
    whole = analysis.cross_correlogram((t, ids), n=10, duration=2000)
    monkeypatch.setattr(sys.modules["brainsim.analysis.correlation"], "_PAIRS", 7)
    np.testing.assert_array_equal(whole.counts, analysis.cross_correlogram((t, ids), n=10, duration=2000).counts)
