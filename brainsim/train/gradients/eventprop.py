"""EventProp: gradients through spike times, by an adjoint equation with jumps at the spikes, on the grid of the model.

With I = R i, for neurons `CubaLIF`, p = dL/dv and q = dL/dI, from the end of time backwards:

    -dp/dt = -p / tau_mem,      -dq/dt = p / tau_mem - q / tau_syn
    at a spike at t of one neuron, with d = I + R i_bias + v_rest - v_th (tau_mem times the slope of v there):
        p <- p (d + v_th - v_reset) / d - (tau_mem / d) dL/dt,      dL/dt = dl/dt + sum_j w_j (dq_j/dt)(t)
    dL/dw_j = sum over the spikes q_j(t)

Between grid points the equations are solved exactly, so the gradient is that of the continuous model up to O(dt): for
two recurrent neurons with tau_mem 20 and tau_syn 5, the median distance from the exact gradient (`EventDriven`), in
parts of its length, is for weights 0.3, 0.15, 0.07 and for delays 0.12, 0.05, 0.03 at dt = 0.2, 0.1, 0.05 ms. A
spike that grazes the threshold has an unbounded derivative; d is kept above 0.1 (v_th - v_reset). No spike appears or
vanishes in this derivative: neurons that never spike do not learn by it. Where the output is spikes, the loss must be
one of spike times, whose derivative with respect to a spike is -dt dL/dt; a readout without spikes may have any loss.
Penalties on recorded spikes act with ds/dv = 1 / (v_th - v_reset) at the spikes. Delays of `Linear` and of `Recurrent`
train too: each spike arrives by the kernel of the delays, and dL/dd = w dq/dt is what its slope makes of q. Units: ms,
mV.

Wunderlich and Pehle, Sci. Rep. 11 (2021) 12829; the penalty: Nowotny, Turner and Knight, Neuromorph. Comput. Eng. 5
(2025) 014001.
"""

import dataclasses
import functools
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ... import fuse
from ..._types import Array
from ...networks import Sequential
from ...networks.layers import Cell, Delay, DelayedRecurrent, Dropout, Layer, Linear, Recurrent
from ...networks.layers.feedback import Feedback
from ...networks.layers.learned_delays import convolved, crossed
from ...neurons import CubaLIF
from ...neurons.membrane import propagator
from ..batches import Batch
from ..losses.spike_times import require_spike_times
from ..objective import Objective, Outcome
from .chain import Gradient, emissions, only, require_chain, stream, tail_of, unflat
from .ruled import Passage
from .ruled import value_and_grad as by_rule

GRAZING = 0.1  # smallest slope tau_mem dv/dt at a spike, in units of v_th - v_reset


def value_and_grad(objective: Objective, params: Any, static: Any, batch: Batch, key: Array) -> tuple[Outcome, Any]:
    """What the model makes of a batch, and the gradient by EventProp; arguments as in `bptt.value_and_grad`.

    Raises:
        ValueError: A spiking layer whose neurons are no `CubaLIF` with a reset and without refractory time, a trained
            parameter that is no weight, or an output of spikes whose loss is not one of spike times.
    """
    model = eqx.combine(params, static)
    if isinstance(model, Sequential) and model.layers[-1].emission == "spikes":
        require_spike_times(objective.loss)
    return by_rule("eventprop", EventProp(), objective, params, static, batch, key)


@dataclasses.dataclass(frozen=True)
class EventProp:
    """The rule; see `ruled.Rule`."""

    stepwise: ClassVar[bool] = False

    def trains(self, model: Sequential, name: str, parameter: str) -> bool:
        """What belongs to the synapses of spiking layers, and every parameter of the others."""
        found = _found(model)
        for index in found:
            _require_cuba(model.names[index], model.layers[index])
        return model.names.index(name) not in found or parameter in ("weight", "delay", "sigma")

    def watch(self, model: Sequential) -> tuple[str, ...]:
        """What every layer emits, and the current of every spiking layer."""
        currents = (f"{model.names[index]}.i" for index in _found(model))
        return (*emissions(model), *currents)

    def pull(self, passage: Passage, watched: tuple[Array, ...], ct: Any) -> tuple[Gradient, ...]:
        """The gradient of every layer; see `ruled.Rule.pull`."""
        model, state, xs, readers = passage
        inputs = [xs, *(unflat(model, index, values) for index, values in enumerate(watched[: len(model.layers)]))]
        currents = watched[len(model.layers) :]
        found = _found(model)
        top = found[-1] + 1
        ct_out = jnp.zeros_like(inputs[-1]) if ct[0] is None else ct[0]
        layers: list[Gradient] = [None] * len(model.layers)
        if top == len(model.layers):
            due: Any = -ct_out / model.dt
        else:
            tail, weight = tail_of(model, state, top, inputs[top], ct_out)
            layers[top:] = tail
            due = jnp.gradient(weight, model.dt, axis=0)
        signal = rise = due
        for index in reversed(range(top)):
            layer, x = model.layers[index], inputs[index]
            if index in found:
                spikes = inputs[index + 1]
                penalty = _penalty(model.names[index], readers, ct[1], spikes)
                before = _currents(layer, state.layers[index], currents[found.index(index)].reshape(spikes.shape))
                signal, rise, layers[index] = _spiking(
                    layer, state.layers[index], spikes, before, due, penalty, model.dt
                )
            else:
                layers[index], signal = _pull(model, state, index, x, signal)
                _, rise = _pull(model, state, index, x, rise)
            due = rise
        return tuple(layers)


def _found(model: Sequential) -> tuple[int, ...]:
    firing = (Cell, Recurrent, DelayedRecurrent)
    return require_chain(model, "eventprop", firing=firing, memory=(Linear, Delay, Dropout, Cell))


