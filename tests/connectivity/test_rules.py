"""Connection rules: exact degrees, the laws of the random ones, what is forbidden, and what cannot be met."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from brainsim._streams import generator
from brainsim.connectivity import (
    CSR,
    AllToAll,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    FixedTotal,
    OneToOne,
    Rule,
)

ALPHA = 0.01 / 12  # the number of chi-squared tests in this file
RANDOM = [FixedProbability(0.3), FixedIndegree(3), FixedOutdegree(3), FixedTotal(20)]


def connect(rule: Rule, n_pre: int, n_post: int, same: bool = False, seed: int = 0) -> CSR:
    return rule.connect(n_pre, n_post, same=same, rng=np.random.default_rng(seed))


def counts_of(csr: CSR) -> np.ndarray:
    """Synapses of every pair."""
    return csr.to_scipy(1).toarray()


def fits(counts: np.ndarray, law: np.ndarray, draws: int) -> bool:
    """Whether counted outcomes 0, 1, ... fit probabilities, those expected fewer than 8 times taken together."""
    expected = law * draws
    rare = expected < 8
    seen = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], draws - expected[~rare].sum())
    if wanted[-1] < 8:
        seen[-2:-1] += seen[-1:]
        wanted[-2:-1] += wanted[-1:]
        seen, wanted = seen[:-1], wanted[:-1]
    return stats.chisquare(seen, wanted).pvalue > ALPHA


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("side", ["outdegree", "indegree"])
def test_fixed_probability_has_binomial_degrees(same, side):
    n, p = 4000, 0.005
    degree = getattr(connect(FixedProbability(p), n, n, same, seed=1), side)
    law = stats.binom.pmf(np.arange(100), n - same, p)
    assert fits(np.bincount(degree, minlength=100), law, n)


@pytest.mark.parametrize(("rule", "side"), [(FixedOutdegree, "indegree"), (FixedIndegree, "outdegree")])
@pytest.mark.parametrize("multapses", [False, True])
def test_the_free_side_of_a_fixed_degree_is_binomial(rule, side, multapses):
    n, k = 3000, 12
    degree = getattr(connect(rule(k, multapses=multapses), n, n, same=True, seed=2), side)
    trials, p = ((n - 1) * k, 1 / (n - 1)) if multapses else (n - 1, k / (n - 1))
    assert fits(np.bincount(degree, minlength=60), stats.binom.pmf(np.arange(60), trials, p), n)


@pytest.mark.parametrize("multapses", [False, True])
def test_fixed_total_spreads_over_all_pairs(multapses):
    csr = connect(FixedTotal(9000, multapses=multapses), 30, 1000, seed=3)
    pairs = csr.pre.astype(np.int64) * 1000 + csr.indices
    assert stats.chisquare(np.bincount(pairs // 1000, minlength=30)).pvalue > ALPHA
    assert stats.chisquare(np.bincount(pairs % 1000 // 25, minlength=40)).pvalue > ALPHA
    assert (np.unique(pairs).size < 9000) == multapses


@pytest.mark.parametrize("rule", [*RANDOM, FixedIndegree(2, multapses=False), FixedTotal(5, multapses=False)], ids=repr)
def test_every_pair_is_equally_likely(rule):
    """Jumping over the diagonal favours nobody: 12 pairs of 4 neurons, 600 drawings."""
    total = sum(counts_of(connect(rule, 4, 4, same=True, seed=seed)) for seed in range(600))
    assert (np.diag(total) == 0).all()
    off = total[~np.eye(4, dtype=bool)]
    assert off.min() > 0
    spread = (off - off.mean()) ** 2 / off.mean()
    assert stats.chi2.sf(spread.sum(), 11) > ALPHA


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 6), st.booleans(), st.booleans(), st.integers(0, 99))
def test_fixed_degrees_are_exact(n_pre, n_post, k, same, multapses, seed):
    n_post = n_pre if same else n_post
    for rule, side, partners in ((FixedOutdegree, "outdegree", n_post), (FixedIndegree, "indegree", n_pre)):
        available = partners - same
        if k > available and (available == 0 or not multapses):
            with pytest.raises(ValueError, match=f"`k` of {rule.__name__} = {k}, but there are {available} possible"):
                connect(rule(k, multapses=multapses), n_pre, n_post, same, seed)
            continue
        csr = connect(rule(k, multapses=multapses), n_pre, n_post, same, seed)
        assert (getattr(csr, side) == k).all()
        pairs = counts_of(csr)
        assert multapses or pairs.max(initial=0) <= 1
        assert not same or not np.diag(pairs).any()


@given(st.integers(0, 5), st.integers(0, 5), st.booleans(), st.booleans(), st.floats(0, 1), st.integers(0, 99))
def test_what_is_forbidden_does_not_occur(n_pre, n_post, same, self_connections, p, seed):
    n_post = n_pre if same else n_post
    free = n_pre * n_post - (n_pre if same and not self_connections else 0)
    for rule in (
        FixedProbability(p, self_connections=self_connections),
        FixedTotal(int(p * free), self_connections=self_connections, multapses=False),
        AllToAll(self_connections=self_connections),
    ):
        csr = connect(rule, n_pre, n_post, same, seed)
        pairs = counts_of(csr)
        assert pairs.max(initial=0) <= 1
        assert not same or self_connections or not np.diag(pairs).any()
        assert not isinstance(rule, FixedTotal) or csr.nnz == rule.n
        assert not isinstance(rule, AllToAll) or csr.nnz == free


@pytest.mark.parametrize("same", [False, True])
def test_probability_one_is_all_to_all(same):
    everything = connect(AllToAll(), 7, 7, same)
    certain = connect(FixedProbability(1.0), 7, 7, same)
    np.testing.assert_array_equal(counts_of(certain), counts_of(everything))
    np.testing.assert_array_equal(counts_of(everything), 1 - np.eye(7) * same)
    assert connect(FixedProbability(0), 7, 7, same).nnz == 0


def test_self_connections_occur_where_they_are_asked_for():
    n = 2000
    csr = connect(FixedProbability(0.25, self_connections=True), n, n, same=True, seed=4)
    own = np.count_nonzero(csr.pre == csr.indices)
    assert stats.binomtest(own, n, 0.25).pvalue > ALPHA


def test_the_diagonal_is_ordinary_between_two_populations():
    assert np.diag(counts_of(connect(AllToAll(), 3, 3, same=False))).all()


def test_one_to_one():
    np.testing.assert_array_equal(counts_of(connect(OneToOne(), 3, 3)), np.eye(3))
    np.testing.assert_array_equal(counts_of(connect(OneToOne(self_connections=True), 3, 3, same=True)), np.eye(3))
    with pytest.raises(ValueError, match="`OneToOne`: expected as many neurons on both sides, got 3 and 4"):
        connect(OneToOne(), 3, 4)
    with pytest.raises(ValueError, match="only self-connections: `self_connections=True`"):
        connect(OneToOne(), 3, 3, same=True)


@pytest.mark.parametrize("rule", RANDOM, ids=repr)
def test_wiring_follows_its_stream_alone(rule):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    drawings = [
        rule.connect(9, 9, same=True, rng=generator(seed, path))
        for seed, path in ((1, "E->E"), (1, "E->E"), (1, "E->I"), (2, "E->E"))
    ]
    np.testing.assert_array_equal(drawings[0].indices, drawings[1].indices)
    np.testing.assert_array_equal(drawings[0].indptr, drawings[1].indptr)
    for other in drawings[2:]:
        assert (counts_of(other) != counts_of(drawings[0])).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FixedProbability(1.5), ValueError, "`p` must be <= 1, got max 1.5"),
        (lambda: FixedProbability(-0.1), ValueError, "`p` must be >= 0, got min -0.1"),
        (lambda: FixedProbability(float("nan")), ValueError, "`p`"),
        (lambda: FixedIndegree(2.0), TypeError, "`k`: expected a whole number of synapses, got 2.0"),
        (lambda: FixedOutdegree(True), TypeError, "`k`: expected a whole number"),
        (lambda: FixedTotal(-1), ValueError, "`n` must be >= 0, got -1"),
        (lambda: FixedProbability(0.1, multapses=True), ValueError, "FixedProbability connects a pair at most once"),
        (lambda: AllToAll(multapses=True), ValueError, "AllToAll connects a pair at most once"),
        (lambda: connect(AllToAll(), 3, 4, same=True), ValueError, "one population, but n_pre = 3 and n_post = 4"),
        (
            lambda: connect(FixedIndegree(5, multapses=False), 5, 5, same=True),
            ValueError,
            "`k` of FixedIndegree = 5, but there are 4 possible partners; `multapses=True` lets them repeat.",
        ),
        (
            lambda: connect(FixedTotal(13, multapses=False), 4, 4, same=True),
            ValueError,
            "`n` of FixedTotal = 13, but there are 12 pairs of neurons; `multapses=True` lets them repeat.",
        ),
        (lambda: connect(FixedTotal(1), 1, 1, same=True), ValueError, "but there are 0 pairs of neurons."),
        (lambda: connect(FixedProbability(0.5), 100_000, 100_000), ValueError, "`p`: 5000000000 synapses"),
        (lambda: connect(FixedIndegree(30_000), 100_000, 100_000), ValueError, "`k`: 3000000000 synapses"),
        (lambda: connect(AllToAll(), 50_000, 50_000), ValueError, "`AllToAll`: 2500000000 synapses"),
        (lambda: connect(FixedTotal(2**31), 10, 10), ValueError, "`n`: 2147483648 synapses"),
    ],
)
def test_what_cannot_be_met_is_said_in_numbers(make, error, message):
    with pytest.raises(error) as raised:
        make()
    assert message in str(raised.value)


def test_pairs_beyond_32_bits():
    csr = connect(FixedProbability(1e-8), 1_000_000, 3_000_000, seed=5)
    assert abs(csr.nnz - 30_000) < 5 * np.sqrt(30_000)
    assert stats.kstest(csr.indices / 3e6, "uniform").pvalue > ALPHA
    assert stats.kstest(csr.pre / 1e6, "uniform").pvalue > ALPHA


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [FixedProbability(80 / 400_000), FixedIndegree(80), FixedOutdegree(80, multapses=False), FixedTotal(32_000_000)],
    ids=repr,
)
def test_32_million_synapses_stay_below_two_gigabytes(rule):
    tracemalloc.start()
    csr = connect(rule, 400_000, 400_000, same=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(csr.nnz - 32_000_000) < 5 * np.sqrt(32_000_000)
    assert 4 * csr.nnz < peak < 2e9


def test_pairs_of_rules_and_sizes_never_crash():
    rules = [FixedProbability(0.5), FixedIndegree(0), FixedOutdegree(0), FixedTotal(0), AllToAll()]
    for rule, n_pre, n_post in itertools.product(rules, (0, 1, 2), (0, 1, 2)):
        csr = connect(rule, n_pre, n_post, same=n_pre == n_post)
        assert (csr.n_pre, csr.n_post) == (n_pre, n_post)
