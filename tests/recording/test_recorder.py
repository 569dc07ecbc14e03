"""Dense chunks become events, samples and bins, wherever the borders of the chunks are, in memory and in a file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainsim.recording import Rate, Recorder, Spikes, Trace
from brainsim.recording.records import bin_edges, sample_steps


def chunks(steps, cuts):
    borders = sorted({0, steps, *(cut % (steps + 1) for cut in cuts)})
    return list(zip(borders[:-1], borders[1:], strict=True))


def recorded(spec, values, *, size, start=0, batch=None, cuts=(), to=None, limit=None):
    with Recorder(
        [spec], dt=0.1, sizes={spec.path: size}, start=start, batch=batch, to=to, memory_limit=limit
    ) as recorder:
        for begin, end in chunks(len(values), cuts):
            recorder.append({spec.key: values[begin:end]}, start + begin, end - begin)
        return recorder.finish().records[spec.key]


def dense_of(record, steps, start, batch, columns):
    lead = () if batch is None else (batch,)
    dense = np.zeros((steps, *lead, columns), np.float32)
    column = np.searchsorted(record.ids, record.id)
    place = (record.step - start, column) if batch is None else (record.step - start, record.trial, column)
    dense[place] = 1 if record.value is None else record.value
    return dense


@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.sampled_from([None, 1, 3]),
    steps=st.integers(0, 40),
    size=st.integers(0, 6),
    start=st.integers(0, 10**9),
    cuts=st.lists(st.integers(0, 100), max_size=5),
    graded=st.booleans(),
    dtype=st.sampled_from([np.bool_, np.uint8, np.float32, np.float64]),
)
def test_dense_to_events_to_dense(seed, batch, steps, size, start, cuts, graded, dtype):
    rng = np.random.default_rng(seed)
    shape = (steps, *(() if batch is None else (batch,)), size)
    dense = (rng.integers(1, 4 if graded else 2, shape) * (rng.random(shape) < 0.3)).astype(dtype)
    record = recorded(Spikes("E"), dense, size=size, start=start, batch=batch, cuts=cuts)
    np.testing.assert_array_equal(dense_of(record, steps, start, batch, size), dense.astype(np.float32))
    order = np.lexsort((record.id, record.step if record.trial is None else record.trial, record.step))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    assert (record.value is not None) == bool((dense.astype(np.float32) > 1).any())
    assert record.step.dtype == np.int64 and record.id.dtype == np.int32


@given(
    steps=st.integers(1, 60),
    start=st.integers(0, 50),
    every=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 100), max_size=5),
    subsampled=st.booleans(),
)
def test_samples_lie_on_the_models_grid(steps, start, every, cuts, subsampled):
    values = np.arange(start, start + steps, dtype=np.float64)[:, None] * np.ones(2)
    spec = Trace("E.v", every=every * 0.1)
    with Recorder([spec], dt=0.1, sizes={"E.v": 2}, start=start) as recorder:
        for begin, end in chunks(steps, cuts):
            kept = sample_steps(start + begin, end - begin, every) - start if subsampled else np.arange(begin, end)
            recorder.append({"E.v": values[kept]}, start + begin, end - begin)
        record = recorder.finish().records["E.v"]
    expected = [k for k in range(start, start + steps) if (k + 1) % every == 0]
    np.testing.assert_array_equal(record.values[:, 0], expected)
    np.testing.assert_array_equal(sample_steps(start, steps, every), expected)


@given(
    steps=st.integers(1, 60),
    start=st.integers(0, 50),
    width=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 100), max_size=5),
    batch=st.sampled_from([None, 2]),
)
def test_bins_do_not_see_the_borders_of_chunks(steps, start, width, cuts, batch):
    lead = () if batch is None else (batch,)
    sums = np.random.default_rng(steps).integers(0, 5, (steps, *lead)).astype(np.float32)
    record = recorded(Rate("E", bin=width * 0.1), sums, size=7, start=start, batch=batch, cuts=cuts)
    which = np.arange(start, start + steps) // width
    expected = [sums[which == index].sum(0) for index in np.unique(which)]
    np.testing.assert_array_equal(record.counts, np.asarray(expected))
    assert len(bin_edges(start, steps, width)) == len(record.counts) + 1


@pytest.mark.parametrize("batch", [None, 2])
def test_a_file_holds_what_memory_would(tmp_path, batch):
    rng = np.random.default_rng(0)
    lead = () if batch is None else (batch,)
    spikes = (rng.random((50, *lead, 6)) < 0.2) * rng.integers(1, 3, (50, *lead, 6)).astype(np.float32)
    v = rng.normal(size=(50, *lead, 6)).astype(np.float32)
    for spec, values in [
        (Spikes("E", ids=None), spikes),
        (Trace("E.v", every=0.3), v),
        (Trace("E.v", reduce="sum"), v[..., 0]),
        (Rate("E", bin=0.7), spikes.sum(-1)),
    ]:
        options = {"size": 6, "start": 3, "batch": batch, "cuts": (1, 2, 30)}
        here = recorded(spec, values, **options)
        there = recorded(spec, values, to=tmp_path / "run.h5", **options)
        for name in ("step", "id", "trial", "value", "values", "counts", "ids"):
            a, b = getattr(here, name, None), getattr(there, name, None)
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(np.asarray(b), np.asarray(a))
                assert np.asarray(b).dtype == np.asarray(a).dtype
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_recorded_neurons_keep_their_numbers():
    dense = np.eye(3, dtype=bool)
    record = recorded(Spikes("E", ids=[7, 2, 9]), dense, size=10)
    np.testing.assert_array_equal(record.id, [7, 2, 9])


def test_images_of_neurons_are_flattened():
    dense = np.zeros((4, 2, 3, 5), bool)
    dense[1, 0, 2, 4] = dense[3, 1, 1, 0] = True
    record = recorded(Spikes("1"), dense, size=15, batch=2)
    np.testing.assert_array_equal(record.id, [14, 5])
    assert recorded(Trace("1.v"), dense.astype(np.float32), size=15, batch=2).values.shape == (4, 2, 15)


def test_events_are_refused_not_truncated_when_they_pass_the_limit():
    dense = np.ones((1000, 100), bool)
    with pytest.raises(
        MemoryError, match=r'the records need .* "E\.spikes" does not fit; limit 500 kB.*`to="file\.h5"`'
    ):
        recorded(Spikes("E"), dense, size=100, limit=500_000)
    record = recorded(Spikes("E"), dense, size=100, limit=1_700_000, cuts=range(0, 1000, 37))
    assert len(record.step) == 100_000


def test_a_trace_that_just_fits_is_taken():
    v = np.zeros((1000, 1))
    assert recorded(Trace("E.v"), v, size=1, limit=8000, cuts=range(0, 1000, 70)).values.nbytes == 8000
    with pytest.raises(MemoryError, match="limit 8 kB"):
        recorded(Trace("E.v"), v, size=1, limit=7999, cuts=range(0, 1000, 70))


@pytest.mark.parametrize(
    ("chunk", "k0", "message"),
    [
        ({"E.v": np.zeros((2, 3))}, 1, "`k0`: expected 0"),
        ({"E.w": np.zeros((2, 3))}, 0, r"`chunk`: expected \['E.v'\]"),
        ({"E.v": np.zeros((2, 4))}, 0, r'`chunk\["E\.v"\]`: expected shape \(2, 3\), got \(2, 4\)'),
        ({"E.v": np.zeros((3, 3))}, 0, r"expected shape \(2, 3\), got \(3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(chunk, k0, message):
    with Recorder([Trace("E.v")], dt=0.1, sizes={"E.v": 3}) as recorder, pytest.raises(ValueError, match=message):
        recorder.append(chunk, k0, 2)


def test_wrong_specs_leave_no_file(tmp_path):
    for spec in (Trace("E.v", every=0.25), Spikes("E", ids=[9]), Rate("E", bin=0.15)):
        with pytest.raises(ValueError, match="`"):
            Recorder([spec], dt=0.1, sizes={spec.path: 3}, to=tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_run_leaves_no_file_and_keeps_the_old_one(tmp_path):
    path = tmp_path / "run.h5"
    recorded(Trace("E.v"), np.zeros((3, 2)), size=2, to=path)
    before = path.read_bytes()
    with (
        pytest.raises(KeyboardInterrupt),
        Recorder([Trace("E.v")], dt=0.1, sizes={"E.v": 2}, to=path) as recorder,
    ):
        recorder.append({"E.v": np.ones((2, 2))}, 0, 2)
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
