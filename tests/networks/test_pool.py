"""Pooling against NumPy; where the gradient of a maximum goes; what is said of windows that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import brainsim as bs
from brainsim.networks.layers import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d, SumPool2d

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("layer", "shape", "kernel", "stride"),
    [
        (AvgPool1d(3), (2, 8), (3,), (3,)),
        (MaxPool1d(2, stride=1), (2, 5), (2,), (1,)),
        (AvgPool2d((2, 3)), (2, 5, 7), (2, 3), (2, 3)),
        (MaxPool2d(3, stride=(2, 1)), (2, 6, 5), (3, 3), (2, 1)),
        (SumPool2d(2), (2, 5, 6), (2, 2), (2, 2)),
        (SumPool2d(3, stride=2, padding=1), (2, 5, 6), (3, 3), (2, 2)),
        (AvgPool2d((3, 2), padding=(1, 0)), (2, 5, 6), (3, 2), (3, 2)),
    ],
)
def test_windows_are_those_of_numpy(layer, shape, kernel, stride):
    built, out = layer.build("p", shape, dt=1.0, key=jax.random.key(0), dtype=jnp.float32)
    xs = RNG.normal(size=(4, 3, *shape))
    axes = tuple(range(3, 3 + len(kernel)))
    padded = np.pad(xs, [(0, 0)] * 3 + [(pad, pad) for pad in layer.padding])
    windows = sliding_window_view(padded, kernel, axes)[
        (slice(None),) * 3 + tuple(slice(None, None, s) for s in stride)
    ]
    reduce = {"Avg": np.mean, "Sum": np.sum, "Max": np.max}[type(layer).__name__[:3]]
    _, ys, _ = built.unroll(built.init_state(3, jax.random.key(0), jnp.float32), jnp.float32(xs), 1.0, None)
    np.testing.assert_allclose(ys, reduce(windows, axis=tuple(range(-len(kernel), 0))), rtol=1e-5, atol=1e-6)
    assert ys.shape[2:] == out


def test_of_equal_values_the_first_takes_the_gradient():
    x = jnp.asarray([[[0.0, 1.0], [1.0, 1.0]]])
    np.testing.assert_array_equal(jax.grad(lambda x: MaxPool2d(2).pooled(x).sum())(x), [[[0, 1], [0, 0]]])
    np.testing.assert_array_equal(jax.grad(lambda x: AvgPool2d(2).pooled(x).sum())(x), np.full((1, 2, 2), 0.25))


def test_what_is_said_of_wrong_windows():
    with pytest.raises(ValueError, match=r"`kernel` of layer 0: \(4, 4\) does not fit into \(3, 5\)"):
        bs.Sequential(AvgPool2d(4), dt=1.0, input_shape=(2, 3, 5))
    with pytest.raises(ValueError, match=r"MaxPool2d expects \(channels, height, width\), gets \(7,\)"):
        bs.Sequential(MaxPool2d(2), dt=1.0, input_shape=(7,))
    with pytest.raises(ValueError, match="`stride`: expected one whole number >= 1"):
        MaxPool1d(2, stride=0)
