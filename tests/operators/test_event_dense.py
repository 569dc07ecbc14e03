"""`event_dense` against the dense product, on both sides of the density at which it changes over to XLA's dot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from brainsim.operators import event_dense, event_dense_outer
from brainsim.operators.event_dense import affine_definition, dense_definition, is_sparse, outer_definition

SIZES = [(0, 3, 2), (1, 1, 1), (3, 0, 2), (3, 5, 0), (7, 70, 37), (150, 33, 300)]  # rows, inputs, outputs


def by_definition(spikes, weight, ct):
    shifted = affine_definition(spikes, weight[None], bias_of(weight)[None])
    return dense_definition(spikes, weight[None]), outer_definition(spikes, ct, groups=1)[0], shifted


def by_operators(spikes, weight, ct):
    shifted = event_dense(spikes, weight, bias_of(weight))
    return event_dense(spikes, weight), event_dense_outer(spikes, ct), shifted


def bias_of(weight):
    """Eighths, a different one for each output."""
    return jnp.arange(weight.shape[1], dtype=weight.dtype) / 8 - 1


PATHS = {"public": jax.jit(by_operators), "definition": jax.jit(by_definition)}


def problem(seed, size, density, dtype="float32", graded=True):
    """Quarters, so that all sums are exact."""
    rows, n_in, n_out = size
    rng = np.random.default_rng(seed)
    grades = rng.integers(-8, 9, (rows, n_in)) / 4 if graded else 1.0
    spikes = np.where(rng.random((rows, n_in)) < density, grades, 0.0)
    weight, ct = rng.integers(-8, 9, (n_in, n_out)) / 4, rng.integers(-8, 9, (rows, n_out)) / 4
    return tuple(np.asarray(x, dtype) for x in (spikes, weight, ct))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", PATHS)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    density=st.sampled_from([0.0, 0.02, 0.1, 1.0]),
    graded=st.booleans(),
)
@settings(max_examples=40)
def test_exact_on_dyadic_values(path, dtype, seed, size, density, graded):
    with jax.enable_x64(dtype == "float64"):
        spikes, weight, ct = problem(seed, size, density, dtype, graded)
        product, outer, shifted = PATHS[path](spikes, weight, ct)
        np.testing.assert_array_equal(product, spikes.astype(float) @ weight)
        np.testing.assert_array_equal(outer, spikes.T.astype(float) @ ct)
        np.testing.assert_array_equal(shifted, spikes.astype(float) @ weight + np.arange(size[2]) / 8 - 1)
        assert product.dtype == outer.dtype == shifted.dtype == dtype


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_close_on_normal_values(density):
    rng = np.random.default_rng(0)
    spikes = (rng.normal(size=(64, 90)) * (rng.random((64, 90)) < density)).astype(np.float32)
    weight, ct = rng.normal(size=(90, 45)).astype(np.float32), rng.normal(size=(64, 45)).astype(np.float32)
    for product, outer, shifted in (path(spikes, weight, ct) for path in PATHS.values()):
        bias = np.float64(bias_of(weight))
        np.testing.assert_allclose(shifted, np.float64(spikes) @ weight + bias, rtol=1e-5, atol=2e-5)
        np.testing.assert_allclose(product, np.float64(spikes) @ weight, rtol=1e-5, atol=2e-5)  # 90 terms of size 1
        np.testing.assert_allclose(outer, np.float64(spikes).T @ ct, rtol=1e-5, atol=2e-5)


def test_density_is_measured():
    spikes = np.zeros((3000, 20), np.float32)
    assert is_sparse(jnp.asarray(spikes), 0.1)
    spikes[:, :1] = 1
    assert is_sparse(jnp.asarray(spikes), 0.1)
    spikes[:, :3] = 1
    assert not is_sparse(jnp.asarray(spikes), 0.1)


@pytest.mark.kernels
def test_both_ways_are_compiled():
    spikes, weight, ct = problem(0, (64, 32, 48), 0.05)
    gradient = jax.value_and_grad(lambda w, s, c: jnp.vdot(event_dense(s, w), c))
    text = jax.jit(gradient).lower(weight, spikes, ct).compile().as_text()
    assert 'custom_call_target="bs_event_dense_v1"' in text
    assert 'custom_call_target="bs_event_dense_outer_v1"' in text
    assert text.count(" conditional(") == 2
    shifted = jax.jit(lambda s, w: event_dense(s, w, bias_of(w)))
    assert 'custom_call_target="bs_event_affine_v1"' in shifted.lower(spikes, weight).compile().as_text()


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_gradients_by_finite_differences(x64, density):
    spikes, weight, ct = problem(1, (4, 5, 3), density, "float64")
    check_grads(event_dense, (spikes, weight), order=2, modes=("fwd", "rev"))
    check_grads(event_dense, (spikes, weight, np.asarray(bias_of(weight))), order=2, modes=("fwd", "rev"))
    check_grads(event_dense_outer, (spikes, ct), order=2, modes=("fwd", "rev"))


def test_adjoint_identity_is_exact():
    for seed in range(5):
        spikes, weight, ct = problem(seed, (7, 70, 37), 0.04)
        value, vjp = jax.vjp(event_dense, spikes, weight)
        to_spikes, to_weight = (np.float64(g) for g in vjp(jnp.asarray(ct)))
        assert np.vdot(np.float64(value), ct) == np.vdot(to_spikes, spikes) == np.vdot(to_weight, weight)
        np.testing.assert_array_equal(to_weight, event_dense_outer(spikes, ct))


@pytest.mark.parametrize("mapped", [(0, None), (None, 0), (0, 0)])
def test_vmap_is_a_loop(mapped):
    spikes, weight, ct = problem(2, (9, 20, 17), 0.05)
    args = [np.stack([x, x[::-1], 2 * x]) if axis == 0 else x for x, axis in zip((spikes, weight), mapped, strict=True)]

    def everything(s, w):
        value, vjp = jax.vjp(event_dense, s, w)
        return value, vjp(jnp.asarray(ct)), event_dense_outer(s, ct)

    found = jax.vmap(everything, mapped)(*args)
    loop = [everything(*(x if a is None else x[b] for x, a in zip(args, mapped, strict=True))) for b in range(3)]
    jax.tree.map(np.testing.assert_array_equal, found, jax.tree.map(lambda *x: jnp.stack(x), *loop))


@pytest.mark.parametrize("mapped", [(0, None, None), (None, None, 0), (None, 0, 0), (0, 0, None)])
def test_vmap_with_a_bias_is_a_loop(mapped):
    spikes, weight, _ = problem(4, (9, 20, 17), 0.05)
    whole = (spikes, weight, np.asarray(bias_of(weight)))
    args = [np.stack([x, x[::-1], 2 * x]) if axis == 0 else x for x, axis in zip(whole, mapped, strict=True)]
    gradient = jax.value_and_grad(lambda *args: (event_dense(*args) ** 2).sum(), (0, 1, 2))
    found = jax.vmap(gradient, mapped)(*args)
    loop = [gradient(*(x if a is None else x[b] for x, a in zip(args, mapped, strict=True))) for b in range(3)]
    jax.tree.map(np.testing.assert_array_equal, found, jax.tree.map(lambda *x: jnp.stack(x), *loop))


@pytest.mark.kernels
@pytest.mark.parametrize("mapped", [(0, None), (None, 0), (0, 0)])
def test_vmap_stays_on_the_kernel(mapped):
    spikes, weight, ct = problem(2, (9, 20, 17), 0.05)
    args = [np.stack([x, x]) if axis == 0 else x for x, axis in zip((spikes, weight), mapped, strict=True)]
    gradient = jax.grad(lambda s, w: jnp.vdot(event_dense(s, w), ct), 1)
    text = jax.jit(jax.vmap(jax.value_and_grad(lambda s, w: event_dense(s, w).sum(), 1), mapped)).lower(*args)
    assert "bs_event_dense_v1" in text.as_text() and "bs_event_dense_outer_v1" in text.as_text()
    assert "bs_event_dense_outer_v1" in jax.jit(jax.vmap(gradient, mapped)).lower(*args).as_text()


def test_hessian_checkpoint_and_scan(x64):
    spikes, weight, ct = problem(3, (4, 5, 3), 0.3, "float64")

    def loss(op, s, w):
        return jnp.vdot(op(s, w) ** 2, ct)

    for function in (
        lambda op: jax.hessian(lambda s, w: loss(op, s, w), (0, 1)),
        lambda op: jax.grad(jax.checkpoint(lambda s, w: loss(op, s, w)), (0, 1)),
        lambda op: jax.grad(
            lambda s, w: jax.lax.scan(lambda c, x: (c + op(x[None], w).sum(), None), 0.0, s)[0], (0, 1)
        ),
    ):
        found, expected = function(event_dense)(spikes, weight), function(jnp.matmul)(spikes, weight)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), found, expected)


def test_bad_input():
    spikes, weight, ct = problem(0, (3, 4, 5), 0.5)
    with pytest.raises(TypeError, match="`spikes`.*zero gradient"):
        event_dense(spikes > 0, weight)
    with pytest.raises(ValueError, match="`weight` must have shape"):
        event_dense(spikes, weight[0])
    with pytest.raises(ValueError, match="`spikes` must have 4 entries"):
        event_dense(spikes[:, :3], weight)
    with pytest.raises(ValueError, match=r"`bias` must have shape \(5,\), the outputs of `weight`, got \(4,\)"):
        event_dense(spikes, weight, weight[:, 0])
    with pytest.raises(ValueError, match="`spikes` and `ct` must have the same batch"):
        event_dense_outer(spikes, ct[:2])
    with pytest.raises(TypeError, match="`weight` must be float32 or float64, got float16"):
        event_dense(spikes, weight.astype(np.float16))
