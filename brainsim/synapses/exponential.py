"""Exponential synapse, as a current or as a conductance.

    tau_syn dx/dt = -x + tau_syn sum_k w_k delta(t - t_k),      x(t + dt) = x(t) exp(-dt / tau_syn)
    current (e_rev None):  I = x, weight in pA;        conductance:  I = x (e_rev - v), weight in nS, >= 0

Rotter & Diesmann, Biol. Cybern. 81 (1999) 381.
"""

import jax.numpy as jnp

from .._params import param
from .._types import Array, Drive, State
from .filtered import Filtered


class Exponential(Filtered):
    """Exponentially decaying current (state `i`, pA) or conductance (state `g`, nS).

    Args:
        tau_syn: Decay time (ms), > 0.
        e_rev: Reversal potential (mV); None makes it a current.
        trainable: Names of parameters that training may change.
    """

    tau_syn: Array = param(5.0, positive=True, kind="time_constant", unit="ms")
    e_rev: Array | None = param(None, unit="mV")

    @property
    def reversal(self) -> Array | None:
        """`e_rev`."""
        return self.e_rev

    @property
    def port(self) -> str:
        """What acts is what arrivals are added to."""
        return self.acting

    def current(self, state: State) -> Drive:
        """A decaying current."""
        return Drive(decaying=((state.i, self.tau_syn),))

    def advance(self, state: State, dt: float) -> State:
        """Exact decay over the step."""
        return state.replace(**{self.port: getattr(state, self.port) * jnp.exp(-dt / self.tau_syn)})
