"""Layers one after the other, as one layer and as what a `Sequential` is made of.

y_0 = x,   (state_i, y_{i+1}) = layer_i(state_i, y_i)
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import equinox as eqx

from ... import _streams
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State
from ...neurons import Neuron
from .at_once import Masked
from .base import Layer, Watched
from .cell import Cell

Shape = tuple[int, ...]


class Row(Masked):
    """Named layers as one layer of a `Sequential`: what `Chain` and `Graph` share.

    Attributes:
        layers: The layers, in the order in which a step computes them.
        names: Their names.
        shapes: Shapes of their outputs; set by `build`.
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...] = eqx.field(static=True)
    shapes: tuple[Shape, ...] = eqx.field(static=True)

    @property
    def row(self) -> dict[str, Layer]:
        """The layers by name, each after those that it hears."""
        return dict(zip(self.names, self.layers, strict=True))

    def inside(self) -> dict[str, tuple[Layer, Shape]]:
        """The layers with the shapes of their outputs; see `Layer.inside`."""
        return places(self.row, self.shapes)

    def read(self, state: State, name: str) -> Array:
        """A state of a layer inside, as "0.v" or "a.v"."""
        owner, _, variable = name.partition(".")
        index = self.names.index(owner)
        return self.layers[index].read(state.layers[index], variable)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step of all layers; see `Layer.step`."""
        return self.step_inside(state, x, dt, key)[:2]

    def absorb(self, state: State) -> Self:
        """Every layer with what its state has learnt; see `Layer.absorb`."""
        return eqx.tree_at(lambda row: row.layers, self, absorb_all(self.layers, state.layers))

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The parameters of all layers, as "3.0.weight" or "3.a.weight"."""
        known: dict[str, ParameterInfo] = {}
        for index, (name, layer) in enumerate(self.row.items()):
            known |= layer.parameters(f"{path}.{name}", lambda model, i=index: where(model).layers[i], dt)
        return known


class Chain(Row):
    """Layers and neurons in a row, as one layer of a `Sequential`.

    Args:
        *layers: Layers or neurons, each alone or as `(name, layer)`; names are "0", "1", ... otherwise. If the chain is
            layer 3, what its first neuron emits is recorded as "3.0.spikes".
        shapes: Shapes of the outputs of the layers; set by `build`.
        packs: Whether one bit of each spike is kept; set by `packing`.
        of_bits: Whether all of the input is 0 or 1; likewise.
    """

    packs: bool = eqx.field(static=True)
    of_bits: bool = eqx.field(static=True)

    def __init__(self, *layers: Any, shapes: tuple[Shape, ...] = (), packs: bool = False, of_bits: bool = False):
        row = named(layers)
        self.names, self.layers, self.shapes = tuple(row), tuple(row.values()), shapes
        self.packs, self.of_bits = packs, of_bits

    @property
    def expects(self) -> Shape | None:
        """What the first layer expects."""
        return self.layers[0].expects

    @property
    def emission(self) -> str:
        """What the last layer emits."""
        return self.layers[-1].emission

    @property
    def emission_unit(self) -> str:
        """Unit of what the last layer emits."""
        return self.layers[-1].emission_unit

    def build(self, path: str, shape: Shape, *, dt: float, key: Array, dtype: Any) -> tuple["Chain", Shape]:
        """Build the layers in their order; see `Layer.build`."""
        row = {f"{path}.{name}": layer for name, layer in self.row.items()}
        layers, shapes = build_all(row, shape, dt=dt, key=key, dtype=dtype)
        return Chain(*zip(self.names, layers, strict=True), shapes=shapes), shapes[-1]

    def binary(self, received: bool | None) -> bool | None:
        """Whether the last layer emits 0 and 1 only; see `Layer.binary`."""
        return functools.reduce(lambda known, layer: layer.binary(known), self.layers, received)

    def packing(self, binary: bool) -> "Chain":
        """The layers inside keep bits; see `Layer.packing`."""
        return Chain(*zip(self.names, self.layers, strict=True), shapes=self.shapes, packs=True, of_bits=binary)

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The states of the layers, `State(layers=(...))`."""
        return State(layers=init_all(self.row, batch, key, dtype))

    def senders(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Each layer gets what the one before it emits; see `Layer.senders`."""
        return {name: ((before, 0),) for before, name in zip(("", *self.names), self.names, strict=False)}

    def branches(self, state: State) -> tuple[tuple[dict[str, Layer], tuple[State, ...]], ...]:
        """The layers, one row; see `Layer.branches`."""
        return ((self.row, state.layers),)

    def step_inside(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array, Watched]:
        """One step of all layers, and what each emitted; see `Layer.step_inside`."""
        states, emitted = step_all(self.row, state.layers, x, dt, key.fold)
        return State(layers=states), emitted[self.names[-1]], emitted

    def unroll_masked(
        self,
        state: State,
        xs: Array,
        dt: float,
        key: Stream,
        watch: tuple[str, ...] = (),
        valid: Array | None = None,
    ) -> tuple[State, Array, Watched]:
        """All steps, layer by layer; see `Layer.unroll_masked`."""
        how = self.packs, self.of_bits or None
        states, emitted, watched = unroll_all(self.row, state.layers, xs, dt, key.fold, watch, valid, *how)
        return State(layers=states), emitted[self.names[-1]], watched

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.layers))})"


