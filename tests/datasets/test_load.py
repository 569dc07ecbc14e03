"""Data sets by name: digits from scikit-learn, N-MNIST from files, and the messages where they are absent."""

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
    with pytest.raises(ValueError, match='`name`: expected one of "digits", "yin_yang", '):
        load("minst")
    with pytest.raises(ValueError, match='`split`: expected one of "train", "valid", "test"'):
        load("digits", split="tset")
