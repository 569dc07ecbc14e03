"""The native loop against its definition, `jax.lax.scan`: bit for bit where the arithmetic is exact."""

import logging

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native
from brainsim.fuse.loop import choose, loop, loop_p
from brainsim.fuse.plan import Plan
from brainsim.fuse.stitch import Stitched
from brainsim.operators import csr_push, delay_ring_push, delay_ring_take

needs_kernels = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")


def way(body, init, xs=None, length=None):
    """How the CPU runs a loop: a `Plan`, a `Stitched` or None."""
    jaxpr = jax.make_jaxpr(lambda init, xs: loop(body, init, xs, length))(init, xs)
    (eqn,) = (eqn for eqn in jaxpr.eqns if eqn.primitive is loop_p)
    return choose(**eqn.params).way


def agree(body, init, xs=None, length=None, expect=Plan, **tolerance):
    """The loop equals the scan, and goes the way that is expected where there are kernels."""
    expected = jax.jit(lambda init, xs: jax.lax.scan(body, init, xs, length))(init, xs)
    got = jax.jit(lambda init, xs: loop(body, init, xs, length))(init, xs)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)
    if _native.WHY_XLA is None:
        found = way(body, init, xs, length)
        assert (type(found) if expect is not None else found) is expect


def leaky(carry, x):
    """A leaky integrator with threshold and reset; everything is a multiple of a power of two."""
    v, count = carry
    v = 0.5 * v + x
    spike = v >= 1.0
    return (jnp.where(spike, 0.25, v), count + spike.astype(jnp.int32)), spike.astype(v.dtype)


def dyadic(rng, *shape):
    return (rng.integers(-64, 128, shape) / 64).astype(np.float32)


@pytest.mark.parametrize("n", [1, 7, 8, 15, 16, 17, 63, 64, 65, 128, 1000])
def test_every_size_is_exact(n):
    rng = np.random.default_rng(n)
    init = (jnp.asarray(dyadic(rng, n)), jnp.zeros(n, jnp.int32))
    agree(leaky, init, jnp.asarray(dyadic(rng, 20, n)))


@pytest.mark.parametrize("shape", [(3, 20), (2, 64), (2, 3, 5), (1, 9)])
def test_axes_of_a_batch(shape):
    rng = np.random.default_rng(0)
    init = (jnp.asarray(dyadic(rng, *shape)), jnp.zeros(shape, jnp.int32))
    agree(leaky, init, jnp.asarray(dyadic(rng, 20, *shape)))


def test_an_empty_array_goes_to_xla():
    agree(leaky, (jnp.zeros(0), jnp.zeros(0, jnp.int32)), jnp.zeros((4, 0)), expect=None)


def test_float64(x64):
    rng = np.random.default_rng(0)
    init = (jnp.asarray(dyadic(rng, 33).astype(np.float64)), jnp.zeros(33, jnp.int32))
    agree(leaky, init, jnp.asarray(dyadic(rng, 20, 33).astype(np.float64)))


def test_parameters_of_every_shape():
    rng = np.random.default_rng(1)
    row, column, scalar = (jnp.asarray(dyadic(rng, *shape)) for shape in ((24,), (4, 1), ()))

    def body(v, x):
        v = v * 0.5 + row * x + column - scalar
        return v, (v > 0, jnp.minimum(v, row))

    agree(body, jnp.zeros((4, 24)), jnp.asarray(dyadic(rng, 12)))


def test_carries_that_change_places_are_kept_apart():
    def body(carry, _):
        a, b, c, step = carry
        return (b, a, a + c, step + 1), (a, b, step)

    rng = np.random.default_rng(2)
    init = (*(jnp.asarray(dyadic(rng, 40)) for _ in range(3)), jnp.int32(5))
    agree(body, init, length=7)


