"""Synaptic scaling: all synapses of a neuron grow or shrink by one factor until it fires at a target rate.

    dw/dt = w (rate - r) / (rate tau_w),          tau_r dr/dt = -r + sum_k delta(t - t_k)         (r in Hz)

Ratios between the weights of a neuron stay. Every neuron is scaled once in `every` ms, in turns, so that a step costs
(number of synapses) dt / every.
Turrigiano et al., Nature 391 (1998) 892; van Rossum, Bi & Turrigiano, J. Neurosci. 20 (2000) 8812, without its
integral term.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks, units
from .._params import param
from .._types import Array, State
from ..units import Hz, ms
from .base import Plasticity, Seen


class SynapticScaling(Plasticity):
    """Multiplicative homeostasis of the postsynaptic rate.

    Args:
        rate: Rate that the postsynaptic neurons are brought to (Hz), > 0.
        tau_w: Time constant of the weights at a rate of 0 (ms), > 0.
        tau_r: Time constant of the measured rate (ms), > 0.
        every: Time between two changes of one neuron's synapses (ms), a multiple of dt.
    """

    rate: Array = param(5.0 * Hz, positive=True)
    tau_w: Array = param(20000.0 * ms, positive=True, kind="time_constant")
    tau_r: Array = param(1000.0 * ms, positive=True, kind="time_constant")
    _: dataclasses.KW_ONLY
    every: float = eqx.field(static=True, default=100.0)

    post: ClassVar[Mapping[str, str | None]] = {"r": "tau_r"}

    def __post_init__(self):
        super().__post_init__()
        self.every = float(units.strip("every", self.every, "ms"))
        _checks.positive("every", self.every, "ms")

    def raised(self, traces: State, spikes: Array) -> State:
        """A spike adds 1 / tau_r to the measured rate."""
        return traces.replace(r=traces.r + 1000 * spikes / self.tau_r) if "r" in traces else traces

    def events(self, post: State, seen: Seen) -> Array:
        """The neurons whose turn it is."""
        period = max(_checks.steps("every", self.every, seen.dt), 1)
        turn = jnp.arange(seen.spikes.shape[-1], dtype=jnp.int32) % period
        return jnp.broadcast_to((turn == seen.step % period).astype(seen.spikes.dtype), seen.spikes.shape)

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """One factor for all synapses of a neuron; at most a fall to 0."""
        return w * jnp.maximum(1 + self.every * (self.rate - post.r) / (self.rate * self.tau_w), 0)
