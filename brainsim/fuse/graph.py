"""A jaxpr as a flat list of operations: what the fuser walks, and the definition that every fast path must equal.

Calls (`jit`, `custom_jvp`, `custom_vjp`, `checkpoint`) are dissolved into their bodies, so that an operation is a
primitive and nothing else; operations that no output needs are dropped.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jax.extend import source_info_util
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.extend.core import Literal as JaxLiteral

CALLS: dict[str, Callable[[JaxprEqn], ClosedJaxpr | Jaxpr]] = {
    **dict.fromkeys(("jit", "pjit", "checkpoint", "remat2"), lambda eqn: eqn.params["jaxpr"]),
    **dict.fromkeys(
        ("closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"), lambda eqn: eqn.params["call_jaxpr"]
    ),
}
"""Primitives that only call a function, and that function; a primitive that stands for others adds itself."""


class Type(NamedTuple):
    """Shape and dtype of a value; the dtype of a random key is JAX's own."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


class Literal(NamedTuple):
    """A constant scalar."""

    value: Any
    dtype: Any


Atom: TypeAlias = int | Literal
"""What an operation reads: the number of a value, or a constant."""


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Attributes:
        op: Name of the JAX primitive.
        params: Its parameters; the bodies of `while` (`cond`, `body`) and `cond` (`branches`) are `Graph`s.
        ins: What it reads.
        outs: The values it makes.
        where: Source line of the user's function.
        eqn: The equation it came from, for evaluation; None for an operation that the fuser added.
    """

    op: str
    params: dict[str, Any]
    ins: tuple[Atom, ...]
    outs: tuple[int, ...]
    where: str = ""
    eqn: JaxprEqn | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Operations in an order in which they can be computed.

    Attributes:
        inputs: Values that are given.
        outputs: What is returned.
        nodes: Operations.
        types: Type of every value; a value is an index into this tuple.
        constants: Values that are arrays known beforehand.
    """

    inputs: tuple[int, ...]
    outputs: tuple[Atom, ...]
    nodes: tuple[Node, ...]
    types: tuple[Type, ...]
    constants: dict[int, Any] = dataclasses.field(default_factory=dict)

    def evaluate(self, *values: Any) -> list[Any]:
        """The outputs by JAX, one primitive after the other."""
        known = {**self.constants, **dict(zip(self.inputs, values, strict=True))}
        for node in self.nodes:
            known.update(zip(node.outs, evaluate(node, [read(atom, known) for atom in node.ins]), strict=True))
        return [read(atom, known) for atom in self.outputs]

    def type_of(self, atom: Atom) -> Type:
        """Type of an atom."""
        return Type((), atom.dtype) if isinstance(atom, Literal) else self.types[atom]


def read(atom: Atom, known: dict[int, Any]) -> Any:
    """An atom's value; a constant keeps its dtype."""
    return np.asarray(atom.value, atom.dtype)[()] if isinstance(atom, Literal) else known[atom]


def evaluate(node: Node, values: Sequence[Any]) -> list[Any]:
    """One operation by JAX."""
    assert node.eqn is not None, f"{node.op} is no operation of JAX"
    primitive = node.eqn.primitive
    bound = primitive.get_bind_params(node.eqn.params)
    functions, params = bound if isinstance(bound, tuple) else ((), bound)  # a pair before JAX 0.10
    out = primitive.bind(*functions, *values, **params)
    return list(out) if primitive.multiple_results else [out]


def graph_of(closed: ClosedJaxpr) -> Graph:
    """The graph of a jaxpr."""
    builder = _Builder()
    inputs, outputs = builder.body(closed)
    nodes = needed(builder.nodes, outputs)
    return Graph(inputs, tuple(outputs), nodes, tuple(builder.types), builder.constants)


def needed(nodes: Sequence[Node], outputs: Sequence[Atom]) -> tuple[Node, ...]:
    """The operations that the outputs depend on, in order."""
    wanted = {atom for atom in outputs if not isinstance(atom, Literal)}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.outs):
            kept.append(node)
            wanted.update(atom for atom in node.ins if not isinstance(atom, Literal))
    return tuple(reversed(kept))


class _Builder:
    """Numbers the values of a jaxpr and of everything that it calls."""

    def __init__(self):
        self.types: list[Type] = []
        self.nodes: list[Node] = []
        self.constants: dict[int, Any] = {}

    def body(self, closed: ClosedJaxpr) -> tuple[tuple[int, ...], list[Atom]]:
        inputs = [self.new(var.aval) for var in closed.jaxpr.invars]
        env: dict[Any, Atom] = dict(zip(closed.jaxpr.invars, inputs, strict=True))
        return tuple(inputs), self.walk(closed.jaxpr, closed.consts, env)

    def new(self, aval: Any) -> int:
        self.types.append(Type(tuple(aval.shape), aval.dtype))
        return len(self.types) - 1

    def walk(self, jaxpr: Jaxpr, consts: Sequence[Any], env: dict[Any, Atom], caller: str = "") -> list[Atom]:
        """Append the operations of a jaxpr whose inputs are in `env`, called from a line; returns its outputs."""
        env |= {var: self.constant(var.aval, value) for var, value in zip(jaxpr.constvars, consts, strict=True)}
        for eqn in jaxpr.eqns:
            ins = tuple(_atom(var, env) for var in eqn.invars)
            name, where = eqn.primitive.name, source_info_util.summarize(eqn.source_info) or caller
            if name in CALLS:
                called = CALLS[name](eqn)
                body, inner = (called.jaxpr, called.consts) if isinstance(called, ClosedJaxpr) else (called, ())
                outs = self.walk(body, inner, dict(zip(body.invars, ins, strict=True)), where)
            else:
                outs = [self.new(var.aval) for var in eqn.outvars]
                self.nodes.append(Node(name, _params(eqn), ins, tuple(outs), where, eqn))
            env |= dict(zip(eqn.outvars, outs, strict=True))
        return [_atom(var, env) for var in jaxpr.outvars]

    def constant(self, aval: Any, value: Any) -> Atom:
        if aval.shape == () and isinstance(value, np.ndarray | np.generic | int | float | bool):
            return Literal(np.asarray(value).item(), aval.dtype)
        number = self.new(aval)
        self.constants[number] = value
        return number


def _atom(var: Any, env: dict[Any, Atom]) -> Atom:
    return Literal(np.asarray(var.val).item(), _dtype(var.aval)) if isinstance(var, JaxLiteral) else env[var]


def _dtype(aval: Any) -> Any:
    return aval.dtype


def _params(eqn: JaxprEqn) -> dict[str, Any]:
    if eqn.primitive.name == "cond":
        return {**eqn.params, "branches": tuple(graph_of(branch) for branch in eqn.params["branches"])}
    if eqn.primitive.name != "while":
        return eqn.params
    return {**eqn.params, "cond": graph_of(eqn.params["cond_jaxpr"]), "body": graph_of(eqn.params["body_jaxpr"])}