def test_constants_and_parts_that_stay():
    table = jnp.arange(50, dtype=jnp.float32)

    def body(carry, _):
        kept, v = carry
        return (kept, v + kept["a"] * 2), (kept["a"], table, jnp.float32(3), 4)

    agree(body, ({"a": jnp.ones(50), "key": jnp.uint32([1, 2])}, jnp.zeros(50)), length=3)


def test_a_carry_that_becomes_constant():
    agree(lambda carry, _: ((carry[1], jnp.full(20, 2.0)), carry[0]), (jnp.zeros(20), jnp.ones(20)), length=4)


def test_counts_sums_and_questions():
    def body(v, x):
        v = v * 0.5 + x
        fired = (v > 0.5).astype(v.dtype)
        questions = (jnp.isfinite(v).all(), (v > 1.9).any(), fired.sum(-1), fired.sum())
        return v, (*questions[:3], v.sum(-1), (v > 0).sum(-1, dtype=jnp.int32))

    rng = np.random.default_rng(3)
    for shape in ((77,), (3, 40)):
        xs = jnp.asarray(dyadic(rng, 9, *shape)).at[5, ..., 3].set(jnp.inf)
        agree(lambda v, x: body(v, x) if v.ndim == 1 else ((v * 0.5 + x), (v > 0.5).astype(v.dtype).sum(-1)), xs[0], xs)


@pytest.mark.parametrize("n", [1, 15, 17, 63, 65])
def test_lanes_past_the_end_count_for_nothing(n):
    def body(v, x):
        v = v * 0.5 + x
        return v, ((v >= -9).astype(v.dtype).sum(), (v == 0).any(), (v > -9).all())

    agree(body, jnp.ones(n), jnp.ones((4, n)))


def test_bits_in_rows_and_over_all():
    def body(v, x):
        v = v * 0.5 + x
        fired = (v > 0.5).astype(v.dtype)
        return v, (fired.sum(-1), jnp.isfinite(v).all(), jnp.isfinite(v).all(-1).all())

    xs = jnp.asarray(dyadic(np.random.default_rng(0), 5, 3, 40))
    agree(body, xs[0], xs, expect=None if _native.WHY_XLA is not None else type(way(body, xs[0], xs)))
    agree(lambda v, x: (body(v, x)[0], body(v, x)[1][::2]), xs[0], xs)


def test_an_old_value_that_is_read_late_is_still_there():
    def body(v, x):
        total = v.sum()
        return v * 0.5 + x, (total, v - total)

    agree(body, jnp.arange(40.0), jnp.asarray(dyadic(np.random.default_rng(0), 5, 40)))


def test_two_operators_may_start_from_one_array():
    rng = np.random.default_rng(0)
    n = 70
    (first, rows), (second, others) = csr(rng, n, n), csr(rng, n, n)

    def body(g, x):
        decayed, spike = 0.5 * g, (x > 0.5).astype(g.dtype)
        a = csr_push(decayed, jnp.float32(0.5), first, rows, spike, is_sorted=True)
        b = csr_push(decayed, jnp.float32(0.25), second, others, spike, is_sorted=True)
        return a - b, (a, b, decayed)

    agree(body, jnp.ones(n), jnp.asarray(dyadic(rng, 9, n)))


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.uint32, jnp.int8, jnp.bool_])
def test_integer_and_bool_states(dtype):
    def body(carry, _):
        return ~carry if dtype == jnp.bool_ else (carry * 3 + 1).astype(dtype), carry

    agree(body, jnp.arange(70).astype(dtype), length=6)


def test_chosen_entries():
    ids = np.array([2, 0, 39], np.int32)

    def body(v, _):
        v = v * 0.5 + 0.25
        spike = (v > 0.45).astype(v.dtype)
        return v, (jnp.take(v, ids, axis=-1, mode="clip"), jnp.take(spike, ids, axis=-1, mode="clip") != 0)

    for shape in ((40,), (3, 40)):
        agree(body, jnp.asarray(dyadic(np.random.default_rng(0), *shape)), length=5)


