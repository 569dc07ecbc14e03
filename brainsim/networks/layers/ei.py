"""Excitation and inhibition in place of a normalisation: interneurons subtract from and divide what a layer receives.

    I_E = x W_EE,   s = relu(x W_IE),   I_sub = s W_EI,   I_div = (g_I s) W_EI
    y = g_E (I_E - I_sub) / I_div + b

The interneurons answer at once and gradedly. All weights and gains are >= 0 (mV a spike, or without unit), and so must
x be. The neuron after the layer takes y (mV) as its jump. W_EI takes 1/d of an optimizer's updates, d the fan-in
(E-I Prop): all its entries act on a neuron at once, so that it would outrun the rest. DeepEISNN, arXiv 2509.23253
(ICLR 2026), which divides the gradient; under SGD that is the same, under Adam it would change nothing.
"""

import math
from collections.abc import Callable
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ... import _checks, _streams
from ..._params import Kind
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State
from ...operators import event_dense
from .at_once import Steady

MODES = ("both", "subtractive", "divisive")


class EILayer(Steady):
    """What `EILinear` and `EIConv2d` share: all but how the input reaches both populations.

    Attributes:
        weight_ee: Input to excitatory neurons (mV), (inputs, outputs, ...).
        weight_ie: Input to interneurons (mV), (inputs, interneurons, ...).
        weight_ei: Interneurons to excitatory neurons, (interneurons, outputs).
        gain_i: g_I, (interneurons,); None where nothing is divided.
        gain_e: g_E, (outputs,); None in a readout.
        bias: b (mV), (outputs,), of any sign; None in a readout.
        mode: "both", "subtractive" (nothing is divided) or "divisive" (nothing is subtracted).
        readout: Whether the layer is `x W_EE - (x W_IE) W_EI` alone.
        density: Expected share of inputs that spike in a step, for the weights at build.
    """

    weight_ee: Any
    weight_ie: Any
    weight_ei: Any
    gain_i: Any
    gain_e: Any
    bias: Any
    n_out: int = eqx.field(static=True)
    n_inhibitory: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    readout: bool = eqx.field(static=True)
    density: float = eqx.field(static=True)

    def __init__(self, n_out: int, inhibitory: float, mode: str, readout: bool, density: float):
        _checks.within("n_out", n_out, low=1)
        _checks.choice("mode", mode, MODES)
        if not 0 < inhibitory < 1:
            raise ValueError(f"`inhibitory`: expected a share of all neurons in (0, 1), got {inhibitory:g}.")
        if not 0 < density < 1:
            raise ValueError(f"`density`: expected a share of the inputs in (0, 1), got {density:g}.")
        self.n_out, self.mode, self.readout, self.density = int(n_out), mode, bool(readout), float(density)
        self.n_inhibitory = max(1, math.floor(n_out * inhibitory / (1 - inhibitory) + 1e-9))
        self.weight_ee, self.weight_ie, self.weight_ei = 0.0, 0.0, 0.0
        self.gain_i = None if readout or mode == "subtractive" else 0.0
        self.gain_e, self.bias = (None, None) if readout else (1.0, 0.0)

    @property
    def fan_in(self) -> int:
        """d, the number of inputs of a neuron."""
        raise TypeError(f"{type(self).__name__} does not define `fan_in`.")

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of `weight_ee` and `weight_ie`."""
        raise TypeError(f"{type(self).__name__} does not define `weight_shapes`.")

    @property
    def sample_axes(self) -> tuple[int, ...]:
        """Axes of what `cross` returns that belong to one sample; neurons are the last."""
        raise TypeError(f"{type(self).__name__} does not define `sample_axes`.")

    def cross(self, x: Array) -> tuple[Array, Array]:
        """The input currents of both populations, `(..., outputs)` and `(..., interneurons)` (mV)."""
        raise TypeError(f"{type(self).__name__} does not define `cross`.")

    @property
    def emission_unit(self) -> str:
        """Outputs are jumps of a voltage."""
        return "mV"

    def drawn(self, path: str, scale: float, gain: float, *, key: Array, dtype: Any) -> Self:
        """The layer with weights of E-I Init.

        Args:
            path: Name of the layer, of which the draws depend.
            scale: Mean of the exponential law of `weight_ee` and `weight_ie` (mV).
            gain: g_I.
            key: Root key of the parameters.
            dtype: Floating dtype.
        """
        weights = [
            scale * jax.random.exponential(_streams.fold(key, f"{path}.{name}"), shape, dtype)
            for name, shape in zip(("weight_ee", "weight_ie"), self.weight_shapes, strict=True)
        ]
        n = self.n_inhibitory
        values = {
            "weight_ee": weights[0],
            "weight_ie": weights[1],
            "weight_ei": jnp.full((n, self.n_out), 1 / n, dtype),
            "gain_i": jnp.full(n, gain, dtype),
            "gain_e": jnp.ones(self.n_out, dtype),
            "bias": jnp.zeros(self.n_out, dtype),
        }
        names = [name for name in values if getattr(self, name) is not None]
        return eqx.tree_at(lambda layer: [getattr(layer, name) for name in names], self, [values[n] for n in names])

    def initialised(self, path: str, rows: np.ndarray, *, key: Array) -> Self:
        """The layer with E-I Init for the samples `rows (samples, inputs)`; see `ei_init`."""
        mean, variance = rows.mean(), rows.var(axis=0).mean()
        if rows.min() < 0 or not variance > 0:
            what = f"a negative value ({rows.min():g})" if rows.min() < 0 else "the same in every sample and step"
            raise ValueError(f"`x`: layer {path} needs inputs >= 0 that vary, and gets {what}.")
        scale, gain = ei_law(mean, np.square(rows).mean(), variance, self.fan_in)
        return self.drawn(path, scale, gain, key=key, dtype=self.weight_ee.dtype)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The current of the neurons after the layer; see `Layer.step`."""
        return state, self.inhibited(*self.cross(x))

    def inhibited(self, i_ee: Array, i_ie: Array) -> Array:
        """What the interneurons leave of the excitatory current `i_ee (..., outputs)`."""
        if self.readout:
            return i_ee - i_ie @ self.weight_ei
        rates = jax.nn.relu(i_ie)
        left = i_ee if self.mode == "divisive" else i_ee - rates @ self.weight_ei
        if self.gain_i is not None:
            left = left / stabilised((self.gain_i * rates) @ self.weight_ei, self.sample_axes)
        return self.gain_e * left + self.bias

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """Weights, gains and bias; all train by default, and all but the bias stay >= 0."""
        declared: dict[str, tuple[Kind, str, float]] = {
            "weight_ee": ("weight", "mV", 0.0),
            "weight_ie": ("weight", "mV", 0.0),
            "weight_ei": ("weight", "", 0.0),
            "gain_i": ("other", "", 0.0),
            "gain_e": ("other", "", 0.0),
            "bias": ("bias", "mV", -math.inf),
        }
        known = {}
        for name, (kind, unit, low) in declared.items():
            if getattr(self, name) is not None:
                leaf = lambda model, name=name: getattr(where(model), name)
                rate = 1 / self.fan_in if name == "weight_ei" else 1.0
                known[f"{path}.{name}"] = ParameterInfo(leaf, kind, unit, low=low, trainable=True, rate=rate)
        return known


