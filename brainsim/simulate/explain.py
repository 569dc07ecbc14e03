"""How a model runs on this machine: the way of every population and projection, and what a step of it costs.

print(bs.explain(net))
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax

from .. import _native
from .._types import State
from ..fuse.loop import Choice, choose, loop_p
from ..fuse.report import Path, path_of
from ..networks import Network, Sequential
from .advance import advance
from .explain_layers import explain_layers
from .explanation import Explanation, Part
from .inputs import prepare
from .records import make_plan


def explain(model: Any, inputs: Any = None, *, batch: int | None = None) -> Explanation:
    """Say how `run` and `simulate` compute a model.

    Args:
        model: `Network` or `Sequential`.
        inputs: As in `run` of a network, where they matter: a signal may be what cannot be fused.
        batch: Number of trials.

    Returns:
        The way of every part, operations and bytes per step, and why not where something is not native.
    """
    if isinstance(model, Sequential):
        return explain_layers(model, batch)
    if not isinstance(model, Network):
        raise TypeError(f"`model`: expected a Network or a Sequential, got {type(model).__name__}.")
    prepared = prepare(model, inputs, 2)
    state = model.init_state(prepared.batch if batch is None else batch)

    def two_steps(arrays: Any, state: State) -> Any:
        network = eqx.combine(arrays, static)
        return advance(network, state, prepared, make_plan(network, ()), steps=2, start=0).state

    arrays, static = eqx.partition(model, eqx.is_array)
    jaxpr = jax.make_jaxpr(two_steps)(arrays, state)
    found = [eqn for eqn in jaxpr.eqns if eqn.primitive is loop_p]
    choice = choose(**found[0].params) if found else None
    parts = (*_populations(model, state, choice), *_projections(model, state, choice))
    if choice is None or choice.way is None:
        return Explanation(parts, "XLA", (_native.WHY_XLA,) if _native.WHY_XLA else choice.why if choice else ())
    return Explanation(parts, "native calls in each step" if choice.why else "one native call", choice.why)


def _places(state: State, group: str, name: str) -> tuple[int, ...]:
    """Where the arrays of a part lie among the leaves of the carry (of which the state is the first part)."""
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    wanted = (group, name)
    return tuple(at for at, (path, _) in enumerate(leaves) if tuple(str(_name(key)) for key in path[:2]) == wanted)


def _name(key: Any) -> Any:
    return key.name if isinstance(key, jax.tree_util.GetAttrKey) else getattr(key, "key", key)


def _path(state: State, choice: Choice | None, group: str, name: str) -> Path:
    places = _places(state, group, name)
    if choice is None:
        return Path("xla", (), 0, 0, _native.WHY_XLA)
    return path_of(choice, places)


def _populations(model: Network, state: State, choice: Choice | None) -> Iterator[Part]:
    for name, population in model.populations.items():
        path = _path(state, choice, "populations", name)
        stateless = not jax.tree.leaves(state.populations[name])
        yield Part(name, "input" if stateless else path.way, population.size, path.operations, path.bytes, why=path.why)


def _projections(model: Network, state: State, choice: Choice | None) -> Iterator[Part]:
    for name, connection in model.projections.items():
        coupled = not connection.state_units()  # gap junctions have no state: what they give goes into voltages
        place = ("populations", connection.post) if coupled else ("projections", name)
        path = _path(state, choice, *place)
        native = "fused" if connection.by_element else "kernel"
        way = "xla" if path.way == "xla" or _native.WHY_XLA is not None else native
        item = connection.weight.dtype.itemsize
        if coupled:
            n, moved = connection.n_synapses, 24 + item * (5 + connection.weight.ndim)  # ends and offsets, v, current
            yield Part(name, way, n, 4 * n, moved * n, why=path.why)
            continue
        by_rows = connection.indices is not None and not connection.by_element
        each = 4 + 2 * item + item * (connection.weight.ndim > 0) if by_rows else 0
        each = 2 * item if connection.regenerated is not None else each
        each += 4 * (connection.delay_steps is not None)
        yield Part(name, way, connection.n_synapses, path.operations, path.bytes, each, path.why)
