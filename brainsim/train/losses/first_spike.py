"""Losses of the first spike of output neurons: the earlier it is, the higher the score of its class.

    first_spike:      cross entropy of softmax(-t / tau)
    mse_first_spike:  mean ((t - target) / duration)^2

t = (k + 1) dt for a first spike in step k; a neuron that never spikes counts as if it did in the last step. The time
has no derivative: dt/ds := -dt in the step of the spike (for a silent neuron the last step), 0 elsewhere: a higher
voltage there is an earlier spike. The sign estimator of snnTorch (Eshraghian et al., Proc. IEEE 111 (2023) 1016).
"""

from typing import Any

import jax
import jax.numpy as jnp

from ... import _checks, units
from ..._types import Array
from .counted_steps import number_of_steps, steps_that_count
from .cross_entropies import classes_of, cross_entropy


def first_spike(out: Array, y: Array, mask: Array | None = None, *, tau: Any = 1.0, dt: Any = 1.0) -> Array:
    """Cross entropy of the first spike times.

    Args:
        out: Spikes of output neurons, (time, batch, classes).
        y: Class of each sample, integers (batch,).
        mask: Steps that count.
        tau: How much earlier a spike must be for e times the probability (ms).
        dt: Step (ms).
    """
    tau = units.strip("tau", tau, "ms")
    _checks.positive("tau", tau, "ms")
    return cross_entropy(-first_spike_times(out, mask, dt=dt) / tau, y)


def mse_first_spike(
    out: Array,
    y: Array,
    mask: Array | None = None,
    *,
    dt: Any = 1.0,
    correct: Any = 0.0,
    incorrect: Any = None,
    tolerance: Any = 0.0,
) -> Array:
    """Mean squared error of the first spike times, in units of each sample's duration.

    Args:
        out: Spikes of output neurons, (time, batch, n).
        y: Target times, floating (batch, n) (ms), or the class of each sample, integers (batch,).
        mask: Steps that count.
        dt: Step (ms).
        correct: Target of the neuron of the class (ms), where `y` is classes.
        incorrect: Target of the others (ms); None is the end of each sample.
        tolerance: Distance below which a time counts as met (ms).
    """
    times, dt = first_spike_times(out, mask, dt=dt), _checks.time_step(dt)
    duration = number_of_steps(out, mask) * dt
    target = jnp.asarray(y)
    if jnp.issubdtype(target.dtype, jnp.integer):
        hot = jax.nn.one_hot(classes_of(target, out.shape[1]), out.shape[2], dtype=out.dtype)
        late = duration if incorrect is None else float(units.strip("incorrect", incorrect, "ms"))
        target = hot * float(units.strip("correct", correct, "ms")) + (1 - hot) * late
    if target.shape != times.shape:
        raise ValueError(
            f"`y`: expected times of shape {times.shape} or classes {times.shape[:1]}, got {target.shape}."
        )
    missed = times - target.astype(out.dtype)
    met = jnp.abs(missed) < float(units.strip("tolerance", tolerance, "ms"))
    return jnp.mean(jnp.square(jnp.where(met, 0, missed) / duration))


def first_spike_times(out: Array, mask: Array | None = None, *, dt: Any = 1.0) -> Array:
    """Time of the first spike of every neuron, (batch, n) (ms), with the derivative -dt in the step where it is.

    Args:
        out: Spikes, (time, batch, n).
        mask: Steps that count; a neuron without a spike in them has its first spike in the last of them.
        dt: Step (ms).
    """
    dt, counts = _checks.time_step(dt), steps_that_count(out, mask) > 0
    spiked = (out > 0) & counts
    last = jnp.max(jnp.where(counts, jnp.arange(len(out))[:, None, None], 0), axis=0)
    step = jnp.where(jnp.any(spiked, axis=0), jnp.argmax(spiked, axis=0), last)
    spike = jnp.take_along_axis(out, step[None], axis=0)[0]
    earlier = spike - jax.lax.stop_gradient(spike)  # 0, but for its derivative
    return dt * (step.astype(out.dtype) + 1 - earlier)
