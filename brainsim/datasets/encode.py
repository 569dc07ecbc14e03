"""Numbers in [0, 1] become spikes or currents over time: rate, latency and constant codes.

    rate:     s_k ~ Bernoulli(x)                                    mean over time -> x
    latency:  t = tau ln(x / (x - theta)),  one spike in the step of t;  no spike for x <= theta
    constant: i_k = x

The latency is the time at which a leaky integrator with time constant tau, driven by x, reaches theta.
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


def latency(x: Any, steps: int, *, dt: Any, tau: Any = 5.0, threshold: float = 0.01) -> Array:
    """At most one spike, the earlier the stronger the intensity.

    Args:
        x: Intensities in [0, 1], shape (...).
        steps: Number of time steps; a latency beyond the last step gives no spike.
        dt: Length of a step (ms).
        tau: Time constant of the code (ms).
        threshold: Intensity at and below which there is no spike, in (0, 1).

    Returns:
        Spikes 0 or 1, shape (steps, ...).
    """
    x, dt = _intensity(x), _checks.time_step(dt)
    tau = units.strip("tau", tau, "ms")
    _checks.positive("tau", tau, "ms")
    if not 0 < threshold < 1:
        raise ValueError(f"`threshold`: expected an intensity in (0, 1), got {threshold:g}.")
    fires = x > threshold
    time = tau * -jnp.log1p(-threshold / jnp.where(fires, x, 1.0))
    step = jnp.floor(time / dt)
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


def _float(x: Any) -> Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def _intensity(x: Any) -> Array:
    if not isinstance(x, jax.core.Tracer):
        _checks.within("x", x, low=0.0, high=1.0)
    return _float(x)