def _require_cuba(name: str, layer: Any) -> None:
    neuron = layer.neuron
    why = None
    if type(neuron) is not CubaLIF:
        why = f"{type(neuron).__name__} is no CubaLIF, the neuron with an exponential synapse"
    elif neuron.reset == "none":
        why = 'its `reset` is "none"'
    elif neuron.uses_refractory:
        why = "it has a refractory time `t_ref`"
    elif neuron.precise_times:
        why = "it has `precise_times`, where this method is that of the grid"
    elif neuron.port != "jump" or neuron.w_in is not None:
        why = "its input is held over the step (`port`) or scaled (`w_in`)"
    elif neuron.integrator != "exact":
        why = f'its `integrator` is "{neuron.integrator}", not "exact"'
    if why is not None:
        raise ValueError(f'`gradient`: "eventprop" cannot treat layer {name}: {why}.')


def _pull(model: Sequential, state: Any, index: int, x: Array, ct: Array) -> tuple[Gradient, Array]:
    """Through a layer that is affine in its input."""

    def run(layer: Layer, x: Array) -> Array:
        return layer.unroll(state.layers[index], x, model.dt, stream(model, state, index))[1]

    _, pull = eqx.filter_vjp(run, model.layers[index], x)
    return pull(ct)


def _penalty(name: str, readers: tuple[Any, ...], cts: tuple[Array | None, ...], spikes: Array) -> Array:
    """Derivative of the value with respect to the recorded spikes of a layer."""
    total = jnp.zeros_like(spikes)
    for reader, ct in zip(readers, cts, strict=True):
        if reader.owner == name and reader.kind == "spikes" and ct is not None:
            total = total + ct.reshape(spikes.shape)
    return total


def _currents(layer: Any, state: Any, after: Array) -> Array:
    """R i (mV) at the start of every step, from i after every step, `(time, [batch], n)`."""
    neuron: CubaLIF = layer.neuron
    first = (state.cell if isinstance(layer, Feedback) else state).i
    return neuron.resistance * jnp.concatenate([first[None], after[:-1]])


def _spiking(
    layer: Any, state: Any, spikes: Array, start: Array, due: Array, penalty: Array, dt: float
) -> tuple[Array, Array, Gradient]:
    """q and dq/dt at the input of a spiking layer, `(time, [batch], n)`, and the layer's gradient.

    Args:
        layer: `Cell`, `Recurrent` or `DelayedRecurrent`.
        state: Its state before the first step.
        spikes: What it emitted.
        start: R i at the start of every step (mV).
        due: dL/dt of every spike by what follows the layer.
        penalty: dL/ds of every spike.
        dt: Step (ms).
    """
    neuron: CubaLIF = layer.neuron
    back = functools.partial(_backward, neuron, dt)
    rows = jax.tree.map(lambda x: x[::-1], (spikes, start, due, penalty))
    zero = jnp.zeros_like(spikes[0])
    if isinstance(layer, Cell):
        _, (signal, rise) = fuse.scan(back)((zero, zero), rows)
        return signal[::-1], rise[::-1], only(layer)

    returning = jnp.swapaxes(_taps(layer, dt), -1, -2)

    def step(carry: Any, row: Any) -> tuple[Any, tuple[Array, Array]]:
        adjoint, rises = carry
        spikes, start, due, penalty = row
        due = due + crossed(rises[..., : len(returning), :], returning)
        adjoint, (signal, rise) = back(adjoint, (spikes, start, due, penalty))
        return (adjoint, jnp.concatenate([rises[..., 1:, :], rise[..., None, :]], axis=-2)), (signal, rise)

    _, (signal, rise) = fuse.loop(step, ((zero, zero), jnp.zeros_like(state.pending)), rows)
    signal = signal[::-1]
    _, pull = eqx.filter_vjp(lambda layer: _arrived(_taps(layer, dt), state.pending, spikes), layer)
    (slopes,) = pull(signal)
    return signal, rise[::-1], slopes


def _taps(layer: Any, dt: float) -> Array:
    """Recurrent weight at every whole delay, `(delays, n, n)`, up to the longest."""
    return layer.delays.taps(layer.weight, dt) if isinstance(layer, DelayedRecurrent) else layer.weight[None]


def _arrived(taps: Array, pending: Array, spikes: Array) -> Array:
    """What arrives in every step by recurrent synapses: the first tap's spikes are the others' and as late as these."""
    line, early = jnp.concatenate([jnp.moveaxis(pending, -2, 0), spikes]), len(taps) - 1
    return convolved(jnp.moveaxis(line[:early], 0, -2), line[early : early + len(spikes)], taps)[1]


def _backward(
    neuron: CubaLIF, dt: float, carry: tuple[Array, Array], row: tuple[Array, ...]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """One step back: (p, q) after the step to those before it; emits q and dq/dt at the end of the step."""
    (p, q), (spikes, start, due, penalty) = carry, row
    rate_mem, rate_syn = 1 / neuron.tau_mem, 1 / neuron.tau_syn
    signal, rise = q, q * rate_syn - p * rate_mem
    height = neuron.v_th - neuron.v_reset
    current = start * jnp.exp(-dt * rate_syn) + neuron.resistance * neuron.i_bias
    slope = jnp.maximum(current + neuron.v_rest - neuron.v_th, GRAZING * height)
    jumped = p * (1 + height / slope) - due * (neuron.tau_mem / slope) + penalty / height
    p = jnp.where(spikes > 0, jumped, p)
    q = q * jnp.exp(-dt * rate_syn) + p * (propagator(rate_mem, rate_syn, dt) * rate_mem)
    return (p * jnp.exp(-dt * rate_mem), q), (signal, rise)
