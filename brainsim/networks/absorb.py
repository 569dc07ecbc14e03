"""What a state has learnt becomes part of the model: plastic weights, running statistics of layers."""

from typing import Any

import equinox as eqx

from .._types import State
from ..plasticity import PlasticConnection
from .network import Network
from .sequential import Sequential


def absorb(model: Any, state: State) -> Any:
    """The model with what the state of a run has learnt written back to its parameters.

    Args:
        model: `Sequential` or `Network`. A network gets the plastic weights and goes on learning from them;
            `bs.inference_mode` turns that off.
        state: State after a run of this model, such as `run(...).state`.

    Returns:
        The model; its structure and what a gradient trains are unchanged.

    Raises:
        ValueError: Plastic weights of several trials.
    """
    if isinstance(model, Sequential):
        return model.absorb(state)
    if isinstance(model, Network):
        learnt = [path for path, edge in model.projections.items() if isinstance(edge, PlasticConnection)]
        weights = [state.projections[path].weight for path in learnt]
        if any(weight.ndim > 1 for weight in weights):
            raise ValueError("`state`: has a batch of trials, each with weights of its own; pick one trial's first.")
        where = lambda net: [net.projections[path].weight for path in learnt]
        return eqx.tree_at(where, model, weights) if learnt else model
    raise TypeError(f"`model`: expected a Network or a Sequential, got {type(model).__name__}.")
