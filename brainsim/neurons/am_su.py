"""Astrocyte-modulated spiking unit: a leaky integrate-and-fire neuron on which its own past spikes act by a slow trace.

    v <- leak(v) + x + m,     s = H(v - theta),     reset of v
    a <- kappa a + (1 - kappa) r s,     kappa = exp(-dt / tau_astro)

    modulation "current":    m = g a                        (gliotransmission as a current)
    modulation "gain":       x <- x (1 + g tanh(a))
    modulation "threshold":  theta <- theta - g a

a is that of the end of the step before; spikes at a steady rate of f a step make it approach r f. Units: ms, mV.
Derived, no reproduction: of arXiv 2312.07625 (Shen et al., 2023) only the abstract is public, which names a unit that
combines the states of a neuron and of an astrocyte; the equations are ours. Where g is not 0, a spike acts on later
voltages, so that steps cannot be computed all at once as for a neuron without a reset.
"""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import ms
from .leaky import LeakyNeuron

MODULATIONS = ("current", "gain", "threshold")


class AMSU(LeakyNeuron):
    """Leaky integrate-and-fire neuron with a slow trace of its spikes that modulates it; g = 0 is `LIF`.

    Args:
        tau_mem, v_th, v_reset, v_rest: As in `LIF`.
        tau_astro: Time constant of the trace (ms), > 0; default 500.
        g_astro: Strength g of the modulation, in mV for "current" and "threshold"; default 0.1; trains by default.
        r_astro: Value r that a trace approaches when there is a spike in every step; default 1.
        modulation: "current", "gain" or "threshold".
        r_mem, c_mem, i_bias, reset, surrogate, detach_reset, trainable: As in `LIF`. The gradient over the trace is
            always open.
    """

    tau_astro: Array = param(500 * ms, positive=True, kind="time_constant")
    g_astro: Array = param(0.1)
    r_astro: Array = param(1.0)
    _: dataclasses.KW_ONLY
    modulation: str = eqx.field(static=True, default="current")
    trainable: tuple[str, ...] = eqx.field(static=True, default=("g_astro",))

    states: ClassVar[dict[str, Value]] = {"v": "v_rest", "a": 0.0}
    emits_surrogate: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("modulation", self.modulation, MODULATIONS)
        _checks.choice("integrator", self.integrator, ("exact",))
        if self.uses_refractory:
            raise ValueError("`t_ref`: AMSU has no refractory time.")

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the spikes 0. or 1., `([batch], n)`."""
        push = self.g_astro * state.a
        v = self.relaxed(state.v, drive, dt)
        if drive.jump is not None:
            gain = 1 + self.g_astro * jnp.tanh(state.a) if self.modulation == "gain" else 1
            v = v + drive.jump * gain
        v = v + push if self.modulation == "current" else v
        spikes = self.surrogate(self.overdrive(State(v=v, a=state.a)))
        kappa = jnp.exp(-dt / self.tau_astro)
        a = kappa * state.a + (1 - kappa) * (self.r_astro * spikes)
        return State(v=self.at_spikes(spikes, self.fallen(v), v), a=a), spikes

    def overdrive(self, s: State) -> Array:
        """(v - theta) / (v_th - v_reset)."""
        return self.distance(s.v, self.v_th - self.g_astro * s.a if self.modulation == "threshold" else self.v_th)
