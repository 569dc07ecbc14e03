"""The branches of axons whose synapses have several delays: one for each neuron and each delay that its synapses have.

    a_b(k) = y_i(k + 1 - d_b)        b: branch of neuron i with a delay of d_b steps,  y_i: what i emits in step k

A branch is to a rule what a neuron is where all delays are equal: it has events, traces and a row of synapses. Spikes
wait in a ring of the longest delay with a slot for each branch.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..operators import delay_ring_push, delay_ring_take
from ..synapses import Connection


class Branches(eqx.Module):
    """The branches, in the order of their neurons and then of their delays.

    Attributes:
        indptr: First synapse of every branch and the end, int32 (n_branches + 1,).
        fork: First branch of every neuron and the end, int32 (n_pre + 1,).
        steps: Delay of every branch in steps, int32 (n_branches,), at least 1.
    """

    indptr: Array
    fork: Array
    steps: Array

    @property
    def n_branches(self) -> int:
        """Number of branches."""
        return self.steps.size

    @classmethod
    def of(cls, connection: Connection) -> tuple[np.ndarray, "Branches"]:
        """The branches of a connection with `delay_steps`, and the order of its synapses, int64 (nnz,), in which those
        of a branch lie side by side, sorted by target."""
        pre, steps = connection.edges.pre, np.asarray(connection.delay_steps)
        order = np.lexsort((steps, pre))
        pre, steps = pre[order], steps[order]
        first = np.flatnonzero(np.diff(pre, prepend=-1) | np.diff(steps, prepend=-1))
        fork = np.searchsorted(pre[first], np.arange(connection.n_pre + 1))
        ends = (np.append(first, pre.size), fork, steps[first])
        return order, cls(*(jnp.asarray(part, jnp.int32) for part in ends))

    def pass_on(self, ring: Array, emitted: Array, step: Array) -> tuple[Array, Array]:
        """What arrives at the ends of the branches in this step, `(*batch, n_branches)`, and the spikes under way.

        Args:
            ring: Spikes under way, `(*batch, slots, n_branches)`.
            emitted: What the neurons emit in step k, `(*batch, n_pre)`.
            step: Index k, int32.
        """
        targets = jnp.asarray(np.arange(self.n_branches, dtype=np.int32))
        ring = delay_ring_push(ring, 1.0, targets, self.fork, self.steps, emitted, step, is_sorted=True)
        return delay_ring_take(ring, (step + 1) % ring.shape[-2])
