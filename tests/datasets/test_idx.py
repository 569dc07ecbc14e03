"""Pictures from idx files: a written file comes back, damage is refused, and the real ones are whole."""

import gzip
import struct

import numpy as np
import pytest

from brainsim.datasets import load
from brainsim.datasets.idx import FILES, read_idx


def write(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in FILES:
        n = 7 if name.startswith("train") else 4
        write(tmp_path / name, rng.integers(0, 256, (n, 28, 28)) if "images" in name else rng.integers(0, 10, n))
    return tmp_path


def test_a_written_file_comes_back(tmp_path):
    array = np.arange(24).reshape(2, 3, 4)
    write(tmp_path / "a.gz", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array)


def test_splits_scale_and_encoding(folder):
    train = load("mnist", folder)
    test = load("fashion_mnist", folder, "test", encode=lambda x, key: x[None] > 0.5)
    assert train.x.shape == (7, 28, 28) and train.x.dtype == np.float32 and train.y.dtype == np.int32
    np.testing.assert_array_equal(np.round(train.x * 255), read_idx(folder / FILES[0]))
    assert len(test) == 4 and next(iter(test.batches(3)))[0].shape == (1, 3, 28, 28)


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08\x01\0\0\0\x05abc", b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0"])
def test_a_damaged_file_is_refused(damage, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(damage))
    with pytest.raises(ValueError, match="`path`: expected an idx file of bytes"):
        read_idx(tmp_path / "a.gz")


def test_the_real_mnist_is_whole(data_folder):
    """Facts of the published files: class counts, and mean and spread of the training pixels (0.1307, 0.3081)."""
    data_folder("mnist")
    train, test = load("mnist"), load("mnist", split="test")
    assert train.x.shape == (60_000, 28, 28) and test.x.shape == (10_000, 28, 28)
    assert np.bincount(train.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_allclose((train.x.mean(), train.x.std()), (0.1307, 0.3081), atol=5e-5)
