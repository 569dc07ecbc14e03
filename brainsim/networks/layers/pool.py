"""Pooling over space: one value for each window, channel by channel.

    avg:  y[c, i] = mean_k x[c, i s + k - p]        sum, max:  likewise        0 <= k < kernel

The stride s is the kernel's size unless it is given; rows that do not fill a window are dropped, and the padding p is
zeros that count in the mean and none for the maximum (torch's defaults). Of equal values in a window the first takes
the gradient of the maximum. The unit of the values does not change.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._streams import Stream
from ..._types import Array, State
from .base import Layer, Watched
from .conv import Axes, per_axis


class Pool(Layer):
    """Windows over the last `rank` axes; use `AvgPool1d`, `AvgPool2d`, `SumPool2d`, `MaxPool1d` or `MaxPool2d`.

    Args:
        kernel: Size of the window, one number for all axes of space or one each.
        stride: Distance of neighbouring windows; None: `kernel`.
        padding: Entries put on both sides of the input, at most half the kernel.
    """

    rank: ClassVar[int]

    kernel: Axes = eqx.field(static=True)
    stride: Axes = eqx.field(static=True)
    padding: Axes = eqx.field(static=True)

    def __init__(
        self,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ):
        self.kernel = per_axis("kernel", kernel, self.rank)
        self.stride = self.kernel if stride is None else per_axis("stride", stride, self.rank)
        self.padding = per_axis("padding", padding, self.rank, low=0)
        if any(2 * pad > window for pad, window in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(f"`padding`: expected at most half the kernel {self.kernel}, got {padding!r}.")

    def pooled(self, x: Array) -> Array:
        """Windows over the last `rank` axes of `x`, reduced."""
        raise TypeError(f"{type(self).__name__} does not define `pooled`.")

    def build(self, path: str, shape: Axes, *, dt: float, key: Array, dtype: Any) -> tuple[Self, Axes]:
        """Find the shape of the output; see `Layer.build`."""
        if len(shape) != self.rank + 1:
            axes = "channels, height, width" if self.rank == 2 else "channels, length"
            raise ValueError(f"`kernel` of layer {path}: {type(self).__name__} expects ({axes}), gets {shape}.")
        padded = [size + 2 * pad for size, pad in zip(shape[1:], self.padding, strict=True)]
        if any(size < window for size, window in zip(padded, self.kernel, strict=True)):
            raise ValueError(f"`kernel` of layer {path}: {self.kernel} does not fit into {shape[1:]}.")
        return self, jax.eval_shape(self.pooled, jax.ShapeDtypeStruct(shape, dtype)).shape

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The pooled input; see `Layer.step`."""
        return state, self.pooled(x)

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps at once; see `Layer.unroll`."""
        return state, self.pooled(xs), {}

    def _reduce(self, x: Array, first: float, operation: Any) -> Array:
        lead = (1,) * (x.ndim - self.rank)
        initial = np.asarray(first, x.dtype)  # a number and no tracer, or the sum and maximum are not recognised
        padding = [(0, 0)] * len(lead) + [(pad, pad) for pad in self.padding]
        return jax.lax.reduce_window(x, initial, operation, (*lead, *self.kernel), (*lead, *self.stride), padding)

    def __repr__(self) -> str:
        kernel = self.kernel[0] if len(set(self.kernel)) == 1 else self.kernel
        return f"{type(self).__name__}({kernel})"


class AvgPool(Pool):
    """Mean of each window."""

    def pooled(self, x: Array) -> Array:
        """The mean of each window."""
        return self._reduce(x, 0.0, jax.lax.add) / math.prod(self.kernel)


class SumPool2d(Pool):
    """Sums over images: (time, [batch], channels, height, width); of spikes, their number. See `Pool`."""

    rank: ClassVar[int] = 2

    def pooled(self, x: Array) -> Array:
        """The sum of each window."""
        return self._reduce(x, 0.0, jax.lax.add)


class MaxPool(Pool):
    """Maximum of each window; of binary spikes, whether any came."""

    def pooled(self, x: Array) -> Array:
        """The maximum of each window."""
        return self._reduce(x, -jnp.inf, jax.lax.max)


class AvgPool1d(AvgPool):
    """Means along one axis: (time, [batch], channels, length); see `Pool`."""

    rank: ClassVar[int] = 1


class AvgPool2d(AvgPool):
    """Means over images: (time, [batch], channels, height, width); see `Pool`."""

    rank: ClassVar[int] = 2


class MaxPool1d(MaxPool):
    """Maxima along one axis: (time, [batch], channels, length); see `Pool`."""

    rank: ClassVar[int] = 1


class MaxPool2d(MaxPool):
    """Maxima over images: (time, [batch], channels, height, width); see `Pool`."""

    rank: ClassVar[int] = 2
