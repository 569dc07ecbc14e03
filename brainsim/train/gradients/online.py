"""Gradients forward in time: every neuron keeps what its weights did to it, and hears at once what it did to the loss.

    dL/dw_ij = sum_t L_j(t) e_ij(t)        e: eligibility, from the past of the neuron alone
    L_j(t) = dL/ds_j(t) by what follows in the same step; through a readout with a memory: by all that follows

So no state of a spiking layer is kept over time: a first pass gives the output, and with it the derivative of the loss
at the readout; a second pass runs the network once more and sums the gradient as it goes. Memory beyond input and
output does not depend on the number of steps. `eprop` and `ottt` say what e is; `stepwise` applies the gradient of
every step at once.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._streams import Stream
from ..._types import Array, State
from ...networks import Sequential
from ...networks.layers import Dropout, Layer, Recurrent
from .chain import Gradient, emissions, remembers, require_chain, stream, tail_of, unflat
from .ruled import Passage


class Local(NamedTuple):
    """Derivatives of one step of neurons, elementwise: later state m and spikes with respect to state k and input x.

    Attributes:
        state_state: `[m][k]`, each `([batch], n)`.
        state_x: `[m]`.
        spike_state: `[k]`.
        spike_x: One array.
    """

    state_state: tuple[tuple[Array, ...], ...]
    state_x: tuple[Array, ...]
    spike_state: tuple[Array, ...]
    spike_x: Array


class Pair(NamedTuple):
    """A spiking layer and the weighted layer before it (None where there is none), with what reaches them in a step.

    Attributes:
        below: The weighted layer.
        layer: The spiking layer.
        x: Input of `below`, `([batch], ...)`.
        due: Recurrent spikes that arrive, None without.
    """

    below: Any
    layer: Any
    x: Array | None
    due: Array | None


class Eligibility(Protocol):
    """What the weights of a spiking layer did to it; hashable."""

    @property
    def method(self) -> str:
        """Name of the method, for messages."""
        ...

    def require(self, name: str, below: Layer | None, layer: Any) -> None:
        """Raise ValueError where a pair of layers cannot be treated."""
        ...

    def start(self, pair: Pair, states: int, batch: tuple[int, ...]) -> Any:
        """Traces at the start; `states` is the number of floating states of a neuron."""
        ...

    def advance(self, traces: Any, pair: Pair, local: Local, dt: float) -> tuple[Any, Any]:
        """The traces after a step, and the eligibility in it."""
        ...

    def gradient(self, eligibility: Any, pair: Pair, local: Local, signal: Array) -> tuple[Gradient, Gradient]:
        """What one step adds to the gradient of `below` and `layer`; `signal` is dL/ds `([batch], n)`."""
        ...


@dataclasses.dataclass(frozen=True)
class Online:
    """The rule of an eligibility; see `ruled.Rule`."""

    eligibility: Eligibility
    stepwise: ClassVar[bool] = True

    def found(self, model: Sequential) -> tuple[int, ...]:
        """Indices of the spiking layers.

        Raises:
            ValueError: The model cannot be treated; the message names the layer and says why.
        """
        method = self.eligibility.method
        found = require_chain(model, method, memory=(Dropout,))
        layers: tuple[Any, ...] = model.layers
        for index, (name, layer) in enumerate(zip(model.names, layers, strict=True)):
            if index in found:
                if not layer.neuron.pointwise:
                    raise ValueError(
                        f'`gradient`: "{method}" cannot treat layer {name}: its neurons act on each other.'
                    )
                self.eligibility.require(
                    name, model.layers[index - 1] if index - 1 in self.weighted(model) else None, layer
                )
            elif index < found[-1] and layer.parameters(name, lambda m: m, model.dt) and index + 1 not in found:
                raise ValueError(
                    f'`gradient`: "{method}" cannot treat layer {name}: no neurons follow {layer!r} at once.'
                )
        return found

    @staticmethod
    def weighted(model: Sequential) -> tuple[int, ...]:
        """Indices of the layers with parameters that do not spike."""
        rows = enumerate(zip(model.names, model.layers, strict=True))
        return tuple(i for i, (name, x) in rows if x.emission != "spikes" and x.parameters(name, lambda m: m, model.dt))

    def trains(self, model: Sequential, name: str, parameter: str) -> bool:
        """Weights of spiking layers, and every parameter of the others."""
        return model.names.index(name) not in self.found(model) or parameter == "weight"

    def split(self, model: Sequential) -> int:
        """Index of the first layer after the last spiking one that has a memory."""
        after = range(self.found(model)[-1] + 1, len(model.layers))
        return next((index for index in after if remembers(model.layers[index])), len(model.layers))

    def watch(self, model: Sequential) -> tuple[str, ...]:
        """The input of the readout's memory."""
        split = self.split(model)
        return () if split == len(model.layers) else (emissions(model)[split - 1],)

    def pull(self, passage: Passage, watched: tuple[Array, ...], ct: Any) -> tuple[Gradient, ...]:
        """The gradient of every layer; see `ruled.Rule.pull`."""
        model, state, xs, _ = passage
        split, rest, signal = self.split(model), (), ct[0]
        if watched and signal is not None:
            rest, signal = tail_of(model, state, split, unflat(model, split - 1, watched[0]), signal)
        if signal is None:
            lead = xs.shape[: xs.ndim - len(model.input_shape)]
            signal, rest = jnp.zeros((*lead, *model.shapes[split]), xs.dtype), (None,) * (len(model.layers) - split)
        heard = self._records(passage, ct[1])
        steps = jnp.arange(len(xs), dtype=jnp.int32)
        walk = Walk(self.eligibility, model, state, self.found(model), self.weighted(model), split)

        def step(carry: Any, row: Any) -> tuple[Any, None]:
            (states, traces, gradient), (x, signal, heard, k) = carry, row
            done = walk.forward(states, traces, x, k)
            return (done.states, done.traces, walk.backward(done, signal, heard, gradient)), None

        start = (*walk.start(xs.shape[1 : xs.ndim - len(model.input_shape)]), walk.zeros())
        (_, _, gradient), _ = jax.lax.scan(step, start, (xs, signal, heard, steps))
        return (*gradient, *rest)

    def _records(self, passage: Passage, cts: Sequence[Array | None]) -> dict[int, Array]:
        """Derivative of the value with respect to recorded spikes, by layer."""
        heard: dict[int, Array] = {}
        for reader, ct in zip(passage.readers, cts, strict=True):
            if ct is not None:
                index = passage.model.names.index(reader.owner)
                ct = unflat(passage.model, index, ct)
                heard[index] = heard[index] + ct if index in heard else ct
        return heard


