"""Layers wired as a graph, as one layer: what reaches a node is the sum of what its senders emit.

    x_n(k) = sum over senders m of y_m(k - d_mn),     d_mn = 0, but one step on an edge that closes a cycle

Which edges those are follows from a search in depth from the input, along the edges in the order of the names: the
edges that lead back to a node that the search has not left yet. Without a cycle all steps are computed node by node.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ... import fuse
from ..._checks import nearest
from ..._streams import Stream
from ..._types import Array, State
from ...neurons import Neuron
from .base import Layer, Watched
from .chain import Row, Shape, init_all, named

Edge = tuple[str, str]


class Graph(Row):
    """Layers and neurons as the nodes of a graph with one input and one output.

    Args:
        nodes: Layers or neurons by name; if the graph is layer 3, what node "a" emits is recorded as "3.a.spikes".
        edges: Pairs (sender, receiver) of names of nodes, the input and the output.
        source: Name of the input in `edges`.
        sink: Name of the output in `edges`.
        shapes: Shapes of the outputs of the nodes; set by `build`.

    Raises:
        ValueError: An edge that names no node or comes twice, or a node that the input does not reach.
    """

    edges: tuple[Edge, ...] = eqx.field(static=True)
    late: tuple[Edge, ...] = eqx.field(static=True)
    source: str = eqx.field(static=True)
    sink: str = eqx.field(static=True)

    def __init__(
        self,
        nodes: Mapping[str, Layer | Neuron],
        edges: Iterable[Edge],
        *,
        source: str = "input",
        sink: str = "output",
        shapes: tuple[Shape, ...] = (),
    ):
        row, self.edges = named(nodes.items()), tuple((pre, post) for pre, post in edges)
        self.source, self.sink, self.shapes = source, sink, shapes
        _check_edges(set(row), self.edges, source, sink)
        self.names, self.late = _search(self.edges, source, sink)
        if missing := set(row) - set(self.names):
            raise ValueError(f"`edges`: the input {source!r} does not reach {sorted(missing)[0]!r}.")
        self.layers = tuple(row[name] for name in self.names)

    @property
    def divisible(self) -> bool:
        """Whether every layer is."""
        return all(layer.divisible for layer in self.layers)

    @property
    def emission(self) -> str:
        """What the only sender to the output emits; "out" for a sum of several."""
        return self._last.emission if self._last is not None else "out"

    @property
    def emission_unit(self) -> str:
        """Unit of what the only sender to the output emits."""
        return self._last.emission_unit if self._last is not None else ""

    @property
    def _last(self) -> Layer | None:
        senders = [pre for pre, post in self.edges if post == self.sink]
        return self.row.get(senders[0]) if len(senders) == 1 else None

    def build(self, path: str, shape: Shape, *, dt: float, key: Array, dtype: Any) -> tuple["Graph", Shape]:
        """Build the layers, each with the shape that its senders emit; see `Layer.build`."""
        shapes: dict[str, Shape] = {self.source: shape}
        into, built = {}, {}
        for name, layer in self.row.items():
            into[name] = self._agreed(path, name, [shapes[pre] for pre in self._senders(name)])
            built[name], shapes[name] = layer.build(f"{path}.{name}", into[name], dt=dt, key=key, dtype=dtype)
        for pre, post in self.late:
            self._agreed(path, post, [into[post], shapes[pre]])
        out = self._agreed(path, self.sink, [shapes[pre] for pre in self._senders(self.sink)])
        graph = Graph(
            built, self.edges, source=self.source, sink=self.sink, shapes=tuple(shapes[name] for name in self.names)
        )
        return graph, out

    def _senders(self, name: str) -> list[str]:
        """Who reaches a node within the step."""
        return [pre for pre, post in self.edges if post == name and (pre, post) not in self.late]

    def _agreed(self, path: str, name: str, shapes: list[Shape]) -> Shape:
        if len(set(shapes)) != 1:
            raise ValueError(f"`edges` of layer {path}: what reaches {name!r} has different shapes: {shapes}.")
        return shapes[0]

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The states of the layers, and what is under way on the late edges, `([batch], *shape)` of each sender."""
        lead, shapes = (() if batch is None else (batch,)), dict(zip(self.names, self.shapes, strict=True))
        pending = tuple(jnp.zeros((*lead, *shapes[pre]), dtype) for pre, _ in self.late)
        return State(layers=init_all(self.row, batch, key, dtype), pending=pending)

    def senders(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Along the edges; see `Layer.senders`."""
        own = {self.source: ""}
        return {
            name: tuple((own.get(pre, pre), int((pre, post) in self.late)) for pre, post in self.edges if post == name)
            for name in self.names
        }

    def step_inside(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array, Watched]:
        """One step of all layers, and what each emitted; see `Layer.step_inside`."""
        values, later, emitted = {self.source: x}, [], {}
        for name, layer, old in zip(self.names, self.layers, state.layers, strict=True):
            total = _sum([values[pre] for pre in self._senders(name)] + self._pending(state, name))
            new, values[name], inner = layer.step_inside(old, total, dt, key.fold(name))
            later.append(new)
            emitted |= {name: values[name]} | {f"{name}.{path}": value for path, value in inner.items()}
        y = _sum([values[pre] for pre in self._senders(self.sink)])
        return State(layers=tuple(later), pending=tuple(values[pre] for pre, _ in self.late)), y, emitted

    def _pending(self, state: State, name: str) -> list[Array]:
        return [value for (_, post), value in zip(self.late, state.pending, strict=True) if post == name]

    def unroll_masked(
        self,
        state: State,
        xs: Array,
        dt: float,
        key: Stream,
        watch: tuple[str, ...] = (),
        valid: Array | None = None,
    ) -> tuple[State, Array, Watched]:
        """All steps, node by node, or with cycles one after the other; see `Layer.unroll_masked`."""
        if self.late:
            return self._stepped(state, xs, dt, key, watch)
        values, later, watched = {self.source: xs}, [], {}
        for name, layer, old in zip(self.names, self.layers, state.layers, strict=True):
            asked = [path.removeprefix(f"{name}.") for path in watch if path.startswith(f"{name}.")]
            below = tuple(path for path in asked if path != layer.emission)
            total = _sum([values[pre] for pre in self._senders(name)])
            new, values[name], seen = layer.unroll_masked(old, total, dt, key.fold(name), below, valid)
            later.append(new)
            watched |= {f"{name}.{path}": values[name] if path == layer.emission else seen[path] for path in asked}
        ys = _sum([values[pre] for pre in self._senders(self.sink)])
        return State(layers=tuple(later), pending=()), ys, watched

    def _stepped(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...]
    ) -> tuple[State, Array, Watched]:
        sizes = self.inside()

        def seen(path: str, state: State, emitted: Watched) -> Array:
            owner, _, variable = path.rpartition(".")
            return emitted[owner] if variable == sizes[owner][0].emission else self.read(state, path)

        def one(state: State, row: tuple[Array, Array]) -> tuple[State, tuple[Array, Watched]]:
            x, step = row
            state, y, emitted = self.step_inside(state, x, dt, key._replace(step=step))
            return state, (y, {path: seen(path, state, emitted) for path in watch})

        first = jnp.asarray(key.step)
        over = functools.partial(fuse.loop, one)
        state, (ys, watched) = over(state, (xs, first + jnp.arange(len(xs), dtype=first.dtype)))
        return state, ys, watched

    def __repr__(self) -> str:
        return f"Graph({', '.join(f'{name}: {layer!r}' for name, layer in self.row.items())})"


def _check_edges(nodes: set[str], edges: tuple[Edge, ...], source: str, sink: str) -> None:
    for name in (source, sink):
        if name in nodes:
            raise ValueError(f"`nodes`: {name!r} is the name of the input or the output; choose another `source`.")
    for edge in edges:
        for name, ends in zip(edge, (nodes | {source}, nodes | {sink}), strict=True):
            if name not in ends:
                raise ValueError(f"`edges`: no node {name!r} for {edge}; there are {nearest(name, sorted(ends))}.")
    if twice := [edge for edge in edges if edges.count(edge) > 1]:
        raise ValueError(f"`edges`: {twice[0]} comes twice.")
    if not any(post == sink for _, post in edges):
        raise ValueError(f"`edges`: nothing reaches the output {sink!r}.")


def _search(edges: tuple[Edge, ...], source: str, sink: str) -> tuple[tuple[str, ...], tuple[Edge, ...]]:
    """The nodes, each after its senders, and the edges that lead back, which are late."""
    after: dict[str, list[str]] = {}
    for pre, post in sorted(edges):
        after.setdefault(pre, []).append(post)
    done: list[str] = []
    late: list[Edge] = []
    path, branches = [source], [iter(after.get(source, []))]
    while path:
        name = next(branches[-1], None)
        if name is None:
            branches.pop()
            done.append(path.pop())
        elif name in path:
            late.append((path[-1], name))
        elif name not in done:
            path.append(name)
            branches.append(iter(after.get(name, [])))
    return tuple(name for name in reversed(done) if name not in (source, sink)), tuple(late)


def _sum(values: list[Array]) -> Array:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
