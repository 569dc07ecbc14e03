"""Exact random draws of synapses in time and memory proportional to their number.

    Bernoulli(p) over a row of cells:  gap to the next chosen cell ~ Geometric(p)     (Batagelj & Brandes 2005)
    k-subset of `size` cells:          draw with replacement, redraw repeats until none are left
    k-subset of very many cells:       Bernoulli with mean above k, then leave out what is too much

Each way treats all cells alike, so all k-subsets are equally likely. Batagelj V., Brandes U., Efficient generation of
large random networks, Phys. Rev. E 71 (2005) 036113.
"""

from collections.abc import Iterator

import numpy as np

_BLOCK = 1 << 16  # draws at a time: their 64-bit temporaries stay in the cache


def bernoulli_cells(rng: np.random.Generator, size: int, p: float) -> Iterator[np.ndarray]:
    """The cells of 0..size-1 that are chosen, each independently with probability `p`.

    Yields:
        Ascending int64 positions, block by block.
    """
    if size == 0 or p == 0.0:
        return
    no_overflow = (2**63 - 1) // (size + 1)
    block = max(1, min(_BLOCK, int(1.1 * size * p) + 64, no_overflow))
    last = -1
    while last < size - 1:
        gaps = np.minimum(rng.geometric(p, block), size + 1)
        cells = np.cumsum(gaps, out=gaps)
        cells += last
        last = int(cells[-1])
        yield cells[: np.searchsorted(cells, size)] if last >= size else cells


def subsets(rng: np.random.Generator, rows: int, k: int, size: int) -> np.ndarray:
    """Independent uniform subsets of `k` of the cells 0..size-1.

    Returns:
        (rows, k) array, each row sorted and without repeats.
    """
    if 2 * k > size:
        return _complements(subsets(rng, rows, size - k, size), size)
    chosen = multisets(rng, rows, k, size)
    pending = np.arange(rows)
    while pending.size:
        part = chosen[pending]
        repeats = part[:, 1:] == part[:, :-1]
        again = repeats.any(axis=1)
        pending, part, repeats = pending[again], part[again], repeats[again]
        part[:, 1:][repeats] = rng.integers(0, size, np.count_nonzero(repeats), dtype=part.dtype)
        part.sort(axis=1)
        chosen[pending] = part
    return chosen


def large_subset(rng: np.random.Generator, k: int, size: int) -> np.ndarray:
    """A uniform subset of `k` of the cells 0..size-1, without a sort.

    Returns:
        (k) ascending int64 positions.
    """
    p = min(1.0, (k + 5.0 * np.sqrt(k) + 5.0) / max(size, 1))
    while True:
        cells = np.concatenate([np.empty(0, np.int64), *bernoulli_cells(rng, size, p)])
        if cells.size >= k:
            return np.delete(cells, subsets(rng, 1, cells.size - k, cells.size)[0])


def multisets(rng: np.random.Generator, rows: int, k: int, size: int) -> np.ndarray:
    """Independent rows of `k` draws with replacement of the cells 0..size-1.

    Returns:
        (rows, k) array, each row sorted.
    """
    drawn = rng.integers(0, max(size, 1), (rows, k), dtype=np.int32 if size < 2**31 else np.int64)
    drawn.sort(axis=1)
    return drawn


def ragged_multisets(rng: np.random.Generator, counts: np.ndarray, size: int) -> np.ndarray:
    """Like `multisets`, with a number of draws for each row.

    Args:
        rng: Stream to draw from.
        counts: (rows) draws of each row.
        size: Number of cells.

    Returns:
        (sum of counts) the rows one after another, each sorted.
    """
    starts = np.cumsum(counts) - counts
    drawn = np.empty(counts.sum(), np.int32 if size < 2**31 else np.int64)
    for count in np.unique(counts):
        rows = starts[counts == count]
        drawn[rows[:, None] + np.arange(count)] = multisets(rng, rows.size, int(count), size)
    return drawn


def _complements(left_out: np.ndarray, size: int) -> np.ndarray:
    rows, k = left_out.shape
    kept = np.ones((rows, size), bool)
    np.put_along_axis(kept, left_out.astype(np.int64), False, axis=1)
    cells = np.nonzero(kept)[1].astype(left_out.dtype)
    return cells.reshape(rows, size - k)
