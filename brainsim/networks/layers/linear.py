"""A dense projection: y = x W + b, which a neuron after it takes as a jump of its voltage (mV).

    W_ij ~ U(-sqrt(6 / n_in), sqrt(6 / n_in))   ("kaiming")

Spikes cross event-driven: rows of W without a spike are not touched, and all steps cross in one product.
He, Zhang, Ren and Sun, ICCV 2015 (`torch.nn.init.kaiming_uniform_`; torch stores the transpose, (out, in)).
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ... import _checks, _streams, values
from ..._paths import ParameterInfo
from ..._streams import Stream
from ..._types import Array, Context, State, Value
from ...operators import event_dense, event_dense_packed, event_dense_where, sampling_pays
from .base import Crossing, Layer, Watched
from .learned_delays import Delays, convolved, crossed


class Linear(Layer):
    """Every input to every output.

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        init: "kaiming", or a value slot for the weight (mV): number, array (n_in, n_out), distribution, function.
        bias: Whether to add a trainable bias (mV in every step), 0 at first.
        delay: None, or a value slot (ms) of a delay for every synapse, which trains; see `learned_delays`.
        max_delay: Longest delay (ms) that training may reach; None: the longest that is drawn.
        sigma: Width (ms) over which a delay is spread in training; "dt" is one step.
    """

    weight: Any
    bias: Any
    delays: Delays | None
    n_in: int = eqx.field(static=True)
    n_out: int = eqx.field(static=True)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        init: Value = "kaiming",
        bias: bool = False,
        delay: Value | None = None,
        max_delay: Any = None,
        sigma: Value = "dt",
    ):
        _checks.within("n_in", n_in, low=1)
        _checks.within("n_out", n_out, low=1)
        self.n_in, self.n_out = int(n_in), int(n_out)
        self.weight = weight_slot("init", init)
        self.bias = 0.0 if bias else None
        if delay is None and max_delay is not None:
            raise ValueError("`max_delay`: expected a `delay` as well.")
        self.delays = None if delay is None else Delays(delay, sigma, max_delay=max_delay)

    @property
    def expects(self) -> tuple[int, ...]:
        """`(n_in,)`."""
        return (self.n_in,)

    @property
    def emission_unit(self) -> str:
        """Outputs are jumps of a voltage."""
        return "mV"

    def build(
        self, path: str, shape: tuple[int, ...], *, dt: float, key: Array, dtype: Any
    ) -> tuple["Linear", tuple[int, ...]]:
        """Draw the weight; see `Layer.build`."""
        if shape != (self.n_in,):
            raise ValueError(f"`n_in` of layer {path}: Linear expects {self.n_in} inputs, gets {shape}.")
        weight = draw_weight(self.weight, f"{path}.weight", (self.n_in, self.n_out), dt=dt, key=key, dtype=dtype)
        built = eqx.tree_at(lambda layer: layer.weight, self, weight)
        if self.bias is not None:
            bias = self.bias if eqx.is_array(self.bias) else jnp.zeros(self.n_out, dtype)
            built = eqx.tree_at(lambda layer: layer.bias, built, bias)
        if self.delays is not None:
            delays = self.delays.build(path, (self.n_in, self.n_out), dt=dt, key=key, dtype=dtype)
            built = eqx.tree_at(lambda layer: layer.delays, built, delays)
        return built, (self.n_out,)

    def init_state(self, batch: int | None, key: Array, dtype: Any) -> State:
        """Empty, or with delays the inputs under way: `history ([batch], max_delay / dt, n_in)`, the oldest first."""
        if self.delays is None:
            return State()
        lead = () if batch is None else (batch,)
        return State(history=jnp.zeros((*lead, self.delays.max_steps, self.n_in), dtype))

    def step(self, state: State, x: Array, dt: float, key: Stream) -> tuple[State, Array]:
        """`x W + b`; see `Layer.step`."""
        if self.delays is None:
            return state, event_dense(x, self.weight, self.bias)
        history = jnp.concatenate([state.history, x[..., None, :]], axis=-2)
        y = crossed(history, self.delays.taps(self.weight, dt))
        return State(history=history[..., 1:, :]), y if self.bias is None else y + self.bias

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps in one product, or with delays in one for each step of delay; see `Layer.unroll`."""
        if self.delays is None:
            return *self.step(state, xs, dt, key), {}
        history, ys = convolved(state.history, xs, self.delays.taps(self.weight, dt))
        return State(history=history), ys if self.bias is None else ys + self.bias, {}

    def gated(self, near: Array) -> Layer:
        """Without delays and with outputs enough a `KnownLinear`; see `Layer.gated`."""
        return self if self.delays is not None else KnownLinear(self.weight, self.bias).gated(near)

    def packing(self, binary: bool) -> Layer:
        """Without delays a `KnownLinear`; see `Layer.packing`."""
        return self if self.delays is not None else KnownLinear(self.weight, self.bias, packs=True, binary=binary)

    def crossings(self, xs: Array, ys: Array) -> tuple[Crossing, ...]:
        """The input crosses the weight, every synapse once whatever its delay; see `Layer.crossings`."""
        return (Crossing(xs, self.weight, jnp.matmul),)

    def parameters(self, path: str, where: Callable[[Any], Any], dt: float) -> dict[str, ParameterInfo]:
        """`weight` and, where there are any, `bias` and `delay`, which train by default, and `sigma`."""
        known = {f"{path}.weight": ParameterInfo(lambda model: where(model).weight, "weight", "mV", trainable=True)}
        if self.bias is not None:
            known[f"{path}.bias"] = ParameterInfo(lambda model: where(model).bias, "bias", "mV", trainable=True)
        if self.delays is not None:
            known |= self.delays.parameters(path, lambda model: where(model).delays, dt)
        return known

    def __repr__(self) -> str:
        return f"Linear({self.n_in}, {self.n_out}{', bias=True' if self.bias is not None else ''})"


