"""What plastic projections ask of the rest of a network: populations that spike, voltages, and modulators."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from .._checks import nearest
from .._types import Array
from ..neurons import Source
from ..plasticity import PlasticConnection


def check_learning(connection: PlasticConnection, populations: Mapping[str, Any]) -> None:
    """Raise unless the populations at both ends have what the rules need.

    Raises:
        ValueError: A population that does not spike or has no voltage, or a modulator that does not exist or fit.
    """
    path = connection.path
    for name in (connection.pre, connection.post):
        model = _model(populations[name])
        if model.emits != "spikes":
            raise ValueError(f"`plasticity` of {path}: {name!r} emits {model.emits}, and rules learn from spikes.")
    for rule in connection.rules:
        kind, post = type(rule).__name__, _model(populations[connection.post])
        if rule.needs_voltage and "v" not in post.state_units():
            raise ValueError(f"`plasticity` of {path}: {kind} needs a voltage, {type(post).__name__} has none.")
        if rule.modulator is None:
            continue
        if rule.modulator not in populations:
            known = nearest(rule.modulator, populations)
            raise ValueError(f"`modulator` of {path}: no population {rule.modulator!r}; there are {known}.")
        size, fits = populations[rule.modulator].size, (1,) if rule.every_step else (1, connection.n_post)
        if size not in fits:
            expected = " or ".join(map(str, dict.fromkeys(fits)))
            raise ValueError(
                f"`modulator` of {path}: expected a population of {expected}, {rule.modulator!r} has {size}."
            )


def _model(population: Any) -> Any:
    return population if isinstance(population, Source) else population.neuron


def modulators(projections: Mapping[str, Any], x: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs of rules in one step, by path; without an input a modulator says 0."""
    paths = [path for c in projections.values() if isinstance(c, PlasticConnection) for path in c.modulators()]
    return {path: jnp.atleast_1d(jnp.asarray(x[path])) if path in x else jnp.zeros(1) for path in paths}