class Done(NamedTuple):
    """One step of all layers before the readout's memory, forward.

    Attributes:
        states: States of the layers after it.
        traces: Traces of the spiking layers after it.
        outputs: What every layer gave, `([batch], ...)`.
        back: What `Walk.backward` needs of every layer.
    """

    states: list[State]
    traces: dict[int, Any]
    outputs: tuple[Array, ...]
    back: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Walk:
    """Step by step through a model, with the eligibilities of its spiking layers.

    Args:
        eligibility: Of the method.
        model: The model.
        first: Its state before the first step.
        found: Indices of the spiking layers.
        weighted: Indices of the layers with parameters that do not spike.
        split: Index of the first layer that is left out.
    """

    eligibility: Eligibility
    model: Sequential
    first: State
    found: tuple[int, ...]
    weighted: tuple[int, ...]
    split: int

    def start(self, batch: tuple[int, ...]) -> tuple[list[State], dict[int, Any]]:
        """States and traces before the first step."""
        model, states, traces = self.model, list(self.first.layers[: self.split]), {}
        for i in self.found:
            below = i - 1 in self.weighted
            x = jnp.zeros((*batch, *model.shapes[i - 1]), model.dtype) if below else None
            pair = self._pair(i, states[i], x)
            traces[i] = self.eligibility.start(pair, len(_floating(_cell(model.layers[i], states[i]))), batch)
        return states, traces

    def zeros(self) -> list[Gradient]:
        """A gradient of 0 of every layer."""
        floating = (eqx.filter(layer, eqx.is_inexact_array) for layer in self.model.layers[: self.split])
        return [jax.tree.map(jnp.zeros_like, arrays) for arrays in floating]

    def _pair(self, i: int, state: State, x: Array | None) -> Pair:
        layer = self.model.layers[i]
        due = state.pending[..., 0, :] if isinstance(layer, Recurrent) else None
        below = self.model.layers[i - 1] if i - 1 in self.weighted else None
        return Pair(below, layer, x if below is not None else None, due)

    def forward(self, states: list[State], traces: dict[int, Any], x: Array, k: Array) -> Done:
        """The step `k` after the first."""
        model, states, traces = self.model, list(states), dict(traces)
        outputs, back, under = [], [], x
        for i in range(self.split):
            layer, key = model.layers[i], stream(model, self.first, i)
            key = key._replace(step=key.step + k)
            if i in self.found:
                pair = self._pair(i, states[i], under)
                local = _local(layer, states[i], x, model.dt, key)
                traces[i], eligible = self.eligibility.advance(traces[i], pair, local, model.dt)
                states[i], x = layer.step(states[i], x, model.dt, key)
                back.append((pair, local, eligible))
            else:
                run = lambda layer, x, state=states[i], key=key: layer.step(state, x, model.dt, key)[1]
                under = x
                x, pull = eqx.filter_vjp(run, layer, x)
                back.append(pull)
            outputs.append(x)
        return Done(states, traces, tuple(outputs), tuple(back))

    def backward(self, done: Done, signal: Array, heard: dict[int, Array], gradient: list[Gradient]) -> list[Gradient]:
        """The gradient with what a step adds to it.

        Args:
            done: As `forward` gives it.
            signal: dL/d of the last output, `([batch], ...)`.
            heard: dL/ds of spiking layers beside what comes from above.
            gradient: Of every layer so far.
        """
        gradient = list(gradient)
        for i in reversed(range(self.split)):
            if i in self.found:
                pair, local, eligible = done.back[i]
                signal = signal + heard[i] if i in heard else signal
                below, own = self.eligibility.gradient(eligible, pair, local, signal)
                gradient[i] = _plus(gradient[i], own)
                if pair.below is not None:
                    gradient[i - 1] = _plus(gradient[i - 1], below)
                signal = signal * local.spike_x
            else:
                slopes, signal = done.back[i](signal)
                if i > self.found[-1]:
                    gradient[i] = _plus(gradient[i], slopes)
        return gradient


