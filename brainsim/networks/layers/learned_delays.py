"""Delays that learn: one delay a synapse, of which the weight is spread over whole steps around it.

    y_j(k) = sum_i sum_n w_ij g_n(d_ij) x_i(k - n)
    "gaussian"    g_n = exp(-(n dt - d)^2 / (2 sigma^2)) / sum over all n
    "triangular"  g_n = max(0, s - |n - d / dt|) / s^2,   s = 1 + sigma / dt;   at sigma = 0 linear interpolation

In inference the first kernel is 1 at the nearest step and 0 elsewhere, and the second has sigma = 0. The gradient to d
moves weight to earlier or later steps; training starts with a wide sigma and ends with a narrow one. Units: ms.
Gaussian: Hammouamri, Khalfaoui-Hassani and Masquelier, ICLR 2024 (DCLS, arXiv 2306.17670); triangular: Queant et al.,
arXiv 2509.24852 (DelRec).
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ... import _checks, _streams, units, values
from ..._params import concrete
from ..._paths import ParameterInfo
from ..._types import Array, Context, Value
from ...operators import event_dense, event_dense_where, sampling_pays


class Delays(eqx.Module):
    """The delays of a dense layer.

    Attributes:
        delay: Delay of every synapse (ms), (n_in, n_out), in [shortest dt, max_delay].
        sigma: Width of the kernel (ms), `()`; it does not train by default. "dt" until built.
        inference: Whether the kernel is as narrow as it can be; `bs.inference_mode` sets it.
        max_delay: Longest delay (ms); until built None for the longest that is drawn.
        shortest: Shortest delay in steps: 0, or 1 on a cycle.
        max_steps: Longest delay in steps; set by `build`.
        kernel: "gaussian" or "triangular".
    """

    delay: Any
    sigma: Any = "dt"
    inference: bool = eqx.field(static=True, default=False)
    max_delay: Any = eqx.field(static=True, default=None)
    shortest: int = eqx.field(static=True, default=0)
    max_steps: int = eqx.field(static=True, default=0)
    kernel: str = eqx.field(static=True, default="gaussian")

    def __post_init__(self):
        self.delay = values.strip("delay", self.delay, "ms")
        self.max_delay = None if self.max_delay is None else float(units.strip("max_delay", self.max_delay, "ms"))
        if isinstance(self.sigma, str):
            _checks.choice("sigma", self.sigma, ("dt",))
        else:
            self.sigma = values.strip("sigma", self.sigma, "ms")

    def build(self, path: str, shape: tuple[int, int], *, dt: float, key: Array, dtype: Any) -> "Delays":
        """Draw the delays of a layer.

        Args:
            path: Name of the layer.
            shape: (n_in, n_out).
            dt: Time step (ms).
            key: Root key of the parameters.
            dtype: Floating dtype.

        Raises:
            ValueError: A delay out of bounds, or a sigma that the kernel cannot have.
        """

        def drawn(name: str, slot: Value, shape: tuple[int, ...]) -> Array:
            context = Context(f"{path}.{name}", shape, dt)
            return values.resolve(slot, context, unit="ms", key=_streams.fold(key, context.path), dtype=dtype)

        delay = jnp.broadcast_to(drawn("delay", self.delay, shape), shape)
        sigma = drawn("sigma", dt if isinstance(self.sigma, str) else self.sigma, ())
        known, max_delay = concrete(delay), self.max_delay
        if max_delay is None:
            if known is None:
                raise ValueError(
                    f"`max_delay` of layer {path}: needed where the model is built under a transformation."
                )
            max_delay = max(float(known.max()), dt)
        if known is not None:
            _checks.within(f"{path}.delay", known, "ms", low=self.shortest * dt, high=max_delay)
            (_checks.positive if self.kernel == "gaussian" else _checks.finite)(f"{path}.sigma", sigma, "ms")
        steps = max(1, math.ceil(max_delay / dt - 1e-6))
        return dataclasses.replace(self, delay=delay, sigma=sigma, max_delay=max_delay, max_steps=steps)

    def taps(self, weight: Array, dt: float) -> Array:
        """Weight at every whole delay.

        Args:
            weight: (n_in, n_out) (mV).
            dt: Time step (ms).

        Returns:
            `(max_steps + 1 - shortest, n_in, n_out)`, the shortest delay first.
        """
        steps = jnp.arange(self.shortest, self.max_steps + 1, dtype=weight.dtype)[:, None, None]
        distance = steps - self.delay / dt
        if self.kernel == "gaussian":
            if self.inference:
                return jnp.where(steps == jnp.round(self.delay / dt), weight, 0.0)
            return weight * jax.nn.softmax(-0.5 * jnp.square(distance * (dt / self.sigma)), axis=0)
        width = jnp.ones_like(self.sigma) if self.inference else 1 + self.sigma / dt
        away = jnp.maximum(distance, -distance)  # its derivative at 0 is 0, as that of the kernel; that of abs is 1
        return weight * (jnp.maximum(0.0, width - away) / jnp.square(width))

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """`delay`, which trains by default, and `sigma`; `where(model)` is this part."""
        low = dt / 100 if self.kernel == "gaussian" else 0.0
        high = math.inf if self.max_delay is None else self.max_delay
        delay, sigma = (lambda model: where(model).delay), (lambda model: where(model).sigma)
        return {
            f"{path}.delay": ParameterInfo(delay, "delay", "ms", self.shortest * dt, high, trainable=True),
            f"{path}.sigma": ParameterInfo(sigma, "other", "ms", low),
        }


def convolved(history: Array, xs: Array, taps: Array) -> tuple[Array, Array]:
    """All steps of y(k) = sum_n x(k - n) taps_n, one event-driven product a tap.

    Args:
        history: The inputs before the first step, `([batch], max_steps, n_in)`, the oldest first.
        xs: Inputs, `(time, [batch], n_in)`.
        taps: `(max_steps + 1, n_in, n_out)`.

    Returns:
        The history after the last step, and the outputs `(time, [batch], n_out)`.
    """
    longest = len(taps) - 1
    padded = jnp.concatenate([jnp.moveaxis(history, -2, 0), xs])

    @jax.checkpoint  # else the late inputs of all taps would be kept for the backward pass
    def add(total: Array, tap: tuple[Array, Array]) -> tuple[Array, None]:
        steps, weight = tap
        late = jax.lax.dynamic_slice_in_dim(padded, longest - steps, len(xs))
        return total + event_dense(late, weight), None

    start = jnp.zeros((*xs.shape[:-1], taps.shape[-1]), xs.dtype)
    ys, _ = jax.lax.scan(add, start, (jnp.arange(longest + 1), taps))
    return jnp.moveaxis(padded[len(xs) :], 0, -2), ys


def crossed(history: Array, taps: Array, near: Array | None = None) -> Array:
    """One step: `sum_n history[-1 - n] taps_n`.

    Args:
        history: The inputs of as many steps as there are taps, `([batch], taps, n_in)`, the oldest first.
        taps: `(taps, n_in, n_out)`, the shortest delay first.
        near: Where a gradient to the inputs counts, bool of their shape; None: everywhere.
    """
    *batch, n_taps, n_in = history.shape
    line = lambda x: x.reshape(*batch, n_taps * n_in)
    weight = taps[::-1].reshape(n_taps * n_in, -1)
    if near is None or not sampling_pays(weight.shape[1]):
        return event_dense(line(history), weight)
    return event_dense_where(line(history), weight, None, line(near))
