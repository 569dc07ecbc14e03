"""A model as a NIR graph: every layer becomes a node, and what the node cannot say is refused, or written and reported.

Weights are transposed to (out, in), parameters spread to the shape of their layer. Pedersen et al., Nat. Commun. 15
(2024) 8122 (NIR).
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..networks import Network, Sequential, layers
from ..networks.layers import Layer
from .convention import Convention, reporter
from .diagram import Diagram, Edge, Node, equal, graph_of
from .imported import Imported, Place, Source, Written, write_place
from .layer_nodes import layer_of
from .network_layers import layers_of
from .package import nir_package
from .portrait import KEY, portrait, same

Shape = tuple[int, ...]


def to_nir(
    model: Sequential | Network,
    path: str | os.PathLike[str] | None = None,
    *,
    scheme: str | None = None,
    time_unit: str | None = None,
    on_approximation: str = "raise",
) -> Any:
    """Write a model as a NIR graph.

    What a `from_nir` model still has as it was read is written with the bits it was read with. Options of a layer that
    NIR does not know but that change no number of the node (the port of the input, parameters shared by a layer) go to
    the node's metadata, from where `from_nir` takes them; surrogates and what trains are not kept.

    Args:
        model: The model. A `Network` needs one `Input`, `outputs`, and projections of `Delta` or `Relay` synapses.
        path: File to write (HDF5, by convention `.nir`); None: none.
        scheme: For which way of stepping the time constants are: "exact" (decay exp(-dt / tau)) or "euler" (decay 1 -
            dt / tau: Norse, snnTorch, SpikingJelly, Spyx), so that a reader with the same dt gets the same decays;
            None: that of the graph that the model was read from, else "exact".
        time_unit: "s" or "ms"; None: that of the graph that the model was read from, else "s".
        on_approximation: "raise", or "warn" where the graph means something a little different, such as a reset by
            subtraction, which NIR does not have.

    Returns:
        The `nir.NIRGraph`.

    Raises:
        ValueError: A layer that NIR has no node for, by name and with the reason; an approximation.
        ImportError: The package `nir` is missing.
    """
    nir = nir_package()
    if isinstance(model, Network):
        model = layers_of(model, reporter(on_approximation, "population"))
    if not isinstance(model, Sequential):
        raise TypeError(f"`model`: expected a Sequential or a Network, got {type(model).__name__}.")
    source = model.source if isinstance(model, Imported) else None
    own_scheme, own_unit = ("exact", "s") if source is None else (source.scheme, source.time_unit)
    chosen = Convention(model.dt, np.dtype(model.dtype), time_unit or own_unit, scheme or own_scheme)
    writing = _Writing(chosen, on_approximation)
    if source is not None and (chosen.scheme, chosen.time_unit) == (own_scheme, own_unit):
        diagram = writing.again(source, model)
    else:
        diagram = writing.level(model.row, model.input_shape, model.shapes[1:], "", top=True)
    graph = graph_of(diagram)
    if path is not None:
        nir.write(os.fspath(path), graph)
    return graph


class _Writing:
    """One writing of a model."""

    def __init__(self, convention: Convention, on_approximation: str):
        self.convention, self.reports = convention, reporter(on_approximation, "layer")

    def again(self, source: Source, model: Sequential) -> Diagram:
        """The graph that a model was read from, with what has changed since."""
        known = model.places

        def renewed(diagram: Diagram, path: str) -> Diagram:
            nodes: dict[str, Node | Diagram] = {}
            for name, node in diagram.nodes.items():
                if isinstance(node, Diagram):
                    nodes[name] = renewed(node, f"{path}{name}/")
                elif (place := source.places.get(f"{path}{name}")) is not None:
                    nodes[name] = self._renewed(node, source.written[f"{path}{name}"], place, *known[place.layer])
                else:
                    nodes[name] = node
            return Diagram(nodes, diagram.edges, diagram.metadata)

        return renewed(source.diagram, "")

    def _renewed(self, node: Node, before: Written, place: Place, layer: Layer, shape: Shape) -> Node:
        """A node with the fields that would not be written as they were read."""
        now = self._written(place, layer, shape, known=before.sentences)
        if now.kind == before.kind and all(equal(now.fields[name], before.fields[name]) for name in now.fields):
            return node
        return self._noted(Node(now.kind, now.fields), place, layer)

    def _written(self, place: Place, layer: Layer, shape: Shape, known: tuple[str, ...] = ()) -> Written:
        try:
            written = write_place(place, layer, shape, self.convention)
        except ValueError as error:
            raise ValueError(f"layer {place.layer} ({layer!r}) cannot be written: {error}") from error
        for sentence in written.sentences:
            if sentence not in known:
                self.reports(f"{place.layer} ({layer!r})")(sentence)
        return written

    def _noted(self, node: Node, place: Place, layer: Layer) -> Node:
        """The node, with a portrait of the layer in its metadata where the node alone would not give it back."""
        if place.role in ("weight", "delay"):
            return node
        own = layers.Cell(layer.neuron) if isinstance(layer, layers.Recurrent) else layer
        alone = layer_of(node.kind, node.fields, self.convention, "value", lambda _: None)
        note = portrait(own)
        return node if same(portrait(alone), note) else Node(node.kind, node.fields, {KEY: note})

    def level(self, row: Mapping[str, Layer], into: Shape, shapes: Any, path: str, top: bool = False) -> Diagram:
        """Layers in a row as a graph.

        Args:
            row: Layers by name.
            into: Shape of the input.
            shapes: Shapes of the outputs.
            path: Path of the row, "" or with "." at its end.
            top: Whether it is the whole model.
        """
        if top and len(row) == 1 and isinstance(only := next(iter(row.values())), layers.Graph):
            return self._wired(only, into, f"{next(iter(row))}.", top)
        source, sink = _free("input", row), _free("output", row)
        edges, before, shape = [], source, into
        nodes: dict[str, Node | Diagram] = {source: Node("Input", {"shape": np.array(into)})}
        for (name, layer), after in zip(row.items(), shapes, strict=True):
            if isinstance(layer, layers.Dropout) and layer.inference:
                continue
            edges += [(before, name), *self._add(nodes, name, layer, shape, f"{path}{name}")]
            before, shape = name, after
        nodes[sink] = Node("Output", {"shape": np.array(shape)})
        return Diagram(nodes, (*edges, (before, sink)), self._metadata(top))

    def _wired(self, graph: layers.Graph, into: Shape, path: str, top: bool = False) -> Diagram:
        """A `Graph` as a graph."""
        shapes = {graph.source: into, **dict(zip(graph.names, graph.shapes, strict=True))}
        nodes: dict[str, Node | Diagram] = {graph.source: Node("Input", {"shape": np.array(into)})}
        edges: list[Edge] = list(graph.edges)
        for name, layer in graph.row.items():
            sender = next(pre for pre, post in graph.edges if post == name and (pre, post) not in graph.late)
            edges += self._add(nodes, name, layer, shapes[sender], f"{path}{name}")
        last = next(pre for pre, post in graph.edges if post == graph.sink)
        nodes[graph.sink] = Node("Output", {"shape": np.array(shapes[last])})
        return Diagram(nodes, tuple(edges), self._metadata(top))

    def _metadata(self, top: bool) -> dict[str, Any]:
        c = self.convention
        return {KEY: {"dt": c.dt, "time_unit": c.time_unit, "scheme": c.scheme}} if top else {}

    def _add(self, nodes: dict[str, Node | Diagram], name: str, layer: Layer, into: Shape, path: str) -> list[Edge]:
        """Add the nodes of a layer, and return the edges between them."""
        if isinstance(layer, layers.Chain):
            nodes[name] = self.level(layer.row, into, layer.shapes, f"{path}.")
        elif isinstance(layer, layers.Graph):
            nodes[name] = self._wired(layer, into, f"{path}.")
        elif isinstance(layer, layers.Recurrent):
            return self._add_recurrent(nodes, name, layer, path)
        else:
            place = Place(path)
            written = self._written(place, layer, into)
            nodes[name] = self._noted(Node(written.kind, written.fields), place, layer)
        return []

    def _add_recurrent(
        self, nodes: dict[str, Node | Diagram], name: str, layer: layers.Recurrent, path: str
    ) -> list[Edge]:
        weight, late = _free(f"{name}_recurrent", nodes), _free(f"{name}_delay", nodes)
        way = [(name, "neuron"), *([(late, "delay")] if layer.delay_steps > 1 else []), (weight, "weight")]
        for own, role in way:
            place = Place(path, role)
            written = self._written(place, layer, (layer.n,))
            nodes[own] = self._noted(Node(written.kind, written.fields), place, layer)
        names = [own for own, _ in way]
        return list(zip(names, [*names[1:], name], strict=True))


def _free(name: str, taken: Any) -> str:
    """A name that is not taken yet."""
    while name in taken:
        name += "_"
    return name
