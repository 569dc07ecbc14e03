"""Batches made ahead are those of the loader; epochs begin at any batch; errors and early ends cross the thread."""

import threading

import numpy as np
import pytest

from brainsim.datasets import Dataset, Loader, Prefetch, augment


def loader(n: int = 20, size: int = 3, key: int | None = 4) -> Loader:
    return Dataset(np.arange(n, dtype=np.float32)[:, None], np.arange(n), lambda x, key: x[None]).batches(size, key)


def labels(batches) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


def test_the_same_batches_in_the_same_order():
    plain, ahead = loader(), Prefetch(loader(), 2)
    assert len(ahead) == len(plain) == 7
    assert [labels(ahead(epoch)) for epoch in (0, 3)] == [labels(plain(epoch)) for epoch in (0, 3)]
    assert labels(ahead) == labels(plain)


@pytest.mark.parametrize("wrap", [lambda x: x, Prefetch, augment.Augmented, lambda x: Prefetch(augment.Augmented(x))])
def test_an_epoch_begins_at_any_batch(wrap):
    batches = wrap(loader())
    for start in (0, 2, 7):
        assert labels(batches(1, start)) == labels(loader()(1))[start:]


def test_batches_before_the_start_are_not_made():
    made = []

    class Counted(Dataset):
        def batch(self, ids, key):
            made.append(len(ids))
            return super().batch(ids, key)

    x = np.zeros((20, 1), np.float32)
    assert len(list(Counted(x, np.arange(20)).batches(3)(0, 5))) == 2 and len(made) == 2


def test_an_early_end_ends_the_thread():
    before = threading.active_count()
    for _ in Prefetch(loader(), 1):
        break
    batches = Prefetch(loader(), 1)(0)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_an_error_comes_where_its_batch_would():
    class Broken(Dataset):
        def batch(self, ids, key):
            if 3 in ids:
                raise ValueError("`x`: broken")
            return super().batch(ids, key)

    batches = Prefetch(Broken(np.zeros((6, 1)), np.arange(6)).batches(2))(0)
    assert next(batches)[1].tolist() == [0, 1]
    with pytest.raises(ValueError, match="`x`: broken"):
        next(batches)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`ahead` must be >= 1"):
        Prefetch(loader(), 0)
