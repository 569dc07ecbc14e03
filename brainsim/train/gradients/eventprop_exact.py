"""A small recurrent network in continuous time, from event to event, with exact gradients of its spike times.

    tau_mem dv/dt = -v + I,    tau_syn dI/dt = -I;      a spike of i at t adds w_ij to I_j at t + d_ij
    spike where v reaches v_th; then v = 0

Spike times are solved to rounding, and EventProp (see `eventprop`) gives their derivatives with respect to weights,
delays and input times: dL/dw = q, dL/dd = w dq/dt at every arrival. Derivatives hold while no spike appears or
vanishes. The work grows with spikes times synapses: a reference for small networks, not a simulator. Units: ms, mV.
Wunderlich and Pehle, Sci. Rep. 11 (2021) 12829; delays: Meszaros, Knight and Nowotny, Nat. Commun. 16 (2025).
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ... import _checks, units
from ..._types import Array
from ...neurons.membrane import exprel

_NOTHING, _INPUT, _RECURRENT, _SPIKE = range(4)


class Wiring(NamedTuple):
    """Synapses from inputs and among neurons; rows are the senders.

    Attributes:
        weight_in: Weights (n_in, n) (mV).
        delay_in: Delays (n_in, n) (ms).
        weight: Recurrent weights (n, n) (mV).
        delay: Recurrent delays (n, n), > 0 (ms).
    """

    weight_in: Array
    delay_in: Array
    weight: Array
    delay: Array


class Spikes(NamedTuple):
    """Spikes in the order of time.

    Attributes:
        t: Times (ms), (max_spikes,); the network's duration where there is no further spike.
        neuron: Neurons, int32 (max_spikes,); -1 where there is no further spike.
        complete: Whether `max_spikes` were enough.
    """

    t: Array
    neuron: Array
    complete: Array


class _Events(NamedTuple):
    """What happened, one row an event: time, kind, which input event or spike, which neuron, I - v_th at a spike."""

    t: Array
    kind: Array
    source: Array
    neuron: Array
    slope: Array


class _Now(NamedTuple):
    t: Array
    v: Array
    i: Array
    done: Array  # inputs delivered, in the order of arrival
    pending: Array  # arrivals of recurrent spikes (max_spikes, n), infinite where there is none
    sender: Array  # neuron of every spike (max_spikes,)
    count: Array  # spikes so far


@dataclasses.dataclass(frozen=True)
class EventDriven:
    """A recurrent network of leaky integrate-and-fire neurons with exponential synapses.

    Args:
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).
        v_th: Threshold (mV).
        duration: Time that is simulated (ms).
        max_spikes: Most spikes of all neurons together.
    """

    tau_mem: Any = 20.0
    tau_syn: Any = 5.0
    v_th: Any = 1.0
    duration: Any = 30.0
    max_spikes: int = 32

    def __post_init__(self):
        for name, unit in (("tau_mem", "ms"), ("tau_syn", "ms"), ("v_th", "mV"), ("duration", "ms")):
            value = units.strip(name, getattr(self, name), unit)
            _checks.positive(name, value, unit)
            object.__setattr__(self, name, float(value))
        _checks.within("max_spikes", self.max_spikes, low=1)

    def __call__(self, wiring: Wiring, times: Array, ids: Array) -> Spikes:
        """The spikes that input spikes cause.

        Args:
            wiring: Weights and delays, differentiable.
            times: Times of the input spikes (ms), (events,), differentiable.
            ids: Input that each belongs to, integers (events,).
        """
        return _spikes(self, wiring, times, ids)

    def crossing(self, v: Array, i: Array) -> Array:
        """Time until `v` reaches the threshold without further input (ms); infinite where it never does.

        With E = int_0^s exp(u (1/tau_mem - 1/tau_syn)) du, v has its maximum where E = tau_syn (1 - v / i).
        """
        rate = 1 / self.tau_mem - 1 / self.tau_syn
        rises = (i > v) & (i > 0)
        area = self.tau_syn * (1 - v / jnp.where(rises, i, 1))
        inside = 1 + rate * area
        rises = rises & (inside > 0)
        peak = area if rate == 0 else jnp.log(jnp.where(rises, inside, 1)) / rate
        peak = jnp.where(rises, peak, 0)
        reaches = rises & (self.relaxed(v, i, peak)[0] >= self.v_th)

        def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = 0.5 * (low + high)
            above = self.relaxed(v, i, middle)[0] >= self.v_th
            return jnp.where(above, low, middle), jnp.where(above, middle, high)

        steps = 60 if v.dtype == jnp.float64 else 30
        _, high = jax.lax.fori_loop(0, steps, halve, (jnp.zeros_like(peak), peak))
        return jnp.where(reaches, high, math.inf)

    def relaxed(self, v: Array, i: Array, s: Array) -> tuple[Array, Array]:
        """v and I after `s` ms without events."""
        fed = _transfer(self, s)
        return v * jnp.exp(-s / self.tau_mem) + i * fed, i * jnp.exp(-s / self.tau_syn)


def _transfer(net: EventDriven, s: Array) -> Array:
    """v after `s` of a unit current at its start."""
    slow, fast = sorted((1 / net.tau_mem, 1 / net.tau_syn))
    return s / net.tau_mem * jnp.exp(-slow * s) * exprel((slow - fast) * s)


def _forward(net: EventDriven, wiring: Wiring, times: Array, ids: Array) -> tuple[Spikes, _Events]:
    n, dtype = wiring.weight.shape[0], wiring.weight.dtype
    arrivals = (times[:, None] + wiring.delay_in[ids]).ravel()
    order = jnp.argsort(arrivals).astype(jnp.int32)
    arrivals = jnp.append(arrivals[order], math.inf)
    zero, k = jnp.zeros(n, dtype), net.max_spikes
    never = jnp.full((k, n), math.inf, dtype)
    start = _Now(jnp.zeros((), dtype), zero, zero, jnp.int32(0), never, jnp.full(k, -1, jnp.int32), jnp.int32(0))

    def step(now: _Now, _: None) -> tuple[_Now, _Events]:
        wait = net.crossing(now.v, now.i)
        candidates = jnp.stack([arrivals[now.done], jnp.min(now.pending), now.t + jnp.min(wait)])
        first = jnp.argmin(candidates).astype(jnp.int32)
        t = candidates[first]
        kind = jnp.where((t < net.duration) & (now.count < k), first + 1, _NOTHING)
        t = jnp.where(kind == _NOTHING, now.t, t)
        v, i = net.relaxed(now.v, now.i, t - now.t)
        due = order[jnp.minimum(now.done, len(order) - 1)]
        late = jnp.argmin(now.pending).astype(jnp.int32)
        source = jnp.stack([due // n, late // n, now.count])[first]
        neuron = jnp.stack([due % n, late % n, jnp.argmin(wait).astype(jnp.int32)])[first]
        weights = jnp.stack([wiring.weight_in[ids[due // n], neuron], wiring.weight[now.sender[source], neuron]])
        added = jnp.where((kind == _INPUT) | (kind == _RECURRENT), weights[jnp.minimum(first, 1)], 0)
        event = _Events(t, kind, source, neuron, i[neuron] - net.v_th)
        spiked = kind == _SPIKE
        pending = jnp.where(kind == _RECURRENT, now.pending.at[source, neuron].set(math.inf), now.pending)
        later = _Now(
            t,
            v.at[neuron].set(jnp.where(spiked, 0, v[neuron])),
            i.at[neuron].add(added),
            now.done + (kind == _INPUT).astype(jnp.int32),
            jnp.where(spiked, pending.at[source].set(t + wiring.delay[neuron]), pending),
            jnp.where(spiked, now.sender.at[source].set(neuron), now.sender),
            now.count + spiked.astype(jnp.int32),
        )
        return later, event

    last, events = jax.lax.scan(step, start, length=len(order) + k * (n + 1))
    spiked = events.kind == _SPIKE
    place = jnp.where(spiked, events.source, k)
    t = jnp.full(k, net.duration, dtype).at[place].set(events.t, mode="drop")
    return Spikes(t, last.sender, last.count < k), events


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _spikes(net: EventDriven, wiring: Wiring, times: Array, ids: Array) -> Spikes:
    return _forward(net, wiring, times, ids)[0]


def _spikes_forward(net: EventDriven, wiring: Wiring, times: Array, ids: Array) -> tuple[Spikes, Any]:
    spikes, events = _forward(net, wiring, times, ids)
    return spikes, (wiring, times, ids, spikes.neuron, events)


def _spikes_backward(net: EventDriven, kept: Any, ct: Spikes) -> tuple[Wiring, Array, None]:
    wiring, times, ids, sender, events = kept
    zero = jnp.zeros_like(wiring.weight[0])
    gradient = jax.tree.map(jnp.zeros_like, (wiring, times))

    def step(carry: Any, event: _Events) -> tuple[Any, None]:
        t, p, q, due, (slopes, early) = carry
        s, j, source = t - event.t, event.neuron, event.source
        p, q = p * jnp.exp(-s / net.tau_mem), q * jnp.exp(-s / net.tau_syn) + p * _transfer(net, s)
        rise = q[j] / net.tau_syn - p[j] / net.tau_mem
        arrives, recurs, spiked = (event.kind == kind for kind in (_INPUT, _RECURRENT, _SPIKE))
        i = ids[jnp.minimum(source, len(ids) - 1)]
        i_rec = sender[source]
        by_input = jnp.where(arrives, wiring.weight_in[i, j] * rise, 0)
        by_spike = jnp.where(recurs, wiring.weight[i_rec, j] * rise, 0)
        slopes = Wiring(
            slopes.weight_in.at[i, j].add(jnp.where(arrives, q[j], 0)),
            slopes.delay_in.at[i, j].add(by_input),
            slopes.weight.at[i_rec, j].add(jnp.where(recurs, q[j], 0)),
            slopes.delay.at[i_rec, j].add(by_spike),
        )
        early = early.at[jnp.minimum(source, len(ids) - 1)].add(by_input)
        slope = jnp.where(spiked, event.slope, 1)
        jumped = p[j] * (1 + net.v_th / slope) - due[source] * net.tau_mem / slope
        p = p.at[j].set(jnp.where(spiked, jumped, p[j]))
        return (event.t, p, q, due.at[source].add(by_spike), (slopes, early)), None

    last = events.t[-1]
    carry, _ = jax.lax.scan(step, (last, zero, zero, ct.t, gradient), events, reverse=True)
    return *carry[-1], None


_spikes.defvjp(_spikes_forward, _spikes_backward)
