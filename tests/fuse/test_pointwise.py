"""`pointwise` against the plain function: values, derivatives of every kind, `vmap`, and what it refuses."""

import logging
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native, fuse
from brainsim._streams import Stream
from tests.fuse.steps import NEURONS, built, close, one_step

needs_kernels = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")
SHAPES = [((5,), 3), ((5,), None), ((70,), 2)]


def case(name, shape, batch, dtype=jnp.float32):
    """A neuron, its state, an input, and a loss of a step `f(neuron, state, x)`."""
    neuron, state = built(name, shape, batch, dtype)
    full = shape if batch is None else (batch, *shape)
    x = jnp.asarray(np.random.default_rng(0).normal(size=full) * 2, dtype)
    weight = jnp.arange(1, x.size + 1, dtype=dtype).reshape(full) / x.size
    plain = lambda n, s, x: one_step(n)(s, x)
    fused = lambda n, s, x: fuse.pointwise(one_step(n))(s, x)

    def loss(step):
        def value(n, v, x):
            later, y = step(n, state.replace(v=v), x)
            return (y * weight).sum() + (later.v**2).sum()

        return value

    return neuron, state, x, plain, fused, loss


@pytest.mark.parametrize(("shape", "batch"), SHAPES)
@pytest.mark.parametrize("name", NEURONS)
class TestNeurons:
    def test_values_eager_and_jitted(self, name, shape, batch):
        neuron, state, x, plain, fused, _ = case(name, shape, batch)
        close(fused(neuron, state, x), plain(neuron, state, x))
        close(jax.jit(fused)(neuron, state, x), jax.jit(plain)(neuron, state, x))

    def test_gradients_to_parameters_state_and_input(self, name, shape, batch, x64):
        neuron, state, x, plain, fused, loss = case(name, shape, batch, jnp.float64)
        for wrap in (lambda f: f, jax.jit):
            got, expected = (wrap(jax.grad(loss(f), (0, 1, 2)))(neuron, state.v, x) for f in (fused, plain))
            close(got, expected)

    def test_forward_mode_and_second_derivatives(self, name, shape, batch, x64):
        neuron, state, x, plain, fused, loss = case(name, shape, batch, jnp.float64)
        tangents = (jax.tree.map(jnp.ones_like, neuron), jnp.ones_like(state.v), jnp.full_like(x, 0.5))
        got, expected = (jax.jvp(loss(f), (neuron, state.v, x), tangents) for f in (fused, plain))
        close(got, expected)
        twice = lambda f: jax.grad(lambda x: jnp.sin(jax.grad(loss(f), 2)(neuron, state.v, x)).sum())(x)
        close(twice(fused), twice(plain))

    def test_vmap_over_inputs_and_parameters(self, name, shape, batch):
        neuron, state, x, plain, fused, loss = case(name, shape, batch)
        xs = jnp.stack([x, 2 * x, 3 * x], axis=1)
        mapped = lambda f: jax.vmap(lambda x: f(neuron, state, x), in_axes=1, out_axes=1)(xs)
        close(mapped(fused), mapped(plain))
        thresholds = jnp.array([1.0, 1.1, 0.9])
        at = lambda f, th: loss(f)(eqx.tree_at(lambda n: n.v_th, neuron, th), state.v, x)
        mapped = lambda f: jax.vmap(jax.grad(lambda th: at(f, th)))(thresholds)
        close(mapped(fused), mapped(plain), rtol=1e-4)
        close(mapped(jax.checkpoint(fused)), mapped(plain), rtol=1e-4)


def test_noise_is_the_same_also_under_vmap():
    def noisy(state, words, step):
        stream = Stream(words, step)
        return state * 0.5 + stream.normal(state.shape, draw=1), stream.uniform(state.shape)

    state, words = jnp.zeros((4, 25)), jnp.arange(6, dtype=jnp.uint32).reshape(3, 2)
    close(fuse.pointwise(noisy)(state, words[0], jnp.int32(3)), noisy(state, words[0], jnp.int32(3)))
    mapped = lambda f: jax.vmap(f, (None, 0, None))(state, words, jnp.int32(3))
    close(mapped(fuse.pointwise(noisy)), mapped(noisy))


