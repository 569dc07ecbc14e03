"""A layer whose neurons also project onto each other: what they emit in step k - d acts in step k.

jump_k = x_k + y_{k - d} W,        d = delay / dt >= 1
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ... import _checks, fuse, values
from ..._streams import Stream
from ..._types import Array, State, Value
from ...operators import event_dense
from .base import Crossing, Watched
from .delayed_recurrent import DelayedRecurrent
from .feedback import Feedback, fired, recurrent_slot
from .linear import draw_weight


class Recurrent(Feedback):
    """Neurons with dense recurrent weights.

    Args:
        neuron: Neuron model.
        n: Number of neurons.
        weight: Value slot of the weight (mV), shape (n, n), rows are the senders. None: U(-1/sqrt(n), 1/sqrt(n)).
        delay: "dt", or a multiple of it (ms). A distribution, an array (n, n) or a function gives every synapse a delay
            of its own, which trains: `build` then returns a `DelayedRecurrent`.
        max_delay: Longest delay (ms) that training may reach; see `DelayedRecurrent`.
        sigma: Width (ms) of the kernel of delays that train; see `DelayedRecurrent`.
        delay_steps: The delay in steps; set by `build`.
    """

    delay: Any = eqx.field(static=True, default="dt", kw_only=True)
    max_delay: Any = eqx.field(static=True, default=None, kw_only=True)
    sigma: Any = eqx.field(static=True, default=0.0, kw_only=True)
    delay_steps: int = eqx.field(static=True, default=1, kw_only=True)

    def __post_init__(self):
        _checks.within("n", self.n, low=1)
        self.weight = recurrent_slot(self.weight, self.n)
        self.delay = _slot(self.delay)
        if self.max_delay is not None and isinstance(self.delay, str | float):
            raise ValueError("`max_delay`: only for delays that train, one a synapse; `delay` is one for all.")

    @property
    def reach(self) -> int:
        """The delay in steps."""
        return self.delay_steps

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Recurrent | DelayedRecurrent", tuple[int, ...]]:
        """Build the neuron and draw the weight; see `Layer.build`."""
        if not isinstance(self.delay, str | float):
            options = {"weight": self.weight, "max_delay": self.max_delay, "sigma": self.sigma}
            delayed = DelayedRecurrent(self.neuron, self.n, self.delay, **options)
            return delayed.build(path, shape, dt=dt, key=key, dtype=dtype)
        self.require(path, shape)
        neuron = self.neuron.build(path, shape, dt=dt, key=key, dtype=dtype)
        weight = draw_weight(self.weight, f"{path}.weight", (self.n, self.n), dt=dt, key=key, dtype=dtype)
        steps = 1 if isinstance(self.delay, str) else _checks.steps(f"{path}.delay", self.delay, dt)
        if steps < 1:
            raise ValueError(f"`{path}.delay`: expected at least dt = {dt:g} ms on a cycle, got {self.delay:g} ms.")
        return Recurrent(neuron, self.n, weight=weight, delay=self.delay, delay_steps=steps), shape

    def crossings(self, xs: Array, ys: Array) -> tuple[Crossing, ...]:
        """The neurons' own output crosses the weight when it arrives; see `Layer.crossings`."""
        before = jnp.zeros_like(ys[: self.delay_steps])
        return (Crossing(jnp.concatenate([before, ys])[: len(ys)], self.weight, jnp.matmul),)

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps, the rows of a batch each for itself where the neuron allows it; see `Layer.unroll`."""
        if not self.neuron.pointwise:
            return super().unroll(state, xs, dt, key, watch)

        def one(cell: State, row: tuple[Array, Array]) -> tuple[State, tuple[Array, Watched]]:
            x, step = row
            cell, y = self.neuron.step(cell, self.neuron.fed(x), dt, key._replace(step=step))
            return cell, (y, {name: getattr(cell, name) for name in watch})

        first, line = jnp.asarray(key.step), jnp.moveaxis(state.pending, -2, 0)
        steps = first + jnp.arange(len(xs), dtype=first.dtype)
        out = fuse.feedback(one, event_dense)(state.cell, line, self.weight, xs, steps)
        if out is None:
            return super().unroll(state, xs, dt, key, watch)
        cell, (ys, watched) = out
        latest = jnp.concatenate([line, ys])[-self.delay_steps :]
        return State(cell=cell, pending=jnp.moveaxis(latest, 0, -2)), ys, watched

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step; see `Layer.step`."""
        return fired(self.neuron, state, x + event_dense(state.pending[..., 0, :], self.weight), dt, key)


def _slot(delay: Value) -> Value:
    """A delay as given: "dt", one number (ms), or a value slot with an entry for every synapse."""
    if isinstance(delay, str):
        _checks.choice("delay", delay, ("dt",))
        return delay
    delay = values.strip("delay", delay, "ms")
    if callable(delay) or isinstance(delay, values.Distribution):
        return delay
    return (lambda key, context: delay) if np.ndim(delay) else float(delay)
