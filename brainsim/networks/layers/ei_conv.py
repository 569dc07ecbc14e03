"""Excitation and inhibition over images: the layer of `ei` with convolutions to both populations.

    I_E = x * W_EE,   s = relu(x * W_IE),   I_sub = s W_EI and I_div = (g_I s) W_EI at every pixel

Images are `(channels, height, width)`; a sample of I_div is all pixels and channels of one step. Units: mV. DeepEISNN,
arXiv 2509.23253 (ICLR 2026).
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ... import _checks
from ..._types import Array
from ...operators import event_conv
from .ei import EILayer, bernoulli_law


class EIConv2d(EILayer):
    """Convolutions to excitatory channels and interneuron channels, which inhibit pixel by pixel.

    Args:
        c_in: Number of input channels.
        c_out: Number of excitatory channels, which are the outputs.
        kernel: Height and width of the kernels, or one number for both.
        stride: Step of the kernels in pixels.
        padding: "same" (zeros around the image) or "valid" (none).
        inhibitory: Share of interneuron channels among all channels.
        mode: "both", or for comparison "subtractive" or "divisive".
        density: Expected share of inputs that spike in a step.
    """

    c_in: int = eqx.field(static=True)
    kernel: tuple[int, int] = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    padding: str = eqx.field(static=True)

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: str = "same",
        inhibitory: float = 0.2,
        mode: str = "both",
        density: float = 0.1,
    ):
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        for name, value in (("c_in", c_in), ("kernel", height), ("kernel", width), ("stride", stride)):
            _checks.within(name, value, low=1)
        _checks.choice("padding", padding, ("same", "valid"))
        super().__init__(c_out, inhibitory, mode, False, density)
        self.c_in, self.kernel, self.stride, self.padding = int(c_in), (height, width), int(stride), padding

    @property
    def fan_in(self) -> int:
        """Channels times pixels of a kernel."""
        return self.c_in * math.prod(self.kernel)

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """`(c_in, c_out, height, width)` and `(c_in, n_inhibitory, height, width)` of the kernels."""
        return (self.c_in, self.n_out, *self.kernel), (self.c_in, self.n_inhibitory, *self.kernel)

    @property
    def sample_axes(self) -> tuple[int, ...]:
        """Height, width and channels."""
        return (-3, -2, -1)

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["EIConv2d", tuple[int, ...]]:
        """Draw the kernels; see `Layer.build`."""
        if len(shape) != 3 or shape[0] != self.c_in:
            raise ValueError(
                f"`c_in` of layer {path}: EIConv2d expects ({self.c_in}, height, width), gets {tuple(shape)}."
            )
        built = self.drawn(path, *bernoulli_law(self.density, self.fan_in), key=key, dtype=dtype)
        *_, height, width, _ = jax.eval_shape(built.cross, jax.ShapeDtypeStruct(shape, dtype))[0].shape
        if 0 in (height, width):
            raise ValueError(f"`kernel` of layer {path}: {self.kernel} does not fit into an image of {shape[1:]}.")
        return built, (self.n_out, height, width)

    def cross(self, x: Array) -> tuple[Array, Array]:
        """Both convolutions in one, of `x (..., c_in, height, width)`, with the channels last."""
        weight = jnp.concatenate([self.weight_ee, self.weight_ie], axis=1)
        both = jnp.moveaxis(event_conv(x, weight, stride=self.stride, padding=self.padding), -3, -1)
        return both[..., : self.n_out], both[..., self.n_out :]

    def inhibited(self, i_ee: Array, i_ie: Array) -> Array:
        """What the interneurons leave, with the channels first again, `(..., c_out, height, width)`."""
        return jnp.moveaxis(super().inhibited(i_ee, i_ie), -1, -3)

    def __repr__(self) -> str:
        return f"EIConv2d({self.c_in}, {self.n_out}, {self.kernel})"
