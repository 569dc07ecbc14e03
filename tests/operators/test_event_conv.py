"""`event_conv` against a loop over taps in float64, over strides, paddings, dilations and groups; its derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from brainsim.operators import event_conv, event_conv_outer
from brainsim.operators.event_conv import conv_definition, outer_definition, pull_definition, window_of

# Images (rows, channels, *space), weight (channels / groups, outputs, *kernel), and the rest of the arguments.
CASES = [
    ((3, 2, 9, 8), (2, 12, 5, 5), {}),
    ((20, 3, 6, 7), (3, 20, 3, 2), {"padding": "valid"}),
    ((2, 4, 7, 9), (2, 6, 3, 3), {"groups": 2, "stride": 2, "padding": 1}),
    ((2, 3, 8, 8), (1, 3, 3, 3), {"groups": 3, "dilation": 2}),
    ((2, 1, 11, 10), (1, 9, 4, 3), {"stride": (3, 2), "dilation": (2, 3), "padding": (4, 0)}),
    ((4, 2, 5, 6), (2, 5, 1, 1), {"stride": 3}),
    ((5, 1, 40), (1, 33, 7), {}),
    ((2, 4, 21), (2, 2, 4), {"groups": 2, "stride": 2, "dilation": 2, "padding": 3}),
    ((0, 2, 5, 5), (2, 3, 3, 3), {}),
    ((2, 0, 5, 5), (0, 3, 3, 3), {}),
    ((2, 3, 5, 5), (3, 0, 3, 3), {}),
    ((2, 2, 3, 4), (2, 3, 5, 1), {"padding": "valid"}),  # nothing is left
]


def pads(space, kernel, stride, dilation, padding):
    """Zeros in front of and behind one axis, as the docstring of `event_conv` says."""
    if padding == "same":
        both = max((-(-space // stride) - 1) * stride + (kernel - 1) * dilation + 1 - space, 0)
        return both // 2, both - both // 2
    return (0, 0) if padding == "valid" else (padding, padding)


def axes(value, rank):
    return (value,) * rank if isinstance(value, (int, str)) else value


def by_taps(images, weight, ct=None, *, stride=1, dilation=1, padding="same", groups=1):
    """The convolution, or where `ct` is given both gradients, in float64."""
    rank = weight.ndim - 2
    stride, dilation, padding = axes(stride, rank), axes(dilation, rank), axes(padding, rank)
    width = [pads(*args) for args in zip(images.shape[2:], weight.shape[2:], stride, dilation, padding, strict=True)]
    padded = np.pad(np.float64(images), [(0, 0), (0, 0), *width])
    spans = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    out = [max((n - span) // s + 1, 0) for n, span, s in zip(padded.shape[2:], spans, stride, strict=True)]
    y = np.zeros((len(images), weight.shape[1], *out))
    to_images, to_weight = np.zeros_like(padded), np.zeros(weight.shape)
    n_in, n_out = weight.shape[0], weight.shape[1] // groups
    for tap in np.ndindex(weight.shape[2:] if y.size else (0,)):
        place = tuple(slice(k * d, k * d + s * n, s) for k, d, s, n in zip(tap, dilation, stride, out, strict=True))
        for g in range(groups):
            ins = (slice(None), slice(g * n_in, (g + 1) * n_in), *place)
            outs = slice(g * n_out, (g + 1) * n_out)
            w = np.float64(weight[(slice(None), outs, *tap)])
            y[:, outs] += np.einsum("rc...,co->ro...", padded[ins], w)
            if ct is not None:
                grads = np.float64(ct[:, outs])
                to_images[ins] += np.einsum("ro...,co->rc...", grads, w)
                every = "yx"[: len(out)]
                to_weight[(slice(None), outs, *tap)] += np.einsum(f"rc{every},ro{every}->co", padded[ins], grads)
    if ct is None:
        return y
    inner = tuple(slice(before, before + n) for (before, _), n in zip(width, images.shape[2:], strict=True))
    return y, to_images[(slice(None), slice(None), *inner)], to_weight


def problem(seed, case, density, dtype="float32", graded=True):
    """Images, weight and cotangent in quarters, so that all sums are exact."""
    shape, kernel, options = CASES[case]
    rng = np.random.default_rng(seed)
    grades = rng.integers(-8, 9, shape) / 4 if graded else 1.0
    images = np.where(rng.random(shape) < density, grades, 0.0)
    weight = rng.integers(-8, 9, kernel) / 4
    ct = rng.integers(-8, 9, by_taps(images, weight, **options).shape) / 4
    return tuple(np.asarray(x, dtype) for x in (images, weight, ct))


@functools.cache
def path(name, case):
    """The convolution and both gradients, by the operators or by the XLA definitions."""
    options = CASES[case][2]

    def public(images, weight, ct):
        y, vjp = jax.vjp(functools.partial(event_conv, **options), images, weight)
        return y, *vjp(ct), event_conv_outer(images, ct, weight.shape[2:], **options)

    def definition(images, weight, ct):
        window = window_of(images.shape, weight.shape[2:], **(DEFAULTS | options))
        flat = lambda x, space: x.reshape(*x.shape[:2], *space)
        x, w, g = flat(images, window.space), flat(weight, window.kernel)[None], flat(ct, window.out)
        y = conv_definition(x, w, window=window).reshape(ct.shape)
        to_weight = outer_definition(x, g, window=window, groups=1).reshape(weight.shape)
        return y, pull_definition(w, g, window=window).reshape(images.shape), to_weight, to_weight

    return jax.jit({"public": public, "definition": definition}[name])


DEFAULTS = {"stride": 1, "padding": "same", "dilation": 1, "groups": 1}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["public", "definition"])
@given(
    seed=st.integers(0, 2**32 - 1),
    case=st.sampled_from(range(len(CASES))),
    density=st.sampled_from([0.0, 0.02, 0.2, 1.0]),
    graded=st.booleans(),
)
@settings(max_examples=40)
def test_exact_on_dyadic_values(name, dtype, seed, case, density, graded):
    with jax.enable_x64(dtype == "float64"):
        images, weight, ct = problem(seed, case, density, dtype, graded)
        y, to_images, to_weight = by_taps(images, weight, ct, **CASES[case][2])
        found = path(name, case)(images, weight, ct)
        for value, expected in zip(found, (y, to_images, to_weight, to_weight), strict=True):
            np.testing.assert_array_equal(value, expected)
            assert value.dtype == dtype


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_close_on_normal_values(density):
    rng = np.random.default_rng(0)
    for case, (shape, kernel, options) in enumerate(CASES[:8]):
        images = (rng.normal(size=shape) * (rng.random(shape) < density)).astype(np.float32)
        weight = rng.normal(size=kernel).astype(np.float32)
        ct = rng.normal(size=by_taps(images, weight, **options).shape).astype(np.float32)
        y, to_images, to_weight = by_taps(images, weight, ct, **options)
        for name in ("public", "definition"):
            found = path(name, case)(images, weight, ct)
            for value, expected in zip(found, (y, to_images, to_weight, to_weight), strict=True):
                np.testing.assert_allclose(value, expected, rtol=1e-5, atol=2e-5 * np.sqrt(images.size))


@pytest.mark.parametrize("case", [2, 4, 7])
def test_gradients_by_finite_differences(x64, case):
    images, weight, ct = problem(1, case, 0.5, "float64")
    options = CASES[case][2]
    conv = functools.partial(event_conv, **options)
    check_grads(conv, (images[:2], weight), order=2, modes=("fwd", "rev"))
    outer = functools.partial(event_conv_outer, kernel=weight.shape[2:], **options)
    check_grads(outer, (images[:2], ct[:2]), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("case", [0, 2, 4, 7])
def test_gradients_are_those_of_the_definition(case):
    images, weight, ct = problem(2, case, 0.1)
    found, expected = (path(name, case)(images, weight, ct) for name in ("public", "definition"))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    tangents = 2 * images, weight[::-1] / 2
    _, moved = jax.jvp(functools.partial(event_conv, **CASES[case][2]), (images, weight), tangents)
    np.testing.assert_array_equal(moved, 2.0 * found[0] + by_taps(images, tangents[1], **CASES[case][2]))


@pytest.mark.parametrize("mapped", [(0, None, None), (None, 0, None), (None, None, 0), (0, 0, None), (0, 0, 0)])
@pytest.mark.parametrize("case", [2, 7])
def test_vmap_is_a_loop(case, mapped):
    whole = problem(3, case, 0.1)
    args = [np.stack([x, x[::-1], 2 * x]) if axis == 0 else x for x, axis in zip(whole, mapped, strict=True)]
    found = jax.vmap(path("public", case), mapped)(*args)
    loop = [
        path("public", case)(*(x if a is None else x[b] for x, a in zip(args, mapped, strict=True))) for b in range(3)
    ]
    jax.tree.map(np.testing.assert_array_equal, found, jax.tree.map(lambda *x: jnp.stack(x), *loop))


def test_hessian_checkpoint_and_scan(x64):
    images, weight, ct = problem(3, 7, 0.3, "float64")
    options = CASES[7][2]

    def loss(x, w, conv):
        return jnp.vdot(conv(x, w) ** 2, ct)

    def xla(x, w):
        window = window_of(x.shape, w.shape[2:], **(DEFAULTS | options))
        return conv_definition(x[:, :, None], w[None, :, :, None], window=window)[:, :, 0]

    for function in (
        lambda conv: jax.hessian(lambda x, w: loss(x, w, conv), 1),
        lambda conv: jax.grad(jax.checkpoint(lambda x, w: loss(x, w, conv)), (0, 1)),
        lambda conv: jax.grad(
            lambda x, w: jax.lax.scan(lambda c, row: (c + (conv(row[None], w) ** 2).sum(), None), 0.0, x)[0], (0, 1)
        ),
    ):
        found = function(functools.partial(event_conv, **options))(images, weight)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, function(xla)(images, weight))


@pytest.mark.kernels
def test_one_event_that_is_not_finite_touches_what_it_reaches():
    images, weight = np.zeros((1, 2, 6, 6), np.float32), np.ones((2, 3, 3, 3), np.float32)
    images[0, 1, 0, 5] = np.inf
    ct = np.ones((1, 3, 6, 6), np.float32)
    y, vjp = jax.vjp(event_conv, images, weight)
    reached = np.zeros((1, 3, 6, 6), bool)
    reached[..., :2, 4:] = True
    np.testing.assert_array_equal(y, np.where(reached, np.inf, 0))
    crossed = np.zeros((2, 3, 3, 3), bool)
    crossed[1, :, :2, 1:] = True
    np.testing.assert_array_equal(vjp(jnp.asarray(ct))[1], np.where(crossed, np.inf, 0))


@pytest.mark.kernels
def test_the_kernels_are_compiled():
    images, weight, ct = problem(0, 0, 0.05)
    gradient = jax.value_and_grad(lambda w, x: jnp.vdot(event_conv(x, w), ct), (0, 1))
    text = jax.jit(gradient).lower(weight, images).as_text()
    for name in ("bs_event_conv_v1", "bs_event_conv_outer_v1", "bs_event_conv_pull_v1"):
        assert name in text
    mapped = jax.jit(jax.vmap(gradient, (0, None))).lower(np.stack([weight, weight]), images).as_text()
    assert "bs_event_conv_v1" in mapped and "bs_event_conv_outer_v1" in mapped
    many = np.zeros((3, 40, 4, 4), np.float32), np.zeros((40, 5, 3, 3), np.float32)
    gradient = jax.value_and_grad(lambda w, x: event_conv(x, w).sum(), (0, 1))
    text = jax.jit(gradient).lower(*many[::-1]).compile().as_text()
    assert 'custom_call_target="bs_event_conv_v1"' in text
    assert "bs_event_conv_pull_v1" not in text


def test_bad_input():
    images, weight, ct = problem(0, 0, 0.5)
    with pytest.raises(TypeError, match="`spikes`.*zero gradient"):
        event_conv(images > 0, weight)
    with pytest.raises(TypeError, match="`weight` must be float32 or float64, got float16"):
        event_conv(images, weight.astype(np.float16))
    with pytest.raises(ValueError, match="`weight` must have shape"):
        event_conv(images, weight[0, 0])
    with pytest.raises(ValueError, match=r"`weight` must have 1 inputs \(2 channels of `spikes`, 2 groups\)"):
        event_conv(images, weight, groups=2)
    with pytest.raises(ValueError, match="`groups` must be a divisor of the 2 channels of `spikes`, got 3"):
        event_conv(images, weight, groups=3)
    with pytest.raises(ValueError, match="`spikes` must have axes"):
        event_conv(images[0, 0], weight)
    with pytest.raises(ValueError, match="`stride` must be one whole number >= 1 or 2 of them, got 0"):
        event_conv(images, weight, stride=0)
    with pytest.raises(ValueError, match='`padding` must be "same", "valid" or whole numbers >= 0'):
        event_conv(images, weight, padding="full")
    with pytest.raises(ValueError, match=r"`ct` must have shape \(\.\.\., outputs, 9, 8\)"):
        event_conv_outer(images, ct[..., :3], (5, 5))
    with pytest.raises(ValueError, match="`spikes` and `ct` must have the same batch"):
        event_conv_outer(images, ct[:2], (5, 5))
