"""What a state has learnt becomes part of the model: running statistics of layers."""

from typing import Any

from .._types import State
from .network import Network
from .sequential import Sequential


def absorb(model: Any, state: State) -> Any:
    """The model with what the state of a run has learnt written back to its parameters.

    Args:
        model: `Sequential` or `Network`. No projection of a network learns by itself, so a network stays as it is.
        state: State after a run of this model, such as `run(...).state`.

    Returns:
        The model; its structure and what a gradient trains are unchanged.
    """
    if isinstance(model, Sequential):
        return model.absorb(state)
    if isinstance(model, Network):
        return model
    raise TypeError(f"`model`: expected a Network or a Sequential, got {type(model).__name__}.")
