"""What of a step stays outside the kernel: numbers, rows, noise keys, counters; and what makes a step not pointwise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native, fuse
from brainsim._streams import Stream
from tests.fuse.steps import close

pytestmark = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")


def lax_scan(step):
    return lambda carry, xs: jax.lax.scan(step, carry, xs)


def operations(function, *args):
    """All operations of a traced function, calls dissolved, in order."""

    def walk(jaxpr):
        for eqn in jaxpr.eqns:
            yield from walk(eqn.params["jaxpr"].jaxpr) if eqn.primitive.name in ("jit", "pjit") else [eqn]

    return list(walk(jax.make_jaxpr(function)(*args).jaxpr))


def names(function, *args):
    """The names of its operations."""
    return [eqn.primitive.name for eqn in operations(function, *args)]


def test_numbers_and_rows_are_computed_once_outside():
    step = fuse.pointwise(lambda v, tau, own: v * jnp.exp(-0.1 / tau) + jnp.log(own))
    args = jnp.ones((3, 20)), jnp.float32(10), jnp.ones(20)
    outside = names(step, *args)
    assert "exp" in outside and "log" in outside
    (fused,) = [eqn for eqn in operations(step, *args) if eqn.primitive.name == "fused_pointwise"]
    assert not {"exp", "log"} & {eqn.primitive.name for eqn in fused.params["element"].closed.jaxpr.eqns}


def test_an_array_of_the_domain_that_does_not_change_is_computed_before_the_steps():
    tau, xs = jnp.full(20, 8.0), jnp.ones((4, 20))
    run = lambda tau: fuse.scan(lambda v, x: (v * jnp.exp(-1 / tau) + x, v))(jnp.zeros(20), xs)
    order = names(run, tau)
    assert order.index("exp") < order.index("fused_scan")
    value = lambda scan, tau: scan(lambda v, x: (v * jnp.exp(-1 / tau) + x, v))(jnp.zeros(20), xs)[1].sum()
    close(*(jax.grad(functools.partial(value, scan))(tau) for scan in (fuse.scan, lax_scan)))


def test_what_changes_with_time_but_not_with_the_element():
    def step(carry, x):
        state, count, gain = carry
        stream = Stream(jnp.array([1, 2], jnp.uint32), count)
        state = state * x[0] * gain + stream.normal(state.shape, draw=1)
        return (state, count + 1, gain * x[1]), (state * 2, gain + 1, jnp.ones(3))

    def value(scan, q, gain):
        out = scan(step)((jnp.zeros((4, 25)) + q[0], jnp.int32(3), gain), xs * q[1])
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(out) if jnp.issubdtype(leaf.dtype, jnp.floating))

    xs = jnp.arange(1.0, 6.0)[:, None] * jnp.ones((5, 2)) / 4
    gradients = [
        jax.jit(jax.value_and_grad(functools.partial(value, scan), (0, 1)))(jnp.ones(2), 0.9)
        for scan in (fuse.scan, lax_scan)
    ]
    close(*gradients, rtol=1e-4)


def test_a_carry_that_does_not_change():
    step = lambda c, x: ((c[0] * c[1] + x, c[1]), c[0])
    value = lambda scan, a: scan(step)((jnp.ones(20), a), jnp.ones((4, 20)))
    close(*(value(scan, jnp.full(20, 0.5)) for scan in (fuse.scan, lax_scan)))
    close(*(jax.grad(lambda a, s=scan: value(s, a)[1].sum())(jnp.full(20, 0.5)) for scan in (fuse.scan, lax_scan)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, c: x * c[:, None],
        lambda x, c: x * c[None, :],
        lambda x, c: x + (x * c).reshape(-1).reshape(x.shape),
        lambda x, c: x * jnp.broadcast_to(c, x.shape),
        lambda x, c: x.T * c,
        lambda x, c: x * x.sum(),
        lambda x, c: x.reshape(-1, 1)[:, 0].reshape(x.shape) + c,
        lambda x, c: jnp.logaddexp(x, c[:, None]),
        lambda x, c: x.at[0].set(c),
    ],
)
def test_square_arrays_are_never_confused(function):
    """Rows, columns and transposes of a square have the same shapes; only positions tell them apart."""
    rng = np.random.default_rng(0)
    x, c = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((5, 5), (5,)))
    close(fuse.pointwise(function)(x, c), function(x, c))
    loss = lambda f: jax.grad(lambda x, c: jnp.sin(f(x, c)).sum(), (0, 1))(x, c)
    close(loss(fuse.pointwise(function)), loss(function))
