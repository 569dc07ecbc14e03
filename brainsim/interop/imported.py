"""A model that was read from a NIR graph, with the graph: what training leaves alone is written back unchanged."""

import dataclasses
from typing import Any

import equinox as eqx

from ..networks import Sequential
from ..networks.layers import Layer, Recurrent
from .convention import Convention
from .diagram import Diagram
from .layer_nodes import node_of, recurrent_node
from .neuron_nodes import Fields, fields_of

ROLES = ("layer", "neuron", "weight", "delay")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a model a node of the graph went.

    Attributes:
        layer: Path of the layer.
        role: "layer", or of a `Recurrent` its "neuron", "weight" or "delay".
    """

    layer: str
    role: str = "layer"


@dataclasses.dataclass(frozen=True)
class Written:
    """What a part of a model is as a node: kind, fields, and what the node cannot say."""

    kind: str
    fields: Fields
    sentences: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """The graph that a model was read from; compared by identity, so that it never changes a compiled program.

    Attributes:
        diagram: The graph as it was.
        places: Where each node went, by path ("sub/lif" in a graph inside).
        written: What each node's place was as a node when it was read, by path; `Imported` adds it.
        time_unit: Unit of the graph's times.
        scheme: How the graph's equations were understood.
    """

    diagram: Diagram
    places: dict[str, Place]
    written: dict[str, Written]
    time_unit: str
    scheme: str


class Imported(Sequential):
    """A `Sequential` that `from_nir` made.

    Attributes:
        source: The graph that it was read from.
    """

    source: Source = eqx.field(static=True)

    def __init__(
        self, *row: tuple[str, Layer], convention: Convention, seed: int, input_shape: tuple[int, ...], source: Source
    ):
        super().__init__(*row, dt=convention.dt, seed=seed, input_shape=input_shape)
        known = self.places
        written = {path: write_place(place, *known[place.layer], convention) for path, place in source.places.items()}
        self.source = dataclasses.replace(source, written=written)


def write_place(place: Place, layer: Layer, shape: tuple[int, ...], convention: Convention) -> Written:
    """What a part of a model is as a node."""
    sentences: list[str] = []
    if place.role == "layer":
        kind, fields = node_of(layer, shape, convention, sentences.append)
    else:
        assert isinstance(layer, Recurrent)
        kind, fields = write_recurrent(layer, place.role, convention, sentences)
    return Written(kind, fields, tuple(sentences))


def write_recurrent(layer: Any, role: str, convention: Convention, sentences: list[str]) -> tuple[str, Fields]:
    """One of the nodes of a `Recurrent`."""
    if role == "neuron":
        return fields_of(layer.neuron, (layer.n,), convention, sentences.append)
    if role == "weight":
        return recurrent_node(layer)
    late = (layer.delay_steps - 1) * convention.dt
    return "Delay", {"delay": convention.as_dtype([convention.file_time(late)] * layer.n)}
