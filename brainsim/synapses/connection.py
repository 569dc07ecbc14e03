"""A built projection: wiring, weights and delays as arrays, and one step of what crosses it.

    arrivals_j(t_{k+1}) = sum_i W_ij y_i(k + 1 - d_ij / dt)          (y: what the presynaptic population emitted in a
    step)

A delay of one step adds straight into the synapse's state; longer ones wait in a ring of `delay / dt` slots. Delays
that a gradient sees lie between two steps, n <= d / dt < n + 1, and the weight is shared by both:

    W y(k + 1 - d / dt) := (1 - s) W y(k + 1 - n) + s W y(k - n),      s = d / dt - n

Terminals, such as short-term plasticity, make y of what was emitted.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._streams import Stream
from .._types import Array, Drive, State
from ..operators import csr_push, delay_ring_push, delay_ring_take, event_dense
from .base import Synapse
from .regenerated import Regenerated
from .terminal import Terminal


class Edges(NamedTuple):
    """Synapses one by one: neurons, weight (unit of the synapse) and delay (ms)."""

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


class Connection(eqx.Module):
    """What `Projection` becomes in a network.

    Attributes:
        weight: `()`, one per synapse `(nnz,)` in CSR order, or dense `(n_pre, n_post)`; unit of the synapse.
        synapse: Kinetics with their parameters as arrays.
        terminals: What comes before them on the presynaptic side, in order.
        indices: Target of every synapse, int32 `(nnz,)`, sorted in each row; None when dense.
        indptr: Row offsets, int32 `(n_pre + 1,)`; None when dense.
        exists: Which dense entries are synapses, bool `(n_pre, n_post)`; None where all are.
        delay_steps: Delay of every synapse in steps, int32 `(nnz,)`; None where all are `max_steps`.
        delays: Delay in ms, `()` or `(nnz,)`, where it is interpolated between steps; else None.
        max_steps: Longest delay in steps.
        paired: Whether neuron i reaches neuron i alone, a step later at most: events then cross element by element.
        sign: +1 or -1 where Dale's law is kept, else None.
        max_delay: Longest delay (ms) that training may reach.
        trains_delay: Whether the delay trains by default.
        regenerated: The matrix by its key, where no synapse is stored; `weight` is then the mean weight.
    """

    weight: Array
    synapse: Synapse
    terminals: tuple[Terminal, ...]
    indices: Array | None
    indptr: Array | None
    exists: Array | None
    delay_steps: Array | None
    delays: Array | None
    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    path: str = eqx.field(static=True)
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    paired: bool = eqx.field(static=True)
    sign: int | None = eqx.field(static=True)
    max_delay: float = eqx.field(static=True)
    trains_delay: bool = eqx.field(static=True)
    regenerated: Regenerated | None

    @property
    def n_synapses(self) -> int:
        """Number of synapses; the expected one where a Bernoulli rule is not stored."""
        if self.regenerated is not None:
            return self.regenerated.n_synapses
        if self.indices is not None:
            return self.indices.size
        return self.n_pre * self.n_post if self.exists is None else int(self.exists.sum())

    @property
    def delay(self) -> Array:
        """Delay in ms: `()`, or one per synapse `(nnz,)`."""
        if self.delays is not None:
            return self.delays
        steps = self.max_steps if self.delay_steps is None else self.delay_steps
        return jnp.asarray(steps, self.weight.dtype) * self.dt

    @property
    def edges(self) -> Edges:
        """Every synapse, in CSR order (row by row where dense), as NumPy arrays `(nnz,)`."""
        if self.regenerated is not None:
            pre, post, weight = self.regenerated.edges(self.weight)
        elif self.indices is None or self.indptr is None:
            exists = np.ones((self.n_pre, self.n_post), bool) if self.exists is None else np.asarray(self.exists)
            pre, post = np.nonzero(exists)
            weight = np.broadcast_to(np.asarray(self.weight), exists.shape)[pre, post]
        else:
            pre = np.repeat(np.arange(self.n_pre), np.diff(np.asarray(self.indptr, np.int64)))
            post = np.asarray(self.indices)
            weight = np.broadcast_to(np.asarray(self.weight), post.shape)
        return Edges(pre, post, weight, np.broadcast_to(np.asarray(self.delay), pre.shape))

    @property
    def dense(self) -> bool:
        """Whether the weights are an `(n_pre, n_post)` matrix."""
        return self.indices is None and self.regenerated is None

    @property
    def uniform(self) -> bool:
        """Whether one weight joins every pair, so that all postsynaptic neurons get the same sum."""
        return self.dense and self.exists is None and self.weight.ndim == 0

    @property
    def by_element(self) -> bool:
        """Whether events cross in the arithmetic of the neurons, without a look at synapses."""
        return self.paired or self.uniform

    @property
    def immediate(self) -> bool:
        """Whether events act in the step in which they are emitted."""
        return self.max_steps == 0

    @property
    def weight_bounds(self) -> tuple[float, float]:
        """Smallest and largest weight that the sign and the synapse allow."""
        reach = 0.0 if self.regenerated is None else self.regenerated.reach
        low = reach if self.sign == 1 or self.synapse.weight_low == 0.0 else -math.inf
        return low, -reach if self.sign == -1 else math.inf

    def stored(self) -> "Connection":
        """The same synapses in memory, each with its weight, where they are drawn again at every event."""
        if self.regenerated is None:
            return self
        pre, post, weight = self.regenerated.edges(self.weight)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=self.n_pre))]).astype(np.int32)
        changes = dict(indices=jnp.asarray(post), indptr=jnp.asarray(indptr), weight=jnp.asarray(weight))
        return dataclasses.replace(self, regenerated=None, **changes)

    def init_state(self, batch: tuple[int, ...], dtype: Any) -> State:
        """Nothing under way; leaves `(*batch, n_post)` and, for delays of several steps, `ring (*batch, slots, n)`."""
        state = self.synapse.init_state((*batch, self.n_post), dtype)
        fields = {name: getattr(state, name) for name in state}
        for stage in self.stages:
            fields |= stage.terminal_state((*batch, self.n_pre), dtype)
        if self.max_steps > 1:
            fields["ring"] = jnp.zeros((*batch, self.max_steps, self.n_pre if self.dense else self.n_post), dtype)
        return State(**fields)

    @property
    def stages(self) -> tuple[Terminal, ...]:
        """Everything that acts on the presynaptic side, in order: terminals, then the kinetics."""
        return (*self.terminals, self.synapse)

    def state_units(self) -> dict[str, str]:
        """Unit of every state field but the ring."""
        known = self.synapse.state_units()
        for stage in self.stages:
            known = known | stage.terminal_units()
        return known

    def state_size(self, name: str) -> int:
        """Number of entries of a state field: `n_post`, or `n_pre` where it belongs to terminals."""
        return self.n_post if name in self.synapse.state_units() else self.n_pre

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """What the postsynaptic population gets in the step that starts in `state` and at its voltage `v`."""
        return self.synapse.drive(state, v)

    def arrive(self, state: State, emitted: Array, key: Stream | None = None) -> State:
        """Add what `emitted (*batch, n_pre)` brings, without delay."""
        return self._add(*self._transmit(state, emitted, key))

    def advance(self, state: State, emitted: Array, step: Array, key: Stream | None = None) -> State:
        """From t_k to t_{k+1}: kinetics, then everything that arrives at t_{k+1}.

        Args:
            state: State at t_k.
            emitted: Output of the presynaptic population in step k, `(*batch, n_pre)`.
            step: Index k, int32.
            key: Random stream of step k, for terminals that draw.
        """
        later = self.synapse.advance(state, self.dt)
        if self.max_steps == 0:
            return later
        if self.max_steps == 1:
            return self.arrive(later, emitted, key)
        later, emitted = self._transmit(later, emitted, key)
        slot = (step + 1) % self.max_steps
        if self.dense:
            ring = jax.lax.dynamic_update_index_in_dim(later.ring, emitted, step % self.max_steps, axis=-2)
            due = jax.lax.dynamic_index_in_dim(ring, slot, axis=-2, keepdims=False)
            return self._add(later.replace(ring=ring), due)
        ring = self._enter(later.ring, emitted, step)
        arrivals, ring = delay_ring_take(ring, slot)
        return self.synapse.arrive(later.replace(ring=ring), arrivals)

    def _enter(self, ring: Array, emitted: Array, step: Array) -> Array:
        """The ring with the events of step k in the slots in which they are due."""
        if self.regenerated is not None:
            return self.regenerated.push(ring, self.weight, emitted, self.max_steps, step)
        assert self.indices is not None and self.indptr is not None
        for weight, delays in self._pushes():
            ring = delay_ring_push(ring, weight, self.indices, self.indptr, delays, emitted, step, is_sorted=True)
        return ring

    def _pushes(self) -> list[tuple[Array, Array]]:
        """Weights and their delays in steps; two of each where delays are interpolated."""
        if self.delays is None:
            return [(self.weight, jnp.int32(self.max_steps) if self.delay_steps is None else self.delay_steps)]
        position = self.delays / self.dt
        before = jnp.clip(jnp.floor(position), 1, self.max_steps - 1)
        share, steps = position - before, before.astype(jnp.int32)
        return [(self.weight * (1 - share), steps), (self.weight * share, steps + 1)]

    def _transmit(self, state: State, emitted: Array, key: Stream | None) -> tuple[State, Array]:
        """What the terminals release of what was emitted."""
        for stage in self.stages:
            state, emitted = stage.transmit(state, emitted, self.dt, key)
        return state, emitted

    def _add(self, state: State, released: Array) -> State:
        """Add what is released and arrives now."""
        port = self.synapse.port
        return state.replace(**{port: self._cross(getattr(state, port), released)})

    def _cross(self, total: Array, emitted: Array) -> Array:
        if self.paired:
            return total + self.weight * emitted
        if self.regenerated is not None:
            return self.regenerated.push(total, self.weight, emitted)
        if self.indices is not None and self.indptr is not None:
            return csr_push(total, self.weight, self.indices, self.indptr, emitted, is_sorted=True)
        if self.uniform:
            return total + self.weight * jnp.sum(emitted, axis=-1, keepdims=True)
        weight = jnp.broadcast_to(self.weight, (self.n_pre, self.n_post))
        if self.exists is not None:
            weight = jnp.where(self.exists, weight, 0.0)
        return total + event_dense(emitted, weight)
