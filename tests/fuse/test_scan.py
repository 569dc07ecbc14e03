"""`scan` against `jax.lax.scan`: values, gradients by the fused pullback, forward mode, second order, `vmap`."""

import functools
import logging

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native, fuse
from brainsim._streams import Stream
from brainsim._types import Drive
from tests.fuse.steps import DT, NEURONS, built, close

needs_kernels = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")
STEPS = 7
SHAPES = [((5,), 3), ((5,), None), ((70,), 2), ((20,), 3)]


def plain(step):
    return lambda carry, xs=None, length=None: jax.lax.scan(step, carry, xs, length=length)


def case(name, shape, batch, dtype=jnp.float64, shared=False):
    """A neuron over time with a counter in the carry, and a loss of it: `f(over)(neuron, v, xs)`."""
    neuron, state = built(name, shape, batch, dtype, shared=shared)
    full = shape if batch is None else (batch, *shape)
    rng = np.random.default_rng(0)
    xs, weight = (jnp.asarray(rng.normal(size=(STEPS, *full)) * 2, dtype) for _ in range(2))

    def run(over):
        def all_steps(neuron, state, xs):
            def step(carry, x):
                state, k = carry
                state, y = neuron.step(state, Drive(jump=x), DT)
                return (state, k + 1), (y, state.v, k)

            return over(step)((state, jnp.int32(3)), xs)

        return all_steps

    def loss(over):
        def value(neuron, v, xs):
            (later, _), (y, vs, _) = run(over)(neuron, state.replace(v=v), xs)
            return (y * weight).sum() + (later.v**2).sum() + (vs[2] ** 2).sum()

        return value

    return neuron, state, xs, run, loss


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("shape", "batch"), SHAPES)
@pytest.mark.parametrize("name", NEURONS)
class TestNeurons:
    def test_values(self, name, shape, batch, shared):
        neuron, state, xs, run, _ = case(name, shape, batch, jnp.float32, shared)
        close(jax.jit(run(fuse.scan))(neuron, state, xs), jax.jit(run(plain))(neuron, state, xs))

    def test_gradients_to_parameters_carry_and_input(self, name, shape, batch, shared, x64):
        neuron, state, xs, _, loss = case(name, shape, batch, shared=shared)
        got, expected = (jax.jit(jax.grad(loss(over), (0, 1, 2)))(neuron, state.v, xs) for over in (fuse.scan, plain))
        close(got, expected)


@pytest.mark.parametrize("name", NEURONS)
class TestTransformations:
    def test_forward_mode(self, name, x64):
        neuron, state, xs, _, loss = case(name, (5,), 3)
        tangents = (jax.tree.map(jnp.ones_like, neuron), jnp.ones_like(state.v), jnp.full_like(xs, 0.5))
        got, expected = (jax.jvp(loss(over), (neuron, state.v, xs), tangents) for over in (fuse.scan, plain))
        close(got, expected)

    def test_vmap_of_values_and_of_gradients(self, name, x64):
        neuron, state, xs, run, loss = case(name, (5,), 3)
        many = jnp.stack([xs, 2 * xs])
        got, expected = (jax.vmap(lambda x, o=over: run(o)(neuron, state, x))(many) for over in (fuse.scan, plain))
        close(got, expected)
        got, expected = (
            jax.vmap(jax.grad(lambda x, o=over: loss(o)(neuron, state.v, x)))(many) for over in (fuse.scan, plain)
        )
        close(got, expected)
        at = lambda over, th: loss(over)(eqx.tree_at(lambda n: n.v_th, neuron, th), state.v, xs)
        got, expected = (
            jax.vmap(jax.value_and_grad(functools.partial(at, over)))(jnp.array([1.0, 1.1]))
            for over in (fuse.scan, plain)
        )
        close(got, expected)

    def test_checkpoint(self, name, x64):
        neuron, state, xs, _, loss = case(name, (5,), 3)
        held = jax.grad(jax.checkpoint(loss(fuse.scan)), 2)(neuron, state.v, xs)
        close(held, jax.grad(loss(plain), 2)(neuron, state.v, xs))


