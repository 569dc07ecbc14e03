"""Layers whose gradient to the spikes is computed where the surrogate lets it pass: the same gradient, less work."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Chain, Dropout, Flatten, cell, delayed_recurrent
from brainsim.neurons import Arctan, Band, CubaLIF, FastSigmoid
from brainsim.units import ms
from tests.train.gradients import gradient

BAND = Band(FastSigmoid(5.0), 0.3)
WIDE = 130  # outputs from which the few products pay
LIF = bs.LIF(10 * ms, reset="subtract", surrogate=BAND)


def drive(steps=12, batch=3, width=6):
    return jnp.asarray(np.random.default_rng(0).normal(size=(steps, batch, width)) * 0.8, jnp.float32)


NETS = {
    "dense": lambda: [bs.Linear(6, 20, bias=True), LIF, bs.Linear(20, WIDE, bias=True), LIF],
    "dropout": lambda: [bs.Linear(6, 20), LIF, Dropout(0.3), bs.Linear(20, WIDE)],
    "chain": lambda: [bs.Linear(6, 20), Chain(LIF, bs.Linear(20, WIDE), LIF), bs.Linear(WIDE, WIDE)],
    "delays": lambda: [bs.Linear(6, WIDE), bs.Recurrent(LIF, WIDE, delay=bs.Uniform(1 * ms, 4 * ms))],
    "refractory": lambda: [bs.Linear(6, 20), bs.LIF(10 * ms, surrogate=BAND, t_ref=2 * ms), bs.Linear(20, WIDE)],
}


def slopes(layers, xs):
    """Gradient to every parameter and to the input, of a weighted sum of the outputs; and the compiled program."""
    model = bs.Sequential(*layers, dt=1 * ms, seed=1)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    shape = jax.eval_shape(lambda m: bs.run(m, xs).out, model).shape
    price = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
    lowered = jax.jit(jax.grad(lambda p, x: jnp.vdot(price, bs.run(eqx.combine(p, static), x).out), (0, 1)))
    return jax.tree.leaves(lowered(params, xs)), lowered.lower(params, xs).compile().as_text()


@pytest.mark.parametrize("name", NETS)
def test_the_gradient_is_that_of_the_whole_product(name, monkeypatch):
    xs = drive()
    few, text = slopes(NETS[name](), xs)
    for module in (cell, delayed_recurrent):
        monkeypatch.setattr(module, "marked", lambda neuron: None)
    whole, plain = slopes(NETS[name](), xs)
    assert sum(float(jnp.abs(leaf).sum()) for leaf in whole) > 0
    for found, expected in zip(few, whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * float(jnp.abs(expected).max()))
    if bs.operators.WHY_XLA is None:
        assert "bs_sampled_dense_v1" in text and "bs_sampled_dense_v1" not in plain


def test_images_that_are_flattened(monkeypatch):
    layers = lambda: [bs.Conv2d(1, 3, 3), LIF, Flatten(), bs.Linear(48, WIDE)]
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(8, 2, 1, 4, 4)), jnp.float32)
    build = lambda: bs.Sequential(*layers(), dt=1 * ms, input_shape=(1, 4, 4))
    slope = lambda model: eqx.filter_grad(lambda m: jnp.square(bs.run(m, xs).out).sum())(model)[0].weight
    few = slope(build())
    monkeypatch.setattr(cell, "marked", lambda neuron: None)
    np.testing.assert_allclose(few, slope(build()), rtol=1e-5, atol=1e-5)
    assert jnp.abs(few).sum() > 0


def test_a_narrow_readout_takes_the_whole_product():
    _, text = slopes([bs.Linear(6, 20), LIF, bs.Linear(20, 10)], drive())
    assert "bs_sampled_dense_v1" not in text


def test_a_rule_that_needs_no_surrogate_does_not_lose_signals_to_it():
    def found(surrogate):
        neuron = CubaLIF(20 * ms, tau_syn=5 * ms, surrogate=surrogate)
        layers = [bs.Linear(6, 20, init=bs.Uniform(0.0, 3.0)), neuron, bs.Linear(20, WIDE), bs.LI(10 * ms)]
        loss = lambda out, y, mask: jnp.sum(out)
        model = bs.Sequential(*layers, dt=1 * ms)
        return gradient("eventprop", model, loss, jnp.abs(drive()) > 0.5, jnp.zeros(3))[1]

    some, every = (jax.tree.leaves(found(surrogate)) for surrogate in (Band(width=1e-3), Arctan()))
    assert float(jnp.abs(every[0]).sum()) > 0
    for few, whole in zip(some, every, strict=True):
        np.testing.assert_array_equal(few, whole)


def test_two_halves_of_a_recurrent_run_are_the_whole():
    layer = bs.Recurrent(LIF, WIDE, delay=bs.Uniform(1 * ms, 4 * ms))
    model, xs = bs.Sequential(layer, dt=1 * ms), drive(width=WIDE)
    whole, half = bs.run(model, xs), bs.run(model, xs[:6])
    rest = bs.run(model, xs[6:], state=half.state)
    np.testing.assert_array_equal(rest.out, whole.out[6:])
    for one, other in zip(jax.tree.leaves(whole.state.layers), jax.tree.leaves(rest.state.layers), strict=True):
        np.testing.assert_array_equal(one, other)
