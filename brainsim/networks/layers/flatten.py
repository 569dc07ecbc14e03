"""Many axes become one: (time, [batch], a, b, ...) -> (time, [batch], a b ...)."""

import math
from typing import Any

import equinox as eqx

from ..._streams import Stream
from ..._types import Array, State
from .at_once import Steady


class Flatten(Steady):
    """Put all axes after time and batch into one, in C order.

    Args:
        *shape: Shape of the input; needed where the layer is the first.
    """

    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, *shape: int):
        self.shape = shape

    @property
    def expects(self) -> tuple[int, ...] | None:
        """The shape, where it was given."""
        return self.shape or None

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Flatten", tuple[int, ...]]:
        """Take the shape of the input; see `Layer.build`."""
        if self.shape not in ((), shape):
            raise ValueError(f"`shape` of layer {path}: Flatten expects {self.shape}, gets {shape}.")
        return Flatten(*shape), (math.prod(shape),)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The same values on one axis; see `Layer.step`."""
        return state, x.reshape(*x.shape[: x.ndim - len(self.shape)], math.prod(self.shape))

    def __repr__(self) -> str:
        return f"Flatten({', '.join(map(str, self.shape))})"
