"""Losses of an output over time, `(out, y, mask=None) -> scalar`, means over the batch.

    ce_sum:      cross entropy of softmax(sum_t out)      summed membrane of a readout
    ce_count:    cross entropy of softmax(sum_t s)        spike counts of output neurons
    ce_max:      cross entropy of softmax(max_t out)      highest membrane
    mse:         mean (out - y)^2
    van_rossum:  (1/tau) int (f - g)^2 dt,  f = sum_i exp(-(t - t_i) / tau)

`out` is (time, batch, n). `mask` says which steps count: the number of steps of each sample (batch,), or an array of 0
and 1 (time, batch); the rest is padding and changes nothing. van Rossum, Neural Computation 13 (2001) 751; counts and
maxima as in snnTorch (Eshraghian et al., Proc. IEEE 111 (2023) 1016).
"""

from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks, units
from .._types import Array
from .regularise import rate as rate


def ce_sum(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the output summed over time.

    Args:
        out: Output of a readout, (time, batch, classes).
        y: Class of each sample, integers (batch,).
        mask: Steps that count.
    """
    return cross_entropy(summed(out, mask), y)


def ce_count(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of spike counts; the same formula as `ce_sum`, for spikes (time, batch, classes)."""
    return cross_entropy(summed(out, mask), y)


def ce_max(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the largest output over time; arguments as in `ce_sum`."""
    return cross_entropy(highest(out, mask), y)


def mse(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Mean squared error over time, batch and outputs.

    Args:
        out: Output, (time, batch, n).
        y: Target, (time, batch, n), or (batch, n) to be held in every step.
        mask: Steps that count.
    """
    if jnp.shape(y) not in (out.shape, out.shape[1:]):
        raise ValueError(f"`y`: expected targets of shape {out.shape} or {out.shape[1:]}, got {jnp.shape(y)}.")
    error = jnp.square(out - jnp.asarray(y, out.dtype))
    valid = jnp.broadcast_to(steps_that_count(out, mask), out.shape)
    return jnp.sum(error * valid) / jnp.sum(valid)


def van_rossum(out: Array, y: Array, mask: Array | None = None, *, tau: Any = 10.0, dt: Any = 1.0) -> Array:
    """Van Rossum distance of spike trains, mean over batch and neurons; exact integral, tail included.

    One spike against none is 1/2, two spikes at a distance d are 1 - exp(-d / tau).

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
    difference = (out - jnp.asarray(y, out.dtype)) * steps_that_count(out, mask)
    decay = jnp.exp(jnp.asarray(-dt / tau, out.dtype))

    def step(trace: Array, jump: Array) -> tuple[Array, Array]:
        trace = decay * trace + jump
        return trace, jnp.square(trace)

    last, squares = jax.lax.scan(step, jnp.zeros_like(out[0]), difference)
    within = -jnp.expm1(jnp.asarray(-2 * dt / tau, out.dtype)) / 2
    return jnp.mean(within * jnp.sum(squares, axis=0) + jnp.square(decay * last) / 2)


def cross_entropy(logits: Array, y: Array) -> Array:
    """Mean of -log softmax(logits)[y]; logits (batch, classes), y integers (batch,)."""
    y = jnp.asarray(y)
    if y.shape != logits.shape[:-1] or not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"`y`: expected integer classes of shape {logits.shape[:-1]}, got {y.dtype} {y.shape}.")
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], axis=-1)
    return -jnp.mean(chosen)


def summed(out: Array, mask: Array | None = None) -> Array:
    """Sum over the steps that count, (batch, n)."""
    return jnp.sum(out * steps_that_count(out, mask), axis=0)


def highest(out: Array, mask: Array | None = None) -> Array:
    """Maximum over the steps that count, (batch, n)."""
    return jnp.max(jnp.where(steps_that_count(out, mask) > 0, out, -jnp.inf), axis=0)


def steps_that_count(out: Array, mask: Array | None) -> Array:
    """A mask or lengths as 0 and 1 that broadcast to `out`: (time, batch, 1), or (1, 1, 1) without a mask.

    Raises:
        ValueError: `out` is not (time, batch, n), or the mask is neither lengths (batch,) nor (time, batch).
    """
    if out.ndim != 3:
        raise ValueError(f"`out`: expected (time, batch, n), got {out.shape}.")
    if mask is None:
        return jnp.ones((1, 1, 1), out.dtype)
    counts = jnp.asarray(mask)
    if counts.shape == out.shape[1:2] and jnp.issubdtype(counts.dtype, jnp.integer):
        counts = jnp.arange(out.shape[0], dtype=counts.dtype)[:, None] < counts
    if counts.shape != out.shape[:2]:
        raise ValueError(
            f"`mask`: expected lengths {out.shape[1:2]} or {out.shape[:2]} of 0 and 1, got {counts.shape}."
        )
    return counts.astype(out.dtype)[..., None]
