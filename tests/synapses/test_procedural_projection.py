"""Projections without stored synapses do what the same synapses do in memory, in the native loop and on XLA."""

import equinox as eqx
import jax
import numpy as np
import pytest

import brainsim as bs
from brainsim._native import WHY_XLA
from brainsim.connectivity import FixedOutdegree, FixedTotal
from brainsim.units import ms, mV, nS, pA


def network(rule=None, weight=0.5 * nS, e_rev=0 * mV, seed=3, n=60, **options):
    """Driven neurons that excite each other and themselves, 60 -> 60 -> 40."""
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, t_ref=2 * ms, i_bias=20 * pA)
    start = {"v": bs.Uniform(-60 * mV, -50 * mV)}
    cells = {"A": bs.Population(n, lif, init=start), "B": bs.Population(40, lif, init=start)}
    rule = bs.FixedProbability(0.2) if rule is None else rule
    edges = [bs.Projection("A", post, rule, weight, bs.Exponential(5 * ms, e_rev), **options) for post in ("A", "B")]
    return bs.Network(cells, edges, dt=0.1 * ms, seed=seed)


procedural = lambda *args, **options: network(*args, storage="procedural", **options)


def in_memory(net):
    stored = {path: edge.stored() for path, edge in net.projections.items()}
    return eqx.tree_at(lambda net: net.projections, net, stored)


CASES = [
    dict(),
    dict(rule=FixedOutdegree(7), weight=bs.Uniform(0.25 * nS, 0.75 * nS), delay=1.5 * ms),
    dict(rule=bs.AllToAll(), weight=bs.Normal(-0.5 * pA, 0.05 * pA), e_rev=None, sign=-1, delay=0.3 * ms),
]


@pytest.mark.parametrize(("case", "batch"), list(zip(CASES, (None, 3, None), strict=True)))
def test_the_run_is_that_of_stored_synapses_bit_by_bit(case, batch):
    net = procedural(**case)
    record = ["A.spikes", "B.spikes", "B.v"]
    drawn, stored = (bs.simulate(n, 60 * ms, batch=batch, record=record, progress=False) for n in (net, in_memory(net)))
    assert stored["A"].spikes.t.size > 60
    np.testing.assert_array_equal(drawn["A"].spikes.t, stored["A"].spikes.t)
    if WHY_XLA is None:
        np.testing.assert_array_equal(drawn["B"].v, stored["B"].v)
        report = bs.explain(net, batch=batch)
        assert report.loop == "one native call" and {part.way for part in report.parts} == {"fused", "kernel"}
    else:
        np.testing.assert_allclose(drawn["B"].v, stored["B"].v, rtol=1e-5)


def test_wiring_depends_on_the_seed_and_on_its_own_path_alone():
    one, same, other = procedural(), procedural(), procedural(seed=4)
    edges = lambda net, path="A->B": set(zip(*net[path].edges[:2], strict=True))
    assert edges(one) == edges(same) != edges(other) and (one["A->A"].edges.pre != one["A->A"].edges.post).all()
    assert one["A->B"].n_synapses == 480 and abs(len(edges(one)) - 480) < 100
    assert not [leaf for leaf in jax.tree.leaves(one.projections) if eqx.is_array(leaf) and leaf.size > 4]


@pytest.mark.slow
def test_the_gradient_of_the_mean_weight_is_the_sum_over_its_synapses():
    net = procedural(weight=bs.Uniform(0.25 * nS, 0.75 * nS), delay=0.4 * ms)

    def spikes(net):
        return bs.run(net, steps=150, record=("B.spikes",)).records["B.spikes"].sum()

    drawn, stored = (eqx.filter_grad(spikes)(n) for n in (net, in_memory(net)))
    total = stored["A->B"].weight.sum()
    assert abs(total) > 1
    np.testing.assert_allclose(drawn["A->B"].weight, total, rtol=1e-3)
    mask = bs.mask(net)
    assert mask["A->B"].weight and not mask["A->B"].regenerated.key


def test_the_mean_keeps_its_distance_from_zero():
    """Dale's law: with a spread of 0.5 nS the mean may not fall below 0.25 nS."""
    assert procedural(weight=bs.Uniform(0.25 * nS, 0.75 * nS))["A->B"].weight_bounds == (0.25, float("inf"))
    low, high = procedural(**CASES[2])["A->B"].weight_bounds
    assert low == -float("inf") and high == pytest.approx(-5.77 * 0.05, rel=1e-3)


def test_saved_and_loaded(tmp_path):
    net = procedural()
    bs.save(tmp_path / "net", net)
    again = bs.load(tmp_path / "net").model
    np.testing.assert_array_equal(again["A->B"].edges.post, net["A->B"].edges.post)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(rule=bs.FixedIndegree(5)), '"procedural" draws rows one by one, which FixedIndegree'),
        (dict(rule=FixedTotal(5)), '"procedural" draws rows one by one, which FixedTotal'),
        (dict(rule=FixedOutdegree(5, multapses=False)), '"procedural" draws rows one by one'),
        (dict(weight=bs.LogNormal(1 * nS, 1 * nS)), "takes one number, Uniform or Normal"),
        (dict(weight=np.ones(3)), "takes one number, Uniform or Normal"),
        (dict(weight=bs.Normal(1 * nS, 0.5 * nS, low=0 * nS)), "cannot cut it at `low` = 0 nS"),
        (dict(weight=bs.Normal(1 * nS, 0.5 * nS)), "weights are < 0|1 of 2 weights"),
        (dict(delay=bs.Uniform(1 * ms, 2 * ms)), "takes one delay for all"),
        (dict(delay=0.25 * ms), "not a multiple of dt"),
        (dict(delay=1 * ms, delay_mode="interpolate"), '"procedural" keeps delays on the grid'),
        (dict(weight=1 * mV), r"takes a conductance \(nS\), got 1"),
    ],
)
def test_what_cannot_be_drawn_again_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        procedural(**options)
