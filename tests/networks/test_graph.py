"""Layers wired as a graph: sums of senders, cycles that take a step, and what is said of wrong edges."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Flatten, Graph, Residual, Scale, Threshold
from brainsim.units import ms

RNG = np.random.default_rng(0)
CYCLE = [("input", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")]


def test_a_cycle_is_a_recurrent_layer():
    weight = RNG.normal(size=(6, 6))
    graph = Graph({"back": bs.Linear(6, 6, init=weight), "lif": bs.LIF(8 * ms)}, CYCLE)
    assert graph.names == ("lif", "back") and graph.late == (("back", "lif"),) and graph.emission == "spikes"
    row = ("first", bs.Linear(4, 6, init=bs.Normal(0.3, 0.5)))
    wired, plain = (
        bs.Sequential(row, ("rec", layer), dt=1 * ms)
        for layer in (graph, bs.Recurrent(bs.LIF(8 * ms), 6, weight=weight))
    )
    xs = (RNG.random((40, 3, 4)) < 0.4).astype(np.float32)
    one = bs.run(wired, xs, record=["rec.lif.v", "rec.lif.spikes", "rec.back.out"])
    two = bs.run(plain, xs, record=["rec.v"])
    assert one.out.sum() > 50
    np.testing.assert_array_equal(one.out, two.out)
    np.testing.assert_array_equal(one.records["rec.lif.spikes"], two.out)
    np.testing.assert_allclose(one.records["rec.lif.v"], two.records["rec.v"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one.records["rec.back.out"], two.out @ weight.astype(np.float32), rtol=1e-5, atol=1e-5)


def test_a_way_around_is_a_residual_block():
    ways = dict(init=bs.Normal(0.2, 0.4))
    graph = Graph(
        {"0": bs.Linear(4, 4, **ways), "1": bs.LIF(8 * ms)},
        [("input", "0"), ("0", "1"), ("1", "output"), ("input", "output")],
    )
    assert graph.late == () and graph.emission == "out"
    xs = (RNG.random((20, 3, 4)) < 0.4).astype(np.float32)
    outs = [
        bs.run(bs.Sequential(layer, dt=1 * ms, input_shape=(4,)), xs).out
        for layer in (graph, Residual(bs.Linear(4, 4, **ways), bs.LIF(8 * ms)))
    ]
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        (["a"], [("input", "b"), ("a", "output")], r"no node 'b' for \('input', 'b'\); there are a, output"),
        (["a"], [("input", "a"), ("input", "a"), ("a", "output")], r"\('input', 'a'\) comes twice"),
        (["a", "b"], [("input", "a"), ("b", "a"), ("a", "output")], "the input 'input' does not reach 'b'"),
        (["a"], [("input", "a")], "nothing reaches the output 'output'"),
        (["input"], [("input", "output")], "`nodes`: 'input' is the name of the input"),
    ],
)
def test_wrong_edges_are_refused(nodes, edges, message):
    with pytest.raises(ValueError, match=message):
        Graph({name: bs.Linear(4, 4) for name in nodes}, edges)


def test_shapes_that_do_not_add_up_are_refused():
    edges = [("input", "a"), ("input", "b"), ("a", "output"), ("b", "output")]
    with pytest.raises(ValueError, match=r"`edges` of layer 0: what reaches 'output' has different shapes"):
        bs.Sequential(Graph({"a": bs.Linear(4, 3), "b": bs.Linear(4, 2)}, edges), dt=1 * ms, input_shape=(4,))
    with pytest.raises(ValueError, match="what reaches 'lif' has different shapes"):
        bs.Sequential(Graph({"lif": bs.LIF(), "back": bs.Linear(4, 3)}, CYCLE), dt=1 * ms, input_shape=(4,))


def test_small_layers_say_what_is_wrong():
    with pytest.raises(ValueError, match="`start` and `end` of layer 0: expected two of the 2 axes"):
        bs.Sequential(Flatten(start=2), dt=1 * ms, input_shape=(2, 3))
    with pytest.raises(ValueError, match=r"`0.scale`: expected one value or an array of shape \(3,\), got \(2,\)"):
        bs.Sequential(Scale(np.ones(2)), dt=1 * ms, input_shape=(3,))
    with pytest.raises(ValueError, match="`v_th`: expected a voltage"):
        Threshold(3 * ms)
    with pytest.raises(ValueError, match='`port`: expected one of "jump", "current", got \'held\''):
        bs.LIF(port="held")
    with pytest.raises(ValueError, match="`port`: expected one of \"jump\", got 'current'"):
        bs.UltraLIF(port="current")
    with pytest.raises(ValueError, match="`padding`: expected at most half the kernel"):
        bs.layers.SumPool2d(2, padding=2)
