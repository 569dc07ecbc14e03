"""A fixed delay of each input: y_k[i] = x_{k - d_i}[i], d_i = delay_i / dt, and 0 until the first one arrives."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ... import _checks, _streams, values
from ..._streams import Stream
from ..._types import Array, Context, State, Value
from .at_once import Unrolled
from .base import Watched


class Delay(Unrolled):
    """Every input later by a whole number of steps; delays do not train.

    Args:
        n: Number of inputs, or their shape.
        delay: Value slot (ms), one for all or one each; multiples of dt, 0 allowed.
        longest: The longest delay in steps; set by `build`.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    delay: Any
    longest: int = eqx.field(static=True)

    def __init__(self, n: int | tuple[int, ...], delay: Value, *, longest: int = 0):
        _checks.within("n", n, low=1)
        self.shape = tuple(n) if isinstance(n, tuple) else (int(n),)
        self.delay, self.longest = values.strip("delay", delay, "ms"), longest

    @property
    def expects(self) -> tuple[int, ...]:
        """The shape of `n`."""
        return self.shape

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Delay", tuple[int, ...]]:
        """Draw the delays and check them against dt; see `Layer.build`."""
        if shape != self.shape:
            raise ValueError(f"`n` of layer {path}: Delay expects {self.shape}, gets {shape}.")
        context = Context(f"{path}.delay", shape, dt)
        drawn = values.resolve(self.delay, context, unit="ms", key=_streams.fold(key, context.path), dtype=dtype)
        steps = {_checks.steps(context.path, float(value), dt) for value in np.unique(np.asarray(drawn))}
        return Delay(shape, drawn, longest=max(steps)), shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """What is under way: `pending ([batch], longest, *shape)`, the oldest first."""
        lead = () if batch is None else (batch,)
        return State(pending=jnp.zeros((*lead, self.longest, *self.shape), dtype))

    def binary(self, received: bool | None) -> bool | None:
        """Whether the input is; see `Layer.binary`."""
        return received

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps at once; see `Layer.unroll`."""
        rank, steps = len(self.shape), len(xs)
        pending = jnp.moveaxis(state.pending, -rank - 1, 0)
        line = jnp.concatenate([pending, xs])
        if self.delay.ndim == 0:
            ys = line[:steps]
        else:
            times = jnp.arange(steps, dtype=jnp.int32) + self.longest
            due = times.reshape(-1, *[1] * (line.ndim - 1)) - jnp.round(self.delay / dt).astype(jnp.int32)
            ys = jnp.take_along_axis(line, due, axis=0, mode="clip")
        return State(pending=jnp.moveaxis(line[steps:], 0, -rank - 1)), ys, {}

    def __repr__(self) -> str:
        return f"Delay({self.shape[0] if len(self.shape) == 1 else self.shape})"
