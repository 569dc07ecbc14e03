"""Convolutions against loops in float64, gradients included; shapes, groups and what is said of wrong ones."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._types import State
from brainsim.networks.layers import Conv1d
from brainsim.units import ms, mV

RNG = np.random.default_rng(0)


def margins(padding, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and after one axis."""
    if padding == "same":
        total = max((math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        return total // 2, total - total // 2
    return (0, 0) if padding == "valid" else (padding, padding)


def reference(x, weight, *, stride=1, padding="same", dilation=1, groups=1):
    """(rows, c_in, *space) to (rows, c_out, *space), one output after the other."""
    kernel, rank = weight.shape[2:], weight.ndim - 2
    pads = [margins(padding, n, k, stride, dilation) for n, k in zip(x.shape[2:], kernel, strict=True)]
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    space = [(n - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(x.shape[2:], kernel, strict=True)]
    y = np.zeros((len(x), weight.shape[1], *space))
    each_in, each_out = weight.shape[0], weight.shape[1] // groups
    for at in itertools.product(*map(range, space)):
        starts = [i * stride for i in at]
        taps = (slice(i, i + (k - 1) * dilation + 1, dilation) for i, k in zip(starts, kernel, strict=True))
        window = x[(..., *taps)]
        for out in range(weight.shape[1]):
            first = out // each_out * each_in
            y[(slice(None), out, *at)] = np.tensordot(window[:, first : first + each_in], weight[:, out], rank + 1)
    return y


def layer_of(kind, c_in, c_out, kernel, shape, **options):
    layer = kind(c_in, c_out, kernel, **options)
    return layer.build("c", (c_in, *shape), dt=1.0, key=jax.random.key(0), dtype=jnp.float32)


@pytest.mark.parametrize(
    ("kind", "kernel", "shape", "options"),
    [
        (Conv1d, (3,), (7,), {}),
        (Conv1d, (4,), (9,), {"stride": 2, "padding": 3, "dilation": 2}),
        (bs.Conv2d, (3, 2), (5, 6), {"padding": "valid", "groups": 2}),
        (bs.Conv2d, (2, 3), (6, 6), {"stride": 2, "padding": 1, "dilation": 2, "groups": 4}),
    ],
)
def test_a_convolution_and_its_gradient_are_those_of_the_definition(kind, kernel, shape, options):
    layer, out = layer_of(kind, 4, 8, kernel, shape, **options)
    x = RNG.normal(size=(3, 4, *shape)) * (RNG.random((3, 4, *shape)) < 0.5)

    @jax.jit
    def with_gradient(weight, x, ct):
        step = lambda weight, x: eqx.tree_at(lambda c: c.weight, layer, weight).step(State(), x, 1.0, None)[1]
        y, pull = jax.vjp(step, weight, x)
        return y, *pull(ct)

    ct = RNG.normal(size=(3, *out))
    y, to_weight, to_x = with_gradient(layer.weight, jnp.float32(x), jnp.float32(ct))
    assert layer.weight.shape == (4 // options.get("groups", 1), 8, *kernel)
    weight = np.asarray(layer.weight, np.float64)
    np.testing.assert_allclose(y, reference(x, weight, **options), atol=1e-5)
    dw, dx = (RNG.normal(size=array.shape) for array in (weight, x))
    assert np.vdot(to_weight, dw) == pytest.approx(np.vdot(ct, reference(x, dw, **options)), rel=1e-4, abs=1e-4)
    assert np.vdot(to_x, dx) == pytest.approx(np.vdot(ct, reference(dx, weight, **options)), rel=1e-4, abs=1e-4)


def test_time_batch_and_bias():
    layer, _ = layer_of(bs.Conv2d, 2, 3, 3, (4, 4), bias=True, init=0.5 * mV)
    xs = jnp.ones((5, 2, 2, 4, 4))
    _, ys, _ = layer.unroll(State(), xs, 1.0, None)
    assert ys.shape == (5, 2, 3, 4, 4)
    np.testing.assert_array_equal(ys[0, 0, 0, 1:3, 1:3], 9.0)  # 2 channels x 9 taps x 0.5 mV
    assert layer.bias.shape == (3,)


def test_kaiming_counts_the_taps_and_the_group():
    layer, _ = layer_of(bs.Conv2d, 32, 64, 3, (4, 4), groups=2)
    bound = math.sqrt(6 / (16 * 9))
    assert np.abs(layer.weight).max() <= bound and np.std(layer.weight) == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_a_net_of_images():
    model = bs.Sequential(bs.Conv2d(2, 4, 3), bs.LIF(10 * ms), dt=1 * ms, input_shape=(2, 5, 5))
    result = bs.run(model, jnp.ones((6, 3, 2, 5, 5)), record=["0.out", "1.spikes"])
    assert result.out.shape == (6, 3, 4, 5, 5) and result.records["1.spikes"].shape == (6, 3, 100)
    assert set(model.parameters()) >= {"0.weight"} and model.parameters()["0.weight"].trainable
    assert bs.replace(model, dt=0.5 * ms).input_shape == (2, 5, 5)
    assert repr(model) == "Sequential(Conv2d(2, 4, 3), LIF; dt=1 ms, seed=0)"


def test_what_is_said_of_wrong_arguments():
    for arguments, words in (
        ((3, 4, 3, {"groups": 2}), "`groups`: expected a divisor of `c_in` = 3 and `c_out` = 4, got 2"),
        ((2, 4, 0, {}), "`kernel`: expected one whole number >= 1 or 2 of them, got 0"),
        ((2, 4, (3, 3, 3), {}), "`kernel`: expected one whole number"),
        ((2, 4, 3, {"padding": "full"}), '`padding`: expected one of "same", "valid"'),
        ((2, 4, 3, {"padding": -1}), "`padding`: expected one whole number >= 0"),
    ):
        with pytest.raises(ValueError, match=words):
            bs.Conv2d(*arguments[:3], **arguments[3])
    with pytest.raises(ValueError, match=r"`c_in` of layer 0: Conv2d expects \(2, height, width\), gets \(3, 5, 5\)"):
        bs.Sequential(bs.Conv2d(2, 4, 3), dt=1.0, input_shape=(3, 5, 5))
    with pytest.raises(ValueError, match=r"`kernel` of layer 0: \(6, 6\) does not fit into \(5, 5\)"):
        bs.Sequential(bs.Conv2d(2, 4, 6, padding="valid"), dt=1.0, input_shape=(2, 5, 5))
    with pytest.raises(ValueError, match="give `input_shape`"):
        bs.Sequential(bs.Conv2d(2, 4, 3), dt=1.0)
