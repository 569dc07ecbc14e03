"""Structural plasticity: weak synapses are given up and as many new ones grow, each from the neuron that lost one.

    synapses k = (i -> j) with |w_k| < threshold are removed;
    for each, a target j' is drawn among the neurons that i does not reach (uniformly), with the weight `weight`

Out-degrees, delays, the number of synapses and the sign of the projection stay, so the arrays keep their shapes and
nothing is compiled anew. It is done between two runs, on the host, as slow as structure changes (seconds and more), for
example

    for _ in range(10):
        state = bs.simulate(net, 10_000 * ms, state=state).state
        net, state = bs.plasticity.rewire(net, state, "E->E", threshold=0.01 * nS, weight=0.1 * nS, seed=1)

Bellec, Kappel, Maass & Legenstein, ICLR 2018 (Deep R: a dormant connection is replaced by a random one, their number is
fixed), with a threshold in place of a change of sign; Butz & van Ooyen, PLoS Comput. Biol. 9 (2013) e1003259.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .. import _checks, _streams, units
from .._checks import nearest
from .._types import State
from .connection import Columns, PlasticConnection


def rewire(
    model: Any,
    state: State,
    path: str,
    *,
    threshold: Any,
    weight: Any,
    seed: int = 0,
    self_connections: bool = False,
) -> tuple[Any, State]:
    """A network and its state after one round of rewiring of a plastic projection.

    The draw is named by the seed and the state's step, so a simulation can be repeated bit by bit.

    Args:
        model: Network.
        state: Its state after a run, without a batch.
        path: Projection, such as `"E->E"`.
        threshold: Magnitude below which a synapse is given up (unit of the weight).
        weight: Magnitude of a new weight (unit of the weight), within the bounds of the rules.
        seed: Seed of the new targets.
        self_connections: Whether a neuron of a recurrent projection may grow a synapse onto itself.

    Raises:
        ValueError: No plastic projection of that path, a batch, a negative threshold, a weight outside the bounds, or a
            neuron with no free target left.
    """
    connection = model.projections.get(path)
    if not isinstance(connection, PlasticConnection):
        plastic = [name for name, edge in model.projections.items() if isinstance(edge, PlasticConnection)]
        raise ValueError(f"`path`: expected a plastic projection ({nearest(path, plastic)}), got {path!r}.")
    threshold, weight = _magnitudes(connection, threshold, weight)
    edge = state.projections[path]
    if edge.weight.ndim > 1:
        raise ValueError(f"`state` of {path}: every trial has weights of its own; rewire one trial.")
    lost = np.abs(np.asarray(edge.weight)) < threshold
    rng = _streams.generator(seed, f"{path}.rewiring.{int(state.step)}")
    target = _targets(connection, lost, rng, connection.pre == connection.post and not self_connections)
    order = np.lexsort((target, connection.edges.delay, connection.edges.pre))
    edge = _carried(connection, edge, order, lost, -weight if connection.sign == -1 else weight)
    model = eqx.tree_at(lambda net: net.projections[path], model, _moved(connection, target[order]))
    return model, state.replace(projections={**state.projections, path: edge})


def _magnitudes(connection: PlasticConnection, threshold: Any, weight: Any) -> tuple[float, float]:
    unit = connection.synapse.weight_unit
    threshold, weight = (float(units.strip(n, v, unit)) for n, v in (("threshold", threshold), ("weight", weight)))
    _checks.within("threshold", threshold, unit, low=0.0)
    for rule in connection.rules:
        _checks.within("weight", weight, unit, low=float(rule.w_min), high=float(rule.w_max))
    return threshold, weight


def _targets(connection: PlasticConnection, lost: np.ndarray, rng: np.random.Generator, avoid: bool) -> np.ndarray:
    """The target of every synapse, new ones in the places of the lost."""
    indptr, target = np.asarray(connection.indptr), np.array(connection.indices)
    for row in np.unique(connection.edges.pre[lost]):
        here = slice(indptr[row], indptr[row + 1])
        forbidden = row if avoid else None
        target[here] = _regrown(target[here], lost[here], connection.n_post, rng, forbidden, connection.path)
    return target


def _regrown(
    targets: np.ndarray, lost: np.ndarray, n_post: int, rng: np.random.Generator, forbidden: int | None, path: str
) -> np.ndarray:
    """The targets of one neuron, the lost ones replaced by others that it does not reach."""
    free = np.ones(n_post, bool)
    free[targets] = False
    if forbidden is not None:
        free[forbidden] = False
    candidates = np.flatnonzero(free)
    count = int(lost.sum())
    if candidates.size < count:
        raise ValueError(
            f"`threshold` of {path}: a neuron gives up {count} synapses and has {candidates.size} other targets left."
        )
    targets = targets.copy()
    targets[lost] = rng.choice(candidates, count, replace=False)
    return targets


def _moved(connection: PlasticConnection, targets: np.ndarray) -> PlasticConnection:
    moved = eqx.tree_at(lambda c: c.indices, connection, jnp.asarray(targets, jnp.int32))
    return eqx.tree_at(lambda c: c.columns, moved, Columns.of(moved, moved.branches))


def _carried(connection: PlasticConnection, edge: State, order: np.ndarray, lost: np.ndarray, weight: float) -> State:
    """Everything that a synapse has, in the new order; a new synapse has its weight and nothing else."""
    changes = {}
    for name in connection.per_synapse:
        values = np.array(getattr(edge, name))
        values[lost] = weight if name == "weight" else 0.0
        changes[name] = jnp.asarray(values[order])
    return edge.replace(**changes)
