"""Augmentations: what they keep, where they move it, what classes they mix, and that they repeat."""

import numpy as np
import pytest

from brainsim.datasets import EventDataset, augment

RNG = np.random.default_rng(0)
X = (RNG.random((20, 6, 30)) < 0.1).astype(np.float32) * RNG.integers(1, 4, (20, 6, 30)).astype(np.float32)
X[12:] = 0
Y = np.array([0, 1, 0, 1, 0, 2])
LENGTHS = np.full(6, 12)


def recordings(samples: int = 10) -> EventDataset:
    t_us, address = np.sort(RNG.integers(0, 20_000, 50 * samples)), RNG.integers(0, 30, 50 * samples)
    return EventDataset.of(t_us, address, np.arange(samples + 1) * 50, np.arange(samples) % 3, (30,), dt=1.0)


def test_moved_is_a_roll_without_return():
    x = RNG.random((5, 7))
    for steps, channels in ((0, 0), (2, -3), (-1, 6), (5, 0), (0, -9)):
        found = augment.moved(x, steps, channels)
        expected = np.zeros_like(x)
        for k, c in np.ndindex(*x.shape):
            if 0 <= k + steps < 5 and 0 <= c + channels < 7:
                expected[k + steps, c + channels] = x[k, c]
        np.testing.assert_array_equal(found, expected)


def test_a_shift_moves_each_sample_as_a_whole():
    shift, moves = augment.Shift(3), set()
    for seed in range(8):
        x, y, lengths = shift((X, Y, LENGTHS), np.random.default_rng(seed))
        assert y is Y and lengths is LENGTHS and x.dtype == X.dtype
        for i in range(6):
            fits = [d for d in range(-3, 4) if np.array_equal(x[:, i], augment.moved(X[:, i], 0, d))]
            assert len(fits) == 1
            moves.update(fits)
    assert moves == set(range(-3, 4))
    np.testing.assert_array_equal(augment.Shift(0)((X, Y), np.random.default_rng(0))[0], X)


def test_a_blend_is_of_one_class_and_centred():
    x = np.zeros((40, 3, 30), np.float32)
    x[5:9, 0, 4:8], x[20:24, 1, 15:19], x[:, 2] = 4, 4, 9
    y = np.array([1, 1, 0])
    blended, _, lengths = augment.Blend(share=1.0)((x, y, np.array([9, 24, 40])), np.random.default_rng(0))
    np.testing.assert_array_equal(blended[:, 2], x[:, 2])
    assert lengths.tolist() == [9, 24, 40]
    for i in (0, 1):
        inside = x[:, i] > 0
        assert not blended[:, i][~inside].any()
        assert abs(blended[:, i].sum() - x[:, i].sum()) < 4 * np.sqrt(2 * 64 * 0.25)
        assert not np.array_equal(blended[:, i], x[:, i])


def test_the_share_and_the_weight_of_a_blend():
    kept = augment.Blend(share=1.0, p=1.0)((X, Y), np.random.default_rng(0))[0]
    np.testing.assert_array_equal(kept, X)
    half = augment.Blend(share=0.5)
    many = [augment.changed(X, half((X, Y), np.random.default_rng(seed))[0]) for seed in range(200)]
    np.testing.assert_allclose(np.mean(many, 0), [0.5, 0.5, 0.5, 0.5, 0.5, 0], atol=0.15)
    x, _, lengths = half((X, Y, LENGTHS), np.random.default_rng(1))
    for i in range(6):
        last = np.flatnonzero(x[:, i].any(-1))[-1] + 1
        assert lengths[i] == (last if augment.changed(X, x)[i] else 12)


def test_a_stretch_changes_the_tempo_and_nothing_else():
    x = np.zeros((60, 64, 2, 5), np.float32)
    x[10], x[20] = 3, 1  # 40 events a sample, three of four in frame 10
    stretched, y, lengths = augment.Stretch(0.4)((x, np.arange(64), np.full(64, 21)), np.random.default_rng(0))
    np.testing.assert_array_equal(y, np.arange(64))
    np.testing.assert_array_equal(stretched.sum(0), x.sum(0))
    middle = np.einsum("k,kbpc->b", np.arange(60) + 0.5, stretched) / 40
    factor = middle / 13
    assert stretched.dtype == x.dtype and factor.min() < 0.75 and factor.max() > 1.35
    assert np.all(np.exp(-0.4) - 0.04 < factor) and np.all(factor < np.exp(0.4) + 0.04)
    np.testing.assert_allclose(lengths, 21 * factor, atol=1.7)
    assert np.all(augment.ends(stretched) <= lengths)
    same, _, ends = augment.Stretch(0)((X, Y, LENGTHS), np.random.default_rng(0))
    np.testing.assert_array_equal(same, X)
    np.testing.assert_array_equal(ends, LENGTHS)


