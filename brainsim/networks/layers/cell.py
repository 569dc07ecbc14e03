"""A neuron model as a layer: its input feeds the neuron (most take it as a jump of the voltage, mV)."""

from collections.abc import Callable
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from ... import fuse
from ..._paths import ParameterInfo, parameters_of
from ..._streams import Stream
from ..._types import Array, State
from ...neurons.support import marked
from .neural import Neural


class Cell(Neural):
    """One neuron for every input.

    Args:
        neuron: Neuron model; parameters may be arrays of the input's shape.
    """

    shape: tuple[int, ...] = eqx.field(static=True, default=())

    @property
    def elementwise(self) -> bool:
        """Whether the neuron is `pointwise`."""
        return self.neuron.pointwise

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple[Self, tuple[int, ...]]:
        """Build the neuron; see `Layer.build`."""
        return type(self)(self.neuron.build(path, shape, dt=dt, key=key, dtype=dtype), shape), shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The neuron's state, leaves `([batch], *shape)`."""
        return self.neuron.init_state(self.shape, batch=batch, key=key, dtype=dtype)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The neuron's step fed with `x`, a jump (mV) to most; see `Layer.step`."""
        return self.neuron.step(state, self.neuron.fed(x), dt, key)

    def near(self, state: State, xs: Array, dt: float, key: Stream, near: Array | None) -> Array | None:
        """Where the surrogate is not 0; see `Layer.near`."""
        marker = marked(self.neuron)
        if marker is None:
            return None

        def one(state: State, row: tuple[Array, Array]) -> tuple[State, Array]:
            x, step = row
            drive, now = self.neuron.fed(x), key._replace(step=step)
            return self.neuron.step(state, drive, dt, now)[0], marker.step(state, drive, dt, now)[1] > 0

        first = jnp.asarray(key.step)
        state, xs = jax.lax.stop_gradient((state, xs))
        return fuse.scan(one)(state, (xs, first + jnp.arange(len(xs), dtype=first.dtype)))[1]

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The neuron's parameters."""
        return parameters_of(self.neuron, path, lambda model: where(model).neuron, dt=dt)

    def __repr__(self) -> str:
        return type(self.neuron).__name__
