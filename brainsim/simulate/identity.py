"""What a run is of: digests that tell whether a later call means the same run, and what a result says of its model."""

import hashlib
import json
from typing import Any

import numpy as np

from .._types import State
from ..networks import Network, Population
from ..recording import Spec
from ..recording.provenance import commit, versions
from ..recording.structure import encode
from .inputs import Inputs


def identity_of(network: Network, state: State, inputs: Inputs, specs: tuple[Spec, ...], steps: int) -> dict[str, str]:
    """SHA-256 of all that decides what a run records, by name; functions of the user's program count by their name."""
    parts = {
        "network": network,
        "state": state,
        "inputs": inputs._asdict(),
        "record": [repr(spec) for spec in specs],
        "duration": steps,
    }
    return {name: _digest(name, part) for name, part in parts.items()}


def _digest(name: str, part: Any) -> str:
    structure, arrays = encode(part, name)
    digest = hashlib.sha256(json.dumps(structure, sort_keys=True).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def meta_of(network: Network, duration: float, wall: float) -> dict[str, Any]:
    """What a result says of its model, in numbers and text: enough for a table of methods.

    Args:
        network: The network.
        duration: Time simulated (ms).
        wall: Wall time of the run (s).
    """
    parameters = {}
    for path, info in network.parameters().items():
        value = info.where(network)
        if value is not None:
            parameters[path] = {"unit": info.unit, **_value(np.asarray(value))}
    return {
        "dt": network.dt,
        "seed": network.seed,
        "duration": duration,
        "populations": {
            name: {
                "size": population.size,
                "model": type(population.neuron if isinstance(population, Population) else population).__name__,
            }
            for name, population in network.populations.items()
        },
        "projections": _projections(network),
        "parameters": parameters,
        "versions": versions(),
        **commit(),
        "wall_s": wall,
    }


def _projections(network: Network) -> dict[str, Any]:
    rules = {projection.path: projection.rule for projection in network.recipe.projections}
    return {path: _projection(connection, rules.get(path)) for path, connection in network.projections.items()}


def _projection(connection: Any, rule: Any) -> dict[str, Any]:
    return {
        "pre": connection.pre,
        "post": connection.post,
        "rule": type(rule).__name__,
        "rule_arguments": _arguments(rule),
        "synapses": connection.n_synapses,
        "synapse": type(connection.synapse).__name__,
        "delay": {"unit": "ms", **_value(np.asarray(connection.delay))},
    }


def _arguments(rule: Any) -> dict[str, Any]:
    """Numbers that a connectivity rule was made with."""
    found = vars(rule) if hasattr(rule, "__dict__") else {}
    return {name: value for name, value in found.items() if isinstance(value, bool | int | float)}


def _value(array: np.ndarray) -> dict[str, Any]:
    """One number, or the shape and distribution of many."""
    if array.ndim == 0:
        return {"value": float(array)}
    if not array.size:
        return {"shape": list(array.shape), "mean": 0.0}
    spread = {"mean": array.mean(), "sd": array.std(), "min": array.min(), "max": array.max()}
    return {"shape": list(array.shape), **{name: float(number) for name, number in spread.items()}}
