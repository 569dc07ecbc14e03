"""A `Network` as one layer `Graph` that computes the same, where its synapses act as jumps or held currents.

A projection becomes a `Linear` and, where its delay is more than the step that an edge closing a cycle takes by itself,
a `Delay` after it. What needs a state in the synapse, or differs from synapse to synapse, has no counterpart.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..networks import Network, Population, Sequential, layers
from ..networks.layers import Layer
from ..neurons import Input
from ..synapses import Connection, Delta, Relay
from .convention import Report

_PORTS = {Delta: "jump", Relay: "current"}


def layers_of(network: Network, reports: Callable[[str], Report]) -> Sequential:
    """The layers that compute what a network does.

    Args:
        network: The network, with one `Input` and with `outputs` naming what a population emits.
        reports: Told every approximation, by the name of the part.

    Raises:
        ValueError: A population or projection that no layer computes, by name.
    """
    sources = [name for name, part in network.populations.items() if isinstance(part, Input)]
    if len(sources) != 1:
        raise ValueError(f"`model`: expected one population Input, which becomes the graph's, got {len(sources)}.")
    sink = _output(network)
    nodes: dict[str, Any] = {
        name: _neuron(network, name, reports) for name in network.populations if name not in sources
    }
    edges, weights = [(sink, "output")], {}
    for path, connection in network.projections.items():
        weights[path] = own = path.replace("->", "_to_").replace("#", "_")
        nodes[own] = _linear(path, connection)
        edges += [(connection.pre, own), (own, connection.post)]
    late = layers.Graph(nodes, edges, source=sources[0]).late
    for path, connection in network.projections.items():
        own = weights[path]
        steps = _steps(path, connection) - ((own, connection.post) in late)
        if steps < 0:
            raise ValueError(f"projection {path}: no delay, on an edge that closes a cycle in the graph.")
        if steps:
            nodes[f"{own}_delay"] = layers.Delay(connection.n_post, steps * network.dt)
            edges.remove((own, connection.post))
            edges += [(own, f"{own}_delay"), (f"{own}_delay", connection.post)]
    size = network.populations[sources[0]].size
    graph = layers.Graph(nodes, edges, source=sources[0])
    return Sequential(("network", graph), dt=network.dt, seed=network.seed, input_shape=(size,))


def _output(network: Network) -> str:
    name, _, variable = (network.outputs or "").partition(".")
    part = network.populations.get(name)
    if not isinstance(part, Population) or variable not in ("", part.neuron.emits):
        raise ValueError(
            f"`outputs`: expected what a population emits, which becomes the graph's, got {network.outputs!r}."
        )
    return name


def _neuron(network: Network, name: str, reports: Callable[[str], Report]) -> Any:
    """The neuron of a population, fed through the port that its projections use."""
    part = network.populations[name]
    if not isinstance(part, Population):
        raise ValueError(f"population {name} ({type(part).__name__}): NIR has no sources; feed an Input.")
    if part.init:
        reports(name)("`init`: NIR has no initial values.")
    ports = {_port(path, connection) for path, connection in network.projections.items() if connection.post == name}
    if len(ports) > 1:
        raise ValueError(
            f"population {name}: expected projections of one kind, got jumps (Delta) and currents (Relay)."
        )
    return dataclasses.replace(part.neuron, port=ports.pop()) if ports else part.neuron


def _port(path: str, connection: Connection) -> str:
    kind = type(connection.synapse)
    if kind not in _PORTS:
        raise ValueError(
            f"projection {path} ({kind.__name__}): NIR has no synapse with a state of its own; use Delta or Relay, or "
            f"neurons with a synapse (CubaLIF)."
        )
    return _PORTS[kind]


def _linear(path: str, connection: Connection) -> Layer:
    edges = connection.edges
    weight = np.zeros((connection.n_pre, connection.n_post), np.asarray(connection.weight).dtype)
    np.add.at(weight, (edges.pre, edges.post), edges.weight)
    return layers.Linear(connection.n_pre, connection.n_post, init=jnp.asarray(weight))


def _steps(path: str, connection: Connection) -> int:
    if connection.delays is not None or connection.delay_steps is not None:
        raise ValueError(f"projection {path}: NIR has one delay for a channel, none for every synapse: `delay`.")
    return connection.max_steps
