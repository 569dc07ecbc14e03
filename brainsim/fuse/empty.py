"""Operators on a matrix without synapses, which change nothing, taken out of a body.

acc + s @ W = acc        where W has no entries, as a sparse random rule may draw it
"""

import dataclasses

from .graph import Atom, Graph, Node, needed


def without_empty_pushes(graph: Graph) -> Graph:
    """The graph whose pushes and plasticity have synapses; what an empty one changes stands for its result."""
    same: dict[Atom, Atom] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        ins = tuple(same.get(atom, atom) for atom in node.ins)
        if node.op in ("csr_push", "stdp_csr") and graph.type_of(node.ins[2]).size == 0:  # the targets of the synapses
            same[node.outs[0]] = ins[0]
        else:
            nodes.append(dataclasses.replace(node, ins=ins))
    outputs = tuple(same.get(atom, atom) for atom in graph.outputs)
    return dataclasses.replace(graph, nodes=needed(nodes, outputs), outputs=outputs)
