"""Spikes that are given take the place of a population's own: for its synapses, its reset, rules and records."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._native import WHY_XLA
from brainsim.bench.harness import lines_logged
from brainsim.units import Hz, mV, pA
from tests.plasticity.trains import learn
from tests.plasticity.trains import network as plastic_network
from tests.plasticity.trains import spikes as trains

N, STEPS = 10, 80
NAMES = ("E.spikes", "I.spikes", "E.v", "E->I.i")


def network(kind="LIF", **changes):
    """E and I, recurrent, with a refractory time of 2 ms."""
    options = dict(v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, t_ref=2.0, i_bias=12 * pA) | changes
    if kind == "EscapeLIF":
        options |= dict(rate_th=100 * Hz, width=2 * mV)
    cell = getattr(bs.neurons, kind)(20.0, **options)
    wiring = [
        bs.Projection("E", "I", bs.FixedProbability(0.5), 4 * pA, bs.Exponential(5.0)),
        bs.Projection("I", "E", bs.FixedProbability(0.5), -4 * pA, bs.Exponential(5.0), delay=3.0),
    ]
    return bs.Network({"E": bs.Population(N, cell), "I": bs.Population(N, cell)}, wiring, dt=0.5, seed=1)


def given(seed=0, lead=(), p=0.1):
    return (np.random.default_rng(seed).random((STEPS, *lead, N)) < p).astype(np.float32)


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("kind", ["LIF", "EscapeLIF"])
def test_a_run_that_is_given_its_own_spikes_is_the_same_run(kind, batch):
    net = network(kind)
    state = net.init_state(batch)
    free = bs.run(net, steps=STEPS, state=state, record=NAMES)
    with lines_logged() as lines:
        told = bs.run(
            net, {f"{name}.spikes": free.records[f"{name}.spikes"] for name in "EI"}, state=state, record=NAMES
        )
    assert np.asarray(free.records["E.spikes"]).sum() > 5
    for name in NAMES:
        np.testing.assert_array_equal(told.records[name], free.records[name])
    for a, b in zip(jax.tree.leaves(told.state), jax.tree.leaves(free.state), strict=True):
        assert jnp.issubdtype(a.dtype, jax.dtypes.prng_key) or np.array_equal(a, b)
    assert WHY_XLA is not None or lines == []


def test_synapses_and_records_get_what_is_given_and_the_voltage_runs_freely():
    """Currents are those of an `Input` that fires the same; v is a loop in NumPy with given resets."""
    net, spikes = network(), given()
    spikes[20:23, 0] = 1  # also while refractory
    found = bs.run(net, {"E.spikes": spikes}, record=(*NAMES, "I->E.i")).records
    np.testing.assert_array_equal(found["E.spikes"], spikes)
    own = bs.run(net, steps=STEPS, record=("E.spikes",)).records["E.spikes"]
    assert (np.asarray(own) != spikes).any()
    edges = net["E->I"].edges
    same = bs.Projection("E", "I", bs.EdgeList(edges.pre, edges.post), 4 * pA, bs.Exponential(5.0))
    source = bs.Network({"E": bs.Input(N), "I": net["I"]}, [same], dt=0.5)
    np.testing.assert_array_equal(found["E->I.i"], bs.run(source, {"E": spikes}, record=("E->I.i",)).records["E->I.i"])
    v, left, before = np.full(N, -60.0), np.zeros(N, int), np.zeros(N)
    share = (np.exp(-0.5 / 5) - np.exp(-0.5 / 20)) / (1 / 20 - 1 / 5) / 20  # of a current that decays, R = 1
    for k in range(STEPS):
        target = -60 + 12.0
        later = target + (v - target) * np.exp(-0.5 / 20) + before * share
        v = np.where(left > 0, v, later)
        v = np.where(spikes[k] > 0, -60.0, v)
        left = np.where(spikes[k] > 0, 4, np.maximum(left - 1, 0))
        np.testing.assert_allclose(found["E.v"][k], v, atol=1e-3)
        before = np.asarray(found["I->E.i"][k], np.float64)


def test_a_number_silences_and_simulate_takes_them_too(tmp_path):
    net = network()
    silent = bs.run(net, {"E.spikes": 0.0}, steps=STEPS, record=("E.spikes", "E.v")).records
    assert not np.asarray(silent["E.spikes"]).any() and np.asarray(silent["E.v"]).max() > -50
    spikes = given(1, (2,))
    r = bs.simulate(net, inputs={"E.spikes": spikes}, record=["E.spikes", "I.spikes"], chunk=30, progress=False,
                    to=tmp_path / "a.h5")  # fmt: skip
    np.testing.assert_array_equal(r["E"].spikes.dense, spikes != 0)
    found = bs.run(net, {"E.spikes": spikes}, record=("I.spikes",)).records["I.spikes"]
    np.testing.assert_array_equal(r["I"].spikes.dense, np.asarray(found) != 0)


def test_the_gradient_is_that_of_a_smooth_function(x64):
    """Through weights, kinetics and membranes, with no surrogate: against finite differences."""
    net, spikes = network(), {f"{name}.spikes": given(seed).astype(float) for seed, name in enumerate("EI")}

    def loss(shift):
        where = lambda n: (n["I->E"].weight, n["E"].neuron.tau_mem, n["E"].neuron.i_bias, n["I->E"].synapse.tau_syn)
        moved = eqx.tree_at(where, net, tuple(a * (1 + s) for a, s in zip(where(net), shift, strict=True)))
        return (bs.run(moved, spikes, record=("E.v",)).records["E.v"] ** 2).mean()

    slope = np.asarray(jax.grad(loss)(jnp.zeros(4)))
    for at, unit in enumerate(np.eye(4) * 1e-5):
        assert slope[at] == pytest.approx(float(loss(unit) - loss(-unit)) / 2e-5, rel=1e-6)
    assert (np.abs(slope) > 0.01).all()


def test_a_rule_learns_from_them():
    pre, post = trains(1, 60)
    net = plastic_network(bs.STDP(0.2, 0.21, w_max=1.0))
    expected = learn(net, pre, post).state.projections["pre->post"].weight
    found = bs.run(net, {"pre": pre, "post.spikes": post}).state.projections["pre->post"].weight
    np.testing.assert_array_equal(found, expected)


class TestWhatDoesNotFit:
    def test_numbers_that_are_no_spikes(self):
        spikes = given()
        spikes[3, 2] = 0.5
        with pytest.raises(ValueError, match=r"E\.spikes.*: expected spikes 0 or 1, got 0\.5 at step 3, neuron 2"):
            bs.run(network(), {"E.spikes": spikes})

    @pytest.mark.parametrize(
        ("population", "kind"),
        [
            (bs.Population(N, bs.CubaLIF(20.0, 5.0)), "CubaLIF"),
            (bs.Population(N, bs.neurons.LI(20.0)), "LI"),
            (bs.Population(N, bs.LIF(20.0, precise_times=True)), "LIF"),
            (bs.Poisson(N, 5.0), "Poisson"),
        ],
    )
    def test_populations_that_make_their_spikes_in_their_own_way(self, population, kind):
        net = bs.Network({"X": population}, [], dt=0.5)
        with pytest.raises(ValueError, match=rf"`inputs\[\"X\.spikes\"\]`: {kind} makes its spikes in its own way"):
            bs.run(net, {"X.spikes": given()})
