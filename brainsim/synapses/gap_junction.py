"""Gap junctions: currents between neurons that follow from their voltages, without spikes.

    junction e joins pre(e) and post(e):    I_e = w_e (v_pre(e) - v_post(e))
    rectifying:                             I_e = w_e max(v_pre(e) - v_post(e), 0)
    into post(e) flows I_e, into pre(e) flows -I_e

so that the currents of all junctions sum to zero. Voltages are those at the start of the step, after the resets of the
step before; the current is held over the step. Every edge that the rule draws is one junction which works both ways: it
is not listed a second time from post to pre. `weight` is the conductance in nS, as in NEST, whose gap_junction wants
both directions, each with the same weight.
"""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._streams import Stream
from .._types import Array, Drive, State
from ..connectivity import CSR
from ..operators import csr_push
from .base import Synapse
from .connection import Edges
from .terminal import Terminal


class GapJunction(Synapse):
    """An electrical synapse; `weight` is its conductance (nS, >= 0).

    Args:
        rectify: Whether current flows from pre to post only.
    """

    rectify: bool = eqx.field(static=True, default=False)

    reads_voltage: ClassVar[bool] = True

    @property
    def weight_unit(self) -> str:
        """Nanosiemens."""
        return "nS"

    @property
    def weight_low(self) -> float | None:
        """A conductance is never negative."""
        return 0.0

    def state_units(self) -> dict[str, str]:
        """A junction has no state."""
        return {}

    def through(self, weight: Array, v_pre: Array, v_post: Array) -> Array:
        """Current from pre to post (pA) of junctions between the given voltages (mV)."""
        difference = v_pre - v_post
        return weight * (jnp.maximum(difference, 0) if self.rectify else difference)


class Ends(NamedTuple):
    """Junctions as rows of those that leave one neuron: the neuron of each, its target, and the rows' offsets."""

    of: Array
    to: Array
    indptr: Array

    @classmethod
    def from_csr(cls, csr: CSR) -> "Ends":
        """The ends of the synapses of a CSR, int32."""
        return cls(*(jnp.asarray(part, jnp.int32) for part in (csr.pre, csr.indices, csr.indptr)))


class Coupling(eqx.Module):
    """What a `Projection` of gap junctions becomes in a network.

    Attributes:
        weight: Conductance (nS), `()` or one for each junction `(nnz,)`, in CSR order.
        synapse: The junction.
        forth: The junctions from pre to post, in CSR order.
        back: The same junctions from post to pre.
        order: Position in `forth` of each junction of `back`, int32 `(nnz,)`.
    """

    weight: Array
    synapse: GapJunction
    forth: Ends
    back: Ends
    order: Array
    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    path: str = eqx.field(static=True)
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)

    immediate: ClassVar[bool] = False
    by_element: ClassVar[bool] = False
    delays: ClassVar[None] = None
    terminals: ClassVar[tuple[Terminal, ...]] = ()
    weight_bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)

    @property
    def n_synapses(self) -> int:
        """Number of junctions."""
        return self.order.size

    @property
    def delay(self) -> Array:
        """0 ms: a junction acts on the voltages of the same moment."""
        return jnp.zeros((), self.weight.dtype)

    @property
    def edges(self) -> Edges:
        """Every junction, in CSR order, as NumPy arrays `(nnz,)`."""
        each = np.zeros(self.n_synapses)
        return Edges(*map(np.asarray, (self.forth.of, self.forth.to, self.weight + each, each)))

    def state_units(self) -> dict[str, str]:
        """No state."""
        return {}

    def init_state(self, batch: tuple[int, ...], dtype: Any) -> State:
        """No state."""
        return State()

    def drive(self, state: State, v: Array | None = None) -> Drive:
        """Nothing that one end alone decides; see `currents`."""
        return Drive()

    def advance(self, state: State, emitted: Array, step: Array, key: Stream | None = None) -> State:
        """Nothing goes on in time."""
        return state

    def currents(self, v_pre: Array, v_post: Array) -> tuple[Array, Array]:
        """The currents (pA) into the presynaptic and into the postsynaptic neurons, from their voltages (mV).

        Args:
            v_pre: `([batch], n_pre)`.
            v_post: `([batch], n_post)`.
        """
        through = self.synapse.through(self.weight, v_pre[..., self.forth.of], v_post[..., self.forth.to])
        return _summed(-through[..., self.order], self.back, v_pre), _summed(through, self.forth, v_post)


def _summed(currents: Array, ends: Ends, like: Array) -> Array:
    """The sum of currents `([batch], nnz)` at each target, of the shape of `like`."""
    every = jnp.ones((*like.shape[:-1], ends.indptr.size - 1), like.dtype)
    push = lambda acc, weight, events: csr_push(acc, weight, ends.to, ends.indptr, events, is_sorted=True)
    return (push if like.ndim == 1 else jax.vmap(push))(jnp.zeros_like(like), currents, every)
