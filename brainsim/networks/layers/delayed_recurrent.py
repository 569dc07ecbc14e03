"""A recurrent layer with a delay of its own for every synapse, which learns.

    jump_j(k) = x_j(k) + sum_i sum_{n >= 1} w_ij g_n(d_ij) y_i(k - n)

g is the triangular kernel of `learned_delays`. Units: mV, ms. Queant et al., arXiv 2509.24852 (DelRec).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ... import _checks
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State, Value
from ...neurons import Neuron
from ...neurons.support import marked
from .base import Layer, Watched
from .feedback import Feedback, fired, recurrent_slot, shifted
from .learned_delays import Delays, crossed
from .linear import draw_weight


class Tapped(Layer):
    """A `DelayedRecurrent` in motion: its neurons, and the weight at every whole delay, computed once.

    Attributes:
        neuron: Built neuron.
        taps: `(delays, n, n)` (mV), one step first.
    """

    neuron: Neuron
    taps: Array

    def read(self, state: State, name: str) -> Array:
        """A state of the neuron."""
        return getattr(state.cell, name)

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step; see `Layer.step`."""
        marker = marked(self.neuron)
        if marker is None:
            return fired(self.neuron, state, x + crossed(state.pending, self.taps), dt, key)
        jump = x + crossed(state.pending, self.taps, state.near)
        later, y = fired(self.neuron, state, jump, dt, key)
        mark = marker.step(state.cell, self.neuron.fed(jump), dt, key)[1]
        return State(cell=later.cell, pending=later.pending, near=shifted(state.near, mark > 0)), y


class DelayedRecurrent(Feedback):
    """Neurons with dense recurrent weights and a trainable delay for every synapse.

    Args:
        neuron: Neuron model.
        n: Number of neurons.
        delay: Value slot (ms), shape (n, n), in [dt, max_delay].
        weight: Value slot (mV), shape (n, n), rows are the senders. None: U(-1/sqrt(n), 1/sqrt(n)).
        max_delay: Longest delay (ms) that training may reach; None: the longest that is drawn.
        sigma: Width (ms) of the kernel beyond linear interpolation between two steps; 0 by default.
    """

    delays: Delays = eqx.field(kw_only=True)

    def __init__(
        self,
        neuron: Neuron,
        n: int,
        delay: Value,
        *,
        weight: Value | None = None,
        max_delay: Any = None,
        sigma: Value = 0.0,
    ):
        _checks.within("n", n, low=1)
        self.neuron, self.n = neuron, int(n)
        self.weight = recurrent_slot(weight, n)
        self.delays = Delays(delay, sigma, max_delay=max_delay, shortest=1, kernel="triangular")

    @property
    def reach(self) -> int:
        """The longest delay in steps."""
        return self.delays.max_steps

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """The neuron's state, and what is under way.

        Where the surrogate is 0 away from the threshold, `near`, bool of the shape of `pending`, says which of the
        spikes under way pass a gradient on.
        """
        state = super().init_state(batch, key, dtype)
        if marked(self.neuron) is None:
            return state
        return State(cell=state.cell, pending=state.pending, near=jnp.ones(state.pending.shape, bool))

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["DelayedRecurrent", tuple[int, ...]]:
        """Build the neuron, draw weight and delays; see `Layer.build`."""
        self.require(path, shape)
        square = (self.n, self.n)
        neuron = self.neuron.build(path, shape, dt=dt, key=key, dtype=dtype)
        weight = draw_weight(self.weight, f"{path}.weight", square, dt=dt, key=key, dtype=dtype)
        delays = self.delays.build(path, square, dt=dt, key=key, dtype=dtype)
        parts = lambda layer: (layer.neuron, layer.weight, layer.delays)
        return eqx.tree_at(parts, self, (neuron, weight, delays)), shape

    def tapped(self, dt: float) -> Tapped:
        """The layer with its weights at every whole delay."""
        return Tapped(self.neuron, self.delays.taps(self.weight, dt))

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step; see `Layer.step`."""
        return self.tapped(dt).step(state, x, dt, key)

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps with the kernel computed once; see `Layer.unroll`."""
        return self.tapped(dt).unroll(state, xs, dt, key, watch)

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """Weight and delay, which train by default, `sigma`, and the neuron's parameters."""
        delays = self.delays.parameters(path, lambda model: where(model).delays, dt)
        return super().parameters(path, where, dt) | delays
