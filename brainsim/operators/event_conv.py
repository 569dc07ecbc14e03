"""Spikes crossing a convolution, touching only the outputs that a non-zero input reaches.

    T(W, x, g) = sum_r sum_c,o sum_k,u W[c, o, k] x[r, c, u] g[r, o, i],    i s = u + p - k d;  c and o in one group

is linear in the weights W, the images x and the cotangent g, with stride s, dilation d and padding p. The operators are
its partial derivatives, hence each other's transposes: conv (to g) and outer (to W) go over the non-zero x, pull (to x)
is dense. An image with too many events for that to pay is convolved densely: the loop counts them, image by image, and
the sums have the same order either way. (XLA's own convolution is no alternative inside of a conditional: measured, it
takes seven times as long there.)
Units: the result has the weight's unit times the spikes' (a spike is the number 1).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad
from jaxtyping import Float

from . import _arguments as arguments
from ._register import attach, fold_groups, is_zero, lead, map_size, multilinear_jvp, struct, unfold

Pair = tuple[int, int]
Axes = int | Sequence[int]


class Window(NamedTuple):
    """How a kernel goes over an image; pairs are height and width, and the image of one axis has height 1."""

    space: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[Pair, Pair]
    features: int

    @property
    def out(self) -> Pair:
        """Height and width of the result."""
        axes = zip(self.space, self.kernel, self.stride, self.dilation, self.padding, strict=True)
        height, width = (max((n + sum(pad) - (k - 1) * d - 1) // s + 1, 0) for n, k, s, d, pad in axes)
        return height, width

    @property
    def geometry(self) -> np.ndarray:
        """What the native loops have to know besides the shapes."""
        axes = zip(self.stride, self.dilation, self.padding, strict=True)
        return np.array([self.features, *(n for s, d, (before, _) in axes for n in (s, d, before))], np.int64)


# Canonical shapes: images (R, C, *space), weight (G, C / features, O, *kernel), ct and result (R, O, *out), where G
# divides R.
conv_p = Primitive("event_conv")  # images, weight -> result
pull_p = Primitive("event_conv_pull")  # weight, ct -> images
outer_p = Primitive("event_conv_outer")  # images, ct -> weight

# The dense gradient to the images is XLA's where a group has more channels than this. Measured with 200 to 1,000
# rows of float32, in CPU time: 1, 2, 12, 32, 64 and 128 channels of 28, 34, 17, 16 and 8 pixels a side, kernels of
# 5 x 5 and 3 x 3, one thread, AVX-512 (Zen 4), jaxlib 0.10.2.
PULL_CHANNELS = 8


def event_conv(
    spikes: Float[Array, "*images"],
    weight: Float[Array, "inputs outputs *kernel"],
    *,
    stride: Axes = 1,
    padding: Axes | str = "same",
    dilation: Axes = 1,
    groups: int = 1,
) -> Float[Array, "*images"]:
    """The cross-correlation of `spikes` with `weight`, event-driven.

    Args:
        spikes: Spikes or graded events, (..., C, length) or (..., C, height, width).
        weight: Weights, (C / groups, O, *kernel) with as many axes of space.
        stride: Distance of neighbouring outputs in the input, one number for all axes of space or one each.
        padding: Zeros on both sides: "same" (as many outputs as inputs / stride, rounded up), "valid" (none), or how
            many.
        dilation: Distance of neighbouring taps of the kernel in the input.
        groups: Channels fall in so many groups that do not mix.

    Returns:
        The sums, (..., O, *space).
    """
    spikes = arguments.spikes_array(spikes)
    weight = arguments.float_array("weight", weight, spikes.dtype)
    if weight.ndim not in (3, 4) or 0 in weight.shape[2:]:
        raise ValueError(f"`weight` must have shape (inputs, outputs, *kernel) of 1 or 2 axes, got {weight.shape}.")
    window = window_of(spikes.shape, weight.shape[2:], stride, padding, dilation, groups)
    rank, (inputs, outputs) = weight.ndim - 2, weight.shape[:2]
    batch, channels = spikes.shape[: -rank - 1], spikes.shape[-rank - 1]
    if inputs * groups != channels or outputs % groups:
        raise ValueError(
            f"`weight` must have {channels // groups} inputs ({channels} channels of `spikes`, {groups} groups) and "
            f"outputs that the groups divide, got shape {weight.shape}."
        )
    rows = spikes.reshape(math.prod(batch), channels, *window.space)
    out = conv_p.bind(rows, weight.reshape(1, inputs, outputs, *window.kernel), window=window)
    return out.reshape(*batch, outputs, *window.out[2 - rank :])


def event_conv_outer(
    spikes: Float[Array, "*images"],
    ct: Float[Array, "*images"],
    kernel: Sequence[int],
    *,
    stride: Axes = 1,
    padding: Axes | str = "same",
    dilation: Axes = 1,
    groups: int = 1,
) -> Float[Array, "inputs outputs *kernel"]:
    """The gradient of `event_conv` to its weight, summed over the batch, event-driven.

    Args:
        spikes: Spikes or graded events, (..., C, length) or (..., C, height, width).
        ct: Gradient to the sums, (..., O, *space), with the batch axes of `spikes`.
        kernel: Size of the kernel on each axis of space.
        stride: See `event_conv`, as for the others.
        padding: "same", "valid" or how many zeros.
        dilation: Distance of neighbouring taps.
        groups: Groups of channels.

    Returns:
        Gradient to the weight, (C / groups, O, *kernel).
    """
    spikes = arguments.spikes_array(spikes)
    ct = arguments.float_array("ct", ct, spikes.dtype)
    kernel = tuple(kernel)
    if len(kernel) not in (1, 2) or min(kernel) < 1:
        raise ValueError(f"`kernel` must be one or two whole numbers >= 1, got {kernel!r}.")
    window = window_of(spikes.shape, kernel, stride, padding, dilation, groups)
    rank, inner = len(kernel), -len(kernel) - 1
    out, channels = window.out[2 - rank :], spikes.shape[inner]
    if ct.ndim <= rank or ct.shape[-rank:] != out or ct.shape[inner] % groups:
        form = ", ".join(map(str, out))
        raise ValueError(
            f"`ct` must have shape (..., outputs, {form}) with outputs that {groups} groups divide, got {ct.shape}."
        )
    arguments.same_batch("spikes", spikes.shape[:inner], "ct", ct.shape[:inner])
    rows, outputs = math.prod(spikes.shape[:inner]), ct.shape[inner]
    images, grads = spikes.reshape(rows, channels, *window.space), ct.reshape(rows, outputs, *window.out)
    return outer_p.bind(images, grads, window=window, groups=1).reshape(channels // groups, outputs, *kernel)


def window_of(
    shape: tuple[int, ...], kernel: tuple[int, ...], stride: Axes, padding: Axes | str, dilation: Axes, groups: int
) -> Window:
    """The arguments of a convolution over the last axes of images of that shape, one axis as two."""
    rank = len(kernel)
    if len(shape) <= rank:
        raise ValueError(f"`spikes` must have axes (..., channels, *space) with {rank} of space, got shape {shape}.")
    channels = shape[-rank - 1]
    if groups < 1 or channels % groups:
        raise ValueError(f"`groups` must be a divisor of the {channels} channels of `spikes`, got {groups!r}.")
    space, strides, dilations = shape[-rank:], _each("stride", stride, rank, 1), _each("dilation", dilation, rank, 1)
    if padding == "same":
        axes = zip(space, kernel, strides, dilations, strict=True)
        both = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in axes]
        pads = [(n // 2, n - n // 2) for n in both]
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f'`padding` must be "same", "valid" or whole numbers >= 0, got {padding!r}.')
    else:
        pads = [(n, n) for n in _each("padding", 0 if padding == "valid" else padding, rank, 0)]
    if rank == 1:
        pads.insert(0, (0, 0))
    pairs = (_pair(each) for each in (space, kernel, strides, dilations))
    return Window(*pairs, padding=(pads[0], pads[1]), features=groups)


def _pair(each: tuple[int, ...]) -> Pair:
    """Height and width; the height of an image of one axis is 1."""
    return (1, each[0]) if len(each) == 1 else (each[0], each[1])


def _each(name: str, value: Any, rank: int, low: int) -> tuple[int, ...]:
    """One whole number for each axis of space."""
    numbers = tuple(value) if isinstance(value, Sequence) else (value,) * rank
    if len(numbers) != rank or not all(isinstance(n, int) and n >= low for n in numbers):
        raise ValueError(f"`{name}` must be one whole number >= {low} or {rank} of them, got {value!r}.")
    return numbers


# The XLA definitions.


def _conv(images: Array, weight: Array, window: Window) -> Array:
    return jax.lax.conv_general_dilated(
        images,
        weight,
        window.stride,
        window.padding,
        rhs_dilation=window.dilation,
        dimension_numbers=("NCHW", "IOHW", "NCHW"),
        feature_group_count=window.features,
    )


def _in_groups(call: Callable[[Array, Array], Array], rows: Array, other: Array, groups: int) -> Array:
    """`call` for each run of rows and its own other argument, (G, ...), with the results one after the other."""
    if groups == 1:
        return call(rows, other[0])
    out = jax.vmap(call)(rows.reshape(groups, rows.shape[0] // groups, *rows.shape[1:]), other)
    return out.reshape(rows.shape[0], *out.shape[2:])


def conv_definition(images: Array, weight: Array, *, window: Window) -> Array:
    """What `event_conv` means on every backend."""
    return _in_groups(lambda x, w: _conv(x, w, window), images, weight, weight.shape[0])


def pull_definition(weight: Array, ct: Array, *, window: Window) -> Array:
    """The gradient to the images on every backend."""

    def pull(ct: Array, weight: Array) -> Array:
        shape = (ct.shape[0], weight.shape[0] * window.features, *window.space)
        images = jax.ShapeDtypeStruct(shape, ct.dtype)
        return jax.linear_transpose(lambda x: _conv(x, weight, window), images)(ct)[0]

    return _in_groups(pull, ct, weight, weight.shape[0])


def outer_definition(images: Array, ct: Array, *, window: Window, groups: int) -> Array:
    """What `event_conv_outer` means on every backend."""

    def outer(images: Array, ct: Array) -> Array:
        shape = (images.shape[1] // window.features, ct.shape[1], *window.kernel)
        weight = jax.ShapeDtypeStruct(shape, ct.dtype)
        return jax.linear_transpose(lambda w: _conv(images, w, window), weight)(ct)[0]

    runs = (x.reshape(groups, x.shape[0] // max(groups, 1), *x.shape[1:]) for x in (images, ct))
    return jax.vmap(outer)(*runs)


# The native calls.


def _conv_shape(images: Any, weight: Any, *, window: Window) -> Any:
    return ShapedArray((images.shape[0], weight.shape[2], *window.out), images.dtype)


def _pull_shape(weight: Any, ct: Any, *, window: Window) -> Any:
    return ShapedArray((ct.shape[0], weight.shape[1] * window.features, *window.space), ct.dtype)


def _outer_shape(images: Any, ct: Any, *, window: Window, groups: int) -> Any:
    shape = (groups, images.shape[1] // window.features, ct.shape[1], *window.kernel)
    return ShapedArray(shape, images.dtype)


def _conv_native(images: Array, weight: Array, *, window: Window) -> Any:
    call = jax.ffi.ffi_call("bs_event_conv_v1", struct(_conv_shape(images, weight, window=window)))
    return call(images, weight, geometry=window.geometry)


def _pull_native(weight: Array, ct: Array, *, window: Window) -> Any:
    if weight.shape[1] > PULL_CHANNELS:
        return pull_definition(weight, ct, window=window)
    call = jax.ffi.ffi_call("bs_event_conv_pull_v1", struct(_pull_shape(weight, ct, window=window)))
    return call(weight, ct, geometry=window.geometry)


def _outer_native(images: Array, ct: Array, *, window: Window, groups: int) -> Any:
    call = jax.ffi.ffi_call("bs_event_conv_outer_v1", struct(_outer_shape(images, ct, window=window, groups=groups)))
    return call(images, ct, geometry=window.geometry)


# Derivatives and batching.


def _conv_transpose(ct: Any, images: Any, weight: Any, *, window: Window) -> list[Any]:
    if is_zero(ct):
        return [None, None]
    if ad.is_undefined_primal(images):
        return [pull_p.bind(weight, ct, window=window), None]
    return [None, outer_p.bind(images, ct, window=window, groups=weight.aval.shape[0])]


def _pull_transpose(images: Any, weight: Any, ct: Any, *, window: Window) -> list[Any]:
    if is_zero(images):
        return [None, None]
    if ad.is_undefined_primal(ct):
        return [None, conv_p.bind(images, weight, window=window)]
    return [outer_p.bind(images, ct, window=window, groups=weight.aval.shape[0]), None]


def _outer_transpose(weight: Any, images: Any, ct: Any, *, window: Window, groups: int) -> list[Any]:
    if is_zero(weight):
        return [None, None]
    if ad.is_undefined_primal(images):
        return [pull_p.bind(weight, ct, window=window), None]
    return [None, conv_p.bind(images, weight, window=window)]


def _rows(x: Array, dim: int | None, size: int) -> Array:
    """Images with a mapped axis as more rows."""
    x = lead(x, dim, size)
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _conv_batch(args: Any, dims: Any, *, window: Window) -> Any:
    size = map_size(args, dims)
    out = conv_p.bind(_rows(args[0], dims[0], size), fold_groups(args[1], dims[1], size), window=window)
    return unfold(out, size), 0


def _pull_batch(args: Any, dims: Any, *, window: Window) -> Any:
    size = map_size(args, dims)
    out = pull_p.bind(fold_groups(args[0], dims[0], size), _rows(args[1], dims[1], size), window=window)
    return unfold(out, size), 0


def _outer_batch(args: Any, dims: Any, *, window: Window, groups: int) -> Any:
    size = map_size(args, dims)
    images, ct = (_rows(x, dim, size) for x, dim in zip(args, dims, strict=True))
    return unfold(outer_p.bind(images, ct, window=window, groups=groups * size), size), 0


attach(
    conv_p,
    shape=_conv_shape,
    portable=conv_definition,
    native=_conv_native,
    jvp=multilinear_jvp(conv_p, (0, 1)),
    transpose=_conv_transpose,
    batch=_conv_batch,
)
attach(
    pull_p,
    shape=_pull_shape,
    portable=pull_definition,
    native=_pull_native,
    jvp=multilinear_jvp(pull_p, (0, 1)),
    transpose=_pull_transpose,
    batch=_pull_batch,
)
attach(
    outer_p,
    shape=_outer_shape,
    portable=outer_definition,
    native=_outer_native,
    jvp=multilinear_jvp(outer_p, (0, 1)),
    transpose=_outer_transpose,
    batch=_outer_batch,
)
