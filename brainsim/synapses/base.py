"""What a crossed spike does over time at its target: linear kinetics with one state per postsynaptic neuron.

The filtered spikes of all synapses of one kind onto a neuron are the filter of their weighted sum, so a projection
keeps O(n_post) state however many synapses it has. The state after step k is the value at t_{k+1} with everything that
arrives at t_{k+1} added. A synapse whose conductance depends on the voltage gets the voltage at the start of the step.
"""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._types import Array, Drive, State
from .terminal import Terminal


class Synapse(Terminal):
    """Base of the synapse kinetics.

    Attributes:
        reads_voltage: Whether `drive` needs the postsynaptic voltage.
    """

    reads_voltage: ClassVar[bool] = False

    @property
    def port(self) -> str:
        """State field that arrivals are added to."""
        raise TypeError(f"{type(self).__name__} does not define `port`.")

    @property
    def weight_unit(self) -> str:
        """Base unit of a weight of this synapse."""
        raise TypeError(f"{type(self).__name__} does not define `weight_unit`.")

    @property
    def weight_low(self) -> float | None:
        """Smallest weight that makes sense, or None."""
        return None

    def state_units(self) -> dict[str, str]:
        """Unit of every state field of a postsynaptic neuron."""
        return {self.port: self.weight_unit}

    def init_state(self, shape: tuple[int, ...], dtype: Any) -> State:
        """A state of shape `([batch], n_post)` with nothing under way."""
        return State(**{name: jnp.zeros(shape, dtype) for name in self.state_units()})

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """What the postsynaptic neuron gets during the step that starts in `state`, at the voltage `v` (mV)."""
        raise TypeError(f"{type(self).__name__} does not define `drive`.")

    def advance(self, state: State, dt: float) -> State:
        """Kinetics over one step of `dt` ms, before arrivals are added."""
        raise TypeError(f"{type(self).__name__} does not define `advance`.")

    def arrive(self, state: State, arrivals: Array) -> State:
        """Add weighted arrivals of shape `([batch], n_post)`."""
        return state.replace(**{self.port: getattr(state, self.port) + arrivals})