def csr(rng, n_pre, n_post):
    counts = rng.integers(0, 6, n_pre)
    indices = np.concatenate([np.sort(rng.choice(n_post, size, replace=False)) for size in counts]).astype(np.int32)
    return jnp.asarray(indices), jnp.asarray(np.r_[0, np.cumsum(counts)].astype(np.int32))


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_events_cross_in_place(graded, shared, batch):
    rng = np.random.default_rng(4)
    n = 70
    indices, indptr = csr(rng, n, n)
    weight = jnp.float32(0.5) if shared else jnp.asarray(dyadic(rng, indices.size))

    def body(carry, x):
        v, g, h = carry
        v = 0.5 * v + x + g
        fired = v >= 1.0
        emitted = jnp.where(fired, v if graded else 1.0, 0.0)
        g = csr_push(0.5 * g, weight, indices, indptr, emitted, is_sorted=True)
        h = csr_push(h, weight, indices, indptr, emitted, is_sorted=True)
        return (jnp.where(fired, 0.0, v), g, jnp.where(h > 4, 0, h)), (emitted, g)

    rows = dyadic(rng, 15, *batch, n)
    agree(body, (jnp.zeros((*batch, n)), jnp.zeros((*batch, n)), jnp.zeros((*batch, n))), jnp.asarray(rows) / 2)


def test_delays_wait_in_a_ring():
    rng = np.random.default_rng(5)
    n, slots = 40, 5
    indices, indptr = csr(rng, n, n)
    delays = jnp.asarray(rng.integers(1, slots + 1, indices.size).astype(np.int32))

    def body(carry, x):
        v, ring, step = carry
        v = 0.5 * v + x
        spike = (v >= 1).astype(v.dtype)
        ring = delay_ring_push(ring, jnp.float32(0.25), indices, indptr, delays, spike, step, is_sorted=True)
        arrivals, ring = delay_ring_take(ring, (step + 1) % slots)
        return (jnp.where(spike > 0, 0, v) + arrivals, ring, step + 1), spike

    agree(body, (jnp.zeros(n), jnp.zeros((slots, n)), jnp.int32(3)), jnp.asarray(dyadic(rng, 30, n)))


@pytest.mark.parametrize("alone", [False, True])
def test_a_push_without_synapses_changes_nothing(alone):
    n, slots = 70, 3
    none, ends = np.zeros(0, np.int32), np.zeros(n + 1, np.int32)

    def body(carry, x):
        v, g, ring, step = carry
        v = 0.5 * v + x + g
        spike = (v >= 1).astype(v.dtype)
        g = csr_push(g if alone else 0.5 * g + x, jnp.zeros(0), none, ends, spike)
        ring = delay_ring_push(ring, jnp.float32(0.25), none, ends, none + 1, spike, step)
        if not alone:
            arrivals, ring = delay_ring_take(ring, (step + 1) % slots)
            g = g + arrivals
        return (jnp.where(spike > 0, 0, v), g, ring, step + 1), (spike, g)

    rng = np.random.default_rng(12)
    ring = jnp.asarray(dyadic(rng, slots, n))
    agree(body, (jnp.zeros(n), jnp.ones(n), ring, jnp.int32(0)), jnp.asarray(dyadic(rng, 15, n)))


def test_a_step_that_is_native_in_parts(caplog):
    permutation = np.random.default_rng(6).permutation(80).astype(np.int32)

    def body(v, x):
        v = 0.5 * v + x
        mixed = jax.lax.sort(v)[permutation]
        later = jnp.where(mixed > 0.5, v * 0.25, mixed)
        return later, (mixed.max(), later)

    xs = jnp.asarray(dyadic(np.random.default_rng(7), 10, 80))
    with caplog.at_level(logging.INFO, "brainsim"):
        agree(body, xs[0], xs, expect=Stitched)
    if _native.WHY_XLA is None:
        assert "step by step: sort at" in caplog.text and "test_loop.py" in caplog.text


