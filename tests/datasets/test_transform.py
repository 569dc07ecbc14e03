"""Changes of recordings, against plain loops over the events; kept on disk; and sparse batches against dense frames."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainsim.datasets import Crop, Denoise, EventDataset, Pool, Refractory, Window
from brainsim.operators import csr_pull
from brainsim.units import ms

SHAPE = (2, 5, 4)


def recordings(seed: int, samples: int = 3, most: int = 120) -> EventDataset:
    """Random recordings with many equal times; some may be empty."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, most, samples))])
    t_us = np.concatenate([np.sort(rng.integers(0, 900, n)) for n in np.diff(offsets)])
    about = {"who": np.asarray(["a", "b", "c"])}
    return EventDataset.of(
        t_us * 10, rng.integers(0, 40, offsets[-1]), offsets, np.arange(samples), SHAPE, dt=1.0, about=about
    )


def listed(data: EventDataset) -> list[list[tuple[int, ...]]]:
    """(t_us, *place) of the events of every recording."""
    found = []
    for index in range(len(data)):
        t, address = data.recording(index)
        place = np.unravel_index(address, data.shape)
        found.append([tuple(map(int, event)) for event in zip(np.round(t * 1000), *place, strict=True)])
    return found


def slow_refractory(events, t_ref):
    kept, last = [], {}
    for t, *place in events:
        if t - last.get(tuple(place), -(10**9)) >= t_ref:
            kept.append((t, *place))
            last[tuple(place)] = t
    return kept


def slow_denoise(events, window):
    def near(one, other):
        apart = max(abs(one[2] - other[2]), abs(one[3] - other[3]))
        return apart == 1 and 0 <= one[0] - other[0] <= window

    return [one for one in events if any(near(one, other) for other in events)]


DEFINITIONS = [
    (Refractory(1.5 * ms), lambda events: slow_refractory(events, 1500)),
    (Denoise(0.4), lambda events: slow_denoise(events, 400)),
    (Window(2.0, 5.5), lambda events: [(t - 2000, *place) for t, *place in events if 2000 <= t < 5500]),
    (Pool(2, 2, 3), lambda events: [(t, p // 2, y // 2, x // 3) for t, p, y, x in events]),
    (
        Crop(None, (1, 4), (2, 4)),
        lambda events: [(t, p, y - 1, x - 2) for t, p, y, x in events if 1 <= y < 4 and x >= 2],
    ),
]


@pytest.mark.parametrize(("transform", "slow"), DEFINITIONS, ids=lambda value: type(value).__name__)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_a_transform_is_its_plain_loop(transform, slow, seed):
    data = recordings(seed)
    changed = data.transformed(transform)
    assert listed(changed) == [slow(events) for events in listed(data)]
    assert changed.shape == transform.shape(SHAPE) and (changed.dt, changed.steps) == (data.dt, data.steps)
    np.testing.assert_array_equal(changed.about["who"], data.about["who"])


def test_transforms_of_a_part_are_kept_and_found_again(tmp_path):
    data = recordings(3).take(np.array([2, 0]))
    changed = data.transformed(Crop(None, (0, 4), None), Pool(2, 2, 2), folder=tmp_path / "kept")
    assert isinstance(changed.t_us, np.memmap) and listed(changed) == listed(
        data.transformed(Crop(None, (0, 4), None), Pool(2, 2, 2))
    )
    assert changed.about["who"].tolist() == ["c", "a"]
    part = changed.take(np.array([1, 0])).take(np.array([1]))  # no event is copied
    assert (
        part.t_us is changed.t_us and listed(part) == listed(changed)[:1] and part.counts.tolist() == changed.counts[:1]
    )
    written = (tmp_path / "kept" / "events.json").stat().st_mtime_ns
    data.transformed(Crop(None, (0, 4), None), Pool(2, 2, 2), folder=tmp_path / "kept")
    assert (tmp_path / "kept" / "events.json").stat().st_mtime_ns == written
    other = recordings(4).transformed(Crop(None, (0, 4), None), Pool(2, 2, 2), folder=tmp_path / "kept")
    assert listed(other) != listed(changed) and [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_of_something_else_or_damaged_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="`folder`: expected a new folder or one of event recordings"):
        recordings(0).transformed(folder=tmp_path / "mine")
    recordings(0).transformed(folder=tmp_path / "kept")
    (tmp_path / "kept" / "t_us.u32").write_bytes(b"")
    with pytest.raises(ValueError, match="`path`: expected .* events of 3 recordings, got .*kept"):
        recordings(0).transformed(folder=tmp_path / "kept")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Window(3.0, 2.0), "`stop`"),
        (lambda: Pool(0), "`factors`"),
        (lambda: Denoise(0.0), "`window`"),
        (lambda: Refractory(0.0003), "`t_ref` = 0.0003 ms is not a multiple"),
        (lambda: recordings(0).transformed(Pool(2)), "`factors`: expected one for each axis"),
        (lambda: recordings(0).transformed(Crop(None, None, (0, 9))), "`ranges`: expected 0 <= low < high"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sparse_batch_has_the_dense_frames(seed):
    data = recordings(seed)
    ids = np.array([2, 0])
    frames, y, lengths = data.batch(ids)
    ((events, *rest),) = data.take(ids).batches(2, sparse=True)
    np.testing.assert_array_equal(events.dense(), frames)
    np.testing.assert_array_equal(rest, [y, lengths])
    assert len(events.values) & (len(events.values) - 1) == 0


def test_events_cross_weights_without_a_dense_frame():
    """`csr_pull` of a sparse batch is frames @ W, and its gradient to W is that of the dense product."""
    data, rng = recordings(1), np.random.default_rng(0)
    frames, _, _ = data.batch(np.arange(3))
    events, _, _ = data.event_batch(np.arange(3))
    weight = jnp.asarray(rng.integers(-8, 8, (40, 6)) / 16, jnp.float32)
    rows = frames.reshape(-1, 40)

    def sparse(weight):
        return csr_pull(jnp.asarray(events.values), events.indices, events.indptr, weight.T).T

    np.testing.assert_array_equal(sparse(weight), rows @ np.asarray(weight))
    ct = jnp.asarray(rng.integers(-4, 4, (len(rows), 6)), jnp.float32)
    (gradient,) = jax.vjp(sparse, weight)[1](ct)
    np.testing.assert_array_equal(gradient, rows.T @ np.asarray(ct))
