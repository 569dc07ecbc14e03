"""Data sets by name: digits from scikit-learn, N-MNIST from files, and the messages where they are absent."""

import jax
import numpy as np
import pytest

from brainsim.datasets import load


def test_digits_has_a_fixed_split_without_overlap():
    parts = {name: load("digits", split=name) for name in ("train", "valid", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 1257, "valid": 180, "test": 360}
    rows = np.concatenate([part.x for part in parts.values()])
    assert rows.shape == (1797, 64) and rows.dtype == np.float32 and rows.min() == 0 and rows.max() == 1
    from sklearn.datasets import load_digits

    original = load_digits()
    key = np.lexsort(rows.T)
    other = (original.data / 16).astype(np.float32)
    np.testing.assert_array_equal(rows[key], other[np.lexsort(other.T)])
    assert set(parts["test"].y) == set(range(10))


def test_nmnist_small_is_the_published_subset(data_folder):
    train = load("nmnist_small", data_folder("nmnist_small").parent, dt=5.0)
    test = load("nmnist_small", data_folder("nmnist_small"), split="test", steps=60)
    np.testing.assert_array_equal(np.bincount(train.y), [97, 116, 99, 93, 105, 92, 94, 117, 87, 100])
    np.testing.assert_array_equal(np.bincount(test.y), [8, 14, 8, 11, 14, 7, 10, 15, 2, 11])
    assert len(train.t_us) == 4_133_231 and len(test.t_us) == 385_596
    counts = np.diff(train.offsets)
    assert (counts.min(), counts.max()) == (1112, 7152)
    frames, _, lengths = train.batch(np.array([4, 8]))
    assert frames.shape == (train.steps, 2, 2, 34, 34) and frames.sum() == counts[[4, 8]].sum()
    assert 250 < 5 * lengths.min() and 5 * lengths.max() < 330


def test_missing_files_are_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="looked for .*nmnist_small_train.npz, .*nmnist_small_test.npz"):
        load("nmnist_small", tmp_path, dt=5.0)
    monkeypatch.delenv("BRAINSIM_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="set BRAINSIM_DATA"):
        load("nmnist_small", dt=5.0)


def test_unknown_names_and_splits():
    with pytest.raises(ValueError, match='`name`: expected one of "adding", .*"digits", .*"yin_yang", .*"shd", '):
        load("minst")
    with pytest.raises(ValueError, match='`split`: expected one of "train", "valid", "test"'):
        load("digits", split="tset")


def test_letters_and_spoken_digits_are_those_of_their_readmes(data_folder):
    for name in ("dvs_letters36", "fsdd", "fsdd_cochlea140"):
        data_folder(name)
    letters = [load("dvs_letters36", split=split, dt=5.0) for split in ("train", "test")]
    assert [(len(part), int(part.counts.sum())) for part in letters] == [(36, 520_844), (40, 558_235)]
    assert (
        sorted(letters[0].y) == list(range(36))
        and len(letters[0].classes) == 36
        and 98 < letters[0].t_us.max() / 1000 < 140
    )
    spikes = load("fsdd_cochlea140", split="test", dt=4.0)
    assert len(spikes) == 300 and (spikes.counts.min(), spikes.counts.max()) == (383, 1764)
    sounds = load("fsdd", split="test")
    assert len(sounds) == 300 and sounds.rate_hz == 8000 and sounds.y.tolist() == spikes.y.tolist()
    assert sorted(set(sounds.about["take"])) == [0, 1, 2, 3, 4]
    x, y, lengths = sounds.batch(np.array([7, 3]), jax.random.key(0))
    assert x.shape == (lengths.max(), 2, 1) and x.dtype == np.float32 and 0.1 < np.abs(x).max() <= 1
    for column, (index, length) in enumerate(zip((7, 3), lengths, strict=True)):
        np.testing.assert_array_equal(x[:length, column, 0], sounds.sound(index))
        np.testing.assert_array_equal(sounds.take(np.array([1, index])).sound(1), sounds.sound(index))
        assert not x[length:, column].any()
