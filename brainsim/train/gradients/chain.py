"""A `Sequential` seen by the rules that part space from time: layers with a memory, and layers without one.

x -> [still ...] -> spiking -> [still ...] -> spiking -> ... -> tail (still layers and a readout without spikes)
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax

from ... import _streams
from ..._types import Array
from ...networks import Sequential
from ...networks.layers import Cell, Layer, Recurrent

Gradient = Any


def spiking(model: Sequential) -> tuple[int, ...]:
    """Indices of the layers that spike."""
    return tuple(i for i, layer in enumerate(model.layers) if layer.emission == "spikes")


def remembers(layer: Layer) -> bool:
    """Whether a layer has a state."""
    return bool(jax.tree.leaves(jax.eval_shape(lambda: layer.init_state(None, jax.random.key(0), "float32"))))


def require_chain(
    model: Sequential,
    method: str,
    *,
    memory: tuple[type[Layer], ...],
    firing: tuple[type[Layer], ...] = (Cell, Recurrent),
) -> tuple[int, ...]:
    """The indices of the spiking layers.

    Args:
        model: The model.
        method: Name of the method, for messages.
        memory: Layers that may have a memory although they do not spike.
        firing: Layers that may spike.

    Raises:
        ValueError: There are none; or one is none of `firing`; or a layer before the last of them has a
            memory that it may not have.
    """
    found = spiking(model)
    if not found:
        raise ValueError(f'`gradient`: "{method}" needs a layer that spikes, got {model!r}: use "bptt".')
    for index, (name, layer) in enumerate(zip(model.names, model.layers, strict=True)):
        if index in found and type(layer) not in firing:
            raise ValueError(f'`gradient`: "{method}" cannot treat layer {name}, {layer!r}: no neuron or Recurrent.')
        if index < found[-1] and index not in found and type(layer) not in memory and remembers(layer):
            raise ValueError(
                f'`gradient`: "{method}" cannot treat layer {name}, {layer!r}: it has a memory, but does not spike.'
            )
    return found


def emissions(model: Sequential) -> tuple[str, ...]:
    """Record paths of what every layer emits."""
    return tuple(f"{name}.{layer.emission}" for name, layer in zip(model.names, model.layers, strict=True))


def unflat(model: Sequential, index: int, values: Array) -> Array:
    """A record of what a layer emits, `(time, [batch], n)`, in the shape of its output."""
    return values.reshape(*values.shape[:-1], *model.shapes[index + 1])


def only(part: Any, **leaves: Any) -> Gradient:
    """A gradient that is None but for these fields of a model or layer."""
    nothing = jax.tree.map(lambda _: None, part)
    if not leaves:
        return nothing
    where = lambda tree: [getattr(tree, name) for name in leaves]
    return eqx.tree_at(where, nothing, list(leaves.values()), is_leaf=lambda leaf: leaf is None)


class Pulled(NamedTuple):
    """Derivatives pulled back through layers: of their parameters, and of their input."""

    layers: tuple[Gradient, ...]
    x: Array


def tail_of(model: Sequential, state: Any, start: int, zs: Array, ct: Array) -> Pulled:
    """The derivative through the layers from `start` on, over all steps, by JAX.

    Args:
        model: The model.
        state: Its state before the first step.
        start: Index of the first layer.
        zs: Input of that layer, `(time, [batch], ...)`.
        ct: Derivative with respect to the output.
    """

    def run(layers: tuple[Layer, ...], ys: Array) -> Array:
        for i, layer in enumerate(layers, start):
            _, ys, _ = layer.unroll(state.layers[i], ys, model.dt, stream(model, state, i))
        return ys

    _, pull = eqx.filter_vjp(run, model.layers[start:], zs)
    return Pulled(*pull(ct))


def stream(model: Sequential, state: Any, index: int) -> _streams.Stream:
    """The random stream of a layer."""
    return _streams.Stream.of(_streams.fold(state.key, model.names[index]), state.step)
