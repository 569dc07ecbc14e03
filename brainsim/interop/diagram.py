"""A NIR graph as plain data: what is read from the `nir` package's objects, and what they are made from."""

import dataclasses
from typing import Any, Union

import numpy as np

from .package import nir_package

Edge = tuple[str, str]
_TYPES = ("input_type", "output_type", "metadata")


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A node: its kind, its fields in the file's order of axes, and its metadata.

    The field `shape` of an Input or Output is its shape; that of a Flatten is `input_type`, None where it is not said.
    """

    kind: str
    fields: dict[str, Any]
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Diagram:
    """A graph: nodes and graphs by name, the edges between them, and metadata."""

    nodes: dict[str, Union[Node, "Diagram"]]
    edges: tuple[Edge, ...]
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)

    def ends(self, kind: str) -> list[str]:
        """The names of the nodes of kind "Input" or "Output"."""
        return [name for name, node in self.nodes.items() if isinstance(node, Node) and node.kind == kind]


def diagram_of(graph: Any) -> Diagram:
    """The plain data of a `nir.NIRGraph`; arrays are copied."""
    nir = nir_package()
    nodes = {
        str(name): diagram_of(node) if isinstance(node, nir.NIRGraph) else _node(node)
        for name, node in graph.nodes.items()
    }
    return Diagram(nodes, tuple((str(pre), str(post)) for pre, post in graph.edges), dict(graph.metadata))


def _node(node: Any) -> Node:
    kind = type(node).__name__
    names = [field.name for field in dataclasses.fields(node) if field.name not in _TYPES]
    fields = {name: _copied(getattr(node, name)) for name in names}
    if kind in ("Input", "Output"):
        fields = {"shape": np.array(node.output_type["output"])}
    elif kind == "Flatten":
        given = node.input_type["input"]
        fields["input_type"] = None if given is None else np.array(given)
    return Node(kind, fields, dict(node.metadata))


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def graph_of(diagram: Diagram) -> Any:
    """The `nir.NIRGraph` of plain data."""
    nir = nir_package()
    nodes = {
        name: graph_of(node) if isinstance(node, Diagram) else _nir_node(nir, node)
        for name, node in diagram.nodes.items()
    }
    return nir.NIRGraph(nodes, list(diagram.edges), metadata=dict(diagram.metadata), type_check=False)


def _nir_node(nir: Any, node: Node) -> Any:
    fields = {name: _copied(value) for name, value in node.fields.items()}
    if node.kind in ("Input", "Output"):
        way = "input" if node.kind == "Input" else "output"
        fields = {f"{way}_type": {way: fields["shape"]}}
    elif node.kind == "Flatten":
        fields["input_type"] = {"input": fields["input_type"]}
    return getattr(nir, node.kind)(**fields, metadata=dict(node.metadata))


def equal(a: Any, b: Any) -> bool:
    """Whether two fields are the same number for number, whatever their dtype."""
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return isinstance(a, str) == isinstance(b, str) and (a is None) == (b is None) and bool(np.all(a == b))
    return np.shape(a) == np.shape(b) and bool(np.all(np.asarray(a) == np.asarray(b)))
