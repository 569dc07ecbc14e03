"""Readers: what a path means after a step, for records and outputs.

"E.spikes"  what E emitted    "E.v"  a state of E    "I->E.g"  a state of a projection    "I->E.weight"  its weight
"I->E.current"  what a projection drives through each neuron of E (pA), positive inwards: I = i, or g (e_rev - v)
"""

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .._checks import nearest
from .._types import Array, State
from ..neurons import Source
from ..plasticity import PlasticConnection


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads one quantity of a model after a step: `reader(state, emitted) -> ([batch], n)`, or what is kept of it.

    Attributes:
        path: The full path, such as `"E.v"`.
        owner: Population, projection or layer.
        variable: `"spikes"`, a state name, or `"weight"`.
        kind: `"spikes"` (events, 0 almost everywhere), `"emitted"` (graded output), `"state"` or `"weight"`.
        unit: Base unit ("" for spikes).
        size: Number of entries of the last axis.
        read: The reading itself.
        graded: Whether spikes may take other values than 0 and 1.
        keep: What is kept of `(..., n)`, a function of what is read; None: all.
    """

    path: str
    owner: str
    variable: str
    kind: str
    unit: str
    size: int
    read: Callable[[State, dict[str, Array]], Array]
    graded: bool = False
    keep: Callable[[Array], Array] | None = None

    def __call__(self, state: State, emitted: dict[str, Array]) -> Array:
        """The quantity after the step."""
        return self.kept(self.read(state, emitted))

    def kept(self, values: Array) -> Array:
        """What is kept of values that were read, also of many steps."""
        return values if self.keep is None else self.keep(values)


def network_reader(populations: Mapping[str, Any], projections: Mapping[str, Any], path: str) -> Reader:
    """The reader of a path of a network.

    Raises:
        ValueError: A path that names nothing; the message lists what there is.
    """
    owner, dot, variable = path.rpartition(".")
    if not dot or owner not in (*populations, *projections):
        known = nearest(owner or path, [*populations, *projections])
        raise ValueError(f'record "{path}": no {(owner or path)!r}; expected OWNER.VARIABLE with OWNER one of {known}.')
    if owner in projections:
        connection = projections[owner]
        if variable == "current" and carries_current(connection, populations[connection.post]):
            return Reader(path, owner, variable, "state", "pA", connection.n_post, _current(connection, owner))
        return _of_connection(connection, path, owner, variable)
    population = populations[owner]
    model = population if isinstance(population, Source) else population.neuron
    units = {} if isinstance(model, Source) else model.state_units()
    emits = model.emits
    if variable == emits:
        spiking = emits == "spikes"
        return Reader(
            path,
            owner,
            variable,
            "spikes" if spiking else "emitted",
            units.get(emits, ""),
            population.size,
            lambda state, emitted: emitted[owner],
            graded=spiking and model.graded,
        )
    if variable in units:
        read = lambda state, emitted: getattr(state.populations[owner], variable)
        return Reader(path, owner, variable, "state", units[variable], population.size, read)
    raise ValueError(f'record "{path}": {type(model).__name__} has {nearest(variable, [emits, *units])}.')


def _of_connection(connection: Any, path: str, owner: str, variable: str) -> Reader:
    units = connection.state_units()
    learnt = connection.readable() if isinstance(connection, PlasticConnection) else {}
    if variable in learnt:
        unit, size = learnt[variable]
        read = lambda state, emitted: getattr(state.projections[owner], variable)
        return Reader(path, owner, variable, "weight" if variable == "weight" else "state", unit, size, read)
    if variable == "weight":
        weight = connection.weight
        return Reader(
            path,
            owner,
            variable,
            "weight",
            connection.synapse.weight_unit,
            weight.size,
            lambda state, emitted: weight.reshape(-1),
        )
    if variable in units:
        read = lambda state, emitted: getattr(state.projections[owner], variable)
        return Reader(path, owner, variable, "state", units[variable], connection.state_size(variable), read)
    kind = type(connection.synapse).__name__
    raise ValueError(f'record "{path}": {kind} has {nearest(variable, [*units, *(learnt or ["weight"])])}.')


def carries_current(connection: Any, post: Any) -> bool:
    """Whether a projection drives a current: not a jump, and with a voltage at its target where it is a conductance."""
    unit = connection.synapse.weight_unit
    return bool(connection.state_units()) and (unit == "pA" or (unit == "nS" and "v" in post.neuron.states))


def _current(connection: Any, owner: str) -> Callable[[State, dict[str, Array]], Array]:
    def read(state: State, emitted: dict[str, Array]) -> Array:
        del emitted
        post = state.populations[connection.post]
        drive = connection.drive(state.projections[owner], post.v if "v" in post else None)
        parts = [part for part in (drive.current, drive.reversal, *(i for i, _ in drive.decaying)) if part is not None]
        if drive.conductance is not None:
            parts.append(-drive.conductance * post.v)
        return functools.reduce(operator.add, parts)

    return read
