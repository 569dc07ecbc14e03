"""Recordings in NIR's data format: there and back, and as the format's own conversions read them."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.interop import read_nir_data, write_nir_data
from brainsim.units import ms

nir = pytest.importorskip("nir")
RNG = np.random.default_rng(0)
SPIKES = (RNG.random((60, 3, 5)) < 0.2).astype(np.float32)
VOLTAGE = RNG.normal(size=(60, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("graded", [False, True])
def test_there_and_back(events, graded, tmp_path):
    spikes = SPIKES * RNG.integers(1, 4, SPIKES.shape).astype(np.float32) if graded else SPIKES
    records = {"1.spikes": spikes, "1.v": VOLTAGE, "3.0.spikes": SPIKES[:, 0]}
    write_nir_data(tmp_path / "run.h5", records, dt=0.1 * ms, events=events)
    again = read_nir_data(tmp_path / "run.h5", dt=0.1 * ms)
    assert again.keys() == records.keys()
    np.testing.assert_array_equal(again["1.spikes"], spikes)
    np.testing.assert_array_equal(again["1.v"], VOLTAGE)
    np.testing.assert_array_equal(again["3.0.spikes"], SPIKES[:, :1])


def test_the_format_reads_events_into_the_same_steps(tmp_path):
    write_nir_data(tmp_path / "run.h5", {"1.spikes": SPIKES}, dt=0.1 * ms, events=True)
    data = nir.read_data(tmp_path / "run.h5").nodes["1"].observables["spikes"]
    assert isinstance(data, nir.EventData) and data.n_neurons == 5 and data.t_max == pytest.approx(0.006)
    grid = data.to_time_gridded(1e-4).data
    np.testing.assert_array_equal(np.moveaxis(grid, 1, 0)[:59], SPIKES[:59] > 0)


def test_events_of_others_fall_into_steps_and_add_up(tmp_path):
    data = nir.EventData(np.array([[0, 2, 2, -1]]), np.array([[0.0, 1.2e-3, 1.9e-3, np.inf]]), 3, 4e-3)
    nir.write_data(tmp_path / "x.h5", nir.NIRGraphData({"in": nir.NIRNodeData({"spikes": data})}))
    expected = np.zeros((4, 1, 3))
    expected[0, 0, 0], expected[1, 0, 2] = 1, 2
    xs = read_nir_data(tmp_path / "x.h5", dt=1 * ms)["in.spikes"]
    np.testing.assert_array_equal(xs, expected)
    assert bs.run(bs.Sequential(bs.Linear(3, 2), dt=1 * ms), xs).out.shape == (4, 1, 2)


def test_what_does_not_fit_is_refused_by_path(tmp_path):
    with pytest.raises(ValueError, match='record "spikes": expected NODE.OBSERVABLE of shape'):
        write_nir_data(tmp_path / "x.h5", {"spikes": SPIKES}, dt=1 * ms)
    write_nir_data(tmp_path / "x.h5", {"1.spikes": SPIKES}, dt=1 * ms)
    with pytest.raises(ValueError, match="`dt`: 1.spikes has a step of 1 ms, got 2 ms"):
        read_nir_data(tmp_path / "x.h5", dt=2 * ms)
    late = nir.EventData(np.array([[7]]), np.array([[1e-3]]), 3, 4e-3)
    nir.write_data(tmp_path / "y.h5", nir.NIRGraphData({"in": nir.NIRNodeData({"spikes": late})}))
    with pytest.raises(ValueError, match="in.spikes: neuron 7 at 1 ms lies outside of 3 neurons and 4 ms"):
        read_nir_data(tmp_path / "y.h5", dt=1 * ms)
