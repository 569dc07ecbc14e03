"""What a model's neurons let through in each step of a run: surrogate hits, and the growth of a small change.

    hits:    mean [ h(x_k) >= h(0) / 10 ],              x the overdrive, h the surrogate derivative
    growth:  exp( mean_k ln |d_{k+1}| / |d_k| ),        d_{k+1} = (ds_{k+1} / ds_k) d_k, d_0 random

Growth above 1 is what makes a gradient over many steps explode: Pascanu, Mikolov and Bengio, ICML 2013 (d_k is the
tangent of the surrogate-differentiated step; its growth is a finite-time Lyapunov exponent).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from .. import _streams
from .._streams import Stream
from .._types import Array, State
from ..networks import Network, Sequential
from ..networks.layers import Layer
from ..neurons import Neuron, Source
from ..neurons.support import Support, emitting
from ..simulate.inputs import prepare
from .batches import Batch

Step = Callable[[Any, Any, Array], tuple[Any, Array]]
"""`(state, row of the input, step) -> (state, what a part emits)`."""


class Probed(NamedTuple):
    """Surrogate hits and growth by name of the part."""

    hits: dict[str, Array]
    growth: dict[str, Array]


def emissions(model: Sequential | Network) -> tuple[str, ...]:
    """What `probe` needs of a run: what every layer emits, those inside others too, by path; of a network nothing."""
    if isinstance(model, Network):
        return ()
    return tuple(f"{path}.{layer.emission}" for path, (layer, _) in model.places.items())


def probe(model: Sequential | Network, batch: Batch, records: Mapping[str, Array], key: Array) -> Probed:
    """Hits and growth of every part of a model over a batch; padding counts as silence.

    Args:
        model: Model.
        batch: Batch that it was run on.
        records: `emissions` of that run.
        key: Key of the run.
    """
    if isinstance(model, Network):
        return _probe_network(model, batch, key)
    return _probe_layers(model, batch, records, key)


def _probe_layers(model: Sequential, batch: Batch, records: Mapping[str, Array], key: Array) -> Probed:
    """Each layer of neurons alone, fed with what the one before emits."""
    state, hits, growth = model.init_state(batch.size, key), {}, {}
    xs, places = jnp.asarray(batch.x, model.dtype), model.places
    pairs = zip(places.items(), emissions(model), strict=True)
    emitted = {name: records[path].reshape(*xs.shape[:2], *shape) for (name, (_, shape)), path in pairs}
    stream = lambda name: Stream.of(_streams.fold(key, name), state.step)
    for name, layer, own, words, given in _fed(model.row, state.layers, stream, "", xs, emitted):
        neuron = getattr(layer, "neuron", None)
        if neuron is None:
            continue
        near = {}
        if neuron.emits == "spikes":
            near[name] = Partial(_layer_step, _patched(layer, lambda it: it.neuron), words, model.dt)
        found, growth[name] = _follow(Partial(_layer_step, layer, words, model.dt), near, own, given, key)
        hits |= found
    return Probed(hits, growth)


def _fed(
    row: Mapping[str, Layer],
    states: Sequence[State],
    stream: Callable[[str], Stream],
    above: str,
    xs: Array,
    emitted: Mapping[str, Array],
) -> Iterator[tuple[str, Layer, State, Stream, Array]]:
    """Path, layer, state, stream and input of every layer of a row and of those inside them; `above` ends in "."."""
    for (name, layer), state in zip(row.items(), states, strict=True):
        path, own = f"{above}{name}", stream(name)
        yield path, layer, state, own, xs
        for inner, below in layer.branches(state):
            yield from _fed(inner, below, own.fold, f"{path}.", xs, emitted)
        xs = emitted[path]


def _layer_step(layer: Layer, stream: Stream, dt: float, state: Any, x: Any, k: Array) -> tuple[Any, Array]:
    return layer.step(state, x, dt, stream._replace(step=k))


def _probe_network(model: Network, batch: Batch, key: Array) -> Probed:
    """All populations together; in turn each emits its hits in place of its spikes, and what follows is thrown away."""
    near = {
        name: Partial(_network_step, _patched(model, lambda m, name=name: m.populations[name].neuron), name)
        for name, population in model.populations.items()
        if not isinstance(population, Source) and population.neuron.emits == "spikes"
    }
    rows, state = prepare(model, batch.x, None).rows, model.init_state(batch.size, key)
    hits, growth = _follow(Partial(_network_step, model, None), near, state, rows, key)
    return Probed(hits, {"network": growth})


def _network_step(network: Network, name: str | None, state: Any, rows: Any, k: Array) -> tuple[Any, Array]:
    state, emitted = network.step(state, rows)
    return state, jnp.zeros(()) if name is None else emitted[name]


def _patched(model: Any, where: Callable[[Any], Neuron]) -> Any:
    neuron = where(model)
    return eqx.tree_at(where, model, emitting(neuron, Support(neuron.surrogate, share=0.1)))


@eqx.filter_jit
def _follow(step: Step, near: Mapping[str, Step], state: Any, xs: Any, key: Array) -> tuple[dict[str, Array], Array]:
    """Hits and growth over all steps of one part."""
    moving, held = eqx.partition(state, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(moving)
    keys = jax.random.split(_streams.fold(key, "probe"), len(leaves))
    tangent = [jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]

    def one(carry: Any, row: Any) -> tuple[Any, Any]:
        (moving, held, tangent), (x, k) = carry, row
        passing = {name: jnp.mean(emit(eqx.combine(moving, held), x, k)[1]) for name, emit in near.items()}

        def advanced(moving: Any) -> tuple[Any, Any]:
            return eqx.partition(step(eqx.combine(moving, held), x, k)[0], eqx.is_inexact_array)

        moving, tangent, held = jax.jvp(advanced, (moving,), (tangent,), has_aux=True)
        size = jnp.maximum(jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tangent))), 1e-30)
        return (moving, held, jax.tree.map(lambda leaf: leaf / size, tangent)), (passing, jnp.log(size))

    total = jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in tangent))
    first = jax.tree.unflatten(structure, [leaf / total for leaf in tangent])
    steps = jnp.arange(len(jax.tree.leaves(xs)[0]), dtype=jnp.int32)
    _, (passing, logs) = jax.lax.scan(one, (moving, held, first), (xs, steps))
    return {name: jnp.mean(share) for name, share in passing.items()}, jnp.exp(jnp.mean(logs))
