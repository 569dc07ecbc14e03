"""Neurons without a reset over all steps at once: equal to stepping, in logarithmic depth; sliding windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import lfilter

import brainsim as bs
from brainsim._streams import Stream
from brainsim._types import State
from brainsim.networks.layers import Cell, Parallel, SlidingPSN
from brainsim.networks.layers.parallel import recurrence
from brainsim.units import ms, mV

DT, KEY = 1.0, jax.random.key(0)
REST = dict(v_rest=-65 * mV, v_reset=-65 * mV, v_th=-50 * mV)


def built(layer, shape, dtype=jnp.float64):
    return layer.build("0", shape, dt=DT, key=KEY, dtype=dtype)[0]


def inputs(steps, *shape, scale=1.0):
    return jnp.asarray(scale * np.random.default_rng(0).normal(size=(steps, *shape)))


@pytest.mark.parametrize(
    "neuron",
    [
        bs.LIF(5 * ms, reset="none"),
        bs.LIF(np.array([2.0, 9.0, 40.0]) * ms, reset="none", i_bias=0.1, **REST),
        bs.LI(7 * ms, v_rest=-3 * mV),
    ],
    ids=["LIF", "LIF at -65 mV, heterogeneous", "LI"],
)
def test_all_at_once_is_one_after_the_other(neuron, x64):
    layer, plain = built(Parallel(neuron), (3,)), built(Cell(neuron), (3,))
    state = plain.init_state(2, KEY, jnp.float64)
    state = state.replace(v=state.v + jnp.asarray(np.random.default_rng(1).normal(size=(2, 3))))
    x = inputs(37, 2, 3, scale=8.0 if neuron.emits == "spikes" else 1.0)
    run = jax.jit(lambda layer, state: layer.unroll(state, x, DT, Stream.of(KEY, 0), ("v",)))
    (last, ys, watched), (expected, outs, seen) = run(layer, state), run(plain, state)
    np.testing.assert_allclose(last.v, expected.v, rtol=1e-12)
    np.testing.assert_allclose(watched["v"], seen["v"], rtol=1e-12)
    np.testing.assert_allclose(ys, outs, rtol=1e-12)
    assert neuron.emits == "v" or 0.02 < ys.mean() < 0.98


def test_the_membrane_is_a_recursive_filter(x64):
    """v_t = d v_{t-1} + x_t against SciPy's direct form."""
    layer, x = built(Parallel(bs.LI(12 * ms)), (4,)), inputs(100, 4)
    ys = jax.jit(lambda layer: layer.unroll(State(v=jnp.zeros(4)), x, DT, Stream.of(KEY, 0))[1])(layer)
    np.testing.assert_allclose(ys, lfilter([1.0], [1.0, -np.exp(-1 / 12)], x, axis=0), rtol=1e-10, atol=1e-12)


def depth(jaxpr):
    """Longest chain of operations that depend on each other, those in inner functions included."""
    far = {}
    for eqn in jaxpr.eqns:
        inner = [value.jaxpr for value in eqn.params.values() if hasattr(value, "jaxpr")]
        own = 1 + sum(depth(body) for body in inner)
        before = max([far.get(var, 0) for var in eqn.invars if not hasattr(var, "val")], default=0)
        far |= dict.fromkeys(eqn.outvars, before + own)
    return max(far.values(), default=0)


def test_the_depth_grows_with_the_logarithm_of_the_steps():
    grown = [depth(jax.make_jaxpr(recurrence)(jnp.ones(3), jnp.ones((steps, 3))).jaxpr) for steps in (64, 512, 4096)]
    assert grown[2] < 150 and grown[1] - grown[0] == grown[2] - grown[1]


@pytest.mark.parametrize(
    "neuron", [bs.LIF(), bs.LIF(reset="none", t_ref=2 * ms), bs.LIF(reset="none", integrator="rk4"), bs.AdaptiveLIF()]
)
def test_a_step_that_is_not_linear_is_refused(neuron):
    with pytest.raises(ValueError, match=r'`neuron`: expected LI or LIF\(reset="none"\)'):
        Parallel(neuron)


def test_a_window_is_a_causal_convolution(x64):
    weight = np.array([0.7, -0.2, 0.4])
    layer, x = built(SlidingPSN(3, weight=weight), (2, 2)), inputs(20, 3, 2, 2, scale=2.0)
    state = layer.init_state(3, KEY, jnp.float64)
    past, ys, _ = layer.unroll(state, x, DT, Stream.of(KEY, 0))
    h = lfilter(weight, [1.0], x, axis=0)
    np.testing.assert_array_equal(ys, h >= 1)
    assert 0.1 < ys.mean() < 0.5
    np.testing.assert_array_equal(past.past, np.moveaxis(np.asarray(x[-2:]), 0, 1))


def test_a_window_starts_at_powers_of_a_half_and_learns():
    model = bs.Sequential(bs.Linear(2, 4), SlidingPSN(4), bs.Linear(4, 2), dt=1 * ms)
    np.testing.assert_allclose(model["1"].weight, [1, 0.5, 0.25, 0.125])
    assert bs.labels(model)["1"].weight == "weight"
    x = jnp.asarray(inputs(9, 3, 2), jnp.float32)
    grads = jax.grad(lambda model: jnp.square(bs.run(model, x).out).sum())(model)
    assert np.isfinite(grads["1"].weight).all() and (grads["1"].weight != 0).all()
    with pytest.raises(ValueError, match="`order` must be >= 1"):
        SlidingPSN(0)


def test_a_window_of_one_step_has_no_memory():
    layer = built(SlidingPSN(1), (2,), jnp.float32)
    state = layer.init_state(None, KEY, jnp.float32)
    assert isinstance(state, State) and state.past.shape == (0, 2)
    _, y = layer.step(state, jnp.array([0.9, 1.0]), DT, None)
    np.testing.assert_array_equal(y, [0, 1])
