"""Tripartite wiring: the laws of the pairing, and a network of neurons and astrocytes that closes the loop."""

import numpy as np
import pytest
from scipy import stats

import brainsim as bs
from brainsim.connectivity import FixedIndegree, FixedProbability, tripartite
from brainsim.synapses import Relay
from brainsim.units import ms, mV, nS, pA, pF


def test_every_paired_synapse_has_its_astrocyte_in_the_pool_of_its_target():
    wiring = tripartite(FixedProbability(0.2), 60, 40, 25, p=0.5, pool_size=4, seed=3)
    pre, post = wiring.primary.pre[wiring.paired], wiring.primary.post[wiring.paired]
    np.testing.assert_array_equal(wiring.third_in.pre, pre)
    np.testing.assert_array_equal(wiring.third_out.post, post)
    np.testing.assert_array_equal(wiring.third_in.post, wiring.third_out.pre)
    assert (wiring.pools[post] == wiring.third_in.post[:, None]).any(1).all()
    assert all(len(set(pool)) == 4 for pool in wiring.pools)
    same = tripartite(FixedProbability(0.2), 60, 40, 25, p=0.5, pool_size=4, seed=3)
    np.testing.assert_array_equal(same.third_in.post, wiring.third_in.post)


def test_pairs_are_binomial_and_astrocytes_uniform_in_the_pool():
    """6 tests with alpha = 0.01 / 6."""
    limit = 0.01 / 6
    for seed in range(3):
        wiring = tripartite(FixedIndegree(50), 200, 400, 30, p=0.3, pool_size=5, seed=seed)
        assert stats.binomtest(wiring.paired.size, 20_000, 0.3).pvalue > limit
        place = np.argmax(wiring.pools[wiring.third_out.post] == wiring.third_out.pre[:, None], axis=1)
        assert stats.chisquare(np.bincount(place, minlength=5)).pvalue > limit


def test_blocks():
    each = tripartite(FixedProbability(1.0), 3, 4, 8, p=1.0, pool_size=2, pool="block")
    np.testing.assert_array_equal(each.pools, np.arange(8).reshape(4, 2))
    shared = tripartite(FixedProbability(1.0), 10, 10, 5, p=1.0, pool="block")
    np.testing.assert_array_equal(shared.third_out.pre, np.tile(np.repeat(np.arange(5), 2), 10))
    np.testing.assert_array_equal(shared.paired, np.arange(100))
    assert len(tripartite(FixedProbability(1.0), 3, 4, 8, p=0.0).third_in) == 0


def test_misuse():
    rule = FixedProbability(0.5)
    for options, words in (
        (dict(p=1.2), "`p` must be <= 1"),
        (dict(p=0.5, pool_size=9), "`pool_size`: expected 1 to n_third = 8 astrocytes, got 9"),
        (dict(p=0.5, pool="ring"), '`pool`: expected one of "random", "block"'),
        (dict(p=0.5, pool_size=3, pool="block"), '`pool`: "block" needs n_third = n_post pool_size'),
    ):
        with pytest.raises(ValueError, match=words):
            tripartite(rule, 3, 5, 8, **options)


def network(p):
    """Ten driven neurons onto ten others, five astrocytes (as in NEST's small astrocyte network)."""
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, c_mem=200 * pF)
    wiring = tripartite(FixedProbability(1.0), 10, 10, 5, p=p, pool="block")
    return bs.Network(
        {
            "pre": bs.Population(10, cell),
            "post": bs.Population(10, cell),
            "astro": bs.Population(5, bs.Astrocyte(delta_ip3=0.2)),
        },
        [
            bs.Projection("pre", "post", wiring.primary, 0.2 * nS, bs.Exponential(2 * ms, e_rev=0 * mV)),
            bs.Projection("pre", "astro", wiring.third_in, 1 * mV, name="third_in"),
            bs.Projection("astro", "post", wiring.third_out, 2 * pA, Relay(), delay=10 * ms, name="third_out"),
        ],
        dt=0.1,
    )


def test_astrocytes_answer_with_a_slow_inward_current():
    record = ["post.spikes", "astro.sic", "pre->astro#third_in.jump", "astro->post#third_out.i", "astro.ip3"]
    runs = [
        bs.run(network(p), {"pre": 300.0}, steps=8000, record=record if p else record[:1]) for p in (1.0, 0.0)
    ]  # fmt: skip
    sic, current = (np.asarray(runs[0].records[name]) for name in record[1:4:2])
    first = int(np.flatnonzero(sic.max(1))[0])
    assert 100 < first < 8000 and not current[: first + 99].any()
    # ten synapses onto each target, each with its edge from the target's astrocyte, 10 ms later
    np.testing.assert_allclose(current[99:], 10 * 2 * np.repeat(sic[:-99], 2, axis=1), rtol=1e-5)
    assert runs[0].records["astro.ip3"].max() > 0.5
    with_sic, without = (np.asarray(run.records["post.spikes"])[first + 100 :].sum() for run in runs)
    assert with_sic > 1.2 * without
