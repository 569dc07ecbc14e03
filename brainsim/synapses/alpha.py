"""Alpha synapse, as a current or as a conductance: one time constant for rise and decay.

    x(t) = w (t / tau) exp(1 - t / tau)      after one event of weight w at t = 0: peak w at t = tau

    tau dy/dt = -y + tau sum_k w_k delta(t - t_k),         tau dx/dt = -x + e y
    y(t + dt) = y(t) exp(-dt / tau),                       x(t + dt) = (x(t) + e y(t) dt / tau) exp(-dt / tau)

with e = exp(1). Current (e_rev None): I = x, weight in pA; conductance: I = x (e_rev - v), weight in nS, >= 0. Rotter &
Diesmann, Biol. Cybern. 81 (1999) 381; Rall, J. Neurophysiol. 30 (1967) 1138.
"""

import math

import jax.numpy as jnp

from .._params import param
from .._types import Array, Drive, State
from .filtered import Filtered


class Alpha(Filtered):
    """Alpha-shaped current (state `i`, pA) or conductance (state `g`, nS); `weight` is the peak that one event makes.

    The state `rise` is y, in the same unit.

    Args:
        tau_syn: Time of the peak (ms), > 0.
        e_rev: Reversal potential (mV); None makes it a current.
        trainable: Names of parameters that training may change.
    """

    tau_syn: Array = param(2.0, positive=True, kind="time_constant", unit="ms")
    e_rev: Array | None = param(None, unit="mV")

    @property
    def reversal(self) -> Array | None:
        """`e_rev`."""
        return self.e_rev

    @property
    def port(self) -> str:
        """Arrivals make x rise."""
        return "rise"

    def state_units(self) -> dict[str, str]:
        """Unit of y and of what acts."""
        return {self.port: self.weight_unit, self.acting: self.weight_unit}

    def current(self, state: State) -> Drive:
        """i exp(-t / tau) + (e y / tau) t exp(-t / tau)."""
        slope = state.rise * (math.e / self.tau_syn)
        return Drive(decaying=((state.i, self.tau_syn),), ramping=((slope, self.tau_syn),))

    def advance(self, state: State, dt: float) -> State:
        """Exact over the step."""
        kept = jnp.exp(-dt / self.tau_syn)
        later = (getattr(state, self.acting) + state.rise * (math.e * dt / self.tau_syn)) * kept
        return state.replace(**{self.port: state.rise * kept, self.acting: later})
