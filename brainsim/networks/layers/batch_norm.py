"""Batch normalisation through time, scaled to the threshold of the neuron after it (threshold-dependent, tdBN).

    y = weight alpha v_th (x - mean) / sqrt(var + eps) + bias          mean, var over time, batch and space, by channel

Weight (1 at first) and bias (mV, 0 at first) train. Inference uses running averages r <- (1 - momentum) r + momentum
batch, with the unbiased variance, as torch. Zheng, Wu, Deng, Hu and Li, AAAI 35 (2021) 11062; alpha = 1,
or 1 / sqrt(2) where two branches of such layers add up.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ... import _checks, units
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State
from .at_once import Masked
from .base import Watched


class BatchNorm(Masked):
    """Normalise each channel (the first axis after time and batch) over all else.

    Training needs all steps at once, so `step` is refused; the running averages travel in the state, and
    `bs.absorb(model, state)` puts them into the model. `bs.inference_mode(model)` makes the layer a fixed affine
    map. Steps after the end of a sequence (`run(..., lengths=)`) are not counted.

    Args:
        alpha: Factor for the number of branches.
        v_th: Threshold of the neurons that follow (mV).
        momentum: Weight of the present batch in the running averages, in [0, 1].
        eps: Added to the variance (mV^2).
        inference: Whether to use the running averages; set by `bs.inference_mode(model)`.
        weight: Factor, (channels,); set by `build`.
        bias: Offset (mV), (channels,); set by `build`.
        mean: Running mean, (channels,); set by `build`, no parameter that trains.
        var: Running variance, (channels,); set by `build`, no parameter that trains.
        shape: Shape of the input; set by `build`.
    """

    alpha: float = eqx.field(static=True, default=1.0, kw_only=True)
    v_th: Any = eqx.field(static=True, default=1.0, kw_only=True)
    momentum: float = eqx.field(static=True, default=0.1, kw_only=True)
    eps: float = eqx.field(static=True, default=1e-5, kw_only=True)
    inference: bool = eqx.field(static=True, default=False, kw_only=True)
    weight: Any = eqx.field(default=None, kw_only=True)
    bias: Any = eqx.field(default=None, kw_only=True)
    mean: Any = eqx.field(default=None, kw_only=True)
    var: Any = eqx.field(default=None, kw_only=True)
    shape: tuple[int, ...] = eqx.field(static=True, default=(), kw_only=True)

    def __post_init__(self):
        self.v_th = float(units.strip("v_th", self.v_th, "mV"))
        _checks.positive("alpha", self.alpha)
        _checks.positive("v_th", self.v_th, "mV")
        _checks.positive("eps", self.eps)
        _checks.within("momentum", self.momentum, low=0.0, high=1.0)

    @property
    def divisible(self) -> bool:
        """Not while it averages over all steps."""
        return self.inference

    @property
    def emission_unit(self) -> str:
        """Outputs are jumps of a voltage."""
        return "mV"

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["BatchNorm", tuple[int, ...]]:
        """Take the shape of the input; what was trained stays. See `Layer.build`."""
        if self.shape not in ((), shape):
            raise ValueError(f"`shape` of layer {path}: BatchNorm was built for {self.shape}, gets {shape}.")
        channels = shape[:1]
        first = {"weight": jnp.ones, "bias": jnp.zeros, "mean": jnp.zeros, "var": jnp.ones}
        arrays = {
            name: make(channels, dtype) if (known := getattr(self, name)) is None else known
            for name, make in first.items()
        }
        built = BatchNorm(
            alpha=self.alpha, v_th=self.v_th, momentum=self.momentum, eps=self.eps, inference=self.inference,
            shape=shape, **arrays,
        )  # fmt: skip
        return built, shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The model's running averages `mean` and `var`, (channels,); nothing in inference."""
        return State() if self.inference else State(mean=self.mean, var=self.var)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """Normalise by the running averages; see `Layer.step`.

        Raises:
            ValueError: In training, whose averages are over all steps.
        """
        if not self.inference:
            raise ValueError(
                "`inference`: BatchNorm averages over all steps while it trains, got one step: "
                "`bs.inference_mode(model)`."
            )
        return state, self._normalised(x, self.mean, self.var)

    def unroll_masked(
        self,
        state: State,
        xs: Array,
        dt: float,
        key: Stream,
        watch: tuple[str, ...] = (),
        valid: Array | None = None,
    ) -> tuple[State, Array, Watched]:
        """All steps at once, of which only the valid ones are averaged over; see `Layer.unroll_masked`."""
        if self.inference:
            return *self.step(state, xs, dt, key), {}
        count = xs.size // self.shape[0]
        if count < 2:
            raise ValueError(f"`xs`: expected at least 2 values for each channel to average over, got {count}.")
        among = [axis for axis in range(xs.ndim) if axis != xs.ndim - len(self.shape)]
        where = None if valid is None else valid.reshape(*valid.shape, *[1] * (xs.ndim - valid.ndim))
        mean, var = (moment(xs, axis=tuple(among), where=where) for moment in (jnp.mean, jnp.var))
        n = jnp.asarray(count, xs.dtype) if valid is None else jnp.sum(valid, dtype=xs.dtype) * (count / valid.size)
        seen = jax.lax.stop_gradient((mean, var * n / jnp.maximum(n - 1, 1)))
        kept = (state.mean, state.var)
        later = [(1 - self.momentum) * old + self.momentum * new for old, new in zip(kept, seen, strict=True)]
        return State(mean=later[0], var=later[1]), self._normalised(xs, mean, var), {}

    def _normalised(self, x: Array, mean: Array, var: Array) -> Array:
        """The affine map, channel by channel."""
        factor = self.weight * (self.alpha * self.v_th) * jax.lax.rsqrt(var + self.eps)
        mean, factor, bias = (v.reshape(-1, *[1] * (len(self.shape) - 1)) for v in (mean, factor, self.bias))
        return (x - mean) * factor + bias

    def absorb(self, state: State) -> "BatchNorm":
        """The layer with the running averages of `state`; in inference there are none and nothing changes."""
        if "mean" not in state:
            return self
        return eqx.tree_at(lambda layer: (layer.mean, layer.var), self, (state.mean, state.var))

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """`weight` and `bias`, which train by default."""
        return {
            f"{path}.weight": ParameterInfo(lambda model: where(model).weight, "weight", trainable=True),
            f"{path}.bias": ParameterInfo(lambda model: where(model).bias, "bias", "mV", trainable=True),
        }

    def __repr__(self) -> str:
        return "BatchNorm()"
