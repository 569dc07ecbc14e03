"""The loader: every sample once an epoch, in an order that only the key and the epoch decide."""

import jax
import numpy as np
import pytest

from brainsim.datasets import Dataset, encode, split


def numbered(n: int = 10, code=None) -> Dataset:
    return Dataset(np.linspace(0, 1, n, dtype=np.float32)[:, None], np.arange(n), code)


def order(batches) -> list[int]:
    return [int(label) for _, y in batches for label in y]


def test_every_sample_once_and_the_last_batch_is_what_is_left():
    loader = numbered().batches(4, key=1)
    assert len(loader) == 3 and [len(y) for _, y in loader] == [4, 4, 2]
    assert sorted(order(loader)) == list(range(10))


def test_the_order_is_decided_by_key_and_epoch_alone():
    loader, again = numbered().batches(4, key=1), numbered().batches(4, key=1)
    epochs = [order(loader(epoch)) for epoch in range(3)]
    assert epochs[2] == order(again(2)) and epochs[0] == order(again) == order(again)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert order(numbered().batches(4, key=2)(0)) != epochs[0]
    assert order(numbered().batches(4, key=jax.random.key(1))(2)) == epochs[2]


def test_without_a_key_the_order_is_that_of_the_data():
    loader = numbered().batches(3)
    assert order(loader(0)) == order(loader(5)) == list(range(10))


def test_a_random_encoding_is_new_every_epoch_with_a_key_only():
    data = numbered(code=lambda x, key: encode.rate(x, 50, key))
    shuffled, plain = data.batches(10, key=0), data.batches(10)
    first = [np.asarray(next(iter(loader(epoch)))[0]) for loader in (shuffled, plain) for epoch in (0, 1)]
    assert first[0].shape == (50, 10, 1)
    assert not np.array_equal(np.sort(first[0].sum((0, 2))), np.sort(first[1].sum((0, 2))))
    np.testing.assert_array_equal(first[2], first[3])


def test_split_keeps_every_sample_once():
    rest, held = split(numbered(), 3)
    assert (len(rest), len(held)) == (7, 3)
    assert sorted([*rest.y, *held.y]) == list(range(10))
    np.testing.assert_array_equal(held.y, split(numbered(), 3)[1].y)
    assert not np.array_equal(held.y, split(numbered(), 3, key=5)[1].y)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`size`"):
        numbered().batches(0)
    with pytest.raises(ValueError, match="`held_out`: expected between 1 and 9"):
        split(numbered(), 10)
    with pytest.raises(ValueError, match="`y`: expected 10 entries"):
        Dataset(np.zeros(10), np.zeros(9))
