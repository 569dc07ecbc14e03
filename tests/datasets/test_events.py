"""Event recordings: binning against a plain loop, lengths, subsets, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainsim.datasets import EventDataset
from brainsim.units import ms

SHAPE = (2, 3)


def recordings(seed: int, samples: int = 4, most: int = 30):
    """Random recordings; some of them may be empty."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most, samples)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    t_us = np.concatenate([np.sort(rng.integers(0, 9000, n)) for n in counts])
    return t_us.astype(np.int64), rng.integers(0, 6, offsets[-1]), offsets, np.arange(samples)


def slow_frames(data: EventDataset, ids) -> np.ndarray:
    """The definition, one event after the other."""
    frames = np.zeros((data.steps, len(ids), *data.shape), np.float32)
    for column, sample in enumerate(ids):
        for event in range(data.offsets[sample], data.offsets[sample + 1]):
            step = data.t_us[event] // round(data.dt * 1000)
            if step < data.steps:
                frames[(step, column, *np.unravel_index(data.address[event], data.shape))] += 1
    return frames


@given(seed=st.integers(0, 2**31), dt=st.sampled_from([0.5, 1.0, 3.0]), ids=st.permutations(range(4)))
@settings(max_examples=40)
def test_binning_is_the_plain_loop(seed, dt, ids):
    data = EventDataset.of(*recordings(seed), SHAPE, dt=dt)
    ids = np.array(ids[:3])
    frames, y, lengths = data.batch(ids)
    expected = slow_frames(data, ids)
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(y, ids)
    assert frames.dtype == np.float32
    for column, length in enumerate(lengths):
        assert not frames[length:, column].any()
        assert length == 1 or frames[length - 1, column].any()


def test_an_event_on_a_border_belongs_to_the_later_frame():
    t_us, address = np.array([0, 299, 300, 600]), np.zeros(4, int)
    data = EventDataset.of(t_us, address, np.array([0, 4]), np.zeros(1, int), (1,), dt=0.3 * ms)
    np.testing.assert_array_equal(data.batch(np.array([0]))[0][:, 0, 0], [2, 1, 1])


def test_steps_covers_the_longest_recording():
    data = EventDataset.of(*recordings(1), SHAPE, steps=7)
    assert data.steps == 7 and data.batch(np.arange(4))[0].sum() == len(data.t_us)


def test_a_subset_has_the_same_frames():
    data = EventDataset.of(*recordings(2), SHAPE, dt=1.0)
    part = data.take(np.array([3, 1]))
    assert len(part) == 2 and part.steps == data.steps
    for whole, subset in zip(data.batch(np.array([1, 3])), part.batch(np.array([1, 0])), strict=True):
        np.testing.assert_array_equal(whole, subset)


def test_what_is_refused():
    t_us, address, offsets, y = recordings(0)
    for given_twice in ({}, {"dt": 1.0, "steps": 3}):
        with pytest.raises(ValueError, match="`dt`: give `dt` .ms. or `steps`, exactly one"):
            EventDataset.of(t_us, address, offsets, y, SHAPE, **given_twice)
    with pytest.raises(ValueError, match="`dt` = 0.0005 ms is not a multiple"):
        EventDataset.of(t_us, address, offsets, y, SHAPE, dt=0.0005)
    with pytest.raises(ValueError, match="`offsets`"):
        EventDataset.of(t_us, address, offsets[:-1], y, SHAPE, dt=1.0)
    with pytest.raises(ValueError, match="`address`: expected 0 to 5"):
        EventDataset.of(t_us, address + 6, offsets, y, SHAPE, dt=1.0)
