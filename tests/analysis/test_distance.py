"""Distances against the integral that defines them; synchrony of voltages that are equal, or independent."""

import numpy as np
import pytest

from brainsim import analysis

from .processes import gamma


def test_van_rossum_is_its_integral():
    rng = np.random.default_rng(0)
    t, ids = np.round(np.sort(rng.random(30) * 100), 1), rng.integers(0, 4, 30)
    found = analysis.van_rossum_distance((t, ids), tau=8, n=5, duration=100)
    time = np.arange(0, 300, 0.002) + 0.001
    traces = np.zeros((5, len(time)))
    for at, neuron in zip(t, ids, strict=True):
        traces[neuron] += np.where(time > at, np.exp(-(time - at) / 8), 0)
    expected = np.sqrt(((traces[:, None] - traces) ** 2).sum(-1) * 0.002 / 8)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.array_equal(found, found.T) and (np.diag(found) == 0).all()


def test_one_spike_against_none_and_against_one_far_away():
    found = analysis.van_rossum_distance(([10.0, 900.0], [0, 1]), n=3, duration=1000)
    np.testing.assert_allclose(found[0], [0, 1, np.sqrt(0.5)], rtol=1e-12)


def test_golomb_chi():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(5000, 1))
    np.testing.assert_allclose(analysis.golomb_chi(np.repeat(one, 7, 1)), 1, rtol=1e-12)
    alone = rng.normal(size=(5000, 3, 100))
    np.testing.assert_allclose(analysis.golomb_chi(alone, skip=100), np.full(3, 0.1), rtol=0.1)
    assert np.isnan(analysis.golomb_chi(np.ones((10, 2))))
    with pytest.raises(ValueError, match="n >= 2"):
        analysis.golomb_chi(one)


def test_gamma_processes():
    """CV = 1 / sqrt(shape), and the Fano factor of long windows its square; CV2 and Lv also of a Poisson process."""
    for shape, cv2, lv in ((1, 1.0, 1.0), (4, None, 3 / 9)):
        pair = gamma(30, shape, 60, 100_000, seed=shape)
        options = {"n": 60, "duration": 100_000}
        np.testing.assert_allclose(analysis.isi_cv(pair, **options).mean(), shape**-0.5, atol=0.006)
        np.testing.assert_allclose(analysis.fano(pair, window=2000, **options).mean(), 1 / shape, atol=0.12)
        np.testing.assert_allclose(analysis.local_variation(pair, **options).mean(), lv, atol=0.006)
        if cv2 is not None:
            np.testing.assert_allclose(analysis.isi_cv2(pair, **options).mean(), cv2, atol=0.006)


def test_alternating_intervals():
    """Intervals 1, 3, 1, 3: CV2 = 2 * 2 / 4 = 1."""
    t = np.cumsum(np.tile([1.0, 3.0], 50))
    np.testing.assert_allclose(analysis.isi_cv2((t, 0 * t.astype(int)), n=1, duration=300), 1, rtol=1e-12)
