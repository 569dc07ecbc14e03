"""What layers have in common whose neurons also project onto each other: neurons, and spikes under way to them.

The spikes of the last steps are the state `pending ([batch], steps, n)`, the oldest first.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ..._paths import ParameterInfo, parameters_of
from ..._streams import Stream
from ..._types import Array, State, Value
from ...neurons import Neuron
from ...values import Uniform
from .linear import weight_slot
from .neural import Neural


class Feedback(Neural):
    """Base of the recurrent layers.

    Args:
        neuron: Neuron model.
        n: Number of neurons.
    """

    n: int = eqx.field(static=True)
    weight: Any = eqx.field(default=None, kw_only=True)

    @property
    def reach(self) -> int:
        """Steps until the last spike has arrived."""
        raise TypeError(f"{type(self).__name__} does not define `reach`.")

    @property
    def expects(self) -> tuple[int, ...]:
        """`(n,)`."""
        return (self.n,)

    def require(self, path: str, shape: tuple[int, ...]) -> None:
        """Raise where the input is not one value for each neuron."""
        if shape != (self.n,):
            raise ValueError(f"`n` of layer {path}: {type(self).__name__} expects {self.n} inputs, gets {shape}.")

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The neuron's state, and what is under way."""
        lead = () if batch is None else (batch,)
        cell = self.neuron.init_state((self.n,), batch=batch, key=key, dtype=dtype)
        return State(cell=cell, pending=jnp.zeros((*lead, self.reach, self.n), dtype))

    def read(self, state: State, name: str) -> Array:
        """A state of the neuron."""
        return getattr(state.cell, name)

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """The recurrent weight, which trains by default, and the neuron's parameters."""
        weight = ParameterInfo(lambda model: where(model).weight, "weight", "mV", trainable=True)
        return {f"{path}.weight": weight} | parameters_of(self.neuron, path, lambda model: where(model).neuron, dt=dt)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.neuron).__name__}, {self.n})"


def recurrent_slot(weight: Value | None, n: int) -> Value:
    """A recurrent weight as given; None: U(-1/sqrt(n), 1/sqrt(n))."""
    return Uniform(-(n**-0.5), n**-0.5) if weight is None else weight_slot("weight", weight)


def fired(neuron: Neuron, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
    """A step of the neurons fed with `x`: the layer's state with the new spikes at the end of the line, and the spikes.

    Args:
        neuron: Built neuron.
        state: State of the layer.
        x: Input and what has arrived, `([batch], n)`.
        dt: Time step (ms).
        key: Random stream of the step.
    """
    cell, y = neuron.step(state.cell, neuron.fed(x), dt, key)
    return State(cell=cell, pending=shifted(state.pending, y)), y


def shifted(line: Array, latest: Array) -> Array:
    """A line of steps `([batch], steps, n)` without the oldest, and with the latest `([batch], n)` at its end."""
    latest = latest[..., None, :]
    return latest if line.shape[-2] == 1 else jnp.concatenate([line[..., 1:, :], latest], axis=-2)
