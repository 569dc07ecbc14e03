"""Time in segments: the same gradients in less memory, and gradients that stop between segments."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim.fuse.segments import Segments
from brainsim.simulate.remat import segments_of
from brainsim.units import ms

STEPS, BATCH, INPUTS = 30, 4, 6


def layers(*middle):
    cell = bs.LIF(5 * ms, reset="subtract")
    return bs.Sequential(
        bs.Linear(INPUTS, 8, bias=True), *middle, cell, bs.Recurrent(cell, 8), bs.Linear(8, 3), bs.LI(5 * ms), dt=1 * ms
    )


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(0).random((STEPS, BATCH, INPUTS)) < 0.3, jnp.float32)


def gradient(model, x, **how):
    def loss(model):
        run = bs.run(model, x, record=["2.v", "1.spikes"], **how)
        return (run.out**2).mean() + run.records["2.v"].mean() + run.records["1.spikes"].mean()

    return jax.tree.leaves(eqx.filter_grad(loss)(model))


@pytest.mark.parametrize("remat", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 10, 30)), "auto"])
def test_recomputation_changes_no_gradient_of_layers(x, remat):
    model = layers()
    for a, b in zip(gradient(model, x, remat=None), gradient(model, x, remat=remat), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)
    whole, parts = (bs.run(model, x, record=["2.v"], remat=how) for how in (None, remat))
    np.testing.assert_allclose(whole.out, parts.out, rtol=1e-6)
    assert parts.records["2.v"].shape == (STEPS, BATCH, 8) and int(parts.state.step) == STEPS


def test_memory_shrinks(x):
    x = jnp.tile(x, (20, 16, 1))
    model = layers()

    def temporary(remat):
        grad = jax.jit(lambda weight, x: gradient(eqx.tree_at(lambda m: m[0].weight, model, weight), x, remat=remat))
        return grad.lower(model[0].weight, x).compile().memory_analysis().temp_size_in_bytes

    assert temporary(25) < temporary(None) / 4


@pytest.mark.parametrize(("steps", "batch", "recomputed"), [(1000, 400, True), (1000, 100, False), (400, 1000, False)])
def test_layers_over_many_steps_are_recomputed_earlier(steps, batch, recomputed):
    """Sums of 200 neurons and their spikes, and as many again for their gradients: 3.2 kB a step and sample."""
    model = bs.Sequential(bs.Linear(2, 200), bs.LIF(5 * ms), dt=1 * ms)
    x = jax.ShapeDtypeStruct((steps, batch, 2), jnp.float32)
    jaxpr = str(jax.make_jaxpr(lambda x: bs.run(model, x).out)(x))
    assert ("remat" in jaxpr or "checkpoint" in jaxpr) == recomputed


def test_noise_and_continuation_do_not_depend_on_segments(x):
    model = bs.Sequential(bs.Linear(INPUTS, 8), bs.layers.Dropout(0.5), bs.LIF(5 * ms), dt=1 * ms)
    whole, parts = (bs.run(model, x, remat=remat, key=jax.random.key(3)).out for remat in (None, 7))
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("length", [12, pytest.param(10, marks=pytest.mark.slow)])
def test_truncated_gradients_are_those_of_separate_segments(x, length):
    """The reference runs segment after segment and hands on a state without a gradient."""
    model = layers()

    def apart(model):
        state, total = model.init_state(BATCH), jnp.zeros(())
        for start in range(0, STEPS, length):
            run = bs.run(model, x[start : start + length], state=jax.lax.stop_gradient(state))
            state, total = run.state, total + (run.out**2).sum()
        return total

    def together(model, truncate):
        return (bs.run(model, x, truncate=truncate).out ** 2).sum()

    expected = jax.tree.leaves(eqx.filter_grad(apart)(model))
    for a, b in zip(expected, jax.tree.leaves(eqx.filter_grad(together)(model, length)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
    through = jax.tree.leaves(eqx.filter_grad(together)(model, None))
    assert any(np.abs(a - b).max() > 0.01 * np.abs(b).max() for a, b in zip(expected, through, strict=True))


def test_truncated_gradients_of_a_network():
    net = bs.Network({"h": bs.Population(3, bs.LIF(10 * ms, trainable=("tau_mem",)))}, [], dt=1 * ms, outputs="h.v")
    drive = jnp.linspace(0, 0.03, 12)[:, None] * jnp.ones(3)

    def last(net, truncate=None):
        return bs.run(net, {"h": drive}, truncate=truncate).out[-1].sum()

    def apart(net):
        state = bs.run(net, {"h": drive[:8]}).state
        return bs.run(net, {"h": drive[8:]}, state=jax.lax.stop_gradient(state)).out[-1].sum()

    found, expected = (eqx.filter_grad(f)(net)["h"].neuron.tau_mem for f in (lambda n: last(n, 4), apart))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found, eqx.filter_grad(last)(net)["h"].neuron.tau_mem, rtol=1e-2)
    with pytest.raises(ValueError, match="`truncate`: expected a multiple of 3 steps, .* got 4"):
        bs.run(net, {"h": drive}, truncate=4, record=[bs.Trace("h.v", every=3 * ms)])


def test_the_choice():
    assert segments_of("auto", None, 1, 1000) == Segments(None)
    assert segments_of("auto", None, 2**30, 1000) == Segments(25)  # divides 1000, near 31.6
    assert segments_of("auto", None, 2**30, 1009) == Segments(31)  # a prime
    assert segments_of(None, 8, 1, 1000) == Segments(8, cut=True)
    with pytest.raises(ValueError, match='`remat`: expected "auto", None or a number of steps >= 1, got 0'):
        segments_of(0, None, 1, 10)
    with pytest.raises(ValueError, match="`truncate`: expected None or a number of steps >= 1, got -1"):
        segments_of("auto", -1, 1, 10)
    with pytest.raises(ValueError, match="`truncate`: its segments are recomputed as well, got `remat` = 5 beside it"):
        segments_of(5, 5, 1, 10)


def test_a_layer_that_needs_all_steps_is_named(x):
    model = layers(bs.layers.BatchNorm())
    assert bs.run(model, x).out.shape == (STEPS, BATCH, 3)
    with pytest.raises(ValueError, match="`remat`, `truncate`: layer 1 needs all steps at once"):
        bs.run(model, x, remat=5)
    assert bs.run(bs.inference_mode(model), x, remat=5).out.shape == (STEPS, BATCH, 3)


def test_segments_are_the_gradients_affair():
    """A run that is not differentiated is one loop, however long a segment; with a gradient it is the same numbers."""
    net = bs.Network({"h": bs.Population(3, bs.LIF(10 * ms, trainable=("tau_mem",)))}, [], dt=1 * ms, outputs="h.v")
    drive = jnp.linspace(0, 0.03, 12)[:, None] * jnp.ones(3)

    def last(net, remat):
        return bs.run(net, {"h": drive}, remat=remat).out[-1].sum()

    def loops(remat):
        return str(jax.make_jaxpr(lambda: bs.run(net, {"h": drive}, remat=remat).out)()).count("length=12")

    if _native.WHY_XLA is None:
        assert loops(4) == loops(None) == 1
    found, expected = (eqx.filter_grad(last)(net, remat)["h"].neuron.tau_mem for remat in (5, None))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert last(net, 5) == last(net, None)
