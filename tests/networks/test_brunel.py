"""Brunel's network against its theory, in the regimes of the paper's figure 8, and how it runs."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.analysis import brunel_rate
from brainsim.networks.brunel import brunel, threshold_rate
from brainsim.units import ms

N = 2500
THEORY = dict(indegree=200, weight=0.5)


def fired(g: float, eta: float, duration: float = 600.0):
    """Rate (Hz), mean ISI CV of "E", and how much its population rate (1 ms) varies around its mean."""
    result = bs.simulate(brunel(N, g=g, eta=eta, seed=3), duration * ms, record=["E.spikes", "E.rate"], progress=False)
    rate = np.asarray(result["E"].rate)[200:]
    return rate.mean(), np.nanmean(bs.analysis.isi_cv(result["E"], skip=200)), rate.std() / rate.mean()


def test_asynchronous_irregular():
    rate, cv, variation = fired(5, 2)
    assert rate == pytest.approx(brunel_rate(5, 2, **THEORY), rel=0.06)
    assert cv > 0.8 and variation < 0.6


def test_synchronous_regular():
    rate, cv, variation = fired(3, 2)
    assert rate == pytest.approx(brunel_rate(3, 2, **THEORY), rel=0.03)
    assert cv < 0.2 and variation > 0.6


@pytest.mark.slow
def test_synchronous_irregular():
    for g, eta in ((6, 4), (4.5, 0.9)):
        rate, cv, _ = fired(g, eta, 1500.0)  # intervals of the slow oscillation are long
        assert rate == pytest.approx(brunel_rate(g, eta, **THEORY), rel=0.15)
        assert cv > 0.8


def test_built_as_published():
    net = brunel(N)
    assert {name: int(c.n_synapses) for name, c in net.projections.items()} == {
        "E->E": 400_000,
        "E->I": 100_000,
        "I->E": 100_000,
        "I->I": 25_000,
        "outside_E->E": 2000,
        "outside_I->I": 500,
    }
    assert float(net["I->E"].weight) == pytest.approx(-2.5) and float(net["E->I"].delay) == pytest.approx(1.5)
    assert threshold_rate(0.1) == pytest.approx(10_000)  # 1,000 partners outside at 10 Hz each
    with pytest.raises(ValueError, match="`n` must be >= 50"):
        brunel(49)


def test_the_theory_gives_the_numbers_of_the_paper():
    for (g, eta), rate in {(6, 4): 55.8, (5, 2): 38.0, (4.5, 0.9): 6.5}.items():  # section 4, regimes B, C, D
        assert brunel_rate(g, eta) == pytest.approx(rate, abs=0.06)


@pytest.mark.kernels
def test_events_from_outside_cross_inside_the_neurons_loop():
    """Neuron i to neuron i is arithmetic on elements: no row is looked up."""
    ways = {part.name: part.way for part in bs.explain(brunel(50)).parts}
    assert ways["outside_E->E"] == "fused" and ways["E->E"] == "kernel"
