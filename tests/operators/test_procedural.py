"""Synapses drawn again at every event: the same matrix on every path and in every derivative, with the stated laws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from brainsim import _native
from brainsim.operators import Rows, csr_outer, csr_pull, csr_push, procedural_edges, procedural_pull, procedural_push
from brainsim.operators.procedural import MAX_TARGETS, key_words, push_definition

KEY = jnp.asarray(key_words(7, "a->b.wiring"))
MATRICES = [
    (Rows(200, 200, p=0.1, skip=True, law="uniform"), "float32"),
    (Rows(90, 333, degree=25, law="normal"), "float64"),
    (Rows(20, 20, p=1.0, skip=True), "float64"),
]
EMPTY = [Rows(20, 30, p=0.0), Rows(5, 1, p=0.5, skip=True), Rows(0, 4, degree=3), Rows(6, 7, degree=0)]


def written_out(rows, dtype):
    """Offsets, columns and x as the CSR operators want them."""
    pre, post, x = procedural_edges(KEY, rows)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=rows.n_pre))]).astype(np.int32)
    return jnp.asarray(indptr), jnp.asarray(post), jnp.asarray(x, dtype)


def quarters(rng, shape, density, dtype):
    return jnp.asarray(rng.integers(-8, 9, shape) / 4 * (rng.random(shape) < density), dtype)


@pytest.mark.parametrize(("rows", "dtype"), MATRICES)
def test_the_matrix_is_that_of_its_edges(x64, rows, dtype):
    """Push has the bits of the stored push; pull, outer and vmap are exact where weights are dyadic.

    On XLA a fused product and sum are rounded once, so that laws with other weights agree to rounding only.
    """
    compare = np.testing.assert_array_equal
    if _native.WHY_XLA is not None and rows.law != "constant":
        compare = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    rng = np.random.default_rng(0)
    indptr, post, x = written_out(rows, dtype)
    weight = jnp.asarray([0.75, 0.0 if rows.law == "constant" else 0.5], dtype)
    each = weight[0] + weight[1] * x
    acc, spikes = quarters(rng, (rows.n_post,), 1, dtype), quarters(rng, (3, rows.n_pre), 0.3, dtype)
    stored = lambda s: csr_push(acc, each, post, indptr, s)
    drawn = lambda s: procedural_push(acc, weight, KEY, s, rows)
    whole = jax.jit(jax.vmap(drawn))(spikes)
    for one, s in zip(whole, spikes, strict=True):
        compare(drawn(s), stored(s))
        compare(one, stored(s))
    constant, ct = weight * jnp.asarray([1, 0], dtype), quarters(rng, (rows.n_post,), 1, dtype)
    pulled = procedural_pull(constant, KEY, ct, rows)
    np.testing.assert_array_equal(pulled, csr_pull(constant[0], post, indptr, ct))
    dw, ds = jax.grad(lambda w, s: (procedural_push(acc, w, KEY, s, rows) * ct).sum(), (0, 1))(constant, spikes[0])
    np.testing.assert_array_equal(ds, pulled)
    outer = csr_outer(spikes[0], post, indptr, ct)
    np.testing.assert_array_equal(dw[0], outer.sum())
    np.testing.assert_allclose(dw[1], (outer * x).sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", EMPTY)
def test_a_matrix_without_entries_changes_nothing(rows):
    acc, spikes = jnp.ones(rows.n_post, jnp.float32), jnp.ones(rows.n_pre, jnp.float32)
    np.testing.assert_array_equal(procedural_push(acc, 1.0, KEY, spikes, rows), acc)
    assert procedural_edges(KEY, rows)[0].size == 0


def test_the_definition_has_the_bits_of_the_kernel():
    """On weights of which sums are exact."""
    rng = np.random.default_rng(1)
    for rows in (Rows(300, 500, p=0.04), Rows(300, 300, degree=30, skip=True)):
        s, w = quarters(rng, (rows.n_pre,), 0.5, "float32"), jnp.asarray([0.5, 0.0], jnp.float32)
        args = jnp.zeros(rows.n_post, jnp.float32), w[None], KEY, s, jnp.zeros(1, jnp.int32)
        expected = push_definition(*args, rows=rows, delay=0, is_ring=False)
        np.testing.assert_array_equal(procedural_push(args[0], w, KEY, s, rows), expected)


def test_a_ring_gets_the_events_in_the_slot_in_which_they_are_due():
    rows = Rows(50, 40, p=0.3)
    ring, spikes = jnp.zeros((2, 4, 40), jnp.float32), jnp.ones((2, 50), jnp.float32)
    flat = procedural_push(jnp.zeros((2, 40), jnp.float32), 0.5, KEY, spikes, rows)
    for step, delay in ((0, 3), (6, 4), (3, 1)):
        out = np.asarray(procedural_push(ring, 0.5, KEY, spikes, rows, delay=delay, step=step))
        np.testing.assert_array_equal(out[:, (step + delay) % 4], flat)
        assert np.count_nonzero(out.any(axis=(0, 2))) == 1


def test_second_derivatives_and_mapped_weights():
    """The form is trilinear: what the gradient to the spikes changes by with the weight is that to the weight."""
    rows, rng = Rows(60, 50, p=0.2, law="uniform"), np.random.default_rng(2)
    s, ct = quarters(rng, (60,), 0.5, "float32"), quarters(rng, (50,), 1, "float32")
    value = lambda w, s: (procedural_push(jnp.zeros(50, jnp.float32), w, KEY, s, rows) * ct).sum()
    w = jnp.asarray([0.5, 0.25], jnp.float32)
    mixed = jax.jacobian(jax.grad(value, 1), 0)(w, s)
    np.testing.assert_allclose(mixed.T @ s, jax.grad(value)(w, s), rtol=1e-4, atol=1e-4)
    both = jax.vmap(lambda w: jax.grad(value)(w, s))(jnp.stack([w, 2 * w]))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-6)


def test_degrees_gaps_and_numbers_have_their_laws():
    """Fixed key; alpha is 0.01 divided by the number of comparisons."""
    rows = Rows(20_000, 20_000, p=0.004, skip=True, law="normal")
    pre, post, x = procedural_edges(KEY, rows)
    assert (pre != post).all()
    law, alpha = stats.binom(rows.width, rows.p), 0.01 / 5
    for degrees in (np.bincount(pre, minlength=20_000), np.bincount(post, minlength=20_000)):
        edges = np.array([0, *law.ppf(np.linspace(0.05, 0.95, 19)), rows.width]) + 0.5
        observed = np.histogram(degrees, np.concatenate([[-0.5], edges[1:]]))[0]
        expected = np.diff(law.cdf(np.concatenate([[-0.5], edges[1:]]))) * degrees.size
        assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > alpha
    inside = post[1:][pre[1:] == pre[:-1]] - post[:-1][pre[1:] == pre[:-1]]
    assert stats.ks_1samp(post, stats.uniform(0, 20_000).cdf).pvalue > alpha
    assert (inside > 0).all() and stats.ks_1samp(x, stats.norm.cdf).pvalue > alpha
    fixed = Rows(4000, 4000, degree=50, law="uniform")
    pre, post, x = procedural_edges(KEY, fixed)
    assert (np.bincount(pre) == 50).all() and stats.ks_1samp(x + 0.5, stats.uniform.cdf).pvalue > alpha
    counts = np.bincount(post, minlength=4000)
    assert abs(((counts - 50) ** 2 / 50).sum() - 3999) < 5 * np.sqrt(2 * 3999)


def test_a_larger_matrix_needs_no_memory_and_a_wrong_one_is_refused():
    rows = Rows(3, MAX_TARGETS, degree=4)
    with pytest.raises(ValueError, match="`spikes` must have 3 entries"):
        procedural_push(jnp.zeros(4, jnp.float32), 1.0, KEY, jnp.ones(4, jnp.float32), rows._replace(n_post=4))
    with pytest.raises(ValueError, match="`rows`: expected 0 to"):
        procedural_edges(KEY, rows._replace(n_post=MAX_TARGETS + 1))
    with pytest.raises(TypeError, match="`key` must be four words"):
        procedural_push(jnp.zeros(4, jnp.float32), 1.0, KEY[:2], jnp.ones(3, jnp.float32), rows._replace(n_post=4))
    with pytest.raises(ValueError, match="`delay` must be 0 to 1 steps"):
        small = rows._replace(n_post=4)
        procedural_push(jnp.zeros(4, jnp.float32), 1.0, KEY, jnp.ones(3, jnp.float32), small, delay=2)
    with pytest.raises(ValueError, match="expected a probability or a degree"):
        procedural_edges(KEY, rows._replace(p=0.5))
    pre, post, _ = procedural_edges(KEY, rows)
    assert pre.size == 12 and post.max() < MAX_TARGETS and post.max() > MAX_TARGETS / 2
