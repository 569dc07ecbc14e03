"""The native programs of a scan: one call each way, nothing stored in between, tiles of any number of elements."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native, fuse
from brainsim.neurons.surrogate import surrogate_of
from tests.fuse.steps import close

pytestmark = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")
spike = surrogate_of("atan")


def lax_scan(step):
    return lambda carry, xs: jax.lax.scan(step, carry, xs)


BOTH = (fuse.scan, lax_scan)


def spikes(scan, beta, start, xs):
    """Spikes of a leaky integrator."""

    def step(v, x):
        v = beta * v + x
        y = spike(v - 1)
        return jnp.where(y > 0, 0.0, v), y

    return scan(step)(start, xs)[1]


def test_forward_and_backward_are_one_native_call_each():
    calls = lambda f: jax.jit(f).lower(jnp.float32(0.9), jnp.zeros(1000), jnp.ones((50, 1000))).compile().as_text()
    value = lambda *args: (spikes(fuse.scan, *args) ** 2).sum()
    text = calls(jax.value_and_grad(value, (0, 1, 2)))
    assert text.count('custom_call_target="bs_fused_v1"') == 2 and "while(" not in text


def test_nothing_is_stored_between_forward_and_backward():
    xs = jnp.ones((50, 1000))
    value = lambda beta: jnp.sin(fuse.scan(lambda v, x: (jnp.tanh(beta * v + x), v))(jnp.zeros(1000), xs)[0]).sum()
    saved = jax.eval_shape(lambda beta: jax.vjp(value, beta)[1], 0.5)
    assert sum(leaf.size for leaf in jax.tree.leaves(saved)) <= xs.size + 4 * 1000


@pytest.mark.parametrize(
    ("steps", "batch", "n"), [(2, 1, 1), (9, 4, 20), (9, 3, 256), (300, 3, 700), (5, 2, 3000), (2000, 1, 130)]
)
def test_parameters_of_every_kind_over_tiles_of_every_size(steps, batch, n):
    rng = np.random.default_rng(0)
    xs = jnp.asarray(rng.integers(-8, 8, (steps, batch, n)) / 8, jnp.float32)

    def value(scan, shared, own, trial, each):
        step = lambda v, x: (jnp.where(v > 1, 0.0, v * shared + x * own), v + trial * each)
        out = scan(step)(jnp.zeros((batch, n)), xs)[1]
        return (out * jnp.arange(n, dtype=out.dtype)).mean()

    parameters = jnp.float32(0.5), jnp.full(n, 0.25), jnp.ones((batch, 1)), jnp.full((batch, n), 0.5)
    run = lambda scan: jax.jit(jax.value_and_grad(functools.partial(value, scan), (0, 1, 2, 3)))(*parameters)
    close(*map(run, BOTH), rtol=2e-4)


def test_states_of_mixed_types_come_back_through_the_backward_pass():
    """The backward pass computes flags and counters once more, step by step."""
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(12, 3, 100)), jnp.float32)

    def value(scan, a, xs):
        def step(carry, x):
            v, held, count = carry
            v = jnp.where(held, v, v * a + x)
            fired = v > 0.5
            later = jnp.where(fired, v - 1, v), fired & ~held, count + fired.astype(jnp.int8)
            return later, v * count.astype(v.dtype)

        start = jnp.zeros((3, 100)), jnp.zeros((3, 100), bool), jnp.zeros((3, 100), jnp.int8)
        return (scan(step)(start, xs)[1] ** 2).sum()

    close(*(jax.grad(functools.partial(value, scan), (0, 1))(jnp.float32(0.8), xs) for scan in BOTH), rtol=1e-4)


def test_a_scan_of_checkpointed_scans():
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5, 30)), jnp.float32)

    def value(scan, beta):
        inner = jax.checkpoint(lambda v, x: (v * 0.5 + spikes(scan, beta, v, x).mean(0), None))
        return (jax.lax.scan(inner, jnp.zeros(30), xs)[0] ** 2).sum()

    close(*(jax.jit(jax.value_and_grad(functools.partial(value, scan)))(jnp.full(30, 0.9)) for scan in BOTH), rtol=1e-4)
