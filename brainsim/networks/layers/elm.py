"""Expressive leaky memory: one cortical neuron as leaky synapses, a small network and slow memory units.

    b_t = kappa_s b_{t-1} + sum over the synapses of each branch of relu(w) x_t,        kappa = exp(-dt / tau)
    u_t = 1.7159 tanh(2/3 MLP([b_t, kappa_m m_{t-1}])),        MLP = one hidden layer of relu units
    m_t = kappa_m m_{t-1} + lambda (1 - kappa_m) u_t,        y_t = m_t W_y + b_y

The synapses of a branch share tau_s, so that one leaky trace a branch is enough. |m| never exceeds 1.7159 lambda.
Units: ms; values have none. Spieler, Rahaman, Martius, Schoelkopf and Levina, ICLR 2024.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ... import _checks, _streams, fuse, units
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, State
from ...operators import event_dense
from .base import Layer, Watched

_GAIN, _SLOPE = 1.7159, 2 / 3
WEIGHTS = ("synapse", "branch_in", "memory_in", "update", "readout")
BIASES = ("hidden_bias", "update_bias", "readout_bias")


class ELM(Layer):
    """Inputs to outputs through one expressive leaky memory neuron.

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        memory: Number of memory units.
        branches: Number of dendritic branches; None: one for every input.
        synapses: Synapses on each branch, in all at least `n_in`; neighbouring inputs go to the same branch, each to as
            many synapses as any other (up to one).
        hidden: Hidden units of the network; None: twice `memory`.
        tau_syn: Time constant of the synapses (ms).
        tau_memory: Shortest and longest time constant of the memory units (ms), which are spaced evenly on a log scale.
            They are parameters, kept in this range, but train only where `trainable` of `fit` names them.
        scale: lambda.
        weight: Weight of every synapse at first.

    Raises:
        ValueError: Fewer synapses than inputs.
    """

    synapse: Any
    branch_in: Any
    memory_in: Any
    hidden_bias: Any
    update: Any
    update_bias: Any
    readout: Any
    readout_bias: Any
    tau_memory: Any
    sizes: tuple[int, ...] = eqx.field(static=True)
    tau_syn: float = eqx.field(static=True)
    tau_range: tuple[float, float] = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        memory: int = 20,
        branches: int | None = None,
        synapses: int = 1,
        hidden: int | None = None,
        tau_syn: Any = 5.0,
        tau_memory: tuple[Any, Any] = (1.0, 150.0),
        scale: float = 5.0,
        weight: float = 0.5,
    ):
        branches, hidden = branches or n_in, hidden or 2 * memory
        named = dict(n_in=n_in, n_out=n_out, memory=memory, branches=branches, synapses=synapses, hidden=hidden)
        for name, value in named.items():
            _checks.within(name, value, low=1)
        if branches * synapses < n_in:
            raise ValueError(
                f"`synapses`: {branches} branches of {synapses} are fewer than the {n_in} inputs: at least "
                f"{math.ceil(n_in / branches)}."
            )
        self.sizes = tuple(int(value) for value in named.values())
        self.tau_syn = float(units.strip("tau_syn", tau_syn, "ms"))
        low, high = (float(units.strip("tau_memory", tau, "ms")) for tau in tau_memory)
        _checks.positive("tau_syn", self.tau_syn, "ms")
        _checks.positive("tau_memory", np.array([low, high]), "ms")
        if high < low:
            raise ValueError(f"`tau_memory`: expected shortest <= longest, got {low:g} and {high:g} ms.")
        self.tau_range, self.scale = (low, high), float(scale)
        for name in (*WEIGHTS, *BIASES, "tau_memory"):
            setattr(self, name, 0.0)
        self.synapse = float(weight)

    @property
    def expects(self) -> tuple[int, ...]:
        """`(n_in,)`."""
        return self.sizes[:1]

    @property
    def routing(self) -> np.ndarray:
        """The input of every synapse, integers (branches, synapses)."""
        n_in, _, _, branches, synapses, _ = self.sizes
        return (np.arange(branches * synapses) * n_in // (branches * synapses)).reshape(branches, synapses)

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["ELM", tuple[int, ...]]:
        """Draw the weights, U(-1/sqrt(n), 1/sqrt(n)) for n inputs of a unit; see `Layer.build`."""
        n_in, n_out, memory, branches, synapses, hidden = self.sizes
        if shape != (n_in,):
            raise ValueError(f"`n_in` of layer {path}: ELM expects {n_in} inputs, gets {shape}.")

        inputs = branches + memory
        drawn = {
            "branch_in": (inputs, (branches, hidden)),
            "memory_in": (inputs, (memory, hidden)),
            "hidden_bias": (inputs, (hidden,)),
            "update": (hidden, (hidden, memory)),
            "update_bias": (hidden, (memory,)),
            "readout": (memory, (memory, n_out)),
            "readout_bias": (memory, (n_out,)),
        }
        ends = np.cumsum([math.prod(shape) for _, shape in drawn.values()])
        draws = jax.random.uniform(_streams.fold(key, f"{path}.weight"), (ends[-1],), dtype, -1, 1)
        parts = zip(drawn.items(), jnp.split(draws, ends[:-1]), strict=True)
        fields = {name: fan_in**-0.5 * part.reshape(shape) for (name, (fan_in, shape)), part in parts}
        fields["synapse"] = jnp.full((branches, synapses), self.synapse, dtype)
        fields["tau_memory"] = jnp.asarray(np.geomspace(*self.tau_range, memory), dtype)
        return eqx.tree_at(lambda layer: [getattr(layer, name) for name in fields], self, [*fields.values()]), (n_out,)

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """`branch ([batch], branches)` and `memory ([batch], memory)`, all 0."""
        lead = () if batch is None else (batch,)
        _, _, memory, branches, _, _ = self.sizes
        return State(branch=jnp.zeros((*lead, branches), dtype), memory=jnp.zeros((*lead, memory), dtype))

    def state_units(self) -> dict[str, str]:
        """Neither has a unit."""
        return {"branch": "", "memory": ""}

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """One step; see `Layer.step`."""
        branch = self._leaked(state.branch, event_dense(x, self.input_weight), dt)
        memory = self._remembered(state.memory, branch @ self.branch_in + self.hidden_bias, dt)
        return State(branch=branch, memory=memory), memory @ self.readout + self.readout_bias

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps, of which only the memory goes one after the other; see `Layer.unroll`."""

        def leak(branch: Array, x: Array) -> tuple[Array, Array]:
            return (branch := self._leaked(branch, x, dt)), branch

        def remember(memory: Array, x: Array) -> tuple[Array, Array]:
            return (memory := self._remembered(memory, x, dt)), memory

        branch, branches = fuse.scan(leak)(state.branch, event_dense(xs, self.input_weight))
        memory, memories = fuse.loop(remember, state.memory, branches @ self.branch_in + self.hidden_bias)
        watched = {"branch": branches, "memory": memories}
        ys = memories @ self.readout + self.readout_bias
        return State(branch=branch, memory=memory), ys, {name: watched[name] for name in watch}

    def _leaked(self, branch: Array, arrived: Array, dt: float) -> Array:
        return math.exp(-dt / self.tau_syn) * branch + arrived

    def _remembered(self, memory: Array, from_branches: Array, dt: float) -> Array:
        kappa = jnp.exp(-dt / self.tau_memory)
        kept = kappa * memory
        hidden = jax.nn.relu(from_branches + kept @ self.memory_in)
        update = _GAIN * jnp.tanh(_SLOPE * (hidden @ self.update + self.update_bias))
        return kept + self.scale * (1 - kappa) * update

    @property
    def input_weight(self) -> Array:
        """What an input adds to each branch, (n_in, branches): the sum over its synapses there."""
        n_in, _, _, branches, _, _ = self.sizes
        rows = np.broadcast_to(np.arange(branches)[:, None], self.routing.shape)
        empty = jnp.zeros((n_in, branches), self.synapse.dtype)
        return empty.at[self.routing, rows].add(jax.nn.relu(self.synapse))

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """Weights and biases, which train by default, and `tau_memory`, which does not."""
        leaf = lambda name: lambda model: getattr(where(model), name)
        known = {f"{path}.{name}": ParameterInfo(leaf(name), "weight", trainable=True) for name in WEIGHTS}
        known |= {f"{path}.{name}": ParameterInfo(leaf(name), "bias", trainable=True) for name in BIASES}
        low, high = self.tau_range
        known[f"{path}.tau_memory"] = ParameterInfo(leaf("tau_memory"), "time_constant", "ms", low, high)
        return known

    def __repr__(self) -> str:
        n_in, n_out, memory, *_ = self.sizes
        return f"ELM({n_in}, {n_out}, memory={memory})"
