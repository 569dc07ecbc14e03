"""A network as a NIR graph: the same spikes after reading it again, and refusals by name."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.interop import ApproximationWarning
from brainsim.synapses import Relay
from brainsim.units import ms, mV

pytest.importorskip("nir")
RNG = np.random.default_rng(0)


def network(synapse=None, *, delay=3 * ms, outputs: str | None = "E", init=None, **changes) -> bs.Network:
    """An input, two populations and every kind of way between them."""
    synapse, gain = synapse or bs.Delta(), 8 if synapse else 1
    cell = dict(init=init or {})
    populations = {
        "in": bs.neurons.Input(10),
        "E": bs.Population(8, bs.LIF(7 * ms), **cell),
        "I": bs.Population(4, bs.LIF(5 * ms, v_th=0.8 * mV), **cell),
    }
    edge = lambda a, b, w, **more: bs.Projection(a, b, bs.FixedProbability(0.6), w * gain, synapse, **more)
    projections = [
        edge("in", "E", 0.4), edge("in", "I", 0.3, delay=0 * ms), edge("E", "I", 0.3, delay=2 * ms),
        edge("I", "E", -0.3), edge("E", "E", 0.1, delay=delay),
    ]  # fmt: skip
    return bs.Network(populations | changes.pop("populations", {}), projections, dt=1 * ms, seed=3, outputs=outputs)


@pytest.mark.parametrize("synapse", [None, Relay()])
def test_a_network_becomes_a_graph_with_the_same_spikes(synapse, tmp_path):
    net = network(synapse)
    bs.to_nir(net, tmp_path / "net.nir")
    model = bs.from_nir(tmp_path / "net.nir", dt=1 * ms)
    xs = (RNG.random((80, 10)) < 0.4).astype(np.float32)
    spikes = bs.run(net, {"in": xs}, record=["I.spikes"])
    graph = model.names[0]
    again = bs.run(model, xs, record=[f"{graph}.I.spikes"])
    assert 30 < spikes.out.sum() < 600 and spikes.records["I.spikes"].sum() > 20
    np.testing.assert_array_equal(again.out, spikes.out)
    np.testing.assert_array_equal(again.records[f"{graph}.I.spikes"], spikes.records["I.spikes"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(bs.Exponential(5 * ms)), r"projection in->E \(Exponential\): NIR has no synapse with a state"),
        (lambda: network(delay=bs.Uniform(1 * ms, 4 * ms)), "projection E->E: NIR has one delay for a channel"),
        (lambda: network(outputs=None), "`outputs`: expected what a population emits"),
        (lambda: network(populations={"in": bs.Poisson(10, 5.0)}), "expected one population Input"),
        (lambda: network(populations={"x": bs.Poisson(10, 5.0)}), r"population x \(Poisson\): NIR has no sources"),
    ],
)
def test_what_no_layer_computes_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        bs.to_nir(make())


def test_initial_values_are_told():
    with pytest.warns(ApproximationWarning, match="`init`: NIR has no initial values"):
        bs.to_nir(network(init={"v": 0.3 * mV}), on_approximation="warn")
