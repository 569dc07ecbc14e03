"""A step function without memory: y = 1 where x >= v_th, else 0."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx

from ... import _streams, values
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, Context, State, Value
from ...neurons import Surrogate
from ...neurons.surrogate import surrogate_of
from .at_once import Steady


class Threshold(Steady):
    """Spikes where the input reaches a threshold.

    Args:
        v_th: Value slot (mV), one for all or one each; default 1.
        surrogate: Derivative of the spike as a function of x - v_th; see `Neuron`.
    """

    emits: ClassVar[str] = "spikes"

    v_th: Any
    surrogate: Surrogate = eqx.field(static=True)

    def __init__(self, v_th: Value = 1.0, *, surrogate: Any = "atan"):
        self.v_th, self.surrogate = values.strip("v_th", v_th, "mV"), surrogate_of(surrogate)

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Threshold", tuple[int, ...]]:
        """Draw the thresholds; see `Layer.build`."""
        context = Context(f"{path}.v_th", shape, dt)
        drawn = values.resolve(self.v_th, context, unit="mV", key=_streams.fold(key, context.path), dtype=dtype)
        return eqx.tree_at(lambda layer: layer.v_th, self, drawn), shape

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """Spikes 0. or 1.; see `Layer.step`."""
        return state, self.surrogate(x - self.v_th)

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """`v_th`, which does not train by default."""
        return {f"{path}.v_th": ParameterInfo(lambda model: where(model).v_th, "threshold", "mV")}

    def __repr__(self) -> str:
        return "Threshold()"
