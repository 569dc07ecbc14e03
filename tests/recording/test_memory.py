"""Bytes of a recording, known before it is made."""

import numpy as np
import pytest

from brainsim.recording import Rate, Spikes, Trace
from brainsim.recording.memory import available_bytes, estimate_bytes, in_words, refuse
from brainsim.recording.recorder import Recorder

SIZES = {"E.spikes": 100, "E.rate": 100, "E.v": 100}


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "spec", [Trace("E.v"), Trace("E.v", ids=[1, 5], every=0.4), Trace("E.v", reduce="mean"), Rate("E", bin=0.7)]
)
def test_traces_and_rates_are_exact(spec, batch, start, dtype):
    steps, lead = 23, () if batch is None else (batch,)
    (estimate,) = estimate_bytes([spec], steps, SIZES, dt=0.1, batch=batch, start=start, dtype=dtype)
    columns = () if isinstance(spec, Rate) or spec.reduce else (len(spec.select(100)),)
    with Recorder([spec], dt=0.1, sizes=SIZES, start=start, batch=batch) as recorder:
        recorder.append({spec.key: np.zeros((steps, *lead, *columns), dtype)}, start, steps)
        record = recorder.finish().records[spec.key]
    assert estimate.bytes == (record.counts if isinstance(spec, Rate) else record.values).nbytes


def test_spikes_are_estimated_at_a_stated_rate():
    (estimate,) = estimate_bytes([Spikes("E", ids=range(10))], 10_000, SIZES, dt=0.1)
    assert estimate.bytes == 10 * 50 * 1 * 12
    assert "assumed 50 Hz" in estimate.how


def test_refusal_says_what_how_much_and_what_helps():
    estimates = estimate_bytes([Trace("E.v"), Rate("E")], 1_000_000, {"E.v": 4000, "E.rate": 4000}, dt=0.1)
    refuse(estimates, 17e9)
    with pytest.raises(MemoryError) as error:
        refuse(estimates, 3.2e9)
    assert str(error.value) == (
        'simulate: 16 GB of "E.v" (4000 x 1e+06 x float32) (16 GB with the other records): `every=`, `ids=`, or '
        '`to="file.h5"`; limit 3.2 GB.'
    )


def test_nothing_recorded_is_never_refused():
    refuse(estimate_bytes([], 10**9, {}, dt=0.1), 0)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (4.1e9, "4.1 GB"), (5e12, "5,000 GB")]
)
def test_in_words(count, words):
    assert in_words(count) == words


def test_available_memory_is_a_sensible_number():
    assert 10**6 < available_bytes() < 10**14
