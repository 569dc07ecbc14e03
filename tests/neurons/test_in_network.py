"""Every neuron behind jumps, current and conductance synapses in a network: one native call, finite, and driven."""

import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim.neurons import ResonateAndFire
from brainsim.units import Hz, ms, mV, nS, pA
from tests.neurons.test_contract import BOTH, NEURONS, N


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NEURONS if name not in BOTH and name != "BRF"])
def test_each_kind_of_synapse_reaches_the_neuron(name):
    neuron = NEURONS[name]
    synapses = {"current": (20 * pA, bs.Exponential(5 * ms)), "jump": (0.5 * mV, bs.Delta())}
    if not isinstance(neuron, ResonateAndFire):
        synapses["conductance"] = (5 * nS, bs.Exponential(5 * ms, e_rev=20 * mV))
    wiring = [bs.Projection("in", "x", bs.AllToAll(), *parts, name=kind) for kind, parts in synapses.items()]
    cells = {"in": bs.Poisson(N, rate=500 * Hz), "x": bs.Population(N, neuron)}
    net = bs.Network(cells, wiring, dt=0.1 * ms, seed=1)
    if _native.WHY_XLA is None:
        found = bs.explain(net)
        assert (found.loop, found.why) == ("one native call", ()), str(found)
    state = "x" if neuron.emits == "r" else "v"
    values = np.asarray(bs.run(net, steps=200, record=[f"x.{state}"]).records[f"x.{state}"])
    assert np.isfinite(values).all() and (np.ptp(values, axis=0) > 0.1).all()