def test_what_is_stretched_out_of_the_frame_is_lost():
    x = np.zeros((10, 200, 1), np.float32)
    x[9] = 1
    stretched, _, lengths = augment.Stretch(0.3)((x, np.zeros(200), np.full(200, 10)), np.random.default_rng(0))
    assert 0 < stretched.sum() < 200 and not stretched[:6].any() and lengths.max() == 10


def test_thinning_leaves_out_a_share_of_the_events_of_each_sample():
    x = np.full((50, 40, 2, 10), 3, np.float32)
    thin, y, lengths = augment.Thin(0.4)((x, np.arange(40), np.full(40, 50)), np.random.default_rng(0))
    kept = thin.sum((0, 2, 3)) / 3000
    assert thin.dtype == x.dtype and np.all(thin <= x) and np.all(thin == np.round(thin))
    assert 0.58 < kept.min() < 0.65 and 0.95 < kept.max() <= 1  # sqrt(0.24 / 3000) = 0.009
    np.testing.assert_allclose(kept.mean(), 0.8, atol=0.06)
    np.testing.assert_allclose(thin.sum((1, 2, 3)) / thin.sum(), 1 / 50, atol=0.001)
    np.testing.assert_array_equal(y, np.arange(40))
    assert lengths.tolist() == [50] * 40
    np.testing.assert_array_equal(augment.Thin(0.0)((X, Y), np.random.default_rng(0))[0], X)


@pytest.mark.parametrize("between", [(), (2,)])
def test_a_mask_silences_one_stretch_of_time_and_one_band(between):
    x, lengths = np.ones((30, 400, *between, 12), np.float32), np.where(np.arange(400) % 2, 20, 3)
    masked, _, same = augment.Mask(5, 4)((x, np.zeros(400), lengths), np.random.default_rng(0))
    assert same is lengths and masked.dtype == x.dtype and set(np.unique(masked)) == {0, 1}
    steps = np.all(masked == 0, axis=tuple(range(2, masked.ndim))).T
    channels = np.all(masked == 0, axis=(0, *range(2, masked.ndim - 1)))
    ones = [1] * len(between)
    silent = np.logical_or(steps.T.reshape(30, 400, *ones, 1), channels.reshape(400, *ones, 12))
    np.testing.assert_array_equal(masked == 0, np.broadcast_to(silent, masked.shape))
    for spans, widest, size in ((steps[1::2], 5, 20), (steps[::2], 3, 3), (channels, 4, 12)):
        assert set(spans.sum(1)) == set(range(widest + 1)) and not spans[:, size:].any()
        assert spans[:, :size].any(0).all() and (np.diff(spans.astype(int), prepend=0) == 1).sum(1).max() == 1
    whole = augment.Mask(60, 0)((X, Y), np.random.default_rng(0))[0]
    assert np.all((whole == X) | (whole == 0)) and not np.array_equal(whole, X)


def test_batches_repeat_and_differ_between_epochs():
    loader = recordings().batches(4, key=0)
    augmented = augment.Augmented(loader, augment.Shift(4), augment.Blend(), seed=3)
    first, again, later = ([x for x, _, _ in augmented(epoch)] for epoch in (0, 0, 1))
    assert len(augmented) == len(first) == 3 and len(list(augmented)) == 3
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], later[0])
    other = next(iter(augment.Augmented(loader, augment.Shift(4), augment.Blend(), seed=4)))[0]
    assert not np.array_equal(first[0], other)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`channels` must be >= 0"):
        augment.Shift(-1)
    with pytest.raises(ValueError, match="`p` must be <= 1"):
        augment.Blend(p=1.5)
    with pytest.raises(ValueError, match="`limit` must be >= 0"):
        augment.Stretch(-0.1)
    with pytest.raises(ValueError, match="`limit` must be <= 1"):
        augment.Thin(1.1)
    with pytest.raises(ValueError, match="`steps` must be >= 0"):
        augment.Mask(-1, 3)
    with pytest.raises(ValueError, match="`channels` must be >= 0"):
        augment.Mask(3, -1)
