"""Gap junctions against SciPy, and what must hold of them: charge, symmetry, rectification, gradients, both paths."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import brainsim as bs
from brainsim import _native
from brainsim.synapses import Alpha, GapJunction, ShortTerm
from brainsim.units import ms, mV, nS, pF

C, LEAK = np.array([100.0, 150.0, 200.0, 80.0]), np.array([5.0, 10.0, 8.0, 4.0])  # pF, nS
PRE, POST = np.array([0, 1, 3, 2]), np.array([1, 2, 0, 3])
G = np.array([3.0, 1.5, 2.5, 0.5])
START = np.array([-40.0, -65.0, -70.0, -50.0])


def network(dt=0.1, rectify=False, weight=G, leak=LEAK):
    cell = bs.LI(C / leak * ms, v_rest=-65 * mV, c_mem=C * pF)
    return bs.Network(
        {"a": bs.Population(4, cell, init={"v": START * mV})},
        [bs.Projection("a", "a", bs.EdgeList(PRE, POST), weight * nS, GapJunction(rectify=rectify))],
        dt=dt,
        outputs="a.v",
    )


def slope(t, v, rectify, leak=LEAK):
    difference = v[PRE] - v[POST]
    through = G * (np.maximum(difference, 0) if rectify else difference)
    into = np.zeros(4)
    np.add.at(into, POST, through)
    np.add.at(into, PRE, -through)
    return (leak * (-65 - v) + into) / C


@pytest.mark.parametrize("rectify", [False, True])
def test_voltages_are_those_of_scipy_with_order_one(rectify, x64):
    truth = solve_ivp(slope, (0, 20), START, args=(rectify,), rtol=1e-11, atol=1e-11).y[:, -1]
    errors = [
        np.abs(bs.run(network(dt, rectify), steps=round(20 / dt)).out[-1] - truth).max() for dt in (0.2, 0.1, 0.05)
    ]
    assert errors[-1] < 0.02 and np.abs(truth - truth.mean()).max() > 0.1
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 1.0, atol=0.05)


@pytest.mark.parametrize("rectify", [False, True])
def test_charge_is_conserved(rectify, x64):
    """With (almost) no leak the charge sum C v stays what it was, while voltages approach each other."""
    leak = np.full(4, 1e-9)
    out = np.asarray(bs.run(network(0.1, rectify, leak=leak), steps=3000).out)
    np.testing.assert_allclose(out @ C, START @ C, rtol=1e-7)
    assert np.ptp(out[-1]) < (0.5 if not rectify else np.ptp(START))


def test_currents_of_two_populations_and_of_equal_voltages():
    """What one end gets the other loses, bit for bit; at equal voltages nothing flows at all."""
    cell = bs.LI(20 * ms, v_rest=-65 * mV)
    net = bs.Network(
        {"a": bs.Population(30, cell), "b": bs.Population(20, cell)},
        [bs.Projection("a", "b", bs.FixedProbability(0.3), bs.Uniform(0.5 * nS, 2 * nS), GapJunction())],
        dt=0.1,
    )
    coupling = net["a->b"]
    v = jax.random.normal(jax.random.key(0), (2, 50)) * 8 - 60
    into_a, into_b = coupling.currents(v[:, :30], v[:, 30:])
    dense = np.zeros((30, 20))
    dense[np.asarray(coupling.forth.of), np.asarray(coupling.forth.to)] = coupling.weight
    difference = np.asarray(v[:, :30, None] - v[:, None, 30:], np.float64)
    np.testing.assert_allclose(into_b, (dense * difference).sum(1), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(into_a, -(dense * difference).sum(2), rtol=1e-4, atol=1e-3)
    still = coupling.currents(jnp.full(30, -63.7), jnp.full(20, -63.7))
    assert not any(np.any(current) for current in still)
    assert 100 < net["a->b"].n_synapses < 260 and repr(net).count("a->b")


def test_both_paths_and_spiking_cells_in_one_native_call(monkeypatch):
    """Cells that fire by themselves, joined and with a chemical synapse; two halves are the whole."""
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, c_mem=200 * pF, t_ref=2 * ms, i_bias=140.0)
    net = bs.Network(
        {"E": bs.Population(60, cell, init={"v": bs.Uniform(-60 * mV, -50 * mV)}), "I": bs.Population(20, cell)},
        [
            bs.Projection("E", "E", bs.FixedProbability(0.1), 0.5 * nS, GapJunction()),
            bs.Projection("E", "I", bs.FixedProbability(0.2), 0.5 * nS, GapJunction(rectify=True), name="gap"),
            bs.Projection("E", "I", bs.FixedProbability(0.2), 2 * nS, [ShortTerm(), Alpha(e_rev=0 * mV)]),
        ],
        dt=0.1,
        seed=1,
    )
    if _native.WHY_XLA is None:
        found = bs.explain(net)
        assert (found.loop, found.why) == ("one native call", ())
        assert {part.way for part in found.parts[2:]} == {"kernel"}
    record = ["E.spikes", "I.v"]
    state = net.init_state(2)
    whole = bs.run(net, steps=400, state=state, record=record)
    first = bs.run(net, steps=80, state=state, record=record)
    second = bs.run(net, steps=320, state=first.state, record=record)
    for name in record:
        halves = np.concatenate([first.records[name], second.records[name]])
        np.testing.assert_array_equal(halves, whole.records[name])
    monkeypatch.setattr(_native, "WHY_XLA", "a test")
    plain = bs.run(net, steps=400, state=state, record=record).records
    assert plain["E.spikes"].sum() > 50
    np.testing.assert_array_equal(plain["E.spikes"], whole.records["E.spikes"])
    np.testing.assert_allclose(plain["I.v"], whole.records["I.v"], rtol=1e-5)


@pytest.mark.parametrize("rectify", [False, True])
def test_gradients_to_conductances_are_those_of_finite_differences(rectify, x64):
    net = network(0.5, rectify)
    value = eqx.filter_jit(lambda net: (bs.run(net, steps=20).out ** 2).mean())
    where = net.parameters()["a->a.weight"].where
    gradient = where(eqx.filter_grad(value)(net))
    for edge in range(4):
        ends = [value(eqx.tree_at(where, net, where(net).at[edge].add(h))) for h in (1e-5, -1e-5)]
        np.testing.assert_allclose(gradient[edge], float(ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-9)
    assert np.count_nonzero(np.asarray(gradient)) >= 2


def test_what_a_junction_does_not_have_is_refused():
    cells = {"a": bs.Population(2, bs.LIF()), "g": bs.Population(2, bs.Astrocyte()), "s": bs.Input(2)}
    make = lambda pre, post, **options: bs.Network(
        cells, [bs.Projection(pre, post, bs.AllToAll(), 1 * nS, GapJunction(), **options)], dt=0.1
    )
    with pytest.raises(ValueError, match="s->a: GapJunction needs a voltage, 's' has no `v`"):
        make("s", "a")
    with pytest.raises(ValueError, match="a->g: GapJunction needs a voltage, 'g' has no `v`"):
        make("a", "g")
    for options, name in ((dict(delay=1 * ms), "delay"), (dict(storage="dense"), "storage"), (dict(sign=1), "sign")):
        with pytest.raises(ValueError, match=f"`{name}` of a->a: a gap junction has no delay, sign"):
            make("a", "a", **options)
    with pytest.raises(ValueError, match=r"`weight` of a->a: GapJunction takes a conductance \(nS\), got 1 mV"):
        bs.Network(cells, [bs.Projection("a", "a", bs.AllToAll(), 1 * mV, GapJunction())], dt=0.1)
    with pytest.raises(ValueError, match="`weight` of a->a: GapJunction with `e_rev` but|GapJunction but"):
        bs.Network(cells, [bs.Projection("a", "a", bs.AllToAll(), -1 * nS, GapJunction())], dt=0.1)