def test_what_cannot_be_fused_goes_to_xla():
    agree(lambda v, _: (jnp.sort(v), v), jnp.arange(9.0)[::-1], length=3, expect=None)


def test_no_steps():
    agree(leaky, (jnp.ones(20), jnp.zeros(20, jnp.int32)), jnp.zeros((0, 20)))


def test_gradients_and_forward_mode_are_those_of_the_scan():
    xs = jnp.asarray(np.random.default_rng(8).normal(size=(12, 30)).astype(np.float32))

    def run(over, w, v):
        body = lambda v, x: (jnp.tanh(w * v + x), v.sum())
        last, ys = over(body, v, xs)
        return (last**2).sum() + ys.sum()

    args = jnp.linspace(0.1, 0.9, 30), jnp.ones(30)
    for transform in (lambda f: jax.grad(f, argnums=(0, 1)), lambda f: lambda *a: jax.jvp(f, a, a)):
        got = jax.jit(transform(lambda w, v: run(loop, w, v)))(*args)
        expected = jax.jit(transform(lambda w, v: run(jax.lax.scan, w, v)))(*args)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)


@pytest.mark.parametrize("mapped", ["all", "init", "xs", "xs, second axis", "parameter"])
def test_vmap_is_that_of_the_scan_and_stays_native(mapped, caplog):
    rng = np.random.default_rng(9)
    xs, parameter = jnp.asarray(dyadic(rng, 4, 12, 30)), jnp.asarray(dyadic(rng, 4))
    init = (jnp.zeros((4, 30)), jnp.zeros((4, 30), jnp.int32))
    axes = {"all": (0, 0, 0), "init": (0, None, None), "xs": (None, 0, None), "parameter": (None, None, 0)}
    axes["xs, second axis"] = (None, 1, None)
    axes = axes[mapped]
    if axes[0] is None:
        init = jax.tree.map(lambda leaf: leaf[0], init)
    xs = xs[0] if axes[1] is None else jnp.moveaxis(xs, 0, axes[1])
    parameter = parameter[0] if axes[2] is None else parameter

    def run(over, init, xs, parameter):
        def body(carry, x):
            inner, step = carry
            inner, y = leaky(inner, x + parameter)
            return (inner, step + 1), (y, step)

        return over(body, (init, jnp.int32(0)), xs)

    expected = jax.jit(jax.vmap(lambda *a: run(jax.lax.scan, *a), axes))(init, xs, parameter)
    with caplog.at_level(logging.INFO, "brainsim"):
        got = jax.jit(jax.vmap(lambda *a: run(loop, *a), axes))(init, xs, parameter)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    assert caplog.text == ""


@needs_kernels
def test_other_platforms_get_the_definition():
    trace = jax.jit(lambda i, x: loop(leaky, i, x)).trace((jnp.zeros(9), jnp.zeros(9, jnp.int32)), jnp.zeros((5, 9)))
    text = trace.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.while" in text and "bs_fused" not in text


@needs_kernels
def test_the_whole_loop_is_one_call():
    init = (jnp.zeros(100), jnp.zeros(100, jnp.int32))
    text = jax.jit(lambda i, x: loop(leaky, i, x)).lower(init, jnp.zeros((5, 100))).compile().as_text()
    assert "while(" not in text and text.count("bs_fused_v1") == 1


@needs_kernels
def test_a_loop_in_a_loop():
    def outer(carry, x):
        carry, ys = loop(leaky, carry, jnp.broadcast_to(x, (3, *x.shape)))
        return carry, ys.sum(0)

    init = (jnp.zeros(100), jnp.zeros(100, jnp.int32))
    xs = jnp.asarray(dyadic(np.random.default_rng(1), 4, 100))
    expected = eqx.filter_jit(lambda: jax.lax.scan(outer, init, xs))()
    jax.tree.map(np.testing.assert_array_equal, jax.jit(lambda: loop(outer, init, xs))(), expected)
