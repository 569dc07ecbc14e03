"""Spikes of a run: events, counts and the dense raster are one thing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim.analysis import Result
from brainsim.analysis import spikes as spikes_module
from brainsim.recording import DenseRecord, Recorder, Recording, Spikes


def view(dense, ids=None, size=None, start=0):
    batch = dense.shape[1] if dense.ndim == 3 else None
    size = dense.shape[-1] if size is None else size
    with Recorder([Spikes("E", ids)], dt=0.1, sizes={"E.spikes": size}, batch=batch, start=start) as recorder:
        recorder.append({"E.spikes": dense}, start, len(dense))
        return Result(recorder.finish())["E"].spikes


@pytest.mark.parametrize("shape", [(20, 5), (20, 3, 5), (0, 5), (20, 0)])
@pytest.mark.parametrize("graded", [False, True])
def test_events_counts_and_dense_agree(shape, graded):
    rng = np.random.default_rng(0)
    dense = (rng.random(shape) < 0.3) * rng.integers(1, 4 if graded else 2, shape)
    found = view(dense.astype(np.float32), start=4)
    np.testing.assert_array_equal(found.dense, dense)
    np.testing.assert_array_equal(found.counts, dense.sum(0))
    assert found.dense.dtype == (np.float32 if graded and dense.size else np.bool_)
    events = found.events
    assert events.t is found.t and events.i is found.i and (events.trial is None) == (len(shape) == 2)
    np.testing.assert_array_equal(events.t, (4 + np.nonzero(dense)[0] + 1) * 0.1)
    np.testing.assert_array_equal(events.i, np.nonzero(dense)[-1])


def test_ids_in_any_order():
    dense = np.zeros((4, 3), bool)
    dense[0, 0] = dense[1, 1] = dense[3, 2] = dense[3, 1] = True
    found = view(dense, ids=[8, 2, 5], size=10)
    np.testing.assert_array_equal(found.i, [8, 2, 2, 5])
    np.testing.assert_array_equal(found.dense, dense)
    np.testing.assert_array_equal(found.counts, [1, 2, 1])
    assert "3 of 10 neurons" in repr(found)


def test_a_raster_that_does_not_fit_is_refused(monkeypatch):
    found = view(np.ones((100, 50), bool))
    monkeypatch.setattr(spikes_module, "available_bytes", lambda: 9000)
    with pytest.raises(MemoryError, match=r"spikes\.dense: 5 kB, limit 4\.5 kB: use `\.events` or `\.counts`"):
        _ = found.dense


class TestTraced:
    def result(self, dense):
        record = DenseRecord(dense, np.asarray([3, 1]), 5)
        return Result(Recording({"E.spikes": record}, 0.1, 0, len(dense)))["E"].spikes

    def test_counts_and_dense_work_under_jit_and_grad(self):
        dense = jnp.asarray([[1.0, 0.0], [1.0, 2.0]])
        np.testing.assert_array_equal(jax.jit(lambda x: self.result(x).counts)(dense), [2, 2])
        np.testing.assert_array_equal(jax.grad(lambda x: self.result(x).counts.sum())(dense), np.ones((2, 2)))

    @pytest.mark.parametrize("name", ["events", "t", "i", "trial"])
    def test_events_do_not(self, name):
        with pytest.raises(
            ValueError, match="data-dependent length, not available under jit/grad: use `.counts` or `.dense`"
        ):
            jax.jit(lambda x: getattr(self.result(x), name))(jnp.ones((2, 2)))

    def test_concrete_arrays_have_events(self):
        found = self.result(jnp.asarray([[1.0, 0.0], [1.0, 2.0]]))
        np.testing.assert_array_equal(found.i, [3, 3, 1])
        np.testing.assert_array_equal(found.events.value, [1, 1, 2])
