"""Van Rossum distance of spike trains, an exact integral, tail included.

    D = (1/tau) int (f - g)^2 dt,    f = sum_i exp(-(t - t_i) / tau)

One spike against none is 1/2, two spikes at a distance d are 1 - exp(-d / tau). Times in ms. van Rossum, Neural
Computation 13 (2001) 751.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ... import _checks, units
from ..._types import Array
from .counted_steps import steps_that_count


def van_rossum(out: Array, y: Array, mask: Array | None = None, *, tau: Any = 10.0, dt: Any = 1.0) -> Array:
    """Van Rossum distance of spike trains, mean over batch and neurons.

    Args:
        out: Spikes, (time, batch, n).
        y: Target spikes, (time, batch, n).
        mask: Steps that count; spikes in others are ignored.
        tau: Time constant of the exponential filter (ms).
        dt: Step (ms).
    """
    if jnp.shape(y) != out.shape:
        raise ValueError(f"`y`: expected target spikes of shape {out.shape}, got {jnp.shape(y)}.")
    tau, dt = units.strip("tau", tau, "ms"), _checks.time_step(dt)
    _checks.positive("tau", tau, "ms")
    difference = jnp.where(steps_that_count(out, mask) > 0, out - jnp.asarray(y, out.dtype), 0)
    decay = jnp.exp(jnp.asarray(-dt / tau, out.dtype))

    def step(trace: Array, jump: Array) -> tuple[Array, Array]:
        trace = decay * trace + jump
        return trace, jnp.square(trace)

    last, squares = jax.lax.scan(step, jnp.zeros_like(out[0]), difference)
    within = -jnp.expm1(jnp.asarray(-2 * dt / tau, out.dtype)) / 2
    return jnp.mean(within * jnp.sum(squares, axis=0) + jnp.square(decay * last) / 2)