class KnownLinear(Layer):
    """A `Linear` of whose input something is known.

    Attributes:
        weight: Its weight, (n_in, n_out) (mV).
        bias: Its bias, (n_out,) (mV), or None.
        near_input: Where a gradient to the input counts, bool `(time, [batch], n_in)`; None: everywhere.
        packs: Whether one bit of each is kept for the gradient.
        binary: Whether all are 0 or 1.
    """

    weight: Array
    bias: Array | None
    near_input: Array | None = None
    packs: bool = eqx.field(static=True, default=False)
    binary: bool = eqx.field(static=True, default=False)

    def gated(self, near: Array) -> Layer:
        """The same, and with outputs enough a gradient to the input at few places; see `Layer.gated`."""
        pays = sampling_pays(self.weight.shape[1])
        return KnownLinear(self.weight, self.bias, near, self.packs, self.binary) if pays else self

    def unroll(
        self, state: State, xs: Array, dt: float, key: Stream, watch: tuple[str, ...] = ()
    ) -> tuple[State, Array, Watched]:
        """All steps in one product; see `Layer.unroll`."""
        if self.packs:
            ys = event_dense_packed(xs, self.weight, self.bias, self.near_input, binary=self.binary)
            return state, ys, {}
        if self.near_input is None:
            return state, event_dense(xs, self.weight, self.bias), {}
        return state, event_dense_where(xs, self.weight, self.bias, self.near_input), {}


def weight_slot(name: str, value: Value) -> Value:
    """A weight as given: the name of a rule, or a value slot in mV."""
    if isinstance(value, str):
        _checks.choice(name, value, ["kaiming"])
        return value
    return values.strip(name, value, "mV")


def draw_weight(slot: Value, path: str, shape: tuple[int, int], *, dt: float, key: Array, dtype: Any) -> Array:
    """A dense weight (n_in, n_out) from its slot."""
    if isinstance(slot, str):
        bound = math.sqrt(6 / shape[0])
        slot = values.Uniform(-bound, bound)
    stream = _streams.fold(key, path)
    weight = values.resolve(slot, Context(path, shape, dt), unit="mV", key=stream, dtype=dtype)
    return jnp.broadcast_to(weight, shape)
