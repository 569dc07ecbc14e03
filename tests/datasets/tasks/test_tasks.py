"""Tasks made from a seed: what each asks can be read off its samples, and every program draws the same."""

import numpy as np
import pytest

from brainsim.datasets import load
from brainsim.datasets.tasks.randman import manifold
from brainsim.units import ms

SMALL = {
    "adding": {"size": 40, "steps": 30},
    "cue_accumulation": {"size": 40, "delay": 100 * ms},
    "delayed_match": {"size": 40, "delay": 100 * ms, "stimulus": 200 * ms},
    "randman": {"classes": 3, "units_in": 6},
    "spike_patterns": {"classes": 3, "channels": 20},
}


@pytest.mark.parametrize("name", SMALL)
def test_samples_are_decided_by_seed_and_split(name):
    one, again, other, test = (
        load(name, split=split, seed=seed, **SMALL[name])
        for split, seed in (("train", 0), ("train", 0), ("train", 1), ("test", 0))
    )
    ids = np.arange(20)
    frames = [data.batch(ids, None)[0] for data in (one, again, other, test)]
    np.testing.assert_array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2]) and not np.array_equal(frames[0], frames[3])
    with pytest.raises(ValueError, match="`split`: expected one of"):
        load(name, split="all")


def test_adding_asks_for_the_sum_of_two_marked_numbers():
    x, y = load("adding", **SMALL["adding"]).batch(np.arange(40), None)
    assert x.shape == (30, 40, 2) and y.shape == (40, 1) and x.dtype == y.dtype == np.float32
    assert (x[:15, :, 1].sum(axis=0) == 1).all() and (x[15:, :, 1].sum(axis=0) == 1).all()
    np.testing.assert_allclose(np.where(x[..., 1] == 1, x[..., 0], 0).sum(axis=0), y[:, 0], rtol=1e-6)


def test_cues_say_which_side_was_more_often():
    data = load("cue_accumulation", **SMALL["cue_accumulation"])
    x, y, _ = data.batch(np.arange(40))
    cues = data.about["cues"]
    assert x.shape == (7 * 150 + 100 + 150, 40, 40)
    np.testing.assert_array_equal(y, cues.mean(axis=1) > 0.5)
    assert 0.6 < np.mean(cues == y[:, None]) < 0.85 and 0.3 < y.mean() < 0.7
    rate = [x[50:150, cues[:, 0] == side, 10 * side : 10 * side + 10].mean() for side in (0, 1)]
    np.testing.assert_allclose(rate, 0.04, rtol=0.15)  # 40 Hz
    assert not x[50:150, cues[:, 0] == 1, :10].any() and not x[:50, :, :20].any() and not x[:-150, :, 20:30].any()
    np.testing.assert_allclose([x[-150:, :, 20:30].mean(), x[..., 30:].mean()], [0.04, 0.01], rtol=0.1)


def test_half_of_the_delayed_stimuli_match():
    data = load("delayed_match", **SMALL["delayed_match"])
    x, y, _ = data.batch(np.arange(40))
    np.testing.assert_array_equal(y, data.about["sample"] == data.about["test"])
    assert x.shape == (500, 40, 40) and 0.3 < y.mean() < 0.7
    active = [x[part].mean(axis=0) > 0.022 for part in (slice(0, 200), slice(300, 500))]
    alike = np.mean(active[0] == active[1], axis=1)
    assert alike[y == 1].min() > alike[y == 0].max()
    np.testing.assert_allclose(x[200:300].mean(), 0.004, rtol=0.2)


def test_a_random_manifold_is_smooth_and_one_spike_an_input():
    data = load("randman", **SMALL["randman"])
    x, _, _ = data.batch(np.arange(50))
    assert len(data) == 2400 and (x.sum(axis=0) == 1).all()

    assert 0 <= manifold(np.random.default_rng(0), 10, 5, 2, 2.0).min()
    smooth, rough = (manifold(np.random.default_rng(0), 400, 4, 1, alpha) for alpha in (3.0, 1.5))
    distance = [np.median(np.abs(np.diff(f[np.argsort(f[:, 0])][:, 1:], axis=0))) for f in (smooth, rough)]
    assert distance[0] < 0.5 * distance[1]  # neighbours in one coordinate are neighbours in the others


def test_patterns_are_recognised_by_their_templates():
    train = load("spike_patterns", **SMALL["spike_patterns"], noise_hz=0.0)
    test = load("spike_patterns", split="test", **SMALL["spike_patterns"], noise_hz=0.0)
    x, y, _ = train.batch(np.arange(len(train)))
    coarse = [
        frames.reshape(20, 10, -1, 20).sum(axis=1).transpose(1, 0, 2) for frames in (x, test.batch(np.arange(60))[0])
    ]
    centres = np.stack([coarse[0][y == label].mean(axis=0) for label in range(3)])
    nearest = ((coarse[1][:, None] - centres) ** 2).sum(axis=(2, 3)).argmin(axis=1)
    assert np.mean(nearest == test.y) > 0.95 and abs(x.sum() / len(train) / (20 * 10 * 0.2 * 0.9) - 1) < 0.25
