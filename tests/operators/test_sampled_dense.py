"""`event_dense_where`: the product is that of `event_dense`, the gradient to the spikes a masked dense product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from brainsim.operators import event_dense, event_dense_where
from brainsim.operators.sampled_dense import chosen_p, sampled_definition, sampled_p

SIZES = [(0, 3, 2), (1, 1, 1), (3, 0, 2), (3, 5, 0), (7, 70, 37), (130, 33, 300), (70, 130, 129)]
PATHS = {"public": jax.jit(lambda *x: sampled_p.bind(*x)), "definition": jax.jit(sampled_definition)}


def problem(seed, size, density, dtype="float32"):
    """Quarters, so that all sums are exact; spikes, weight, bias, cotangent, mask."""
    rows, n_in, n_out = size
    rng = np.random.default_rng(seed)
    quarters = lambda *shape: (rng.integers(-8, 9, shape) / 4).astype(dtype)
    spikes = np.where(rng.random((rows, n_in)) < 0.1, quarters(rows, n_in), 0).astype(dtype)
    return spikes, quarters(n_in, n_out), quarters(n_out), quarters(rows, n_out), rng.random((rows, n_in)) < density


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", PATHS)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    density=st.sampled_from([0.0, 0.02, 0.1, 0.2, 1.0]),
)
@settings(max_examples=40)
def test_exact_on_dyadic_values(path, dtype, seed, size, density):
    with jax.enable_x64(dtype == "float64"):
        _, weight, _, ct, wanted = problem(seed, size, density, dtype)
        found = PATHS[path](ct, weight[None], wanted)
        np.testing.assert_array_equal(found, np.where(wanted, ct.astype(float) @ weight.T, 0))
        assert found.dtype == dtype


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_close_on_normal_values(density):
    rng = np.random.default_rng(0)
    weight, ct = rng.normal(size=(90, 345)).astype(np.float32), rng.normal(size=(64, 345)).astype(np.float32)
    wanted = rng.random((64, 90)) < density
    for path in PATHS.values():
        exact = np.where(wanted, np.float64(ct) @ weight.T, 0)
        np.testing.assert_allclose(path(ct, weight[None], wanted), exact, rtol=1e-5, atol=1e-4)  # 345 terms of size 1


@pytest.mark.parametrize("batch", [(), (4,), (3, 2)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_the_product_and_its_other_gradients_are_those_of_event_dense(batch, with_bias):
    spikes, weight, bias, _, wanted = problem(1, (6, 20, 140), 0.1)
    spikes, wanted = (np.resize(x, (*batch, 20)) for x in (spikes, wanted))
    operands = (spikes, weight, bias) if with_bias else (spikes, weight)
    some, some_pull = jax.vjp(lambda s, w, b=None: event_dense_where(s, w, b, wanted), *operands)
    every, every_pull = jax.vjp(lambda s, w, b=None: event_dense(s, w, b), *operands)
    np.testing.assert_array_equal(some, every)
    ct = jnp.asarray(np.random.default_rng(0).integers(-8, 9, some.shape) / 4, jnp.float32)
    to_spikes, *rest = some_pull(ct)
    all_of_them, *others = every_pull(ct)
    np.testing.assert_array_equal(to_spikes, np.where(wanted, all_of_them, 0))
    for found, expected in zip(rest, others, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.kernels
def test_the_kernel_is_compiled_in():
    spikes, weight, bias, _, wanted = problem(0, (64, 32, 148), 0.05)
    gradient = jax.jit(jax.grad(lambda s: event_dense_where(s, weight, bias, wanted).sum()))
    assert 'custom_call_target="bs_sampled_dense_v1"' in gradient.lower(spikes).compile().as_text()
    forward = jax.jit(lambda s: event_dense_where(s, weight, bias, wanted)).lower(spikes).compile().as_text()
    assert "bs_sampled_dense_v1" not in forward and "bs_event_affine_v1" in forward


def test_both_modes_and_orders_agree_by_finite_differences(x64):
    spikes, weight, _, ct, wanted = problem(2, (4, 5, 3), 0.5, "float64")
    for primitive, rows in ((sampled_p, ct), (chosen_p, spikes)):
        check_grads(lambda r, w, p=primitive: p.bind(r, w, wanted), (rows, weight[None]), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("mapped", [(0, None, None), (None, 0, None), (None, None, 0), (0, 0, 0)])
def test_vmap_is_a_loop(mapped):
    spikes, weight, bias, ct, wanted = problem(3, (9, 20, 137), 0.1)
    args = [np.stack([x, x[::-1], x]) if m == 0 else x for x, m in zip((spikes, weight, wanted), mapped, strict=True)]

    def everything(s, w, m):
        value, pull = jax.vjp(lambda s, w: event_dense_where(s, w, bias, m), s, w)
        return value, *pull(jnp.asarray(ct))

    found = jax.vmap(everything, mapped)(*args)
    for k in range(3):
        single = everything(*(x[k] if m == 0 else x for x, m in zip(args, mapped, strict=True)))
        for one, other in zip(found, single, strict=True):
            np.testing.assert_array_equal(one[k], other)


def test_what_is_not_a_number_stays_where_it_is_wanted():
    spikes, weight, _, ct, wanted = problem(4, (5, 6, 150), 0.5)
    ct[2, 3], wanted[2, :3], wanted[2, 3:] = np.nan, True, False
    found = np.asarray(PATHS["public"](ct, weight[None], wanted))
    assert np.isnan(found[2, :3]).all() and (found[2, 3:] == 0).all() and not np.isnan(found[[0, 1, 3, 4]]).any()


def test_a_mask_of_another_type_or_shape_is_refused():
    spikes, weight, bias, _, wanted = problem(5, (4, 5, 3), 0.5)
    with pytest.raises(ValueError, match=r"`wanted` must be bool of the shape of `spikes`, \(4, 5\), got float32"):
        event_dense_where(spikes, weight, bias, wanted.astype(np.float32))
    with pytest.raises(ValueError, match=r"got bool \(5,\)"):
        event_dense_where(spikes, weight, bias, wanted[0])
