"""Rewiring keeps the number, the sign and the out-degrees of synapses, and everything that the others hold."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.plasticity import RewardSTDP, rewire
from brainsim.units import ms, nS
from tests.plasticity.trains import learn, network, spikes, weights


def recurrent(sign=None, n=30):
    cell = bs.LIF(20 * ms, v_th=1, v_reset=0, r_mem=1e-12, i_bias=2e12)
    rule = RewardSTDP(w_max=1.0)
    size = bs.Uniform(-1, 0) if sign == -1 else bs.Uniform(0, 1)
    edge = bs.Projection(
        "E", "E", bs.FixedIndegree(10, multapses=False), size, bs.Exponential(5 * ms), sign=sign, plasticity=rule
    )
    return bs.Network({"E": bs.Population(n, cell)}, [edge], dt=1.0, seed=2)


def matrix(net, state, name="weight"):
    edges, found = net["E->E"].edges, np.full((30, 30), np.nan)
    found[edges.pre, edges.post] = getattr(state.projections["E->E"], name)
    return found


def test_a_new_synapse_has_the_delay_of_the_lost_one():
    net = network(
        bs.STDP(0.2, 0.21, w_max=1.0), 20, 15, wiring=bs.FixedProbability(0.3), delay=bs.Uniform(1 * ms, 6 * ms)
    )
    pre, post = spikes(1, 80, 20, 15)
    first = learn(net, pre, post).state
    later, state = rewire(net, first, "pre->post", threshold=0.4, weight=0.6, seed=3)
    before, after = net["pre->post"].edges, later["pre->post"].edges
    assert (before.post != after.post).sum() > 5
    for name in ("pre", "delay"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    built = network(bs.STDP(0.2, 0.21, w_max=1.0), 20, 15, wiring=bs.EdgeList(after.pre, after.post), delay=after.delay)
    np.testing.assert_array_equal(built["pre->post"].edges.post, after.post)
    assert (weights(learn(later, pre, post, state=state)) == weights(learn(built, pre, post, state=state))).all()


@pytest.mark.parametrize("sign", [None, -1])
def test_weak_synapses_move_and_all_others_stay(sign):
    net = recurrent(sign)
    state = bs.run(net, {"E->E.reward": np.ones((50, 1))}, steps=50).state
    before, trace = matrix(net, state), matrix(net, state, "eligibility")
    later, moved = rewire(net, state, "E->E", threshold=0.3, weight=0.5, seed=1)
    after, edges = matrix(later, moved), later["E->E"].edges
    weak, kept = np.abs(before) < 0.3, np.abs(before) >= 0.3
    grown = np.isnan(before) & ~np.isnan(after)
    assert edges.pre.size == net["E->E"].n_synapses and weak.sum() > 20
    np.testing.assert_array_equal(np.sort(edges.pre), np.sort(net["E->E"].edges.pre))
    np.testing.assert_array_equal(after[kept], before[kept])
    np.testing.assert_array_equal(matrix(later, moved, "eligibility")[kept], trace[kept])
    assert grown.sum() == weak.sum() and np.isnan(after[weak]).all() and not np.diag(grown).any()
    assert (after[grown] == (-0.5 if sign == -1 else 0.5)).all()
    assert (matrix(later, moved, "eligibility")[grown] == 0).all()
    again = rewire(net, state, "E->E", threshold=0.3, weight=0.5, seed=1)[1]
    np.testing.assert_array_equal(again.projections["E->E"].weight, moved.projections["E->E"].weight)


def test_a_rewired_network_learns_on_like_one_that_was_built_so():
    """Its rows and columns are those of an `EdgeList` with the same synapses."""
    rule = bs.STDP(0.2, 0.21, w_max=1.0)
    net = network(rule, 20, 15, wiring=bs.FixedProbability(0.3))
    pre, post = spikes(1, 80, 20, 15)
    first = learn(net, pre, post).state
    net, state = rewire(net, first, "pre->post", threshold=0.4, weight=0.6, seed=3)
    edges = net["pre->post"].edges
    built = network(rule, 20, 15, wiring=bs.EdgeList(edges.pre, edges.post))
    np.testing.assert_array_equal(built["pre->post"].indices, net["pre->post"].indices)
    assert (weights(learn(net, pre, post, state=state)) == weights(learn(built, pre, post, state=state))).all()


def test_what_does_not_fit_is_named():
    net = recurrent()
    state, given = net.init_state(), {"threshold": 0.3, "weight": 0.5}
    for changes, words in (
        ({"weight": 2.0}, "`weight` must be <= 1 pA"),
        ({"threshold": -1.0}, "`threshold` must be >= 0 pA"),
        ({"threshold": 1 * nS}, "`threshold`: expected a current"),
    ):
        with pytest.raises(ValueError, match=words):
            rewire(net, state, "E->E", **(given | changes))
    with pytest.raises(ValueError, match="`path`: expected a plastic projection"):
        rewire(net, state, "E->I", **given)
    with pytest.raises(ValueError, match="rewire one trial"):
        rewire(net, net.init_state(2), "E->E", **given)
    full = network(bs.STDP(w_max=1.0))
    with pytest.raises(ValueError, match="0 other targets left"):
        rewire(full, full.init_state(), "pre->post", threshold=0.9, weight=1.0)