def test_second_derivatives(x64):
    neuron, state, xs, _, loss = case("UltraLIF", (5,), None)
    got, expected = (
        jax.hessian(lambda a, o=over: loss(o)(neuron, state.v, xs * a))(jnp.float64(1.3)) for over in (fuse.scan, plain)
    )
    close(got, expected, rtol=1e-4)


def test_gradients_against_finite_differences(x64):
    neuron, state, xs, _, loss = case("UltraLIF", (20,), 2)
    value = lambda a: loss(fuse.scan)(eqx.tree_at(lambda n: n.v_th, neuron, a), state.v, xs)
    h = 1e-6
    slope = (value(0.5 + h) - value(0.5 - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(value)(0.5), slope, rtol=1e-7)


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 100])
def test_sizes_are_exact_forward_and_backward(n, steps):
    rng = np.random.default_rng(0)
    init, xs = (
        jnp.asarray(rng.integers(-4, 4, n) / 4.0, jnp.float32),
        jnp.asarray(rng.integers(-4, 4, (steps, n)) / 4.0),
    )
    run = lambda over, a, init, xs: over(lambda c, x: (c * a + x, (c * x, c > x)))(init, xs.astype(jnp.float32))
    for over in (fuse.scan, plain):
        run(over, 0.5, init, xs)
    jax.tree.map(np.testing.assert_array_equal, run(fuse.scan, 0.5, init, xs), run(plain, 0.5, init, xs))
    loss = lambda over: lambda a, i, x: run(over, a, i, x)[1][0].sum() + (run(over, a, i, x)[0] ** 2).sum()
    got, expected = (jax.grad(loss(over), (0, 1, 2))(jnp.float32(0.5), init, xs) for over in (fuse.scan, plain))
    close(got, expected)


def test_noise_and_what_does_not_belong_to_the_domain():
    words = jnp.array([1, 2], jnp.uint32)

    def noisy(carry, x):
        s, k = carry
        stream = Stream(words, k)
        s = s * x[0] + stream.normal(s.shape, draw=1)
        return (s, k + 1), (s * 2, x[1] + 1, jnp.ones(3), jnp.zeros_like(s), stream.uniform(s.shape))

    init, xs = (jnp.zeros((4, 25)), jnp.int32(3)), (jnp.arange(5.0) + 1)[:, None] * jnp.ones((5, 2))
    close(fuse.scan(noisy)(init, xs), plain(noisy)(init, xs))


def test_length_instead_of_inputs():
    step = lambda c, _: (c * 0.5 + 1, c)
    close(fuse.scan(step)(jnp.ones(20), None, 4), plain(step)(jnp.ones(20), None, 4))


def test_what_is_not_pointwise_goes_to_xla(caplog):
    step = lambda c, x: (c, jnp.cumsum(x))
    with caplog.at_level(logging.INFO, "brainsim"):
        close(fuse.scan(step)(jnp.ones(5), jnp.ones((4, 5))), plain(step)(jnp.ones(5), jnp.ones((4, 5))))
    if _native.WHY_XLA is None:
        assert "cumsum" in caplog.text and "test_scan.py" in caplog.text
    with pytest.raises(TypeError):
        fuse.scan(lambda c, x: (c[0], x))(jnp.ones(5), jnp.ones((4, 5)))


@needs_kernels
def test_forward_and_backward_are_one_native_call_each():
    neuron, state, xs, _, loss = case("LIF", (70,), 2, jnp.float32)
    text = jax.jit(jax.grad(loss(fuse.scan), 2)).lower(neuron, state.v, xs).compile().as_text()
    assert text.count('custom_call_target="bs_fused_v1"') == 2


@needs_kernels
def test_other_platforms_get_the_definition():
    traced = jax.jit(fuse.scan(lambda c, x: (c * 0.5 + x, c))).trace(jnp.ones(20), jnp.ones((4, 20)))
    assert "bs_fused" not in traced.lower(lowering_platforms=("cuda",)).as_text()
