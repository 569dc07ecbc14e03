"""`explain` says how every part of a network is computed, and why where it is not native."""

import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim.networks.balanced import coba
from brainsim.networks.layers import Flatten, Recurrent
from brainsim.units import ms, mV, pA

kernels = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")


class Sorting(bs.AdaptiveLIF):
    """A neuron that looks at its neighbours, which no pointwise kernel can."""

    def overdrive(self, s):
        return super().overdrive(s) + 0 * jnp.sort(s.v)


@kernels
def test_a_balanced_network_is_one_native_call():
    found = bs.explain(coba(100))
    assert found.loop == "one native call" and found.why == ()
    ways = {part.name: part.way for part in found.parts}
    assert ways == {"E": "fused", "I": "fused", "E->E": "kernel", "E->I": "kernel", "I->E": "kernel", "I->I": "kernel"}
    neurons, synapses = found.parts[0], found.parts[2]
    # v, refractory and two conductances are read, v and refractory written; the rest are single numbers
    assert 6 * 80 * 4 <= neurons.bytes <= 6 * 80 * 4 + 100 and neurons.operations >= 20 * 80
    assert (synapses.operations, synapses.per_event) == (80, 12)  # one multiplication by the decay


@kernels
def test_what_is_not_native_is_named_with_its_line():
    cell = bs.LIF(20 * ms, i_bias=2 * pA)
    net = bs.Network({"S": bs.Population(80, Sorting(20 * ms)), "E": bs.Population(80, cell)}, dt=0.1)
    found = bs.explain(net)
    sorting, plain = found.parts
    assert (sorting.way, plain.way) == ("xla", "fused")
    assert sorting.why is not None and "sort at" in sorting.why and "test_explain.py" in sorting.why
    assert found.loop == "native calls in each step" and "S: sort" in str(found)


def test_a_projection_without_synapses_leaves_the_rest_native(monkeypatch):
    cell = bs.LIF(20 * ms, i_bias=1.5 * pA)
    populations = {name: bs.Population(80, cell, init={"v": bs.Uniform(0 * mV, 1 * mV)}) for name in "AB"}
    wiring = [
        bs.Projection("A", "B", bs.EdgeList([], []), 1 * mV),
        bs.Projection("B", "B", bs.FixedProbability(0.0), bs.Uniform(0 * mV, 1 * mV), delay=2 * ms),
        bs.Projection("B", "A", bs.FixedProbability(0.2), 0.1 * pA, bs.Exponential(5 * ms), delay=1 * ms),
    ]
    net = bs.Network(populations, wiring, dt=0.1, seed=3)
    assert net["A->B"].n_synapses == net["B->B"].n_synapses == 0 < net["B->A"].n_synapses
    if _native.WHY_XLA is None:
        found = bs.explain(net)
        assert (found.loop, found.why) == ("one native call", ())
    run = lambda: bs.run(net, steps=300, record=["A.spikes", "B.spikes"])
    native = run()
    monkeypatch.setattr(_native, "WHY_XLA", "a test")  # the loop is traced anew in every run, and asks again
    for name, spikes in run().records.items():
        np.testing.assert_array_equal(native.records[name], spikes)
        assert 0 < spikes.mean() < 0.1


@kernels
def test_sources_and_dense_projections():
    populations = {"in": bs.SpikeTimes([1.0], [0], n=3), "E": bs.Population(80, bs.LIF(20 * ms))}
    dense = bs.Projection("in", "E", bs.FixedProbability(0.5), 1 * mV, storage="dense")
    ways = [part.way for part in bs.explain(bs.Network(populations, [dense], dt=0.1)).parts]
    assert ways == ["input", "fused", "kernel"]


@pytest.mark.skipif(_native.WHY_XLA is None, reason="the native kernels are in use")
def test_without_kernels_it_says_why():
    found = bs.explain(coba(100))
    assert {part.way for part in found.parts} == {"xla"} and found.why == (_native.WHY_XLA,)


@kernels
def test_layers():
    model = bs.Sequential(
        Flatten(8, 8),
        bs.Linear(64, 100),
        bs.LIF(20 * ms),
        bs.Linear(100, 90),
        Recurrent(bs.LIF(20 * ms), 90),
        Sorting(20 * ms),
        dt=1 * ms,
    )
    found = bs.explain(model, batch=3)
    ways = [part.way for part in found.parts]
    assert ways == ["shape only", "kernel", "fused", "kernel", "fused + kernel", "xla"]
    # x, y and the state of two steps: x and y move in each, the state goes in and out once
    assert found.parts[2].bytes >= 2 * 300 * 4 and found.parts[2].operations >= 5 * 300
    assert "2 LIF" in str(found)


def test_layers_of_images():
    layers = [bs.Conv2d(2, 4, 3), bs.layers.MaxPool2d(2), Flatten(), bs.Linear(16, 3, bias=True)]
    found = bs.explain(bs.Sequential(*layers, dt=1 * ms, input_shape=(2, 4, 4)), batch=3)
    event = "kernel" if _native.WHY_XLA is None else "xla"
    assert [part.way for part in found.parts] == [event, "xla", "shape only", event]
    if _native.WHY_XLA is None:
        assert found.parts[1].why == "reduce_window_max is an operation of XLA"


def test_refuses_what_is_no_model():
    with pytest.raises(TypeError, match="`model`: expected a Network or a Sequential, got int"):
        bs.explain(3)  # type: ignore[arg-type]
