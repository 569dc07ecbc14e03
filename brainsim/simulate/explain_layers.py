"""How the layers of a `Sequential` run: what each turns into when all its steps are computed together."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from .. import _native
from ..fuse.native import why_not
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
    fused = [eqn for eqn in equations if eqn.primitive.name in ("fused_scan", "fused_pointwise")]
    events = any(eqn.primitive.name == "event_dense" for eqn in equations)
    elements = [eqn.params["how"].element if "how" in eqn.params else eqn.params["element"] for eqn in fused]
    why = next((why for element in elements if (why := why_not(element))), None) or _native.WHY_XLA
    ways = [*(["fused"] if fused and not why else []), *(["kernel"] if events and _native.WHY_XLA is None else [])]
    steps = any(eqn.primitive.name == "scan" and eqn.outvars[0].aval.shape for eqn in equations)  # type: ignore
    way = " + ".join(ways) or ("xla" if fused or events or steps else "shape only")
    operations = sum(len(element.closed.jaxpr.eqns) for element in elements) * _elements(fused)
    moved = sum(_bytes(var.aval) for eqn in fused for var in (*eqn.invars, *eqn.outvars)) // _STEPS
    return Part(f"{name} {layer!r}", way, size, operations, moved, why=why if way == "xla" else None)


def _elements(fused: list[JaxprEqn]) -> int:
    sizes = (eqn.params["how"].domain if "how" in eqn.params else eqn.params["domain"] for eqn in fused)
    return max((math.prod(shape) for shape in sizes), default=0)


def _bytes(aval: Any) -> int:
    return math.prod(aval.shape) * np.dtype(aval.dtype).itemsize
