"""How the layers of a `Sequential` run: what each turns into when all its steps are computed together."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from .. import _native
from ..fuse.loop import choose, loop_p
from ..fuse.native import why_not
from ..fuse.report import Path, path_of
from ..networks import Sequential
from .explanation import Explanation, Part

_STEPS = 2


def explain_layers(model: Sequential, batch: int | None) -> Explanation:
    """What `explain` says of a chain of layers."""
    state = model.init_state(batch)
    lead = (_STEPS,) if batch is None else (_STEPS, batch)
    x: Any = jax.ShapeDtypeStruct((*lead, *model.input_shape), model.dtype)
    parts = []
    for name, layer, own in zip(model.names, model.layers, state.layers, strict=True):
        unroll = lambda own, x, layer=layer, name=name: layer.unroll(own, x, model.dt, model._stream(state, name))[1]
        jaxpr, x = jax.make_jaxpr(unroll, return_shape=True)(own, x)
        parts.append(_part(name, layer, list(_equations(jaxpr.jaxpr)), math.prod(x.shape[len(lead) :])))
    return Explanation(tuple(parts), "layer by layer", (_native.WHY_XLA,) if _native.WHY_XLA else ())


def _equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """All equations, those of inner functions included."""
    for eqn in jaxpr.eqns:
        yield eqn
        for value in eqn.params.values():
            inner = value.jaxpr if isinstance(value, ClosedJaxpr) else value
            if isinstance(inner, Jaxpr):
                yield from _equations(inner)


def _part(name: str, layer: Any, equations: list[JaxprEqn], size: int) -> Part:
    events = any(eqn.primitive.name == "event_dense" for eqn in equations) and _native.WHY_XLA is None
    path = next((path for eqn in equations if (path := _path(eqn)) is not None), None)
    if path is None:
        loops = any(eqn.primitive.name == "scan" for eqn in equations)
        path = Path("xla" if loops else "", (), 0, 0, _native.WHY_XLA if loops else None)
    ways = [*([path.way] if path.way else []), *(["kernel"] if events else [])]
    way = " + ".join(ways) or "shape only"
    return Part(f"{name} {layer!r}", way, size, path.operations, path.bytes, why=path.why)


def _path(eqn: JaxprEqn) -> Path | None:
    """How the loop of a layer runs; None for other operations."""
    if eqn.primitive is loop_p:
        choice = choose(**eqn.params)
        return path_of(choice, tuple(range(eqn.params["n_carry"])))
    if eqn.primitive.name != "fused_scan":
        return None
    how = eqn.params["how"]
    why = why_not(how.element)
    operations = len(how.element.closed.jaxpr.eqns) * math.prod(how.domain)
    moved = sum(_bytes(var.aval) for var in (*eqn.invars, *eqn.outvars)) // _STEPS
    return Path("fused" if why is None else "xla", (), operations, moved, why)


def _bytes(aval: Any) -> int:
    return math.prod(aval.shape) * np.dtype(aval.dtype).itemsize
