"""Of spikes that cross a `Linear` bits are kept for the gradient, which does not change by it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Chain, Delay, Dropout, Flatten
from brainsim.neurons import Band, FastSigmoid, UltraLIF
from brainsim.units import ms

WHY_XLA = bs.operators.WHY_XLA
pytestmark = pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
LIF = bs.LIF(10 * ms, reset="subtract")
LOCAL = bs.LIF(10 * ms, surrogate=Band(FastSigmoid(5.0), 0.3))
WIDE = 130
NETS = {
    "dense": lambda: [bs.Linear(6, 20), LIF, bs.Linear(20, WIDE, bias=True), LIF, bs.Linear(WIDE, 3)],
    "recurrent": lambda: [bs.Linear(6, 20), bs.Recurrent(LIF, 20), bs.Linear(20, 3)],
    "where": lambda: [bs.Linear(6, 20), LOCAL, bs.Linear(20, WIDE)],
    "chain": lambda: [bs.Linear(6, 20), LIF, Chain(bs.Linear(20, 30), LIF, bs.Linear(30, 30), LIF), bs.Linear(30, 3)],
    "passed on": lambda: [bs.Linear(6, 20), LIF, Delay(20, 2 * ms), Flatten(20), bs.Linear(20, 3)],
}
NUMBERS = {
    "scaled": lambda: [bs.Linear(6, 20), LIF, Dropout(0.3), bs.Linear(20, 3)],
    "graded": lambda: [bs.Linear(6, 20), UltraLIF(10 * ms), bs.Linear(20, 3)],
    "voltage": lambda: [bs.Linear(6, 20), bs.LI(10 * ms), bs.Linear(20, 3)],
    "delays": lambda: [bs.Linear(6, 20), LIF, bs.Linear(20, 3, delay=bs.Uniform(0 * ms, 3 * ms))],
}


def slopes(layers, remat):
    """The gradient of a weighted sum to every parameter, and the sizes of what is packed."""
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(12, 3, 6)) * 2, jnp.float32)
    model = bs.Sequential(*layers, dt=1 * ms, seed=1)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    loss = lambda p: jnp.square(bs.run(eqx.combine(p, static), xs, remat=remat).out).sum()
    saved = jax.tree.leaves(jax.eval_shape(lambda p: jax.vjp(loss, p)[1], params))
    return jax.tree.leaves(jax.jit(jax.grad(loss))(params)), [x.shape for x in saved if x.dtype == jnp.uint8]


@pytest.mark.parametrize("name", NETS)
def test_the_gradient_is_that_of_numbers(name):
    packed, bits = slopes(NETS[name](), "auto")
    plain, none = slopes(NETS[name](), None)
    assert len(bits) == {"dense": 3, "chain": 4}.get(name, 2) and not none
    assert all(shape[0] == 36 and shape[1] % 8 == 0 for shape in bits)
    assert all(float(jnp.abs(leaf).sum()) > 0 for leaf in plain[:1])
    for one, other in zip(packed, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_stay_numbers(name):
    """But for the input of the network, of which nothing is known."""
    assert len(slopes(NUMBERS[name](), "auto")[1]) == 1


def test_the_cotangent_lies_where_the_spikes_gradient_was():
    """Of three arrays as large as a layer over time (input, spikes, gradient), never more than two are there."""
    xs = jnp.ones((100, 32, 6))
    model = bs.Sequential(bs.Linear(6, 256), LIF, bs.Linear(256, 2), dt=1 * ms)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    loss = lambda p: jnp.square(bs.run(eqx.combine(p, static), xs).out).sum()
    memory = jax.jit(jax.grad(loss)).lower(params).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2.5 * 4 * 100 * 32 * 256
