"""Every value times a factor of its own: y = s x."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ... import _streams, values
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, Context, State, Value
from .at_once import Steady


class Scale(Steady):
    """Multiply each input by a factor, which trains.

    Args:
        scale: Value slot: one factor for all, or an array of the input's shape.
    """

    scale: Any

    def __init__(self, scale: Value):
        self.scale = values.strip("scale", scale, "")

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Scale", tuple[int, ...]]:
        """Draw the factors; see `Layer.build`."""
        context = Context(f"{path}.scale", shape, dt)
        drawn = values.resolve(self.scale, context, unit="", key=_streams.fold(key, context.path), dtype=dtype)
        return eqx.tree_at(lambda layer: layer.scale, self, drawn), shape

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """`scale x`; see `Layer.step`."""
        return state, self.scale * x

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """`scale`, which trains by default."""
        return {f"{path}.scale": ParameterInfo(lambda model: where(model).scale, "weight", trainable=True)}

    def __repr__(self) -> str:
        return f"Scale({'of each' if jnp.ndim(self.scale) else self.scale})"
