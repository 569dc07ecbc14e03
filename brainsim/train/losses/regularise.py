"""Regularisers: penalties on what a run records, added to the loss.

    rate:  weight * mean_n [ max(0, low - r_n)^2 + max(0, r_n - high)^2 ],   r_n = mean rate of neuron n in Hz
    l1:    weight * mean_b sum_n c_bn                                        c_bn = spikes of neuron n in sample b
    l2:    weight * mean_b sum_n c_bn^2

`l1` is snnTorch's `l1_rate_sparsity`, here a mean over the batch (Eshraghian et al., Proc. IEEE 111 (2023) 1016).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from ... import _checks, units
from ..._types import Array
from .counted_steps import summed


@dataclasses.dataclass(frozen=True)
class RatePenalty:
    """What `rate` returns: `penalty(records, dt=, lengths=) -> scalar`."""

    path: str
    low: float
    high: float
    weight: float

    @property
    def record(self) -> tuple[str, ...]:
        """Paths that a run must record."""
        return (self.path,)

    def __call__(self, records: Mapping[str, Array], *, dt: float, lengths: Array | None = None) -> Array:
        """The penalty.

        Args:
            records: Records of a run; the one at `path` holds spikes (time, batch, n).
            dt: Step (ms).
            lengths: Steps of each sample (batch,), the rest being padding.
        """
        rates = mean_rate(records[self.path], dt=dt, lengths=lengths)
        outside = jnp.maximum(self.low - rates, 0.0) + jnp.maximum(rates - self.high, 0.0)
        return self.weight * jnp.mean(jnp.square(outside))


@dataclasses.dataclass(frozen=True)
class CountPenalty:
    """What `l1` and `l2` return: `penalty(records, dt=, lengths=) -> scalar`."""

    path: str
    power: int
    weight: float

    @property
    def record(self) -> tuple[str, ...]:
        """Paths that a run must record."""
        return (self.path,)

    def __call__(self, records: Mapping[str, Array], *, dt: float, lengths: Array | None = None) -> Array:
        """The penalty; arguments as in `RatePenalty`."""
        counts = summed(records[self.path], lengths)
        return self.weight * jnp.mean(jnp.sum(counts if self.power == 1 else jnp.square(counts), axis=-1))


def rate(path: str, low: Any, high: Any, *, weight: float = 1.0) -> RatePenalty:
    """Keep every neuron's mean rate between two rates.

    Args:
        path: Spikes to look at, such as `"1.spikes"` or `"E.spikes"`.
        low: Smallest rate without penalty (Hz).
        high: Largest rate without penalty (Hz).
        weight: Factor of the penalty, which is in Hz^2.
    """
    low, high = (float(units.strip(name, value, "Hz")) for name, value in (("low", low), ("high", high)))
    _checks.within("low", low, "Hz", low=0.0, high=high)
    return RatePenalty(path, low, high, weight)


def l1(path: str, weight: float = 1e-5) -> CountPenalty:
    """Make spikes cost: the number of spikes of a sample, all neurons together.

    Args:
        path: Spikes to look at, such as `"1.spikes"`.
        weight: Factor of the penalty, which is in spikes.
    """
    return CountPenalty(path, 1, weight)


def l2(path: str, weight: float = 1e-5) -> CountPenalty:
    """Make the spikes of busy neurons cost most: the squared number of spikes of each neuron, summed over neurons.

    Args:
        path: Spikes to look at, such as `"1.spikes"`.
        weight: Factor of the penalty, which is in spikes^2.
    """
    return CountPenalty(path, 2, weight)


def mean_rate(spikes: Array, *, dt: float, lengths: Array | None = None) -> Array:
    """Mean rate of every neuron over time and batch (Hz), from spikes (time, batch, n)."""
    if lengths is None:
        return jnp.mean(spikes, axis=(0, 1)) * (1000.0 / dt)
    steps = jnp.sum(lengths).astype(spikes.dtype)
    return jnp.sum(summed(spikes, lengths), axis=0) * (1000.0 / dt) / steps
