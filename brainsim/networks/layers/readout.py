"""Readouts that know at every step what came so far, for decisions while the input still goes on.

    Count: sum_{j<=k} x_j   Mean: sum_{j<=k} x_j / (k + 1)   Max: max_{j<=k} x_j   FirstSpike: min_{x_j > 0} (j + 1) dt

k counts from the start of the state. To train on what a whole sequence gave, use a loss (`losses.ce_sum`, `ce_count`,
`ce_max`, `first_spike`) on the layer before: it knows where each sequence ends.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._streams import Stream
from ..._types import Array, State
from .base import Layer


class Readout(Layer):
    """One running figure for every input, from a state that `first` and the input's shape set.

    Attributes:
        shape: Shape of the input; set by `build`.
        first: States at t = 0, by name.
    """

    elementwise: ClassVar[bool] = True
    first: ClassVar[dict[str, float]]

    shape: tuple[int, ...] = eqx.field(static=True, default=(), kw_only=True)

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Readout", tuple[int, ...]]:
        """Take the shape of the input; see `Layer.build`."""
        return type(self)(shape=shape), shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """Nothing came yet; leaves `([batch], *shape)`."""
        lead = () if batch is None else (batch,)
        return State(**{name: jnp.full((*lead, *self.shape), value, dtype) for name, value in self.first.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Count(Readout):
    """The sum of the input so far: of spikes, their number."""

    first: ClassVar[dict[str, float]] = {"total": 0.0}

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The sum with this step; see `Layer.step`."""
        total = state.total + x
        return State(total=total), total


class Mean(Readout):
    """The mean of the input over the steps so far; of spikes, the rate per step."""

    first: ClassVar[dict[str, float]] = {"total": 0.0, "steps": 0.0}

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The mean with this step; see `Layer.step`."""
        total, steps = state.total + x, state.steps + 1
        return State(total=total, steps=steps), total / steps


class Max(Readout):
    """The largest input so far: of a membrane, its highest voltage. Of equal ones the earliest takes the gradient."""

    first: ClassVar[dict[str, float]] = {"highest": -float("inf")}

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The maximum with this step; see `Layer.step`."""
        highest = jnp.where(x > state.highest, x, state.highest)
        return State(highest=highest), highest


class FirstSpike(Readout):
    """The time of the first spike so far (ms); of a silent neuron, the time that has passed: it fires no earlier.

    A spike of step k has time (k + 1) dt. Its derivative is the sign estimator of `losses.first_spike`: dt/ds = -dt in
    the step of the spike (for a silent neuron the present one), 0 elsewhere.
    """

    first: ClassVar[dict[str, float]] = {"time": 0.0, "silent": 1.0}

    @property
    def emission_unit(self) -> str:
        """A time."""
        return "ms"

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """The time with this step; see `Layer.step`."""
        earlier = x - jax.lax.stop_gradient(x)  # 0, but for its derivative
        now = jax.lax.stop_gradient(state.time) + dt * (1 - earlier)
        time = jnp.where(state.silent > 0, now, state.time)
        return State(time=time, silent=jnp.where(x > 0, 0.0, state.silent)), time
