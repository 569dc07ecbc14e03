"""`event_dense_packed`: the product and the gradients of `event_dense`, with bits for the gradient to the weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainsim.operators import event_dense, event_dense_packed, event_dense_where
from brainsim.operators.packed_dense import (
    marked_definition,
    marked_p,
    packed_definition,
    packed_outer_definition,
    packed_outer_p,
    packed_p,
    unpacked,
)

SIZES = [(0, 3, 2), (1, 1, 1), (3, 0, 2), (3, 5, 0), (7, 64, 37), (130, 33, 300), (70, 130, 129), (600, 200, 20)]


def problem(seed, size, density, dtype="float32", graded=False):
    """Quarters, so that all sums are exact; spikes, weight, bias, cotangent."""
    rows, n_in, n_out = size
    rng = np.random.default_rng(seed)
    quarters = lambda *shape: (rng.integers(-8, 9, shape) / 4).astype(dtype)
    spikes = (rng.random((rows, n_in)) < density).astype(dtype)
    spikes = spikes * quarters(rows, n_in) if graded else spikes
    return spikes, quarters(n_in, n_out), quarters(n_out), quarters(rows, n_out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["binary", "ones", "graded"])
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from(SIZES), density=st.sampled_from([0.0, 0.02, 0.1, 0.3, 1.0]))
@settings(max_examples=30)
def test_exact_on_dyadic_values(kind, dtype, seed, size, density):
    with jax.enable_x64(dtype == "float64"):
        binary = kind == "binary"
        spikes, weight, bias, ct = problem(seed, size, density, dtype, kind == "graded")
        groups = 2 if size[0] % 2 == 0 else 1
        product = jax.jit(lambda *x: marked_p.bind(*x, binary=binary))
        out, bits, unit = product(spikes, weight[None], bias[None])
        defined = marked_definition(spikes, weight[None], bias[None], binary=binary)
        np.testing.assert_array_equal(out, spikes @ weight + bias)
        np.testing.assert_array_equal(out, defined[0])
        if unit:
            np.testing.assert_array_equal(bits, defined[1])
            np.testing.assert_array_equal(unpacked(bits, size[1], dtype), spikes)
        assert unit or not binary
        given = () if binary else (unit, spikes)
        for cross in (packed_p.bind, packed_definition):
            np.testing.assert_array_equal(jax.jit(cross)(bits, weight[None], *given), spikes @ weight)
        parts = zip(np.split(spikes, groups), np.split(ct, groups), strict=True)
        expected = np.stack([s.T @ c for s, c in parts])
        for outer in (packed_outer_p.bind, packed_outer_definition):
            found = jax.jit(lambda b, c, *g, f=outer: f(b, c, *g, groups=groups, inputs=size[1]))(bits, ct, *given)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == dtype


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("batch", [(), (4,), (3, 2)])
@pytest.mark.parametrize("kind", ["binary", "ones", "graded"])
def test_value_and_gradients_are_those_of_event_dense(kind, batch, with_bias, masked):
    spikes, weight, bias, _ = problem(1, (6, 20, 140), 0.2, graded=kind == "graded")
    spikes, wanted = np.resize(spikes, (*batch, 20)), np.resize([True, False, True], (*batch, 20))
    operands = (spikes, weight, bias) if with_bias else (spikes, weight)
    plain = (lambda s, w, b=None: event_dense_where(s, w, b, wanted)) if masked else event_dense
    packed = lambda s, w, b=None: event_dense_packed(s, w, b, wanted if masked else None, binary=kind == "binary")
    ones = jax.tree.map(lambda x: jnp.ones_like(x) / 4, operands)
    for one, other in zip(jax.jvp(packed, operands, ones), jax.jvp(plain, operands, ones), strict=True):
        np.testing.assert_array_equal(one, other)
    out, pull = jax.vjp(packed, *operands)
    expected, plain_pull = jax.vjp(plain, *operands)
    np.testing.assert_array_equal(out, expected)
    ct = jnp.asarray(np.random.default_rng(0).integers(-8, 9, out.shape) / 4, jnp.float32)
    for one, other in zip(pull(ct), plain_pull(ct), strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_bit_a_spike_is_kept():
    spikes, weight, bias, _ = problem(0, (500, 200, 30), 0.1)
    later = lambda w, s: event_dense_packed(s + 0, w, bias, binary=True)
    for function in (later, jax.jit(later), jax.checkpoint(later, policy=jax.checkpoint_policies.everything_saveable)):
        saved = jax.eval_shape(lambda w, f=function: jax.vjp(lambda w: f(w, spikes), w)[1], weight)
        kept = [leaf for leaf in jax.tree.leaves(saved) if leaf.size >= spikes.size / 32]
        assert [(leaf.shape, leaf.dtype) for leaf in kept if leaf.dtype != jnp.float32] == [((500, 32), jnp.uint8)]
        assert all(leaf.size < spikes.size for leaf in kept)


@pytest.mark.kernels
def test_the_kernels_are_compiled_in():
    spikes, weight, bias, _ = problem(0, (64, 32, 148), 0.05)
    for binary in (True, False):
        loss = lambda s, w, b=binary: jnp.square(event_dense_packed(s, w, bias, binary=b)).sum()
        text = jax.jit(jax.grad(loss, (0, 1))).lower(spikes, weight).compile().as_text()
        assert all(f"bs_{name}_v1" in text for name in ("event_packed", "packed_outer"))
        assert ("bs_pack_bits_v1" in text) == binary and ("bs_event_dense_outer_v1" in text) != binary


@pytest.mark.parametrize("binary", [False, True])
def test_second_derivatives_are_those_of_event_dense_or_refused(binary):
    spikes, weight, bias, _ = problem(2, (4, 5, 3), 0.5)
    packed = lambda s, w, b: event_dense_packed(s, w, b, binary=binary)
    loss = lambda product: lambda s, w: jnp.square(product(s, w, bias)).sum()
    hessian = lambda product: jax.jit(jax.hessian(loss(product), (0, 1)))(spikes, weight)
    jax.tree.map(np.testing.assert_array_equal, hessian(packed), hessian(event_dense))
    norm = lambda f: lambda s, w: sum(jnp.vdot(g, g) for g in jax.grad(loss(f), (0, 1))(s, w))
    twice = lambda f: jax.jit(jax.grad(norm(f), (0, 1)))(spikes, weight)
    jax.tree.map(np.testing.assert_array_equal, twice(packed), twice(event_dense))
    compiled, plain = (jax.jit(jax.grad(loss(product), (0, 1))) for product in (packed, event_dense))
    along = lambda gradient: jax.jvp(lambda w: gradient(spikes, w), (weight,), (weight,))
    jax.tree.map(np.testing.assert_array_equal, along(compiled), along(plain))
    with pytest.raises(ValueError, match="`spikes` kept as bits have no second derivative: call `bs.run` with `remat="):
        jax.jvp(lambda s: compiled(s, weight), (spikes,), (spikes,))


@pytest.mark.parametrize("kind", ["binary", "ones", "graded"])
@pytest.mark.parametrize("mapped", [(0, None), (None, 0), (0, 0)])
def test_vmap_is_a_loop(mapped, kind):
    spikes, weight, bias, ct = problem(3, (9, 70, 37), 0.1, graded=kind == "graded")
    args = [np.stack([x, x[::-1], x]) if m == 0 else x for x, m in zip((spikes, weight), mapped, strict=True)]

    def everything(s, w):
        value, pull = jax.vjp(lambda s, w: event_dense_packed(s, w, bias, binary=kind == "binary"), s, w)
        return value, *pull(jnp.asarray(ct))

    found = jax.vmap(everything, mapped)(*args)
    for k in range(3):
        single = everything(*(x[k] if m == 0 else x for x, m in zip(args, mapped, strict=True)))
        for one, other in zip(found, single, strict=True):
            np.testing.assert_array_equal(one[k], other)


@pytest.mark.parametrize("derived", [False, True])
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"weight": np.ones((4, 3), "float32")}, ValueError, "`spikes` must have 4 entries on its last axis"),
        ({"weight": np.ones(5, "float32")}, ValueError, r"`weight` must have shape \(inputs, outputs\), got \(5,\)"),
        ({"bias": np.ones(2, "float32")}, ValueError, r"`bias` must have shape \(3,\), the outputs of `weight`, got"),
        ({"bias": np.ones(3)}, TypeError, "`bias` must have the type of `spikes`"),
        ({"wanted": np.ones((4, 5), "float32")}, ValueError, "`wanted` must be bool of the shape of `spikes`"),
        ({"spikes": np.ones((4, 5), bool)}, TypeError, "`spikes` must be float32 or float64, got bool"),
    ],
)
def test_bad_arguments_are_named_with_and_without_a_gradient(change, error, words, derived):
    spikes, weight, bias, _ = problem(5, (4, 5, 3), 0.5)
    given = {"spikes": spikes, "weight": weight, "bias": bias, "wanted": None} | change

    def product(bias):
        return event_dense_packed(given["spikes"], given["weight"], bias, given["wanted"]).sum()

    with jax.enable_x64(True), pytest.raises(error, match=words):
        (jax.grad(product) if derived else product)(given["bias"])
