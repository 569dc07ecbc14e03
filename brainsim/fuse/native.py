"""The native kernel of a function of one element."""

from collections.abc import Sequence

from .element import Element
from .emit import unsupported
from .graph import graph_of
from .kernel import Body, Kernel, Output, kernel_of
from .program import Kind


def why_not(element: Element) -> str | None:
    """Which operation no native code exists for, and where it was written; None where all is well."""
    return element.derived("why not", lambda: _why_not(element))


def _why_not(element: Element) -> str | None:
    graph = graph_of(element.closed)
    if graph.constants:
        return "a function closes over an array"
    for node in graph.nodes:
        why = unsupported(node, [graph.type_of(atom) for atom in node.ins], [graph.types[out] for out in node.outs])
        if why is not None:
            return f"`{node.op}` at {node.where}: {why}"
    return None


def element_kernel(element: Element, kinds: Sequence[Kind]) -> Kernel:
    """The kernel of a function for operands of some kinds."""
    uniform = tuple(kind in (Kind.SCALAR, Kind.COL) for kind in kinds)
    return element.derived(("kernel", uniform), lambda: _kernel(element, uniform))


def _kernel(element: Element, uniform: tuple[bool, ...]) -> Kernel:
    graph = graph_of(element.closed)
    inputs = tuple(zip(graph.inputs, uniform, strict=True))
    return kernel_of(Body(graph.nodes, inputs, tuple(Output(atom) for atom in graph.outputs), graph.types))
