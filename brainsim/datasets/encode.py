"""Numbers become spikes or currents over time: rate, latency, constant, delta and population codes.

    rate:       s_k ~ Bernoulli(x)                                    mean over time -> x
    latency:    t = tau ln(x / (x - theta)),  one spike in the step of t;  no spike for x <= theta
                t = tau (1 - x)  where linear
    constant:   i_k = x
    delta:      s_k = 1 where x_k - x_{k-1} >= theta, -1 where it is <= -theta
    population: x_j = exp(-(x - c_j)^2 / 2 sigma^2)

The latency is the time at which a leaky integrator with time constant tau, driven by x, reaches theta. Tuning curves:
Bohte, Kok and La Poutre, Neurocomputing 48 (2002) 17.
Times in ms. Equations as in snnTorch (Eshraghian et al., Proc. IEEE 111 (2023) 1016).
"""

from typing import Any

import jax
import jax.core
import jax.numpy as jnp

from .. import _checks, units
from .._types import Array


def rate(x: Any, steps: int, key: Array) -> Array:
    """Independent spikes with probability `x` in every step.

    Args:
        x: Intensities in [0, 1], shape (...).
        steps: Number of time steps.
        key: JAX key.

    Returns:
        Spikes 0 or 1, shape (steps, ...).
    """
    x = _intensity(x)
    return jax.random.bernoulli(key, x, (steps, *x.shape)).astype(x.dtype)


def latency(x: Any, steps: int, *, dt: Any, tau: Any = 5.0, threshold: float = 0.01, linear: bool = False) -> Array:
    """At most one spike, the earlier the stronger the intensity.

    Args:
        x: Intensities in [0, 1], shape (...).
        steps: Number of time steps; a latency beyond the last step gives no spike.
        dt: Length of a step (ms).
        tau: Time constant of the code (ms).
        threshold: Intensity at and below which there is no spike, in (0, 1).
        linear: Whether the latency falls linearly; `tau=(steps - 1) * dt` then fills the steps.

    Returns:
        Spikes 0 or 1, shape (steps, ...).
    """
    x, dt = _intensity(x), _checks.time_step(dt)
    tau = units.strip("tau", tau, "ms")
    _checks.positive("tau", tau, "ms")
    if not 0 < threshold < 1:
        raise ValueError(f"`threshold`: expected an intensity in (0, 1), got {threshold:g}.")
    fires = x > threshold
    time = 1 - x if linear else -jnp.log1p(-threshold / jnp.where(fires, x, 1.0))
    step = jnp.floor(time * (tau / dt))
    clock = jnp.arange(steps, dtype=x.dtype).reshape((steps,) + (1,) * x.ndim)
    return ((clock == step) & fires).astype(x.dtype)


def constant(x: Any, steps: int) -> Array:
    """The same value in every step, such as a pixel as a current.

    Args:
        x: Values, shape (...).
        steps: Number of time steps.

    Returns:
        Shape (steps, ...).
    """
    x = _float(x)
    return jnp.broadcast_to(x, (steps, *x.shape))


def delta(x: Any, threshold: float, *, off: bool = False) -> Array:
    """Spikes where a signal rises by at least `threshold` from one step to the next; none in the first step.

    Args:
        x: Signal, shape (steps, ...).
        threshold: Smallest change that gives a spike, > 0, in the unit of the signal.
        off: Whether falls give spikes of -1.

    Returns:
        Spikes 0 or 1, or -1, of the signal's shape.
    """
    _checks.positive("threshold", threshold)
    x = _float(x)
    change = jnp.diff(x, axis=0, prepend=x[:1])
    spikes = (change >= threshold).astype(x.dtype)
    return spikes - (change <= -threshold).astype(x.dtype) if off else spikes


def population(x: Any, n: int, *, low: float = 0.0, high: float = 1.0, width: float = 1.0) -> Array:
    """Every number as the intensities of `n` tuning curves, whose centres go evenly from `low` to `high`.

    Args:
        x: Numbers, shape (...).
        n: Number of curves, at least 2.
        low: Centre of the first curve.
        high: Centre of the last curve.
        width: Standard deviation of a curve, in distances between centres.

    Returns:
        Intensities in [0, 1], shape (..., n): input of `rate` or `latency`.
    """
    _checks.within("n", n, low=2)
    _checks.positive("width", width)
    x, apart = _float(x), (high - low) / (n - 1)
    centres = low + apart * jnp.arange(n, dtype=x.dtype)
    return jnp.exp(-0.5 * jnp.square((x[..., None] - centres) / (width * apart)))


def _float(x: Any) -> Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def _intensity(x: Any) -> Array:
    if not isinstance(x, jax.core.Tracer):
        _checks.within("x", x, low=0.0, high=1.0)
    return _float(x)
