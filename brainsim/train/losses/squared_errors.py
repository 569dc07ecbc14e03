"""Losses of a value: squared errors of an output over time, of its membrane, and of spike counts.

    mse:           mean (out - y)^2
    mse_membrane:  mean (out - target)^2,           target = correct for the sample's class, incorrect for others
    mse_count:     mean (sum_t s - r T)^2 / T,      r = correct or incorrect rate in spikes a step, r T whole

Means over the steps that count, batch and outputs; T is the number of steps of each sample that count. As in snnTorch
(Eshraghian et al., Proc. IEEE 111 (2023) 1016); the counts are those of SLAYER (Shrestha and Orchard, NeurIPS 2018).
"""

import jax
import jax.numpy as jnp

from ..._types import Array
from .counted_steps import number_of_steps, steps_that_count, summed
from .cross_entropies import classes_of


def mse(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Mean squared error over time, batch and outputs.

    Args:
        out: Output, (time, batch, n).
        y: Target, (time, batch, n), or (batch, n) to be held in every step.
        mask: Steps that count.
    """
    if jnp.shape(y) not in (out.shape, out.shape[1:]):
        raise ValueError(f"`y`: expected targets of shape {out.shape} or {out.shape[1:]}, got {jnp.shape(y)}.")
    return _mean_square(out, jnp.asarray(y, out.dtype), mask)


def mse_membrane(
    out: Array, y: Array, mask: Array | None = None, *, correct: float = 1.0, incorrect: float = 0.0
) -> Array:
    """Mean squared error of the membrane of output neurons, held at one voltage for the class and one for others.

    Args:
        out: Membrane, (time, batch, classes) (mV).
        y: Class of each sample, integers (batch,).
        mask: Steps that count.
        correct: Target of the class (mV); an array (time,) is a trajectory.
        incorrect: Target of the others (mV), likewise.
    """
    low, high = (jnp.asarray(value, out.dtype).reshape(-1, 1, 1) for value in (incorrect, correct))
    return _mean_square(out, low + (high - low) * _one_hot(out, y), mask)


def mse_count(
    out: Array, y: Array, mask: Array | None = None, *, correct: float = 1.0, incorrect: float = 0.0
) -> Array:
    """Mean squared error of spike counts, divided by the number of steps.

    Args:
        out: Spikes of output neurons, (time, batch, classes).
        y: Class of each sample, integers (batch,).
        mask: Steps that count.
        correct: Spikes a step that the neuron of the class shall emit, between 0 and 1.
        incorrect: Likewise the others.
    """
    steps = number_of_steps(out, mask)
    low, high = (jnp.floor(steps * float(rate) + 1e-3) for rate in (incorrect, correct))  # whole up to rounding
    return jnp.mean(jnp.square(summed(out, mask) - (low + (high - low) * _one_hot(out, y))) / steps)


def _one_hot(out: Array, y: Array) -> Array:
    return jax.nn.one_hot(classes_of(y, out.shape[1]), out.shape[2], dtype=out.dtype)


def _mean_square(out: Array, target: Array, mask: Array | None) -> Array:
    valid = jnp.broadcast_to(steps_that_count(out, mask), out.shape)
    return jnp.sum(jnp.where(valid > 0, jnp.square(out - target), 0)) / jnp.sum(valid)
