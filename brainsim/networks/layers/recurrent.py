"""A layer whose neurons also project onto each other: what they emit in step k - d acts in step k.

jump_k = x_k + y_{k - d} W,        d = delay / dt >= 1
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ... import _checks, values
from ..._paths import ParameterInfo, parameters_of
from ..._streams import Stream
from ..._types import Array, State, Value
from ...neurons import Neuron
from ...operators import event_dense
from ...values import Uniform
from .base import Layer
from .delayed_recurrent import DelayedRecurrent
from .linear import draw_weight, weight_slot


class Recurrent(Layer):
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

    neuron: Neuron
    n: int = eqx.field(static=True)
    weight: Any = eqx.field(default=None, kw_only=True)
    delay: Any = eqx.field(static=True, default="dt", kw_only=True)
    max_delay: Any = eqx.field(static=True, default=None, kw_only=True)
    sigma: Any = eqx.field(static=True, default=0.0, kw_only=True)
    delay_steps: int = eqx.field(static=True, default=1, kw_only=True)

    def __post_init__(self):
        _checks.within("n", self.n, low=1)
        weight = self.weight
        self.weight = Uniform(-(self.n**-0.5), self.n**-0.5) if weight is None else weight_slot("weight", weight)
        self.delay = _slot(self.delay)
        if self.max_delay is not None and isinstance(self.delay, str | float):
            raise ValueError("`max_delay`: only for delays that train, one a synapse; `delay` is one for all.")

    @property
    def expects(self) -> tuple[int, ...]:
        """`(n,)`."""
        return (self.n,)

    @property
    def emission(self) -> str:
        """What the neuron emits."""
        return self.neuron.emits

    @property
    def emission_unit(self) -> str:
        """Unit of the emitted state, "" for spikes."""
        return self.neuron.state_units().get(self.emission, "")

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Recurrent | DelayedRecurrent", tuple[int, ...]]:
        """Build the neuron and draw the weight; see `Layer.build`."""
        if not isinstance(self.delay, str | float):
            options = {"weight": self.weight, "max_delay": self.max_delay, "sigma": self.sigma}
            delayed = DelayedRecurrent(self.neuron, self.n, self.delay, **options)
            return delayed.build(path, shape, dt=dt, key=key, dtype=dtype)
        if shape != (self.n,):
            raise ValueError(f"`n` of layer {path}: Recurrent expects {self.n} inputs, gets {shape}.")
        neuron = self.neuron.build(path, shape, dt=dt, key=key, dtype=dtype)
        weight = draw_weight(self.weight, f"{path}.weight", (self.n, self.n), dt=dt, key=key, dtype=dtype)
        steps = 1 if isinstance(self.delay, str) else _checks.steps(f"{path}.delay", self.delay, dt)
        if steps < 1:
            raise ValueError(f"`{path}.delay`: expected at least dt = {dt:g} ms on a cycle, got {self.delay:g} ms.")
        return Recurrent(neuron, self.n, weight=weight, delay=self.delay, delay_steps=steps), shape

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The neuron's state, and what is under way: `pending ([batch], delay / dt, n)`, the oldest first."""
        lead = () if batch is None else (batch,)
        cell = self.neuron.init_state((self.n,), batch=batch, key=key, dtype=dtype)
        return State(cell=cell, pending=jnp.zeros((*lead, self.delay_steps, self.n), dtype))

    def state_units(self) -> dict[str, str]:
        """Unit of every state of the neuron."""
        return self.neuron.state_units()

    def read(self, state: State, name: str) -> Array:
        """A state of the neuron."""
        return getattr(state.cell, name)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step; see `Layer.step`."""
        single = self.delay_steps == 1
        due = jnp.squeeze(state.pending, -2) if single else state.pending[..., 0, :]
        cell, y = self.neuron.step(state.cell, self.neuron.fed(x + event_dense(due, self.weight)), dt, key)
        latest = y[..., None, :]
        pending = latest if single else jnp.concatenate([state.pending[..., 1:, :], latest], axis=-2)
        return State(cell=cell, pending=pending), y

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The recurrent weight, which trains by default, and the neuron's parameters."""
        weight = ParameterInfo(lambda model: where(model).weight, "weight", "mV", trainable=True)
        return {f"{path}.weight": weight} | parameters_of(self.neuron, path, lambda model: where(model).neuron, dt=dt)

    def __repr__(self) -> str:
        return f"Recurrent({type(self.neuron).__name__}, {self.n})"


def _slot(delay: Value) -> Value:
    """A delay as given: "dt", one number (ms), or a value slot with an entry for every synapse."""
    if isinstance(delay, str):
        _checks.choice("delay", delay, ("dt",))
        return delay
    delay = values.strip("delay", delay, "ms")
    if callable(delay) or isinstance(delay, values.Distribution):
        return delay
    return (lambda key, context: delay) if np.ndim(delay) else float(delay)
