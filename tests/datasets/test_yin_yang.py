"""Yin-Yang: the figure's areas, equal classes, fixed splits, and its code by spike times."""

import numpy as np
import pytest

from brainsim.datasets import load
from brainsim.datasets.yin_yang import classes, latency


def test_the_figure_has_its_points_where_they_belong():
    points = {(0.25, 0.5): 2, (0.75, 0.55): 2, (0.25, 0.38): 0, (0.5, 0.9): 0, (0.75, 0.62): 1, (0.5, 0.1): 1}
    np.testing.assert_array_equal(classes(np.array(list(points))), list(points.values()))


def test_areas_are_those_of_circles():
    """Turned by half a circle, Yin is Yang; the dots have 2 (1/10)^2 / (1/2)^2 = 8 % of the disc."""
    points = np.random.default_rng(0).uniform(0, 1, (200_000, 2))
    points = points[np.hypot(*(points - 0.5).T) < 0.5]
    here, turned = classes(points), classes(1 - points)
    np.testing.assert_array_equal(np.array([1, 0, 2])[here], turned)
    np.testing.assert_allclose(np.bincount(here) / len(here), [0.46, 0.46, 0.08], atol=0.005)


def test_splits_are_fixed_balanced_and_apart():
    parts = {name: load("yin_yang", split=name) for name in ("train", "valid", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 5000, "valid": 1000, "test": 1000}
    for part in parts.values():
        assert part.x.dtype == np.float32 and part.x.shape[1:] == (4,)
        np.testing.assert_allclose(part.x[:, :2] + part.x[:, 2:], 1, atol=1e-6)
        np.testing.assert_array_equal(classes(part.x[:, :2].astype(float)), part.y)
        np.testing.assert_allclose(np.bincount(part.y) / len(part), 1 / 3, atol=0.05)
        assert np.hypot(*(part.x[:, :2] - 0.5).T).max() <= 0.5
    assert not np.array_equal(parts["valid"].x, parts["test"].x)
    np.testing.assert_array_equal(load("yin_yang", split="test").x, parts["test"].x)
    assert len(load("yin_yang", size=7)) == 7


def test_spikes_come_at_the_coordinate():
    data = load("yin_yang", size=9, encode=lambda x, key: latency(x, 300, dt=0.1, early=2, late=27))
    x, _ = data.batch(np.arange(9), None)
    assert x.shape == (300, 9, 5) and x.dtype == np.float32
    np.testing.assert_allclose(x.sum(0), 1, rtol=1e-6)
    assert ((x > 0).sum(0) <= 2).all()
    times = np.einsum("tbi,t->bi", x, 0.1 * np.arange(1, 301))
    np.testing.assert_allclose(times[:, :4], 2 + 25 * data.x, atol=1e-5)
    np.testing.assert_allclose(times[:, 4], 2, atol=1e-5)
    with pytest.raises(ValueError, match="`late` must be <= 30 ms, got max 31"):
        latency(data.x, 300, dt=0.1, early=2, late=31)