def named(layers: Iterable[Any]) -> dict[str, Layer]:
    """Layers by name; a neuron becomes a `Cell`.

    Raises:
        TypeError: Something that is neither a layer nor a neuron.
        ValueError: No layer, two of one name, or a name with a character that paths use.
    """
    pairs = [_named(index, layer) for index, layer in enumerate(layers)]
    row = dict(pairs)
    if not row or len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`layers`: expected at least one layer, each with its own name, got {names}.")
    return row


def _named(index: int, layer: Any) -> tuple[str, Layer]:
    name, layer = layer if isinstance(layer, tuple) and len(layer) == 2 else (str(index), layer)
    if isinstance(layer, Neuron):
        layer = Cell(layer)
    if not isinstance(layer, Layer):
        raise TypeError(
            f"`layers`: expected a layer such as Linear(2, 3) or a neuron such as LIF(20*ms), got {layer!r}."
        )
    if not isinstance(name, str) or not name or any(mark in name for mark in (".", "*", "[", "->", "#")):
        raise ValueError(f"`layers`: a name may not hold '.', '->', '#', '*' or '[', got {name!r}.")
    return name, layer


def build_all(
    row: Mapping[str, Layer], shape: Shape, *, dt: float, key: Array, dtype: Any
) -> tuple[tuple[Layer, ...], tuple[Shape, ...]]:
    """The layers built in their order, by path, and the shape of each one's output."""
    built, shapes = [], []
    for path, layer in row.items():
        layer, shape = layer.build(path, shape, dt=dt, key=key, dtype=dtype)
        built.append(layer)
        shapes.append(shape)
    return tuple(built), tuple(shapes)


def init_all(row: Mapping[str, Layer], batch: int | None, key: Array, dtype: Any) -> tuple[State, ...]:
    """The states of the layers at t = 0, each from its own stream."""
    return tuple(layer.init_state(batch, _streams.fold(key, f"{name}.init"), dtype) for name, layer in row.items())


def places(row: Mapping[str, Layer], shapes: Sequence[Shape]) -> dict[str, tuple[Layer, Shape]]:
    """Every layer, those inside others included, with the shape of its output, by path ("3", "3.0", ...)."""
    found: dict[str, tuple[Layer, Shape]] = {}
    for (name, layer), shape in zip(row.items(), shapes, strict=True):
        found[name] = layer, shape
        found |= {f"{name}.{path}": place for path, place in layer.inside().items()}
    return found


def step_all(
    row: Mapping[str, Layer], states: Sequence[State], x: Array, dt: float, stream: Callable[[str], Stream]
) -> tuple[tuple[State, ...], Watched]:
    """One step: the new states, and what every layer emitted, those inside others included, by path."""
    later, emitted = [], {}
    for (name, layer), old in zip(row.items(), states, strict=True):
        new, x, inner = layer.step_inside(old, x, dt, stream(name))
        later.append(new)
        emitted |= {name: x} | {f"{name}.{path}": value for path, value in inner.items()}
    return tuple(later), emitted


def unroll_all(
    row: Mapping[str, Layer],
    states: Sequence[State],
    xs: Array,
    dt: float,
    stream: Callable[[str], Stream],
    watch: Iterable[str],
    valid: Array | None,
    packed: bool = False,
    binary: bool | None = None,
) -> tuple[tuple[State, ...], Watched, Watched]:
    """All steps, layer by layer: the new states, what every layer emitted, and what `watch` asks for by path.

    Args:
        row: The layers by name.
        states: Their states.
        xs: Inputs, `(time, [batch], ...)`.
        dt: Time step (ms).
        stream: Random stream of the first step, by name of the layer.
        watch: States to return over time, by path.
        valid: Which steps are no padding, bool `(time, batch)`; None: all.
        packed: Whether one bit of each spike that crosses a `Linear` is to be kept.
        binary: Whether all of `xs` is 0 or 1; None: unknown.
    """
    later, emitted, watched, near = [], {}, {}, None
    for (name, layer), old in zip(row.items(), states, strict=True):
        asked = [path.removeprefix(f"{name}.") for path in watch if path.startswith(f"{name}.")]
        below = tuple(path for path in asked if path != layer.emission)
        taking = layer if binary is False or not packed else layer.packing(binary is True)
        taking = taking if near is None else taking.gated(near)
        binary = layer.binary(binary)
        near = layer.near(old, xs, dt, stream(name), near)
        new, xs, seen = taking.unroll_masked(old, xs, dt, stream(name), below, valid)
        later.append(new)
        emitted[name] = xs
        watched |= {f"{name}.{path}": xs if path == layer.emission else seen[path] for path in asked}
    return tuple(later), emitted, watched


def absorb_all(layers: Sequence[Layer], states: Sequence[State]) -> tuple[Layer, ...]:
    """Every layer with what its state has learnt."""
    return tuple(layer.absorb(state) for layer, state in zip(layers, states, strict=True))
