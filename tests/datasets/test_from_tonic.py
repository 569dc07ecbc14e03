"""Data sets with Tonic's interface: the same events, whether the sensor is a camera or a cochlea."""

import numpy as np
import pytest

from brainsim import datasets
from tests.datasets import made_files as made


class Camera:
    """Three recordings of Tonic's structure, their events out of order."""

    sensor_size = (4, 5, 2)
    targets = ("dog", "ant", "dog")

    def __len__(self):
        return 3

    def __getitem__(self, index):
        t, (p, y, x) = made.events(index, (2, 5, 4))
        events = np.zeros(len(t), [("t", int), ("x", int), ("y", int), ("p", bool)])
        events["t"], events["x"], events["y"], events["p"] = t, x, y, p
        return events[::-1], self.targets[index]


def test_a_camera_in_memory_and_from_a_folder(tmp_path):
    for folder in (None, tmp_path / "kept", tmp_path / "kept"):
        data = datasets.from_tonic(Camera(), dt=1.0, folder=folder)
        assert data.shape == (2, 5, 4) and data.y.tolist() == [1, 0, 1] and data.classes == ("ant", "dog")
        t, place = made.events(2, (2, 5, 4))
        found, address = data.recording(2)
        np.testing.assert_allclose(found, t / 1000)
        assert set(zip(t, np.ravel_multi_index(place, data.shape), strict=True)) == set(
            zip(np.round(found * 1000).astype(int), address, strict=True)
        )


def test_events_outside_and_an_unknown_sensor_are_refused():
    with pytest.raises(ValueError, match=r"`source`: expected events within \(2, 5, 3\), got others in recording 0"):
        datasets.from_tonic(Camera(), dt=1.0, shape=(2, 5, 3))
    camera = Camera()
    camera.sensor_size = None
    with pytest.raises(ValueError, match="`shape`: Camera has no `sensor_size`"):
        datasets.from_tonic(camera, dt=1.0)


def test_tonic_itself_reads_the_same_recordings(tmp_path):
    """Our reader and Tonic's, on files of SHD's layout."""
    pytest.importorskip("tonic")
    from tonic.datasets import SHD

    made.write(tmp_path / "SHD" / "shd_train.h5", made.hsd())
    source = SHD.__new__(SHD)
    source.location_on_system, source.data_filename = str(tmp_path / "SHD"), "shd_train.h5"
    source.transform = source.target_transform = None
    theirs = datasets.from_tonic(source, dt=1.0)
    (ours,) = datasets.readers.read_hsd(tmp_path / "SHD" / "shd_train.h5", 20)
    np.testing.assert_array_equal(theirs.address, ours.address)
    assert np.abs(theirs.t_us - ours.t_us).max() <= 1 and theirs.y.tolist() == ours.y.tolist()  # Tonic cuts, we round
