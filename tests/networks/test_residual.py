"""Residual blocks and chains: sums, shortcuts, nesting, paths of what is inside."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Chain, Flatten, Residual
from brainsim.units import ms

XS = jnp.asarray(np.random.default_rng(0).random((6, 3, 4)) * 1.5, jnp.float32)


@pytest.fixture
def nested() -> bs.Sequential:
    inner = Residual(("hid", bs.Linear(5, 5)), bs.LIF(5 * ms))
    around = Chain(bs.Linear(4, 5), bs.LI(3 * ms))
    block = Residual(bs.Linear(4, 5), inner, bs.Recurrent(bs.LIF(8 * ms), 5), shortcut=around)
    return bs.Sequential(bs.Linear(4, 4), block, dt=1 * ms, seed=2)


def test_a_block_adds_what_its_layers_give_to_its_input():
    """SEW ADD: the spikes of a neuron after a weight, added to the spikes that came in."""
    weight = np.array([[0.0, 2.0], [2.0, 0.0]])
    spikes = jnp.asarray(np.random.default_rng(1).random((9, 3, 2)) < 0.4, jnp.float32)
    plain = bs.Sequential(bs.Linear(2, 2, init=weight), bs.LIF(10 * ms), dt=1 * ms)
    block = bs.Sequential(Residual(bs.Linear(2, 2, init=weight), bs.LIF(10 * ms)), dt=1 * ms)
    np.testing.assert_array_equal(bs.run(block, spikes).out, spikes + bs.run(plain, spikes).out)
    assert set(np.unique(bs.run(block, spikes).out)) == {0.0, 1.0, 2.0}


def test_a_shortcut_takes_the_place_of_the_input():
    f, g = np.arange(12.0).reshape(4, 3), np.ones((4, 3))
    model = bs.Sequential(Residual(bs.Linear(4, 3, init=f), shortcut=bs.Linear(4, 3, init=g)), dt=1 * ms)
    np.testing.assert_allclose(bs.run(model, XS).out, XS @ (f + g).astype(np.float32), rtol=1e-5)


def test_what_is_inside_has_a_path(nested):
    assert nested.readable()[:3] == ("0.out", "1.out", "1.0.out")
    paths = ["1.1.1.spikes", "1.1.1.v", "1.1.hid.out", "1.2.v", "1.shortcut.1.v", "1.shortcut.0.out", "1.out"]
    assert set(paths) <= set(nested.readable())
    result = bs.run(nested, XS, record=paths)
    readers, state, seen = [nested.reader(path) for path in paths], nested.init_state(3), []
    for x in XS:
        state, emitted = nested.step(state, x)
        seen.append([reader(state, emitted) for reader in readers])
    for index, path in enumerate(paths):
        stepped = jnp.stack([row[index] for row in seen])
        np.testing.assert_allclose(result.records[path], stepped, rtol=1e-5, atol=1e-6)
    assert nested.reader("1.1.1.spikes").kind == "spikes" and nested.reader("1.shortcut.1.v").unit == "mV"
    assert float(result.records["1.1.1.spikes"].sum()) > 0
    np.testing.assert_array_equal(bs.run(nested, XS, record=[bs.Rate("1.1.1")]).records["1.1.1.rate"].shape[0], 6)


def test_parameters_and_layers_by_path(nested):
    shapes = {p: jnp.shape(i.where(nested)) for p, i in nested.parameters().items() if i.kind == "weight"}
    assert shapes == {
        "0.weight": (4, 4), "1.0.weight": (4, 5), "1.1.hid.weight": (5, 5), "1.2.weight": (5, 5),
        "1.shortcut.0.weight": (4, 5),
    }  # fmt: skip
    assert nested.parameters()["1.1.hid.weight"].where(nested) is nested["1.1.hid"].weight
    assert isinstance(nested["1.1.1"], bs.LIF) and isinstance(nested["1.shortcut"], Chain)
    assert not np.array_equal(nested["1.0"].weight, nested["1.shortcut.0"].weight)
    gradient = jax.grad(lambda w: bs.run(with_weight(nested, w), XS).out.sum())(nested["1.1.hid"].weight)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def with_weight(model, weight):
    return eqx.tree_at(lambda m: m["1.1.hid"].weight, model, weight)


def test_a_longer_chain_is_its_layers():
    """Weights are drawn by path, so they are given here."""
    w = np.random.default_rng(3).normal(size=(4, 4))
    layers = lambda: (bs.Linear(4, 4, init=w), bs.LIF(10 * ms), Flatten())
    alone, inside = bs.Sequential(*layers(), dt=1 * ms), bs.Sequential(Chain(*layers()), dt=1 * ms)
    np.testing.assert_array_equal(bs.run(alone, XS).out, bs.run(inside, XS).out)
    assert repr(inside) == "Sequential(Chain(Linear(4, 4), LIF, Flatten(4)); dt=1 ms, seed=0)"


def test_what_is_said_of_blocks_that_do_not_fit(nested):
    with pytest.raises(
        ValueError, match=r"`shortcut` of layer 0: the layers give \(3,\), the way around them gives \(4"
    ):
        bs.Sequential(Residual(bs.Linear(4, 3)), dt=1 * ms)
    with pytest.raises(ValueError, match='`layers`: expected another name than "shortcut"'):
        Residual(("shortcut", bs.Linear(4, 4)))
    with pytest.raises(ValueError, match="`layers`: expected at least one layer"):
        Residual()
    with pytest.raises(ValueError, match=r"`n_in` of layer 0.1: Linear expects 3"):
        bs.Sequential(Residual(bs.Linear(4, 4), bs.Linear(3, 4)), dt=1 * ms)
    with pytest.raises(ValueError, match="no layer '1.5'"):
        nested.reader("1.5.v")
    with pytest.raises(ValueError, match='"1.1.1.w": LIF has spikes, v'):
        nested.reader("1.1.1.w")
