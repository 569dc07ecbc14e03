"""Instantaneous synapses: the arriving sum acts in one step and is gone.

    Delta:  v <- v + sum_j w_j s_j            (w in mV, after the leak of the step)
    Relay:  I = sum_j w_j y_j                 (held over the step; w scales a graded output y, such as an astrocyte's
        current)

Relay is the `sic_connection` of NEST for slow inward currents (astrocyte_lr_1994).
"""

import jax.numpy as jnp

from .._types import Array, Drive, State
from .base import Synapse


class _Instantaneous(Synapse):
    def advance(self, state: State, dt: float) -> State:
        """Nothing stays after the step in which it acted."""
        del dt
        return state.replace(**{self.port: jnp.zeros_like(getattr(state, self.port))})


class Delta(_Instantaneous):
    """Voltage jump of `weight` mV per event; state `jump`, shape `([batch], n_post)` in mV."""

    @property
    def port(self) -> str:
        """The pending jump."""
        return "jump"

    @property
    def weight_unit(self) -> str:
        """Millivolt."""
        return "mV"

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """The jump of this step."""
        return Drive(jump=state.jump)


class Relay(_Instantaneous):
    """Passes a graded output on as a current: `weight` pA per unit of output; state `i`, `([batch], n_post)` in pA."""

    @property
    def port(self) -> str:
        """The relayed current."""
        return "i"

    @property
    def weight_unit(self) -> str:
        """Picoampere per unit of the presynaptic output."""
        return "pA"

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """The current of this step."""
        return Drive(current=state.i)
