"""The bushy cell: 40 fibres of a hair cell converge on a leaky integrate-and-fire neuron.

    n ~ Binomial(free fibres, p);   a fibre that spiked is silent for 1 ms
    i <- i exp(-dt / tau_syn) + n
    v <- min(1, v exp(-dt / tau_mem) + weight dt i),   a spike where v = 1, then v = 0 for 1 ms

tau_mem = 1 ms, tau_syn = 0.5 ms, weight 13,000 / 40 per s. Fibres are alike, so that only their number counts. Cramer,
Stradmann, Schemmel and Zenke, IEEE TNNLS 33 (2022) 2744.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..._types import Array

FIBRES, WEIGHT = 40, 13e3 / 40
TAU_MEM_S, TAU_SYN_S, T_REF_S = 1e-3, 5e-4, 1e-3


class Bushy(NamedTuple):
    """State of the neurons and their fibres.

    Attributes:
        v: Membrane.
        current: Synaptic current.
        refractory: Steps that the neuron is still silent.
        busy: Fibres that are silent.
        spiked: How many fibres spiked in each of the last steps, (steps of 1 ms, ...).
    """

    v: Array
    current: Array
    refractory: Array
    busy: Array
    spiked: Array


def at_rest(shape: tuple[int, ...], dt_s: float) -> Bushy:
    """Neurons that nothing has reached."""
    zero = jnp.zeros(shape, jnp.float32)
    return Bushy(zero, zero, zero, zero, jnp.zeros((math.ceil(T_REF_S / dt_s - 1e-9), *shape), jnp.float32))


def step(state: Bushy, probability: Array, uniform: Array, index: Array, dt_s: float) -> tuple[Bushy, Array]:
    """One step.

    Args:
        state: Before the step.
        probability: That a free fibre spikes in this step.
        uniform: Random numbers in [0, 1), one a neuron.
        index: Number of the step.
        dt_s: Length of the step (s).

    Returns:
        The state after it, and the spikes (0 or 1).
    """
    slot = index % len(state.spiked)
    busy = state.busy - state.spiked[slot]
    arrived = binomial(uniform, FIBRES - busy, jnp.minimum(probability, 1.0))
    resting, fired = state.refractory <= 0, state.v >= 1
    refractory = jnp.where(resting & fired, T_REF_S / dt_s, state.refractory)
    current = state.current * math.exp(-dt_s / TAU_SYN_S) + arrived
    v = jnp.where(resting & ~fired, state.v * math.exp(-dt_s / TAU_MEM_S), 0.0)
    v = jnp.minimum(jnp.where(refractory <= 0, v + current * (WEIGHT * dt_s), v), 1.0)
    spiked = state.spiked.at[slot].set(arrived)
    return Bushy(v, current, refractory - 1, busy + arrived, spiked), (v >= 1).astype(v.dtype)


def binomial(uniform: Array, n: Array, p: Array) -> Array:
    """Binomial counts of up to `FIBRES` trials, by inversion of one uniform number each."""
    swapped = p > 0.5
    q = jnp.where(swapped, 1 - p, p)
    odds = q / (1 - q)

    def undecided(carry: tuple[Array, Array, Array, Array]) -> Array:
        k, _, _, cumulative = carry
        return (k < FIBRES) & jnp.any((uniform >= cumulative) & (k < n))

    def tried(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        k, count, mass, cumulative = carry
        count = count + ((uniform >= cumulative) & (k < n)).astype(mass.dtype)
        mass = mass * odds * jnp.maximum(n - k, 0.0) / (k + 1)
        return k + 1, count, mass, cumulative + mass

    none = jnp.exp(n * jnp.log1p(-q)) * jnp.ones_like(uniform)
    start = jnp.zeros((), none.dtype), jnp.zeros_like(none), none, none
    count = jax.lax.while_loop(undecided, tried, start)[1]
    return jnp.where(swapped, n - count, count)
