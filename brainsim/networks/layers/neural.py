"""A layer of neurons of one model: what it emits, and what can be recorded of it, are those of the neuron."""

from ...neurons import Neuron
from ...neurons.support import is_binary
from .base import Layer


class Neural(Layer):
    """Base of the layers of neurons.

    Args:
        neuron: Neuron model.
    """

    neuron: Neuron

    @property
    def emission(self) -> str:
        """What the neuron emits: "spikes" or a state."""
        return self.neuron.emits

    @property
    def emission_unit(self) -> str:
        """Unit of the emitted state, "" for spikes."""
        return self.neuron.state_units().get(self.emission, "")

    def binary(self, received: bool | None) -> bool:
        """Whether the neuron emits the spikes of its surrogate; see `Layer.binary`."""
        return is_binary(self.neuron)

    def state_units(self) -> dict[str, str]:
        """Unit of every state of the neuron."""
        return self.neuron.state_units()
