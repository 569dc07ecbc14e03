"""A NIR graph as a model: every node becomes a layer, with its own numbers.

Inputs are held over a step and the equations are integrated exactly over it (see `convention`); an edge that closes a
cycle takes one step. Pedersen et al., Nat. Commun. 15 (2024) 8122 (NIR).
"""

import os
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks
from ..networks import layers
from ..networks.layers import Layer
from .convention import ApproximationWarning, Convention, Report, reporter
from .diagram import Diagram, Node, diagram_of, equal
from .imported import Imported, Place, Source
from .layer_nodes import layer_of, node_of, recurrent_weight
from .neuron_nodes import RESETS
from .package import nir_package
from .portrait import KEY, painted, portrait, same
from .wiring import Loop, Wiring, wiring_of

_LONGEST = {"s": 0.5, "ms": np.inf}
_SHORTEST = {"s": 0.0, "ms": 1e-3}


def from_nir(
    graph: Any,
    *,
    dt: Any,
    time_unit: str = "s",
    reset: str | None = None,
    scheme: str | None = None,
    on_approximation: str = "raise",
    seed: int = 0,
) -> Imported:
    """The model that a NIR graph describes.

    A chain of nodes becomes a `Sequential` of layers with the nodes' names ("." becomes "_"), a neuron with a dense way
    back to itself a `Recurrent`, and any other graph one layer `Graph` of that name. Weights are transposed to (in,
    out). Voltages and currents, which have no unit in NIR, are mV and pA. Values take JAX's default dtype.

    Args:
        graph: Path of a file, or a `nir.NIRGraph`.
        dt: Step (ms).
        time_unit: Unit of the times in the graph: "s", which most tools write, or "ms". With dt = 1 ms, "ms" is also
            right for graphs whose times are counted in steps.
        reset: "value" (NIR's own: to v_reset) or "subtract"; None: what the graph's writer noted, else "value".
        scheme: "exact" or "euler" (forward Euler, decay 1 - dt / tau, as Norse, snnTorch, SpikingJelly and Spyx step);
            None: what the graph's writer noted, else "exact".
        on_approximation: "raise" or "warn" where something of the graph cannot be kept.
        seed: Seed of the model.

    Returns:
        The model, which remembers the graph: `to_nir` writes what has not changed bit for bit as it was.

    Raises:
        ValueError: A node or an edge that no model of brainsim has; the message names it.
        ImportError: The package `nir` is missing.
    """
    diagram = _diagram(graph)
    note = diagram.metadata.get(KEY, {})
    noted = str(note.get("time_unit", time_unit))
    if noted != time_unit:
        raise ValueError(f'`time_unit`: the graph says that its times are in {noted}, got "{time_unit}".')
    if reset is not None:
        _checks.choice("reset", reset, RESETS)
    scheme = str(note.get("scheme", "exact")) if scheme is None else scheme
    convention = Convention(_checks.time_step(dt), np.dtype(jnp.result_type(float)), time_unit, scheme)
    reports = reporter(on_approximation, "NIR node")
    if (written := float(note.get("dt", convention.dt))) != convention.dt:
        reporter(on_approximation, "NIR graph")("")(f"written for dt = {written:g} ms, read with {convention.dt:g} ms.")
    reading = _Reading(convention, reset, reports)
    row = reading.row(diagram, "")
    reading.warn_of_times()
    shape = tuple(int(n) for n in _shape_of(diagram, "Input"))
    source = Source(diagram, reading.places, {}, time_unit, scheme)
    model = Imported(*row, convention=convention, seed=seed, input_shape=shape, source=source)
    _check_output(diagram, model)
    return model


def _diagram(graph: Any) -> Diagram:
    nir = nir_package()
    if isinstance(graph, str | os.PathLike):
        graph = nir.read(os.fspath(graph), type_check=False)
    if not isinstance(graph, nir.NIRGraph):
        raise TypeError(f"`graph`: expected the path of a NIR file or a nir.NIRGraph, got {type(graph).__name__}.")
    return diagram_of(graph)


def _shape_of(diagram: Diagram, kind: str) -> np.ndarray:
    node = diagram.nodes[diagram.ends(kind)[0]]
    assert isinstance(node, Node)
    return np.atleast_1d(node.fields["shape"])


def _check_output(diagram: Diagram, model: Imported) -> None:
    said = tuple(int(n) for n in _shape_of(diagram, "Output"))
    if said != model.shapes[-1]:
        raise ValueError(
            f"NIR node {diagram.ends('Output')[0]} (Output): expected shape {said}, the nodes before it give "
            f"{model.shapes[-1]}."
        )


