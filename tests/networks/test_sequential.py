"""Sequential: names, shapes, state, records, streaming, and what it says of wrong shapes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Flatten
from brainsim.units import ms

XS = jnp.asarray(np.random.default_rng(0).random((8, 3, 4)) * 1.5, jnp.float32)


@pytest.fixture
def model() -> bs.Sequential:
    return bs.Sequential(
        ("in", bs.Linear(4, 5)), bs.LIF(10 * ms), bs.Recurrent(bs.LIF(10 * ms), 5), bs.Linear(5, 2), bs.LI(10 * ms),
        dt=1 * ms, seed=3,
    )  # fmt: skip


def test_unroll_is_scan_of_step_with_records(model):
    readers = tuple(model.reader(path) for path in ("1.spikes", "1.v", "2.v", "in.out", "4.v"))
    state = model.init_state(3)

    def one(state, x):
        state, emitted = model.step(state, x)
        return state, (emitted, tuple(reader(state, emitted) for reader in readers))

    by_step, (emitted, reads) = jax.jit(lambda: jax.lax.scan(one, state, XS))()
    by_layer, emitted_once, reads_once = jax.jit(lambda: model.unroll(state, XS, readers))()
    assert jax.tree.structure(by_step) == jax.tree.structure(by_layer)
    assert int(by_layer.step) == 8 and set(emitted_once) == set(model.names)
    assert float(emitted["2"].sum()) > 0
    for left, right in zip(
        jax.tree.leaves((by_step.layers, emitted, reads)),
        jax.tree.leaves((by_layer.layers, emitted_once, reads_once)),
        strict=True,
    ):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_a_stream_in_chunks_is_one_run(model):
    whole = bs.run(model, XS, record=["1.v"])
    first = bs.run(model, XS[:3], record=["1.v"])
    second = bs.run(model, XS[3:], state=first.state, record=["1.v"])
    np.testing.assert_allclose(jnp.concatenate([first.out, second.out]), whole.out, rtol=1e-5, atol=1e-6)
    for name in ("1.v",):
        chunks = jnp.concatenate([first.records[name], second.records[name]])
        np.testing.assert_allclose(chunks, whole.records[name], rtol=1e-5, atol=1e-6)
    assert int(second.state.step) == 8


def test_lengths_make_padding_harmless(model):
    lengths = jnp.array([8, 3, 5])
    inside = (np.arange(8)[:, None] < np.asarray(lengths))[..., None]
    garbage = jnp.where(inside, XS, 100.0)
    clean, dirty = (
        bs.run(model, x, lengths=lengths, record=["1.spikes"]) for x in (jnp.where(inside, XS, 0.0), garbage)
    )
    np.testing.assert_array_equal(clean.out, dirty.out)
    np.testing.assert_array_equal(clean.records["1.spikes"], dirty.records["1.spikes"])
    assert not np.asarray(dirty.out)[~inside[..., 0]].any()


def test_a_batch_axis_is_optional(model):
    single = bs.run(model, XS[:, 0]).out
    np.testing.assert_allclose(single, bs.run(model, XS).out[:, 0], rtol=1e-5, atol=1e-6)
    assert model.batch_of(model.init_state()) is None and model.batch_of(model.init_state(3)) == 3


def test_names_indices_and_parameters(model):
    assert model.names == ("in", "1", "2", "3", "4") and model.input_shape == (4,)
    assert model["in"] is model[0] and isinstance(model["1"], bs.LIF) and isinstance(model["2"], bs.Recurrent)
    shapes = {path: jnp.shape(info.where(model)) for path, info in model.parameters().items() if info.kind == "weight"}
    assert shapes == {"in.weight": (4, 5), "2.weight": (5, 5), "3.weight": (5, 2)}
    assert model.parameters()["1.tau_mem"].where(model) is model["1"].tau_mem
    moved = eqx.tree_at(lambda m: m["1"].tau_mem, model, jnp.float32(7))
    assert moved["1"].tau_mem == 7 and model["1"].tau_mem == 10
    assert repr(model) == "Sequential(Linear(4, 5), LIF, Recurrent(LIF, 5), Linear(5, 2), LI; dt=1 ms, seed=3)"
    assert model.readable() == ("in.out", "1.spikes", "1.rate", "1.v", "2.spikes", "2.rate", "2.v", "3.out", "4.v")
    with pytest.raises(KeyError, match="no layer 'inn'; there are in, 1"):
        model["inn"]


def test_weights_depend_on_seed_and_name_alone():
    def first(*more, seed=0, name="a"):
        return np.asarray(
            bs.Sequential((name, bs.Linear(4, 5)), *more, dt=1.0, seed=seed)["0" if name is None else name].weight
        )

    assert np.array_equal(first(), first(bs.LIF(10 * ms), bs.Linear(5, 2)))
    assert not np.array_equal(first(), first(seed=1)) and not np.array_equal(first(), first(name="b"))


def test_per_neuron_parameters_and_shapes():
    taus = np.array([[5.0, 10.0], [20.0, 40.0]])
    model = bs.Sequential(Flatten(2, 2), bs.LI(taus.reshape(-1) * ms), dt=1 * ms)
    out = bs.run(model, jnp.ones((3, 1, 2, 2))).out
    decay = np.exp(-1 / taus.reshape(-1))
    np.testing.assert_allclose(out[:, 0], np.cumsum(decay ** np.arange(3)[:, None], 0), rtol=1e-5)
    wide = bs.Sequential(Flatten(2, 2), bs.LI(10 * ms), Flatten(), bs.Linear(4, 1), dt=1 * ms)
    assert bs.run(wide, jnp.ones((3, 2, 2, 2)), record=["1.v"]).records["1.v"].shape == (3, 2, 4)


def test_float64(x64):
    model = bs.Sequential(bs.Linear(4, 2), bs.LIF(10 * ms), dt=1 * ms)
    result = bs.run(model, np.asarray(XS), record=["1.v"])
    assert {leaf.dtype for leaf in (*result.records.values(), result.out, model["0"].weight)} == {jnp.dtype("float64")}


def test_wrong_shapes_say_what_was_expected(model):
    with pytest.raises(ValueError, match=r"`x`: expected \(time, \[batch\], 4\), got \(8, 3, 5\)"):
        model.unroll(model.init_state(3), jnp.ones((8, 3, 5)))
    with pytest.raises(ValueError, match=r"`x`: expected \(\[batch\], 4\), got \(5,\)"):
        model.step(model.init_state(), jnp.ones(5))
    with pytest.raises(
        ValueError,
        match=r"`state`: made for batch 2 at dt 1 ms, input has batch 3: `state=None` or `model.init_state\(3\)`",
    ):
        model.unroll(model.init_state(2), XS)
    with pytest.raises(ValueError, match='"1.w": LIF has spikes, v'):
        model.reader("1.w")
    with pytest.raises(ValueError, match="\"7.v\": no layer '7'"):
        model.reader("7.v")


def test_wrong_layers_say_what_was_expected():
    linear = bs.Linear(4, 5)
    for layers, words in (
        ((bs.LIF(10 * ms),), "`layers`: the first must fix the number of inputs"),
        ((linear, bs.Linear(4, 2)), r"`n_in` of layer 1: Linear expects 4 inputs, gets \(5,\)"),
        ((linear, bs.Recurrent(bs.LIF(), 4)), r"`n` of layer 1: Recurrent expects 4 inputs"),
        ((("a", linear), ("a", bs.LIF())), "`layers`: expected at least one layer, each with its own name"),
        ((), "`layers`: expected at least one layer"),
        ((("a.b", linear),), "`layers`: a name may not hold"),
        ((Flatten(2, 2), linear, Flatten(3)), "`shape` of layer 2"),
    ):
        with pytest.raises(ValueError, match=words):
            bs.Sequential(*layers, dt=1 * ms)
    with pytest.raises(TypeError, match="`layers`: expected a layer such as"):
        bs.Sequential(linear, 3, dt=1 * ms)
