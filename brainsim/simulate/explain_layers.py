"""How the layers of a `Sequential` run: what each turns into when all its steps are computed together."""

import functools
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
_EVENTS = ("event_dense", "event_affine", "event_conv", "fused_feedback")
_SCANS = ("fused_scan", "fused_feedback")
_CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call")
_SHAPES = ("reshape", "squeeze", "expand_dims", "broadcast_in_dim", "transpose", "copy", "convert_element_type")
"""Operations that move nothing or move it only."""


def explain_layers(model: Sequential, batch: int | None) -> Explanation:
    """What `explain` says of a chain of layers."""
    state = model.init_state(batch)
    lead = (_STEPS,) if batch is None else (_STEPS, batch)
    x: Any = jax.ShapeDtypeStruct((*lead, *model.input_shape), model.dtype)
    parts = []
    for name, layer, own in zip(model.names, model.layers, state.layers, strict=True):
        unroll = functools.partial(layer.unroll, dt=model.dt, key=model._stream(state, name))
        jaxpr, (_, x, _) = jax.make_jaxpr(unroll, return_shape=True)(own, x)
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
    names = [eqn.primitive.name for eqn in equations]
    events = not set(names).isdisjoint(_EVENTS) and _native.WHY_XLA is None
    path = next((path for eqn in equations if (path := _path(eqn)) is not None), None)
    if path is None:
        path = Path("", (), 0, 0, None) if events else _left_to_xla(names)
    ways = [*([path.way] if path.way else []), *(["kernel"] if events else [])]
    return Part(f"{name} {layer!r}", " + ".join(ways), size, path.operations, path.bytes, why=path.why)


def _left_to_xla(names: list[str]) -> Path:
    """What is said of a layer without a loop of ours: "shape only" where its operations compute nothing."""
    working = [name for name in names if name not in (*_CALLS, *_SHAPES)]
    if not working:
        return Path("shape only", (), 0, 0, None)
    heaviest = next((name for name in ("scan", "conv_general_dilated", "dot_general") if name in working), working[0])
    return Path("xla", (), 0, 0, _native.WHY_XLA or f"{heaviest} is an operation of XLA")


def _path(eqn: JaxprEqn) -> Path | None:
    """How the loop of a layer runs; None for other operations."""
    if eqn.primitive is loop_p:
        choice = choose(**eqn.params)
        return path_of(choice, tuple(range(eqn.params["n_carry"])))
    if eqn.primitive.name not in _SCANS:
        return None
    how = eqn.params["how"]
    how = how.loop if eqn.primitive.name == "fused_feedback" else how
    why = why_not(how.element)
    operations = len(how.element.closed.jaxpr.eqns) * math.prod(how.domain)
    moved = sum(_bytes(var.aval) for var in (*eqn.invars, *eqn.outvars)) // _STEPS
    return Path("fused" if why is None else "xla", (), operations, moved, why)


def _bytes(aval: Any) -> int:
    return math.prod(aval.shape) * np.dtype(aval.dtype).itemsize