class _Reading:
    """One reading of a graph: collects where its nodes go."""

    def __init__(self, convention: Convention, reset: str | None, reports: Any):
        self.convention, self.reset, self.reports = convention, reset, reports
        self.places: dict[str, Place] = {}
        self.times: list[np.ndarray] = []

    def row(self, diagram: Diagram, path: str, above: str = "") -> list[tuple[str, Layer]]:
        """The layers of one level of a graph, by name, in their order.

        Args:
            diagram: The graph.
            path: Path of the graph, "" or with "/" at its end.
            above: Path of the layer that the graph becomes, "" or with "." at its end.
        """
        wiring = wiring_of(diagram, f"NIR graph {path.rstrip('/')}".rstrip())
        inside = {part for loop in wiring.loops.values() for part in loop}
        nodes = [name for name in diagram.nodes if name not in {wiring.source, wiring.sink} | inside]
        names = _names(nodes if wiring.chain is None else list(wiring.chain))
        if not names:
            raise ValueError(f"NIR graph {path}: expected a node between Input and Output, got none.")
        if wiring.chain is None:
            above = f"{above}graph."
        row = [(own, self._item(diagram, wiring.loops.get(name), name, path, f"{above}{own}")) for name, own in names]
        return row if wiring.chain is not None else [("graph", _graph(wiring, dict(names), row))]

    def _item(self, diagram: Diagram, loop: Loop | None, name: str, path: str, layer: str) -> Layer:
        node = diagram.nodes[name]
        if isinstance(node, Diagram):
            row = self.row(node, f"{path}{name}/", f"{layer}.")
            if len(row) > 1:
                return layers.Chain(*row)
            return self._only(row[0], f"{path}{name}/", f"{layer}.")
        if loop is not None:
            return self._recurrent(diagram, loop, name, path, layer)
        self.places[f"{path}{name}"] = Place(layer)
        return self._layer(node, f"{path}{name}")

    def _only(self, item: tuple[str, Layer], path: str, above: str) -> Layer:
        """The only layer of a graph inside takes the place of the graph."""
        name, layer = item
        for node, place in self.places.items():
            if node.startswith(path) and (place.layer + ".").startswith(f"{above}{name}."):
                below = place.layer.removeprefix(f"{above}{name}")
                self.places[node] = Place(above.rstrip(".") + below, place.role)
        return layer

    def _recurrent(self, diagram: Diagram, loop: Loop, name: str, path: str, layer: str) -> Layer:
        neuron, weight = diagram.nodes[name], diagram.nodes[loop.weight]
        assert isinstance(neuron, Node) and isinstance(weight, Node)
        cell = self._layer(neuron, f"{path}{name}")
        assert isinstance(cell, layers.Cell)
        matrix = recurrent_weight(weight.fields, self.convention)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"NIR node {path}{loop.weight} (Linear): expected a square weight, got {matrix.shape}.")
        late, roles = 0.0, {name: "neuron", loop.weight: "weight"}
        if loop.delay is not None:
            node = diagram.nodes[loop.delay]
            assert isinstance(node, Node)
            delay = self._layer(node, f"{path}{loop.delay}")
            late, roles[loop.delay] = float(np.asarray(delay.delay).flat[0]), "delay"
        self.places |= {f"{path}{part}": Place(layer, role) for part, role in roles.items()}
        total = late + self.convention.dt
        return layers.Recurrent(cell.neuron, len(matrix), weight=matrix, delay=total if late else "dt")

    def _layer(self, node: Node, path: str) -> Any:
        """The layer of one node: as its writer noted it where that agrees with the node, else as the node says."""
        report: Report = self.reports(f"{path} ({node.kind})")
        note = node.metadata.get(KEY, {})
        reset = str(note.get("reset", "value")) if self.reset is None else self.reset
        self.times += [node.fields[name] for name in ("tau", "tau_mem") if name in node.fields]
        try:
            layer = layer_of(node.kind, node.fields, self.convention, reset, report)
            if not note or same(portrait(layer), note):
                return layer
            noted = painted(note, layer)
            kind, fields = node_of(noted, np.shape(next(iter(node.fields.values()))), self.convention, lambda _: None)
        except ValueError as error:
            if str(error).startswith("NIR node"):
                raise
            raise ValueError(f"NIR node {path} ({node.kind}): {error}") from error
        agrees = isinstance(layer, layers.Conv1d | layers.Conv2d) or all(
            equal(value, node.fields[name]) for name, value in fields.items()
        )
        changed = self.reset is not None and self.reset != note.get("reset", self.reset)
        return noted if kind == node.kind and agrees and not changed else layer

    def warn_of_times(self) -> None:
        """Warn where the time constants look as if they were in another unit."""
        unit = self.convention.time_unit
        times = np.concatenate([np.ravel(time) for time in self.times]) if self.times else np.zeros(0)
        if times.size and (times.min() > _LONGEST[unit] or times.max() < _SHORTEST[unit]):
            other = "ms" if unit == "s" else "s"
            warnings.warn(
                f"`time_unit`: time constants from {times.min():g} to {times.max():g} {unit} are unusual: are they in "
                f'{other}? Pass `time_unit="{other}"`.',
                ApproximationWarning,
                stacklevel=3,
            )


def _names(nodes: list[str]) -> list[tuple[str, str]]:
    """(node, layer) names: "." and other marks of paths become "_"."""
    pairs = []
    for node in nodes:
        own = node
        for mark in (".", "->", "#", "*", "["):
            own = own.replace(mark, "_")
        while own in [taken for _, taken in pairs]:
            own += "_"
        pairs.append((node, own))
    return pairs


def _graph(wiring: Wiring, names: dict[str, str], row: list[tuple[str, Layer]]) -> Layer:
    source, sink = "input", "output"
    while source in names.values():
        source += "_"
    while sink in names.values():
        sink += "_"
    own = {**names, wiring.source: source, wiring.sink: sink}
    try:
        return layers.Graph(dict(row), [(own[a], own[b]) for a, b in wiring.edges], source=source, sink=sink)
    except ValueError as error:
        raise ValueError(f"NIR graph: {error}") from error
