"""Axes become one: (time, [batch], a, b, ...) -> (time, [batch], a b ...)."""

import math
from typing import Any

import equinox as eqx

from ..._streams import Stream
from ..._types import Array, State
from .at_once import Steady


class Flatten(Steady):
    """Put the axes after time and batch, or some of them, into one, in C order.

    Args:
        *shape: Shape of the input; needed where the layer is the first.
        start: First axis that is put with others, without time and batch.
        end: Last one, itself included; -1 is the last of all.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    start: int = eqx.field(static=True)
    end: int = eqx.field(static=True)

    def __init__(self, *shape: int, start: int = 0, end: int = -1):
        self.shape, self.start, self.end = shape, start, end

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
        rank = len(shape)
        start, end = (axis + rank if axis < 0 else axis for axis in (self.start, self.end))
        if not 0 <= start <= end < rank:
            raise ValueError(
                f"`start` and `end` of layer {path}: expected two of the {rank} axes of {shape} in their order, got "
                f"{self.start} and {self.end}."
            )
        built = Flatten(*shape, start=self.start, end=self.end)
        return built, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The same values on fewer axes; see `Layer.step`."""
        rank = len(self.shape)
        start, end = self.start % rank, self.end % rank
        lead = x.shape[: x.ndim - rank]
        return state, x.reshape(*lead, *self.shape[:start], -1, *self.shape[end + 1 :])

    def binary(self, received: bool | None) -> bool | None:
        """Whether the input is; see `Layer.binary`."""
        return received

    def near(self, state: State, xs: Array, dt: float, key: Stream, near: Array | None) -> Array | None:
        """The same on fewer axes; see `Layer.near`."""
        return None if near is None else self.step(state, near, dt, key)[1]

    def __repr__(self) -> str:
        return f"Flatten({', '.join(map(str, self.shape))})"
