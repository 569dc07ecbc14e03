"""Readers against what was written, and against the facts of real recordings."""

import functools

import numpy as np
import pytest

from brainsim.datasets import readers
from tests.datasets import made_files as made

SINGLE = {
    "atis": (made.atis, readers.read_atis, (2, 34, 34)),
    "prophesee": (made.prophesee, readers.read_prophesee, (2, 100, 120)),
    "st_mnist": (made.st_mnist, readers.read_st_mnist, (2, 10, 10)),
    "slayer": (made.slayer, functools.partial(readers.read_slayer, polarities=2), (2, 64)),
    "table": (made.table, functools.partial(readers.read_event_npy, shape=(2, 35, 35)), (2, 35, 35)),
    "aedat4": (made.aedat4, lambda path: readers.read_aedat4(path)[0], (2, 128, 128)),
    "aedat4_lz4": (functools.partial(made.aedat4, compression=1), lambda p: readers.read_aedat4(p)[0], (2, 128, 128)),
    "aedat4_zstd": (functools.partial(made.aedat4, compression=3), lambda p: readers.read_aedat4(p)[0], (2, 128, 128)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_what_was_written_comes_back(name, tmp_path):
    make, read, shape = SINGLE[name]
    for package in ("lz4.frame",) * (name == "aedat4_lz4") + ("zstandard",) * (name == "aedat4_zstd"):
        pytest.importorskip(package)
    found = read(made.write(tmp_path / "a", make()))
    t, place = made.events(0, shape)
    np.testing.assert_array_equal(found.t_us, t - t[0] * name.startswith("aedat4"))
    np.testing.assert_array_equal(found.address, np.ravel_multi_index(place, shape))
    assert found.t_us.dtype == np.int64 and found.address.dtype == np.int32


def test_invalid_events_and_packets_of_other_kinds_are_left_out(tmp_path):
    found = readers.read_aedat3(made.write(tmp_path / "a.aedat", made.aedat3()))
    t, place = made.events(0, (2, 128, 128))
    np.testing.assert_array_equal(found.t_us, np.delete(t, 3))
    np.testing.assert_array_equal(found.address, np.delete(np.ravel_multi_index(place, (2, 128, 128)), 3))


def test_an_event_at_row_240_is_elapsed_time(tmp_path):
    first, passed, second = [3, 2, 0x80, 0, 9], [0, 240, 0, 0, 9], [4, 2, 0, 0, 1]
    found = readers.read_atis(made.write(tmp_path / "a.bin", bytes(first + passed + passed + second)))
    assert found.t_us.tolist() == [9, 2 * 8192 + 1]
    assert found.address.tolist() == [34 * 34 + 2 * 34 + 3, 2 * 34 + 4]


def test_many_recordings_a_file(tmp_path):
    (part,) = readers.read_hsd(made.write(tmp_path / "a.h5", made.hsd()), 20)
    assert part.y.tolist() == [0, 1, 2, 3, 4, 5] and part.counts.tolist() == [40, 41, 42, 43, 44, 45]
    assert part.about["speaker"].tolist() == [0, 1, 2, 0, 1, 2]
    t, (unit,) = made.events(1, (700,), n=41)
    np.testing.assert_array_equal(part.address[40:81], unit)
    np.testing.assert_allclose(part.t_us[40:81], t, atol=90_000 * 2**-11)  # half precision
    (part,) = readers.read_n_tidigits(made.write(tmp_path / "b.hdf5", made.n_tidigits()), "test")
    assert part.y.tolist() == [0, 1, 10]  # the recording of "23" is left out
    np.testing.assert_array_equal(part.t_us[80:], made.events(3, (64,))[0])


FIXTURES = {
    "tonic_sample_nmnist.bin": (readers.read_atis, 4325, (654, 311_175)),
    "tonic_sample_ncars.dat": (readers.read_prophesee, 2009, (0, 99_952)),
    "tonic_sample_stmnist.mat": (readers.read_st_mnist, 2346, (196_626, 895_745)),
    "slayer_NTIDIGITS_1.bs1": (readers.read_slayer, 898, (0, 1_079_040)),
    "tonic_sample.aedat4": (lambda path: readers.read_aedat4(path, (2, 240, 320))[0], 111_954, (0, 589_917)),
}


@pytest.mark.parametrize("name", FIXTURES)
def test_real_recordings(name, data_folder):
    """Numbers of events are those of the files' READMEs and sizes; the sensor and times are those of the recordings."""
    if name.endswith("aedat4"):
        pytest.importorskip("lz4.frame")
    read, events, ends = FIXTURES[name]
    found = read(data_folder("fixtures") / name)
    assert len(found.t_us) == events and (found.t_us[0], found.t_us[-1]) == ends


def test_tactile_and_matlab_agree_with_scipy(data_folder):
    from scipy.io import loadmat

    path = data_folder("fixtures") / "tonic_sample_stmnist.mat"
    np.testing.assert_array_equal(readers.read_mat5(path, "spiketrain"), loadmat(path)["spiketrain"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected events, got none"),
        (bytes(7), "expected events of 5 bytes, got 7 bytes"),
        (bytes([40, 2, 0, 0, 9]), r"expected coordinates 0 to 33 along axis 2 of \(2, 34, 34\), got 40 to 40"),
        (bytes([1, 2, 0, 0, 9, 1, 2, 0, 0, 8]), "times that never fall, got 8 us after 9 us"),
    ],
)
def test_the_error_says_what_is_wrong_and_where(content, message, tmp_path):
    with pytest.raises(ValueError, match=f"`path`: .*{message} in .*a.bin"):
        readers.read_atis(made.write(tmp_path / "a.bin", content))


def test_a_heap_that_never_ends_is_refused(tmp_path):
    """HDF5's library walks for ever through a heap whose free part (index 0) has no length."""
    content = bytearray(made.hsd())
    place, free = content.find(b"GCOL") + 16, None
    while free is None:
        index, size = int.from_bytes(content[place : place + 2], "little"), content[place + 8 : place + 16]
        size = int.from_bytes(size, "little")
        free, place = (place, place) if index == 0 else (None, place + 16 + size + -size % 8)
    content[free + 8 : free + 16] = bytes(8)
    with pytest.raises(
        ValueError, match=r"`path`: expected objects that follow each other, got one of 0 bytes .*a\.h5"
    ):
        list(readers.read_hsd(made.write(tmp_path / "a.h5", bytes(content))))
