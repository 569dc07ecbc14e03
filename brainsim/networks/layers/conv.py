"""Convolutions over space, without delay: y = x * W + b, which a neuron after it takes as a jump of its voltage (mV).

    y[o, i] = b[o] + sum_c sum_k W[c, o, k] x[c, i s + k d - p]        stride s, dilation d, padding p; c in o's group
    W ~ U(-sqrt(6 / fan_in), sqrt(6 / fan_in)),   fan_in = c_in / groups * prod(kernel)   ("kaiming")

It is the cross-correlation of torch's `Conv1d` and `Conv2d`, whose weight has its first two axes the other way round.
He, Zhang, Ren and Sun, ICCV 2015.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ... import _checks, _streams, values
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, Context, State, Value
from ...operators import event_conv
from .at_once import Steady
from .base import Crossing
from .linear import weight_slot

Axes = tuple[int, ...]


class Conv(Steady):
    """A convolution over the last `rank` axes; use `Conv1d` or `Conv2d`.

    Args:
        c_in: Number of channels of the input.
        c_out: Number of channels of the output.
        kernel: Size of the kernel, one number for all axes of space or one each.
        stride: Distance of neighbouring outputs in the input.
        padding: Zeros on both sides: "same" (as many outputs as inputs / stride, rounded up), "valid" (none), or how
            many.
        dilation: Distance of neighbouring taps of the kernel in the input.
        groups: Channels fall in so many groups that do not mix.
        init: "kaiming", or a value slot for the weight (mV), shape (c_in / groups, c_out, *kernel).
        bias: Whether to add a trainable bias (mV in every step) to each channel, 0 at first.
    """

    rank: ClassVar[int]

    weight: Any
    bias: Any
    c_in: int = eqx.field(static=True)
    c_out: int = eqx.field(static=True)
    kernel: Axes = eqx.field(static=True)
    stride: Axes = eqx.field(static=True)
    padding: str | Axes = eqx.field(static=True)
    dilation: Axes = eqx.field(static=True)
    groups: int = eqx.field(static=True)

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Literal["same", "valid"] | int | Sequence[int] = "same",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        init: Value = "kaiming",
        bias: bool = False,
    ):
        for name, value in (("c_in", c_in), ("c_out", c_out), ("groups", groups)):
            _checks.within(name, value, low=1)
        if c_in % groups or c_out % groups:
            raise ValueError(f"`groups`: expected a divisor of `c_in` = {c_in} and `c_out` = {c_out}, got {groups}.")
        self.c_in, self.c_out, self.groups = int(c_in), int(c_out), int(groups)
        self.kernel = per_axis("kernel", kernel, self.rank)
        self.stride = per_axis("stride", stride, self.rank)
        self.dilation = per_axis("dilation", dilation, self.rank)
        if isinstance(padding, str):
            _checks.choice("padding", padding, ["same", "valid"])
            self.padding = padding
        else:
            self.padding = per_axis("padding", padding, self.rank, low=0)
        self.weight = weight_slot("init", init)
        self.bias = 0.0 if bias else None

    @property
    def emission_unit(self) -> str:
        """Outputs are jumps of a voltage."""
        return "mV"

    def build(self, path: str, shape: Axes, *, dt: float, key: Array, dtype: Any) -> tuple[Self, Axes]:
        """Draw the weight; see `Layer.build`."""
        if len(shape) != self.rank + 1 or shape[0] != self.c_in:
            axes = f"{self.c_in}, " + ("height, width" if self.rank == 2 else "length")
            raise ValueError(f"`c_in` of layer {path}: {type(self).__name__} expects ({axes}), gets {shape}.")
        slot, form = self.weight, (self.c_in // self.groups, self.c_out, *self.kernel)
        if isinstance(slot, str):
            bound = math.sqrt(6 / (form[0] * math.prod(self.kernel)))
            slot = values.Uniform(-bound, bound)
        context = Context(f"{path}.weight", form, dt)
        weight = values.resolve(slot, context, unit="mV", key=_streams.fold(key, context.path), dtype=dtype)
        built = eqx.tree_at(lambda layer: layer.weight, self, jnp.broadcast_to(weight, form))
        if self.bias is not None:
            bias = self.bias if eqx.is_array(self.bias) else jnp.zeros(self.c_out, dtype)
            built = eqx.tree_at(lambda layer: layer.bias, built, bias)
        out = jax.eval_shape(built._convolve, jax.ShapeDtypeStruct(shape, dtype)).shape
        if 0 in out:
            raise ValueError(f"`kernel` of layer {path}: {self.kernel} does not fit into {shape[1:]}: pad.")
        return built, out

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """`x * W + b`; see `Layer.step`."""
        return state, self._convolve(x)

    def _convolve(self, x: Array) -> Array:
        """`(..., c_in, *space)` to `(..., c_out, *space)`, event-driven."""
        over = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}
        y = event_conv(x, self.weight, **over)
        return y if self.bias is None else y + self.bias.reshape(-1, *[1] * self.rank)

    def crossings(self, xs: Array, ys: Array) -> tuple[Crossing, ...]:
        """The input crosses the weight; see `Layer.crossings`."""

        def cross(values: Array, weight: Array) -> Array:
            bare = eqx.tree_at(lambda layer: (layer.weight, layer.bias), self, (weight, None), is_leaf=_is_none)
            return bare._convolve(values)

        return (Crossing(xs, self.weight, cross),)

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """`weight` and, where there is one, `bias`; both train by default."""
        known = {f"{path}.weight": ParameterInfo(lambda model: where(model).weight, "weight", "mV", trainable=True)}
        if self.bias is not None:
            known[f"{path}.bias"] = ParameterInfo(lambda model: where(model).bias, "bias", "mV", trainable=True)
        return known

    def __repr__(self) -> str:
        kernel = self.kernel[0] if len(set(self.kernel)) == 1 else self.kernel
        return f"{type(self).__name__}({self.c_in}, {self.c_out}, {kernel})"


class Conv1d(Conv):
    """A convolution along one axis: (time, [batch], c_in, length) -> (time, [batch], c_out, length); see `Conv`."""

    rank: ClassVar[int] = 1


class Conv2d(Conv):
    """A convolution of images: (time, [batch], c_in, height, width) -> (time, [batch], c_out, ...); see `Conv`."""

    rank: ClassVar[int] = 2


def _is_none(value: Any) -> bool:
    return value is None


def per_axis(name: str, value: Any, rank: int, low: int = 1) -> Axes:
    """One whole number for each axis of space."""
    array = np.asarray(value)
    if array.shape not in ((), (rank,)) or not np.issubdtype(array.dtype, np.integer) or (array < low).any():
        raise ValueError(f"`{name}`: expected one whole number >= {low} or {rank} of them, got {value!r}.")
    return tuple(int(entry) for entry in np.broadcast_to(array, rank))
