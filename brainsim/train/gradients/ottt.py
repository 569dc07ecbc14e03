"""Online training through time: each synapse remembers its input as long as its neuron does.

    a_i(t) = lambda a_i(t-1) + x_i(t),      lambda = exp(-dt / tau_mem)
    dL/dw_ij = sum_t delta_j(t) a_i(t),     delta_j(t) = L_j(t) h(v_j(t))

h is the surrogate derivative, L the derivative of the loss through what follows in the same step. For one spiking layer
it equals backpropagation through time with detached resets, whatever the readout; in deeper networks it leaves out what
a spike does through the later memory of layers above. The gradient is summed over all steps (OTTT_A), or each step's
is applied at once (OTTT_O, `stepwise`); traces are as large as the input of a layer. Xiao et al., NeurIPS 2022.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._streams import Stream
from ..._types import Array, State
from ...networks.layers import Cell, Conv1d, Conv2d, Layer, Linear
from ...neurons import LIF
from ..batches import Batch
from ..objective import Objective, Outcome
from .chain import Gradient, only
from .online import Local, Online, Pair
from .ruled import value_and_grad as by_rule


def value_and_grad(objective: Objective, params: Any, static: Any, batch: Batch, key: Array) -> tuple[Outcome, Any]:
    """What the model makes of a batch, and the gradient by OTTT; arguments as in `bptt.value_and_grad`.

    Raises:
        ValueError: A spiking layer that is not of `LIF` neurons with one time constant, a reset by subtraction (or
            none) that is detached, and no refractory time.
    """
    return by_rule("ottt", Online(Ottt()), objective, params, static, batch, key)


@dataclasses.dataclass(frozen=True)
class Ottt:
    """The eligibility of OTTT; see `online.Eligibility`."""

    method: str = "ottt"

    def require(self, name: str, below: Layer | None, layer: Any) -> None:
        """Neurons whose memory of an input is a factor `lambda` a step."""
        why, neuron = None, layer.neuron
        if below is not None and type(below) not in (Linear, Conv1d, Conv2d):
            why = f"{below!r} before it is no Linear or convolution"
        elif type(layer) is not Cell:
            why = f"{type(layer).__name__} feeds back on itself"
        elif type(neuron) is not LIF:
            why = f"{type(neuron).__name__} is no LIF"
        elif neuron.reset == "value" or not neuron.detach_reset:
            why = 'its reset is not `reset="subtract"` with `detach_reset=True`'
        elif neuron.uses_refractory:
            why = "it has a refractory time `t_ref`"
        elif neuron.precise_times:
            why = "it has `precise_times`"
        elif neuron.integrator != "exact" or jnp.ndim(neuron.tau_mem) > 0:
            why = '`tau_mem` is not one number, or `integrator` is not "exact"'
        if why is not None:
            raise ValueError(f'`gradient`: "ottt" cannot treat layer {name}: {why}.')

    def start(self, pair: Pair, states: int, batch: tuple[int, ...]) -> tuple[Array | None, Array]:
        """a = 0 of the input, and of a constant input 1."""
        return (None if pair.x is None else jnp.zeros_like(pair.x)), jnp.zeros_like(pair.layer.neuron.tau_mem)

    def advance(self, traces: Any, pair: Pair, local: Local, dt: float) -> tuple[Any, Any]:
        """a after a step, which is the eligibility too."""
        (a, constant), keep = traces, jnp.exp(-dt / pair.layer.neuron.tau_mem)
        traces = (None if pair.x is None else keep * a + pair.x), keep * constant + 1
        return traces, traces

    def gradient(self, eligibility: Any, pair: Pair, local: Local, signal: Array) -> tuple[Gradient, Gradient]:
        """The derivative of the weighted layer as if its input were the trace."""
        own, (a, constant) = only(pair.layer), eligibility
        if pair.below is None:
            return None, own
        key = Stream.of(jax.random.key(0), 0)
        _, pull = eqx.filter_vjp(lambda below: below.step(State(), a, 1.0, key)[1], pair.below)
        (slopes,) = pull(signal * local.spike_x)
        if getattr(pair.below, "bias", None) is not None:
            slopes = eqx.tree_at(lambda tree: tree.bias, slopes, replace_fn=lambda bias: constant * bias)
        return slopes, own