def test_any_signature_and_any_tree():
    def function(s, a, flag, *, name="x"):
        return (s * 2 + a if flag else s), {"positive": s > 0, "thrice": [3.0 * s]}

    fused = fuse.pointwise(function)
    assert fused.__name__ == "function"
    close(fused(jnp.ones(5), 1, True, name="z"), function(jnp.ones(5), 1, True))
    close(fused(jnp.ones(5), 1.5, False), function(jnp.ones(5), 1.5, False))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100])
def test_sizes_and_exactness(size):
    x = jnp.asarray(np.random.default_rng(0).integers(-8, 8, size) / 4, jnp.float32)
    function = lambda x: (jnp.where(x > 0.25, x * 0.5 - 1, x), (x * 4).astype(jnp.int32) & 3, x != 0)
    jax.tree.map(np.testing.assert_array_equal, fuse.pointwise(function)(x), function(x))


def test_rows_and_columns():
    x, c = jnp.arange(12.0).reshape(4, 3), jnp.arange(4.0)
    for function, other in ((lambda x, c: x * c[:, None], c), (lambda x, c: x * c, c[:3]), (lambda x, c: x * c, c[1])):
        close(fuse.pointwise(function)(x, other), function(x, other))
        ways = (fuse.pointwise(function), function)
        got, expected = (jax.grad(lambda a, f=f: jnp.sin(f(*a)).sum())((x, other)) for f in ways)
        close(got, expected)


def test_a_custom_vjp_is_kept():
    @jax.custom_vjp
    def g(x, y):
        return jnp.sin(x) * y

    g.defvjp(lambda x, y: (g(x, y), (x, y)), lambda r, c: (c * 2 * r[0], c * 3 * r[1]))
    x = jnp.arange(6.0).reshape(2, 3)
    function = lambda x: g(x, x * 2) * x
    got, expected = (jax.grad(lambda x, f=f: f(x).sum())(x) for f in (fuse.pointwise(function), function))
    close(got, expected)


def test_what_is_not_pointwise_goes_to_xla_with_its_line(caplog):
    with caplog.at_level(logging.INFO, "brainsim"):
        close(fuse.pointwise(lambda x: jnp.cumsum(x))(jnp.ones(5)), jnp.cumsum(jnp.ones(5)))
        close(fuse.pointwise(lambda x: x[::-1] * 2)(jnp.arange(5.0)), jnp.arange(5.0)[::-1] * 2)
    assert "cumsum" in caplog.text and "test_pointwise.py" in caplog.text and "rev" in caplog.text


@needs_kernels
def test_it_is_one_native_call_in_place():
    step = fuse.pointwise(lambda s, x: (s * 0.5 + x, s > 1))
    loop = lambda s, xs: jax.lax.scan(step, s, xs)
    text = jax.jit(loop).lower(jnp.zeros(1000), jnp.zeros((5, 1000))).compile().as_text()
    assert text.count('custom_call_target="bs_fused_v1"') == 1
    assert not re.findall(r"= f32\[1000\]\S* copy\(", text[: text.index("\nENTRY")])


@needs_kernels
def test_other_platforms_get_the_definition():
    traced = jax.jit(fuse.pointwise(lambda x: jnp.exp(x) * 2)).trace(jnp.ones(20))
    assert "bs_fused" not in traced.lower(lowering_platforms=("cuda",)).as_text()


@needs_kernels
def test_it_dissolves_in_a_loop():
    inner = fuse.pointwise(lambda v, x: jnp.where(v > 1, 0.0, v * 0.5 + x))
    body = lambda v, x: (inner(v, x), v)
    init, xs = jnp.zeros(30), jnp.asarray(np.random.default_rng(0).integers(0, 8, (6, 30)) / 4, jnp.float32)
    text = jax.jit(lambda i, x: fuse.loop(body, i, x)).lower(init, xs).compile().as_text()
    assert "while(" not in text
    got, expected = jax.jit(lambda: fuse.loop(body, init, xs))(), jax.lax.scan(body, init, xs)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
