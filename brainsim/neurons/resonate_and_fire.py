"""Resonate-and-fire neuron: a membrane that oscillates below threshold, so that it prefers pulses at its own rhythm.

    di/dt = b i - omega v + I,        dv/dt = omega i + b v          (z = i + j v:  dz/dt = (b + j omega) z + I)
    a pulse of x: i <- i + x at the end of the step;     spike where v >= v_th; then i <- 0, v <- v_th

v is the voltage-like and i the current-like part of one complex number, both without unit; a current of 1 pA counts as
1/ms. b < 0 damps, omega = 2 pi frequency. The step is exact for currents that are held, and takes those that decay
within it by their mean. Units: ms, Hz. Izhikevich, Neural Netw. 14 (2001) 883, with his reset to the point z = j.
"""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import Hz, ms
from .base import Neuron
from .integrate import synaptic_current


class ResonateAndFire(Neuron):
    """Resonate-and-fire neuron.

    Args:
        frequency: Frequency of the oscillation (Hz), > 0; default 40.
        tau_mem: Time constant of its damping (ms), -1 / b, > 0; default 10.
        v_th: Threshold of v, > 0; default 1.
        integrator: "exact" (default), or one of those of `Neuron`.
        t_ref, i_bias, surrogate, detach_reset, precise_times, trainable: See `Neuron`.
    """

    frequency: Array = param(40 * Hz, positive=True)
    tau_mem: Array = param(10 * ms, positive=True, kind="time_constant")
    v_th: Array = param(1.0, positive=True, kind="threshold")
    integrator: str = eqx.field(static=True, default="exact", kw_only=True)

    holds: ClassVar[tuple[str, ...]] = ("v", "i")
    states: ClassVar[dict[str, Value]] = {"v": 0.0, "i": 0.0}
    emits_surrogate: ClassVar[bool] = True

    @property
    def omega(self) -> Array:
        """Angular frequency (1/ms)."""
        return 2e-3 * math.pi * self.frequency

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms; a jump reaches i, not v. See `Neuron.step`."""
        later, spikes = super().step(state, drive._replace(jump=None), dt, key)
        if drive.jump is None:
            return later, spikes
        i = later.i + drive.jump
        return later.replace(i=jnp.where(later.refractory > 0, later.i, i) if self.uses_refractory else i), spikes

    def exact(self, s: State, drive: Drive, dt: float) -> dict[str, Array]:
        """v and i after `dt`: z turns and shrinks around the point -I / (b + j omega)."""
        if drive.conductance is not None:
            raise ValueError('`conductance`: ResonateAndFire takes one with an `integrator` other than "exact" only.')
        mean = synaptic_current(self.i_bias, drive, dt, None)(s.v)
        b, omega = -1 / self.tau_mem, self.omega
        pull = mean / (b * b + omega * omega)
        i_rest, v_rest = -b * pull, omega * pull
        shrink, turn = jnp.exp(b * dt), omega * dt
        cos, sin = shrink * jnp.cos(turn), shrink * jnp.sin(turn)
        di, dv = s.i - i_rest, s.v - v_rest
        return dict(v=v_rest + (sin * di + cos * dv), i=i_rest + (cos * di - sin * dv))

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The two equations."""
        return dict(v=self.omega * s.i - s.v / self.tau_mem, i=i(s.v) - self.omega * s.v - s.i / self.tau_mem)

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / v_th."""
        return (s.v - self.v_th) / self.v_th

    def reset(self, s: State) -> dict[str, Array]:
        """z = j v_th."""
        return dict(v=self.v_th, i=jnp.zeros_like(s.i))
