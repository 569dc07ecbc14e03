"""E-I Init: the weights of excitatory-inhibitory layers from the moments of what reaches them, layer by layer.

    scale(W_EE, W_IE) = sqrt(Var / (d (E[x^2] + Var))),   W_EI = 1 / n_I,   g_I = sqrt(E[x^2] + Var) / (E[x] sqrt(d))

Then E[I_E] = E[I_sub] and E[I_div] = std(I_E) in every layer. DeepEISNN, arXiv 2509.23253 (ICLR 2026).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .. import _streams
from .._streams import Stream
from .._types import Array, State
from .layers import Chain, EILayer, Layer, Residual
from .sequential import Sequential


def ei_init(model: Sequential, x: Any, key: Array | None = None) -> Sequential:
    """The model with its excitatory-inhibitory layers initialised for a batch.

    Every such layer gets weights for the moments of what the layers before it, already initialised, make of `x`. Other
    layers stay as they are.

    Args:
        model: Model with `EILinear` or `EIConv2d` layers.
        x: First batch, >= 0, `(time, [batch], ...)`.
        key: Key of the draws; None takes those that the model was built from.

    Raises:
        ValueError: A layer gets negative or constant inputs.
    """
    key = _streams.key_of(model.seed, "parameters") if key is None else key
    xs = jnp.asarray(x, model.dtype)
    lead = xs.ndim - len(model.input_shape)
    if lead not in (1, 2) or xs.shape[lead:] != model.input_shape:
        raise ValueError(f"`x`: expected (time, [batch], {', '.join(map(str, model.input_shape))}), got {xs.shape}.")
    state = model.init_state(xs.shape[1] if lead == 2 else None)
    stream = lambda name: Stream.of(_streams.fold(state.key, name), 0)
    return eqx.tree_at(
        lambda m: m.layers, model, _Setting(model.dt, key, lead).of_row(model.row, state.layers, xs, stream)
    )


class _Setting(NamedTuple):
    """What all layers of a model share: step (ms), key of the draws, and the number of axes before those of a layer."""

    dt: float
    key: Array
    lead: int

    def of_row(
        self,
        row: Mapping[str, Layer],
        states: Sequence[State],
        xs: Array,
        stream: Callable[[str], Stream],
        path: str = "",
    ) -> tuple[Layer, ...]:
        """The layers, each initialised for what those before it make of `xs`."""
        layers = []
        for (name, layer), state in zip(row.items(), states, strict=True):
            layer = self.of(layer, state, xs, stream(name), path + name)
            xs = layer.unroll(state, xs, self.dt, stream(name))[1]
            layers.append(layer)
        return tuple(layers)

    def of(self, layer: Layer, state: State, xs: Array, stream: Stream, path: str) -> Layer:
        """One layer, and those inside it, initialised for the inputs `xs`."""
        if isinstance(layer, EILayer):
            samples = np.asarray(xs, np.float64).reshape(-1, math.prod(xs.shape[self.lead :]))
            return layer.initialised(path, samples, key=self.key)
        if isinstance(layer, Chain):
            inner = self.of_row(layer.row, state.layers, xs, stream.fold, f"{path}.")
            return eqx.tree_at(lambda chain: chain.layers, layer, inner)
        if isinstance(layer, Residual):
            body = self.of(layer.body, state.body, xs, stream, path)
            around = self.of_row(layer.around, state.around, xs, stream.fold, f"{path}.")
            parts = lambda block: (block.body, *block.around.values())
            return eqx.tree_at(parts, layer, (body, *around))
        return layer
