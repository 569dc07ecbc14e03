"""Sliding parallel spiking neuron: a learned window over the last inputs in place of a membrane.

    h_t = sum_{i < order} w_i x_{t - i},        s_t = H(h_t - 1)

No state acts back, so all steps are computed at once. The weights are shared by all neurons of the layer and carry the
scale of the threshold, which is 1 mV. They start at w_i = 2^-i. Fang et al., NeurIPS 2023, section 3.4. Units: mV.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ... import _checks, _streams, values
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, Context, State
from ...neurons import Surrogate
from ...neurons.surrogate import surrogate_of
from .at_once import Unrolled
from .base import Watched


class SlidingPSN(Unrolled):
    """A spiking neuron for every input that sees the last `order` inputs through learned weights.

    Args:
        order: Number of steps in the window, the present one included.
        weight: Weights of the window, the present step first: a value slot of shape (order,). None: 2^-i.
        surrogate: Derivative of the spike, a function of h - 1; see `Neuron`.
    """

    order: int = eqx.field(static=True)
    weight: Any = eqx.field(default=None, kw_only=True)
    surrogate: Surrogate = eqx.field(static=True, default="atan", kw_only=True)
    shape: tuple[int, ...] = eqx.field(static=True, default=(), kw_only=True)
    emits: ClassVar[str] = "spikes"

    def __post_init__(self):
        _checks.within("order", self.order, low=1)
        self.surrogate = surrogate_of(self.surrogate)
        self.weight = 0.5 ** np.arange(self.order) if self.weight is None else values.strip("weight", self.weight, "")

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["SlidingPSN", tuple[int, ...]]:
        """Draw the weights; see `Layer.build`."""
        name = f"{path}.weight"
        stream = _streams.fold(key, name)
        weight = values.resolve(self.weight, Context(name, (self.order,), dt), unit="", key=stream, dtype=dtype)
        weight = jnp.broadcast_to(weight, (self.order,))
        return SlidingPSN(self.order, weight=weight, surrogate=self.surrogate, shape=shape), shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The inputs of the last order - 1 steps, the oldest first: `past ([batch], order - 1, *shape)`."""
        lead = () if batch is None else (batch,)
        return State(past=jnp.zeros((*lead, self.order - 1, *self.shape), dtype))

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps at once; see `Layer.unroll`."""
        axis = xs.ndim - 1 - len(self.shape)
        seen = jnp.concatenate([jnp.moveaxis(state.past, axis, 0), xs])
        newest = self.order - 1
        h = self.weight[0] * seen[newest:]
        for i in range(1, self.order):
            h = h + self.weight[i] * seen[newest - i : newest - i + len(xs)]
        past = jnp.moveaxis(seen[len(xs) :], 0, axis)
        return State(past=past), self.surrogate(h - 1), {}

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The weights of the window, which train by default."""
        return {f"{path}.weight": ParameterInfo(lambda model: where(model).weight, "weight", "", trainable=True)}

    def __repr__(self) -> str:
        return f"SlidingPSN({self.order})"
