"""The draws follow their laws exactly: every outcome of small cases, counted and compared by chi-squared."""

import collections
import itertools

import numpy as np
import pytest
from scipy import stats

from brainsim.connectivity.sampling import bernoulli_cells, large_subset, multisets, ragged_multisets, subsets

ALPHA = 0.01 / 15  # the number of chi-squared tests in this file
DRAWS = 20_000


def p_value(outcomes, law: dict) -> float:
    """Probability of a worse fit of the counted outcomes to the law {outcome: probability}."""
    counts = collections.Counter(outcomes)
    assert set(counts) <= set(law), f"impossible outcomes: {set(counts) - set(law)}"
    expected = np.array(list(law.values())) * sum(counts.values())
    return stats.chisquare([counts[key] for key in law], expected).pvalue


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_bernoulli_gives_every_set_its_probability(p):
    rng = np.random.default_rng(1)
    law = {
        kept: p ** len(kept) * (1 - p) ** (4 - len(kept))
        for size in range(5)
        for kept in itertools.combinations(range(4), size)
    }
    draws = [tuple(np.concatenate([[], *bernoulli_cells(rng, 4, p)]).astype(int).tolist()) for _ in range(DRAWS)]
    assert p_value(draws, law) > ALPHA


def test_bernoulli_gaps_are_geometric_across_blocks():
    rng = np.random.default_rng(2)
    cells = np.concatenate(list(bernoulli_cells(rng, 1_000_000, 0.3)))
    assert cells.size > 4 * 65_536 and cells.dtype == np.int64
    gaps = np.minimum(np.diff(cells), 12)
    law = {gap: 0.3 * 0.7 ** (gap - 1) for gap in range(1, 12)} | {12: 0.7**11}
    assert p_value(gaps.tolist(), law) > ALPHA


def test_bernoulli_does_not_overflow_where_hardly_any_cell_is_chosen():
    rng = np.random.default_rng(12)
    size = 2**61
    drawn = [np.concatenate([np.empty(0, int), *bernoulli_cells(rng, size, 2 / size)]) for _ in range(500)]
    assert all((np.diff(cells) > 0).all() and (cells >= 0).all() and (cells < size).all() for cells in drawn)
    law = {count: stats.poisson.pmf(count, 2) for count in range(6)} | {6: stats.poisson.sf(5, 2)}
    assert p_value([min(cells.size, 6) for cells in drawn], law) > ALPHA


def test_bernoulli_is_exact_far_beyond_32_bits():
    rng = np.random.default_rng(3)
    size = 2**61
    cells = np.concatenate(list(bernoulli_cells(rng, size, 3000 / size)))
    assert abs(cells.size - 3000) < 5 * np.sqrt(3000)
    assert (np.diff(cells) > 0).all() and cells[0] >= 0 and cells[-1] < size
    assert stats.kstest(cells / size, "uniform").pvalue > ALPHA


@pytest.mark.parametrize("size", [0, 1, 5])
def test_bernoulli_at_the_ends(size):
    rng = np.random.default_rng(4)
    assert list(bernoulli_cells(rng, size, 0.0)) == []
    all_cells = np.concatenate([np.empty(0, int), *bernoulli_cells(rng, size, 1.0)])
    np.testing.assert_array_equal(all_cells, np.arange(size))


@pytest.mark.parametrize(("k", "size"), [(2, 5), (3, 6), (4, 5)])
def test_subsets_are_uniform(k, size):
    rng = np.random.default_rng(5)
    every = list(itertools.combinations(range(size), k))
    drawn = subsets(rng, DRAWS, k, size)
    assert p_value(map(tuple, drawn.tolist()), dict.fromkeys(every, 1 / len(every))) > ALPHA


@pytest.mark.parametrize(("k", "size"), [(0, 0), (0, 3), (3, 3), (40, 80), (79, 80), (1, 1)])
def test_subsets_are_sorted_and_distinct(k, size):
    drawn = subsets(np.random.default_rng(6), 50, k, size)
    assert drawn.shape == (50, k)
    assert (np.diff(drawn, axis=1) > 0).all() and (drawn >= 0).all() and (drawn < size).all()


@pytest.mark.parametrize(("k", "size"), [(2, 5), (4, 5)])
def test_large_subsets_are_uniform(k, size):
    rng = np.random.default_rng(7)
    every = list(itertools.combinations(range(size), k))
    drawn = [tuple(large_subset(rng, k, size).tolist()) for _ in range(DRAWS)]
    assert p_value(drawn, dict.fromkeys(every, 1 / len(every))) > ALPHA


def test_large_subsets_really_leave_cells_out():
    drawn = large_subset(np.random.default_rng(8), 10_000, 10**12)
    assert drawn.size == 10_000 and (np.diff(drawn) > 0).all()
    assert stats.kstest(drawn / 10**12, "uniform").pvalue > ALPHA


def test_multisets_are_draws_with_replacement():
    drawn = multisets(np.random.default_rng(9), DRAWS, 2, 3)
    law = {(i, j): (1 if i == j else 2) / 9 for i in range(3) for j in range(i, 3)}
    assert p_value(map(tuple, drawn.tolist()), law) > ALPHA


def test_ragged_multisets_fill_every_row():
    counts = np.array([3, 0, 1, 3, 2])
    drawn = ragged_multisets(np.random.default_rng(10), counts, 1000)
    assert drawn.size == 9
    for row in np.split(drawn, np.cumsum(counts)[:-1]):
        assert (np.diff(row) >= 0).all()
    many = ragged_multisets(np.random.default_rng(11), np.tile([1, 2], DRAWS // 2), 6)
    assert p_value(many.tolist(), dict.fromkeys(range(6), 1 / 6)) > ALPHA