class EILinear(EILayer):
    """Every input to every excitatory neuron and interneuron, and every interneuron to every excitatory neuron.

    The neuron that belongs after it (decay 1 - 1/tau a step with tau = 2, threshold 1, soft reset without gradient,
    sigmoid of steepness 4) is `LIF.like("spikingjelly", decay_input=False, v_reset=None, detach_reset=True)`.

    Args:
        n_in: Number of inputs.
        n_out: Number of excitatory neurons, which are the outputs.
        inhibitory: Share of interneurons among all neurons; 0.2 is four excitatory neurons to one.
        mode: "both", or for comparison "subtractive" or "divisive".
        readout: For the last layer: `x W_EE - (x W_IE) W_EI`, without division, gains and bias.
        density: Expected share of inputs that spike in a step; `ei_init` puts the measured moments in its place.
    """

    n_in: int = eqx.field(static=True)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        inhibitory: float = 0.2,
        mode: str = "both",
        readout: bool = False,
        density: float = 0.1,
    ):
        _checks.within("n_in", n_in, low=1)
        super().__init__(n_out, inhibitory, mode, readout, density)
        self.n_in = int(n_in)

    @property
    def expects(self) -> tuple[int, ...]:
        """`(n_in,)`."""
        return (self.n_in,)

    @property
    def fan_in(self) -> int:
        """`n_in`."""
        return self.n_in

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """`(n_in, n_out)` and `(n_in, n_inhibitory)`."""
        return (self.n_in, self.n_out), (self.n_in, self.n_inhibitory)

    @property
    def sample_axes(self) -> tuple[int, ...]:
        """The neurons."""
        return (-1,)

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["EILinear", tuple[int, ...]]:
        """Draw the weights; see `Layer.build`."""
        if shape != (self.n_in,):
            raise ValueError(f"`n_in` of layer {path}: EILinear expects {self.n_in} inputs, gets {shape}.")
        return self.drawn(path, *bernoulli_law(self.density, self.fan_in), key=key, dtype=dtype), (self.n_out,)

    def cross(self, x: Array) -> tuple[Array, Array]:
        """Both products in one pass over the spikes."""
        both = event_dense(x, jnp.concatenate([self.weight_ee, self.weight_ie], axis=1))
        return both[..., : self.n_out], both[..., self.n_out :]

    def __repr__(self) -> str:
        return f"EILinear({self.n_in}, {self.n_out}{', readout=True' if self.readout else ''})"


def ei_law(mean: float, square: float, variance: float, fan_in: int) -> tuple[float, float]:
    """Scale of the weights and g_I for which E[I_E] = E[I_sub] and E[I_div] = std(I_E).

        scale = sqrt(Var / (d (E[x^2] + Var))),      g_I = sqrt(E[x^2] + Var) / (E[x] sqrt(d))

    Args:
        mean: E[x] over inputs and samples.
        square: E[x^2].
        variance: Var, the mean over inputs of their variance over samples.
        fan_in: d.
    """
    return math.sqrt(variance / (fan_in * (square + variance))), math.sqrt((square + variance) / fan_in) / mean


def bernoulli_law(density: float, fan_in: int) -> tuple[float, float]:
    """`ei_law` of inputs that spike with the probability p = `density`: g_I = sqrt((2 - p) / (d p))."""
    return ei_law(density, density, density * (1 - density), fan_in)


def stabilised(divisor: Array, axes: tuple[int, ...]) -> Array:
    """`divisor` with the smallest positive value of its sample (over `axes`) in place of zeros; no gradient sees it.

    A sample without any positive value gets 1: nothing crosses there.
    """
    present = divisor > 0
    smallest = jnp.min(jnp.where(present, divisor, jnp.inf), axis=axes, keepdims=True)
    filled = jnp.where(present, divisor, jnp.where(jnp.isfinite(smallest), smallest, 1.0))
    return jax.lax.stop_gradient(filled) + (divisor - jax.lax.stop_gradient(divisor))
