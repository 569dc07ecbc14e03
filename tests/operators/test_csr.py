"""`csr` against a dense float64 reference, its derivatives against each other, and what it says of bad input."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from brainsim.operators import csr_outer, csr_pull, csr_push
from brainsim.operators._trilinear import outer_definition, pull_definition, push_definition, push_events

SIZES = [(1, 1, 0), (1, 1, 1), (5, 3, 0), (5, 3, 8), (3, 7, 20), (130, 40, 900), (0, 3, 0)]  # n_pre, n_post, synapses
ZERO = np.zeros(1, np.int32)
FAULT = (jax.errors.JaxRuntimeError, ValueError)  # which of the two depends on whether JAX waited for the result
PLAIN = {"is_ring": False, "is_sorted": False}


def public(acc, weight, indices, indptr, spikes, ct):
    """The three operators as users call them."""
    pushed = csr_push(acc, weight, indices, indptr, spikes)
    outer = csr_outer(spikes, indices, indptr, ct, homogeneous=weight.ndim == 0)
    return pushed, csr_pull(weight, indices, indptr, ct), outer


def definition(acc, weight, indices, indptr, spikes, ct, push=push_definition):
    """The three XLA definitions."""
    row = weight.reshape(1, -1)
    pushed = push(acc, row, indices, indptr, ZERO, spikes, ZERO, **PLAIN)
    pulled, _ = pull_definition(row, indices, indptr, ZERO, ct, ZERO, **PLAIN)
    outer, _ = outer_definition(spikes, indices, indptr, ZERO, ct, ZERO, groups=1, n_weights=row.size, **PLAIN)
    return pushed, pulled, outer.reshape(weight.shape)


PATHS = {"public": jax.jit(public), "definition": jax.jit(definition)}
PATHS["events"] = jax.jit(partial(definition, push=push_events))


def dense(acc, weight, indices, indptr, spikes, ct):
    """The same three, through a dense float64 matrix built one synapse at a time."""
    n_pre, nnz = len(indptr) - 1, len(indices)
    pre = np.repeat(np.arange(n_pre), np.diff(indptr))
    w = np.broadcast_to(weight.astype(float), nnz)
    matrix = np.zeros((n_pre, acc.shape[-1]))
    for k in range(nnz):
        matrix[pre[k], indices[k]] += w[k]
    s, c = np.atleast_2d(spikes).astype(float), np.atleast_2d(ct).astype(float)
    each = np.array([(s[:, pre[k]] * c[:, indices[k]]).sum() for k in range(nnz)])
    return acc + spikes @ matrix, ct @ matrix.T, each.sum() if weight.ndim == 0 else each


def network(seed, size, dtype, shared, batch, values):
    """Random arguments: empty rows and repeated targets are common; `values(rng, shape)` draws the numbers."""
    n_pre, n_post, nnz = size
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, nnz + 1, max(n_pre - 1, 0)))
    indptr = np.r_[0, cuts, nnz][: n_pre + 1].astype(np.int32)
    indices = rng.integers(0, n_post, nnz).astype(np.int32)
    weight = values(rng, () if shared else (nnz,))
    spikes = values(rng, (*batch, n_pre)) * (rng.random((*batch, n_pre)) < 0.4)
    acc, ct = values(rng, (*batch, n_post)), values(rng, (*batch, n_post))
    acc, weight, spikes, ct = (np.asarray(x, dtype) for x in (acc, weight, spikes, ct))
    return acc, weight, indices, indptr, spikes, ct


def dyadic(rng, shape):
    """Quarters: every sum below is exact."""
    return rng.integers(-8, 9, shape) / 4


def normal(rng, shape):
    return rng.normal(size=shape)


networks = {
    "seed": st.integers(0, 2**32 - 1),
    "size": st.sampled_from(SIZES),
    "shared": st.booleans(),
    "batch": st.sampled_from([(), (3,)]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", PATHS)
@given(**networks)
@settings(max_examples=40)
def test_exact_on_dyadic_values(path, dtype, seed, size, shared, batch):
    args = network(seed, size, dtype, shared, batch, dyadic)
    with jax.enable_x64(dtype == "float64"):
        for found, expected in zip(PATHS[path](*args), dense(*args), strict=True):
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("path", PATHS)
@given(**networks)
@settings(max_examples=30)
def test_close_on_normal_values(path, seed, size, shared, batch):
    args = network(seed, size, "float32", shared, batch, normal)
    for found, expected in zip(PATHS[path](*args), dense(*args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=3e-5)  # up to 900 terms of size 1, eps 6e-8


def example(dtype="float64", shared=False, batch=(2,), values=normal, size=(5, 4, 12)):
    return network(7, size, dtype, shared, batch, values)


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_by_finite_differences(x64, shared):
    acc, weight, indices, indptr, spikes, ct = example(shared=shared)
    check_grads(
        lambda a, w, s: csr_push(a, w, indices, indptr, s), (acc, weight, spikes), order=2, modes=("fwd", "rev")
    )
    check_grads(lambda w, c: csr_pull(w, indices, indptr, c), (weight, ct), order=2, modes=("fwd", "rev"))
    check_grads(lambda s, c: csr_outer(s, indices, indptr, c), (spikes, ct), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_are_the_other_operators(shared):
    acc, weight, indices, indptr, spikes, ct = example("float32", shared, values=dyadic)
    _, vjp = jax.vjp(lambda a, w, s: csr_push(a, w, indices, indptr, s), acc, weight, spikes)
    to_acc, to_weight, to_spikes = vjp(jnp.asarray(ct))
    np.testing.assert_array_equal(to_acc, ct)
    np.testing.assert_array_equal(to_spikes, csr_pull(weight, indices, indptr, ct))
    np.testing.assert_array_equal(to_weight, csr_outer(spikes, indices, indptr, ct, homogeneous=shared))


@given(seed=networks["seed"], size=networks["size"], shared=networks["shared"])
@settings(max_examples=20)
def test_adjoint_identity_is_exact(seed, size, shared):
    acc, weight, indices, indptr, spikes, ct = network(seed, size, "float32", shared, (2,), dyadic)
    pushed, pulled, outer = PATHS["public"](acc * 0, weight, indices, indptr, spikes, ct)
    value = np.vdot(np.float64(pushed), ct)
    assert value == np.vdot(spikes, np.float64(pulled)) == np.vdot(weight, np.float64(outer))


def test_forward_and_reverse_agree(x64):
    acc, weight, indices, indptr, spikes, ct = example(values=dyadic)

    def push(w, s):
        return csr_push(acc, w, indices, indptr, s)

    dots = (weight + 1, spikes - 2)
    _, forward = jax.jvp(push, (weight, spikes), dots)
    back = jax.vjp(push, weight, spikes)[1](jnp.asarray(ct))
    assert np.vdot(forward, ct) == sum(np.vdot(g, d) for g, d in zip(back, dots, strict=True))
    linear = jax.linearize(push, weight, spikes)[1]
    np.testing.assert_array_equal(linear(*map(jnp.asarray, dots)), forward)


def test_second_derivatives_and_checkpoint(x64):
    acc, weight, indices, indptr, spikes, ct = example(values=dyadic)

    def loss(op, w, s):
        return jnp.vdot(op(w, s), ct)

    def operator(w, s):
        return csr_push(acc, w, indices, indptr, s)

    def reference(w, s):
        return push_definition(acc, w[None], indices, indptr, ZERO, s, ZERO, **PLAIN)

    found = jax.hessian(partial(loss, operator), (0, 1))(weight, spikes)
    expected = jax.hessian(partial(loss, reference), (0, 1))(weight, spikes)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    plain = jax.grad(partial(loss, operator), (0, 1))(weight, spikes)
    again = jax.grad(jax.checkpoint(partial(loss, operator)), (0, 1))(weight, spikes)
    forward = jax.jacfwd(partial(loss, operator), (0, 1))(weight, spikes)
    jax.tree.map(np.testing.assert_array_equal, plain, again)
    jax.tree.map(np.testing.assert_array_equal, plain, forward)


@pytest.mark.parametrize("mapped", ["spikes", "weight", "both", "indices"])
def test_vmap_is_a_loop(mapped):
    acc, weight, indices, indptr, spikes, ct = example("float32", batch=(), values=dyadic)

    def stack(x, on):
        return np.stack([x, x[::-1], 2 * x]) if on else x

    weight = stack(weight, mapped in ("weight", "both"))
    spikes = stack(spikes, mapped in ("spikes", "both"))
    indices = np.stack([indices, indices[::-1], indices]) if mapped == "indices" else indices
    axes = (0 if weight.ndim == 2 else None, 0 if spikes.ndim == 2 else None, 0 if indices.ndim == 2 else None)

    def everything(w, s, i):
        value, vjp = jax.vjp(lambda a, w, s: csr_push(a, w, i, indptr, s), acc, w, s)
        return value, vjp(ct), csr_outer(s, i, indptr, ct)

    found = jax.vmap(everything, axes)(weight, spikes, indices)

    def pick(x, axis, b):
        return x if axis is None else x[b]

    loop = [
        everything(*(pick(x, a, b) for x, a in zip((weight, spikes, indices), axes, strict=True))) for b in range(3)
    ]
    jax.tree.map(np.testing.assert_array_equal, found, jax.tree.map(lambda *x: jnp.stack(x), *loop))


@pytest.mark.kernels
def test_vmap_stays_on_the_kernel():
    acc, weight, indices, indptr, spikes, ct = example("float32")
    weights = np.stack([weight, -weight])

    def everything(w, s):
        value, vjp = jax.vjp(lambda a, w, s: csr_push(a, w, indices, indptr, s), acc[0], w, s)
        return value, vjp(ct[0])

    for axes in [(None, 0), (0, 0), (0, None)]:
        args = (weights if axes[0] == 0 else weight, spikes if axes[1] == 0 else spikes[0])
        text = jax.jit(jax.vmap(everything, axes)).lower(*args).compile().as_text()
        assert all(text.count(f'custom_call_target="bs_csr_{name}_v1"') == 1 for name in ("push", "pull", "outer")), (
            axes
        )
        assert "scatter" not in text


@pytest.mark.parametrize("name", ["bool", "int32"])
def test_spikes_must_be_floats(name):
    acc, weight, indices, indptr, spikes, _ = example("float32")
    with pytest.raises(TypeError, match="`spikes`.*zero gradient"):
        csr_push(acc, weight, indices, indptr, spikes.astype(name))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weight": np.zeros(3, np.float32)}, ValueError, "`weight` must be a scalar or have one entry per synapse"),
        ({"weight": np.zeros(12)}, TypeError, "`weight` must have the type"),
        ({"acc": np.zeros((3, 4), np.float32)}, ValueError, "`spikes` and `acc` must have the same batch"),
        ({"acc": np.float32(0)}, ValueError, "`acc` must have a last axis"),
        ({"indices": np.zeros(12, np.int64)}, TypeError, "`indices` must be int32"),
        ({"indices": np.zeros((3, 4), np.int32)}, ValueError, "`indices` must be 1-dimensional"),
        ({"indptr": np.zeros(9, np.int32)}, ValueError, "`spikes` must have 8 entries"),
        ({"indptr": np.zeros(0, np.int32)}, ValueError, "`indptr` must have one more entry"),
    ],
)
def test_bad_shapes_and_types(x64, change, error, message):
    acc, weight, indices, indptr, spikes, _ = example("float32")
    args = {"acc": acc, "weight": weight, "indices": indices, "indptr": indptr, "spikes": spikes} | change
    with pytest.raises(error, match=message):
        csr_push(**args)


HOSTILE = [
    ("indices", 3, 4),
    ("indices", 0, -1),
    ("indices", 11, 2**31 - 1),
    ("indptr", 0, -5),
    ("indptr", 5, 13),
    ("indptr", 2, 2**31 - 1),
    ("indptr", 1, -(2**31)),
]


@pytest.mark.kernels
@pytest.mark.parametrize("operator", ["push", "pull", "outer", "outer_shared"])
@pytest.mark.parametrize(("array", "at", "value"), HOSTILE)
def test_hostile_connectivity_is_an_error(operator, array, at, value):
    acc, weight, indices, indptr, spikes, ct = example("float32")
    wrong = {"indices": indices.copy(), "indptr": indptr.copy()}
    wrong[array][at] = value
    i, p, ones = wrong["indices"], wrong["indptr"], np.ones_like(spikes)
    calls = {
        "push": lambda: csr_push(acc, weight, i, p, ones),
        "pull": lambda: csr_pull(weight, i, p, ct),
        "outer": lambda: csr_outer(ones, i, p, ct),
        "outer_shared": lambda: csr_outer(ones, i, p, ct, homogeneous=True),
    }
    with pytest.raises(FAULT, match=rf"csr_{operator.split('_')[0]}: `{array}` at position \d+ is"):
        jax.block_until_ready(calls[operator]())


@pytest.mark.kernels
def test_error_names_the_position():
    acc, weight, indices, indptr, spikes, _ = example("float32")
    indices = indices.copy()
    indices[7] = 99
    with pytest.raises(FAULT, match="csr_push: `indices` at position 7 is 99, expected 0 to 3"):
        jax.block_until_ready(csr_push(acc, weight, indices, indptr, np.ones_like(spikes)))


def test_not_a_number_passes_through():
    acc, weight, indices, indptr, spikes, _ = example("float32", batch=())
    out = csr_push(acc * 0, 1.0, indices, indptr, np.full_like(spikes, np.nan))
    assert np.isnan(np.asarray(out)[indices]).all()
