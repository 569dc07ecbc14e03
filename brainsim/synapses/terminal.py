"""What happens where an axon ends, before anything crosses: shared by all synapses of one presynaptic neuron.

    emitted y_j  ->  terminal (state of neuron j)  ->  released r_j  ->  W  ->  kinetics of the postsynaptic neuron

The state is O(n_pre), however many synapses there are, and what crosses are events that carry a number, r_j, where it
is not 0. A delay comes after the terminal: that shifts all its events alike, so nothing depends on where along the axon
the time passes.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .._params import Parameterized
from .._streams import Stream
from .._types import Array, State


class Terminal(Parameterized):
    """Base of the stages of a projection that act on the presynaptic side; its own does nothing.

    Attributes:
        counts: Whether a presynaptic neuron may emit other values than 0 and 1, such as counts; set by the projection.
        acts: Whether it changes what crosses, which then must be spikes.
    """

    _: dataclasses.KW_ONLY
    counts: bool = eqx.field(static=True, default=True)

    acts: ClassVar[bool] = False

    def terminal_units(self) -> dict[str, str]:
        """Unit of every state field of a presynaptic neuron."""
        return {}

    def terminal_state(self, shape: tuple[int, ...], dtype: Any) -> dict[str, Array]:
        """The fields before the first spike, of shape `([batch], n_pre)`."""
        return {name: jnp.zeros(shape, dtype) for name in self.terminal_units()}

    def transmit(self, state: State, emitted: Array, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms, at whose end `emitted ([batch], n_pre)` arrives at the terminals.

        Args:
            state: State of the projection; a terminal changes its own fields only.
            emitted: What the presynaptic neurons emitted in this step.
            dt: Step (ms).
            key: Random stream of this step, for terminals that draw.

        Returns:
            The state after the step, and what is released, `([batch], n_pre)`.
        """
        del dt, key
        return state, emitted
