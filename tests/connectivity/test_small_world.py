"""Small-world and block wiring against closed forms."""

import numpy as np
import pytest
from scipy import stats

from brainsim.connectivity import BlockProbability, WattsStrogatz, clustered, clusters, within


def wiring(rule, n, seed=0):
    return rule.connect(n, n, same=True, rng=np.random.default_rng(seed))


def clustering(csr):
    """Mean over neurons of the part of their pairs of neighbours that are connected."""
    a = csr.to_scipy(1.0)
    triangles, degree = (a @ a).multiply(a).sum(axis=1), csr.outdegree
    return np.mean(triangles / np.maximum(degree * (degree - 1), 1))


@pytest.mark.parametrize("beta", [0.0, 0.05, 0.3, 1.0])
def test_clustering_falls_as_watts_and_strogatz_say(beta):
    """C(beta) = 3 (k - 2) / (4 (k - 1)) (1 - beta)^3 up to O(k / n); every connection stands in both directions."""
    n, k = 2000, 10
    csr = wiring(WattsStrogatz(k, beta), n)
    a = csr.to_scipy(1.0)
    assert csr.nnz == n * k and abs(a - a.T).nnz == 0 and a.diagonal().sum() == 0 and a.max() == 1
    assert clustering(csr) == pytest.approx(2 / 3 * (1 - beta) ** 3, abs=0.012)
    assert csr.outdegree.min() >= k // 2


def test_degrees_of_a_rewired_ring_are_those_of_barrat_and_weigt():
    """degree - k / 2 = (kept of k / 2, binomial) + (arrived, Poisson with mean beta k / 2); alpha 0.01."""
    n, k, beta = 20_000, 8, 0.4
    degrees = wiring(WattsStrogatz(k, beta), n).outdegree - k // 2
    kept, arrived = stats.binom(k // 2, 1 - beta), stats.poisson(beta * k / 2)
    law = np.convolve(kept.pmf(np.arange(5)), arrived.pmf(np.arange(30)))
    observed = np.bincount(np.minimum(degrees, 11), minlength=12)
    expected = n * np.append(law[:11], 1 - law[:11].sum())
    assert stats.chisquare(observed, expected).pvalue > 0.01


def test_a_ring_that_is_not_rewired():
    csr = wiring(WattsStrogatz(4, 0.0), 7)
    np.testing.assert_array_equal(csr.indices[csr.indptr[0] : csr.indptr[1]], [1, 2, 5, 6])


def test_small_worlds_that_do_not_exist():
    with pytest.raises(ValueError, match="`k`: expected an even number"):
        WattsStrogatz(3, 0.1)
    with pytest.raises(ValueError, match="`k` of WattsStrogatz = 6: expected less than 6"):
        wiring(WattsStrogatz(6, 0.1), 7)
    with pytest.raises(ValueError, match="within one population"):
        WattsStrogatz(4, 0.1).connect(7, 7, same=False, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="`beta` must be <= 1"):
        WattsStrogatz(4, 1.5)


def test_blocks_have_their_probabilities():
    """Numbers of synapses are binomial; 5 standard deviations."""
    pre, post = np.arange(300) % 3, np.repeat([0, 1], [100, 250])
    p = np.array([[0.3, 0.05], [0.0, 1.0], [0.1, 0.2]])
    csr = BlockProbability(pre, post, p).connect(300, 350, same=False, rng=np.random.default_rng(1))
    found = np.zeros((3, 2))
    np.add.at(found, (pre[csr.pre], post[csr.indices]), 1)
    pairs = np.outer(np.bincount(pre), np.bincount(post))
    assert (np.abs(found - pairs * p) <= 5 * np.sqrt(pairs * p * (1 - p))).all()
    assert csr.to_scipy(1.0).max() == 1


def test_clusters_keep_the_mean_and_the_ratio():
    rule = clustered(800, 10, 0.2, 2.5)
    assert rule.p.mean() == pytest.approx(0.2) and rule.p[0, 0] == pytest.approx(2.5 * rule.p[0, 1])
    csr = wiring(rule, 800)
    inside = within(rule, csr.pre, csr.indices)
    pairs = 10 * 80 * 79
    assert abs(inside.sum() - pairs * rule.p[0, 0]) < 5 * np.sqrt(pairs * rule.p[0, 0])
    assert (csr.pre != csr.indices).all()
    np.testing.assert_array_equal(np.bincount(clusters(7, 3)), [3, 2, 2])


def test_clusters_that_do_not_exist():
    with pytest.raises(ValueError, match="`ratio` = 9: .* a probability is 1.5 > 1"):
        clustered(100, 3, 11 / 18, 9.0)
    with pytest.raises(ValueError, match="`count`: expected 1 to 5 clusters, got 6"):
        clustered(5, 6, 0.1, 2.0)
    with pytest.raises(ValueError, match="`pre`: expected groups 0 to 1, got 0 to 2"):
        BlockProbability([0, 2], [0], [[0.1], [0.2]])
    with pytest.raises(ValueError, match="`post`: expected the group of 3 neurons, got 1"):
        BlockProbability([0], [0], [[0.1]]).connect(1, 3, same=False, rng=np.random.default_rng(0))