def _plus(total: Gradient, more: Gradient) -> Gradient:
    """The sum, where None is 0."""
    return jax.tree.map(lambda a, b: a if b is None else a + b, total, more, is_leaf=lambda leaf: leaf is None)


def _cell(layer: Any, state: State) -> State:
    return state.cell if isinstance(layer, Recurrent) else state


def _floating(state: State) -> dict[str, Array]:
    return {name: value for name in state if jnp.issubdtype((value := getattr(state, name)).dtype, jnp.floating)}


def _local(layer: Any, state: State, x: Array, dt: float, key: Stream) -> Local:
    """The derivatives of a spiking layer's neurons in one step, by as many tangents as a neuron has states."""
    cell = _cell(layer, state)
    if isinstance(layer, Recurrent):
        x = x + state.pending[..., 0, :] @ layer.weight

    def step(floats: dict[str, Array], x: Array) -> tuple[dict[str, Array], Array]:
        later, spikes = layer.neuron.step(cell.replace(**floats), layer.neuron.fed(x), dt, key)
        return _floating(later), spikes

    floats = _floating(cell)
    _, push = jax.linearize(step, floats, x)
    still = jax.tree.map(jnp.zeros_like, floats)
    columns = [push({**still, name: jnp.ones_like(floats[name])}, jnp.zeros_like(x)) for name in floats]
    by_x, spike_x = push(still, jnp.ones_like(x))
    return Local(
        tuple(tuple(column[0][name] for column in columns) for name in floats),
        tuple(by_x[name] for name in floats),
        tuple(column[1] for column in columns),
        spike_x,
    )
