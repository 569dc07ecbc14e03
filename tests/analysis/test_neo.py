"""A result as Neo's objects, and our statistics beside Elephant's; both only where they are installed."""

import numpy as np
import pytest

import brainsim as bs
from brainsim import analysis
from brainsim.analysis import Result
from brainsim.recording import Histogram, Rate, Recorder, Spikes, Trace

from .processes import gamma

RNG = np.random.default_rng(0)


def result(batch=None, start=3):
    lead = () if batch is None else (batch,)
    spikes = (RNG.random((200, *lead, 4)) < 0.1) * RNG.integers(1, 3, (200, *lead, 4)).astype(np.float32)
    v = RNG.normal(size=(200, *lead, 2))
    specs = [Spikes("E", ids=[5, 1, 2, 0]), Trace("E.v", ids=[1, 4], every=1.0), Rate("E", bin=5)]
    sizes = {"E.spikes": 6, "E.v": 6, "E.rate": 6}
    with Recorder(specs, dt=0.5, sizes=sizes, batch=batch, start=start) as recorder:
        recorder.append({"E.spikes": spikes, "E.v": v, "E.rate": spikes.sum(-1)}, start, 200)
        return Result(recorder.finish(units={"E.v": "mV"}, meta={"seed": 4}))


def test_without_neo(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "neo", None)
    with pytest.raises(ImportError, match=r"pip install 'brainsim\[neo\]'"):
        result().to_neo()


def test_counts_of_a_histogram():
    pytest.importorskip("neo")
    counts = RNG.integers(0, 5, (40, 4))
    with Recorder([Histogram("E.v", (0.0, 0.5, 1.0))], dt=0.5, sizes={"E.v": 9}) as recorder:
        recorder.append({"E.v_histogram": counts}, 0, 40)
        (signal,) = Result(recorder.finish(units={"E.v_histogram": "mV"})).to_neo().segments[0].analogsignals
    np.testing.assert_array_equal(signal.magnitude, counts)
    assert str(signal.units.dimensionality) == "dimensionless"
    np.testing.assert_array_equal(signal.array_annotations["low"], [-np.inf, 0, 0.5, 1])
    np.testing.assert_array_equal(signal.array_annotations["high"], [0, 0.5, 1, np.inf])


@pytest.mark.parametrize("batch", [None, 2])
def test_a_block(batch):
    pytest.importorskip("neo")
    r = result(batch)
    block = r.to_neo()
    assert len(block.segments) == (batch or 1) and block.annotations["seed"] == 4
    for trial, segment in enumerate(block.segments):
        assert [train.name for train in segment.spiketrains] == ["E[5]", "E[1]", "E[2]", "E[0]"]
        events = r["E"].spikes.events
        for train in segment.spiketrains:
            here = (events.i == train.annotations["neuron"]) & (batch is None or events.trial == trial)
            np.testing.assert_allclose(train.rescale("ms").magnitude, events.t[here])
            np.testing.assert_array_equal(train.array_annotations["size"], events.value[here])
            assert (float(train.t_start), float(train.t_stop)) == (1.5, 101.5)
        v, rate = segment.analogsignals
        np.testing.assert_array_equal(v.magnitude, r["E"].v if batch is None else r["E"].v[:, trial])
        np.testing.assert_allclose(v.times.rescale("ms").magnitude, r.times("E.v"))
        assert str(v.dimensionality) == "mV" and str(rate.dimensionality) == "Hz"


@pytest.mark.filterwarnings("ignore")  # its own, about NumPy and quantities
def test_elephant_agrees():
    pytest.importorskip("elephant")
    import neo
    import quantities as pq
    from elephant import statistics
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient
    from elephant.spike_train_dissimilarity import van_rossum_distance

    n, duration = 8, 4000.0
    t, ids = gamma(20, 2, n, duration)
    t = np.round(t, 1) + 0.05
    trains = [neo.SpikeTrain(np.sort(t[ids == k]), units="ms", t_stop=duration) for k in range(n)]
    options = {"n": n, "duration": duration}
    intervals = [statistics.isi(train) for train in trains]
    np.testing.assert_allclose(analysis.isi_cv((t, ids), **options), [statistics.cv(isi) for isi in intervals])
    np.testing.assert_allclose(analysis.isi_cv2((t, ids), **options), [statistics.cv2(isi) for isi in intervals])
    np.testing.assert_allclose(analysis.local_variation((t, ids), **options), [statistics.lv(isi) for isi in intervals])
    matrix = correlation_coefficient(BinnedSpikeTrain(trains, bin_size=5 * pq.ms))
    np.testing.assert_allclose(bs.analysis.correlation((t, ids), bin=5, **options), matrix, atol=1e-12)
    theirs = van_rossum_distance(trains, time_constant=10 * pq.ms)
    ours = analysis.van_rossum_distance((t, ids), tau=10, **options)
    np.testing.assert_allclose(ours * np.sqrt(2), theirs, rtol=1e-6, atol=1e-6, err_msg="there one spike alone is 1")
