"""Damaged files: every reader says what is wrong and in which file, or returns events within the declared ranges."""

import functools
import gzip
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainsim.datasets import idx, nmnist, readers
from tests.datasets import made_files as made
from tests.datasets.readers.fuzzing import mutated

Events = tuple[np.ndarray, np.ndarray, tuple[int, ...]]


def single(read: Callable, shape: tuple[int, ...], path: Path) -> Events:
    return (*read(path), shape)


def several(read: Callable, shape: tuple[int, ...], path: Path) -> Events:
    found = list(read(path))
    for part in found:
        assert part.counts.sum() == len(part.t_us) == len(part.address) and len(part.y) == len(part.counts)
    return (*(np.concatenate([part[index] for part in found]) for index in (0, 1)), shape)


def packed(path: Path) -> Events:
    data = nmnist.nmnist_small(path.parent, "train", dt=1.0)
    return data.t_us, data.address, data.shape


def pictures(path: Path) -> Events:
    return np.zeros(1, np.int64), idx.read_idx(path).ravel(), (256,)


def gzipped() -> bytes:
    return gzip.compress(struct.pack(">BBBB2i", 0, 0, 8, 2, 5, 7) + bytes(range(35)), mtime=0)


def aedat4(path: Path) -> Events:
    return tuple(np.asarray(part) for part in readers.read_aedat4(path)[0]) + (readers.read_aedat4(path)[1],)


TABLE = functools.partial(readers.read_event_npy, shape=(2, 35, 35))
FORMATS: dict[str, tuple[Callable[[], bytes], Callable[[Path], Events], str]] = {
    "atis": (made.atis, functools.partial(single, readers.read_atis, (2, 34, 34)), "a.bin"),
    "slayer": (made.slayer, functools.partial(single, readers.read_slayer, (64,)), "a.bs1"),
    "prophesee": (made.prophesee, functools.partial(single, readers.read_prophesee, (2, 100, 120)), "a.dat"),
    "aedat3": (made.aedat3, functools.partial(single, readers.read_aedat3, (2, 128, 128)), "a.aedat"),
    "aedat4": (made.aedat4, aedat4, "a.aedat4"),
    "aedat4_lz4": (functools.partial(made.aedat4, compression=1), aedat4, "a.aedat4"),
    "aedat4_zstd": (functools.partial(made.aedat4, compression=3), aedat4, "a.aedat4"),
    "st_mnist": (made.st_mnist, functools.partial(single, readers.read_st_mnist, (2, 10, 10)), "a.mat"),
    "event_npy": (made.table, functools.partial(single, TABLE, (2, 35, 35)), "a.npy"),
    "hsd": (made.hsd, functools.partial(several, readers.read_hsd, (700,)), "a.h5"),
    "n_tidigits": (
        made.n_tidigits,
        functools.partial(several, functools.partial(readers.read_n_tidigits, split="train"), (64,)),
        "a.hdf5",
    ),
    "packed_npz": (made.packed, packed, "nmnist_small_train.npz"),
    "idx": (gzipped, pictures, "a.gz"),
}
NEEDS = {"aedat4_lz4": "lz4.frame", "aedat4_zstd": "zstandard"}


def fuzz(name: str, folder: Path, rounds: int) -> dict[str, int]:
    """Read so many mutations; how many were refused, how many were read."""
    make, read, file = FORMATS[name]
    content, path, rng = make(), folder / file, np.random.default_rng(0)
    made.write(path, content)
    read(path)
    outcomes = {"refused": 0, "read": 0}
    for _ in range(rounds):
        path.write_bytes(mutated(content, rng))
        try:
            t_us, address, shape = read(path)
        except (ValueError, OSError) as error:
            assert file in str(error), f"{name}: the file is not named: {error!r}"
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert t_us.min() >= 0 and t_us.max() <= readers.recording.LONGEST_US
        assert 0 <= address.min() and address.max() < math.prod(shape)
    return outcomes


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_refused_by_name(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    assert fuzz(name, tmp_path, 200)["refused"] > 40


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_ten_thousand_damaged_files(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    outcomes = fuzz(name, tmp_path, 10_000)
    print(f"{name}: {outcomes}")
