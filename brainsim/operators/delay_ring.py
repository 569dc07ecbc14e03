"""A ring of L slots in which spikes wait for their delay: what was pushed with delay d at step k arrives at step k + d.

    take:  arrivals = ring[k mod L];  ring[k mod L] = 0
    push:  ring[(k + d_j) mod L, post(j)] += w_j s[pre(j)]        over the synapses j

Delays are in steps, 1 <= d <= L (d = 0 is the slot of the step itself). Both operators work in place inside a scan.
"""

import math
from typing import Any

import jax
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad
from jaxtyping import Float, Int

from . import _arguments as arguments
from ._register import attach, fold_groups, is_zero, lead, map_size, per_row, struct, zero_of
from .csr import push_into

# Shapes: ring (*batch, L, n), arrivals (*batch, n), slot (S,), where S divides the product of `batch`. Each is the
# other's transpose.
take_p = Primitive("delay_ring_take")  # ring, slot -> arrivals, ring
take_p.multiple_results = True
put_p = Primitive("delay_ring_put")  # ring, values, slot -> ring


def delay_ring_take(
    ring: Float[Array, "*batch slots n"], slot: Int[Array, ""] | int
) -> tuple[Float[Array, "*batch n"], Float[Array, "*batch slots n"]]:
    """Read and clear one slot.

    Args:
        ring: Pending arrivals, (..., L, n).
        slot: Which slot, int32, taken modulo L: pass the step counter.

    Returns:
        The arrivals, (..., n), and the ring with that slot cleared.
    """
    ring = arguments.float_array("ring", ring)
    _check_ring(ring)
    slot = arguments.int_array("slot", slot, (0,))
    arrivals, out = take_p.bind(ring, slot[None])
    return arrivals, out


def delay_ring_push(
    ring: Float[Array, "*batch slots post"],
    weight: Float[Array, "*synapses"] | float,
    indices: Int[Array, " synapses"],
    indptr: Int[Array, " pre+1"],
    delays: Int[Array, "*synapses"] | int,
    spikes: Float[Array, "*batch pre"],
    step: Int[Array, ""] | int,
    *,
    is_sorted: bool = False,
) -> Float[Array, "*batch slots post"]:
    """Add the products of spikes and weights to the slots in which they are due; only rows with a spike are read.

    Args:
        ring: Pending arrivals, (..., L, n_post).
        weight: One weight for all synapses, or one each (nnz,).
        indices: Postsynaptic neuron of each synapse, int32 (nnz,).
        indptr: First synapse of each presynaptic neuron and the end, int32 (n_pre + 1,).
        delays: Delay in steps, 0 to L: one for all synapses, or one each (nnz,), int32.
        spikes: Spikes or graded events, (..., n_pre), with the batch axes of `ring`.
        step: The current step, int32; the target slot is (step + delay) mod L.
        is_sorted: Whether `indices` ascend within each row, which allows large calls to use several threads.

    Returns:
        The ring with the events added, in place where `ring` is not used afterwards.
    """
    ring = arguments.float_array("ring", ring)
    _check_ring(ring)
    return push_into(ring, weight, indices, indptr, delays, spikes, step, is_ring=True, is_sorted=is_sorted)


def _check_ring(ring: Array) -> None:
    if ring.ndim < 2 or ring.shape[-2] == 0:
        raise ValueError(f"`ring` must have shape (..., slots, n) with at least one slot, got {ring.shape}.")


def take_definition(ring: Array, slot: Array) -> list[Array]:
    """What `take` means on every backend."""

    def member(ring: Array, slot: Array) -> tuple[Array, Array]:
        at = slot % ring.shape[0]
        return jax.lax.dynamic_index_in_dim(ring, at, keepdims=False), ring.at[at].set(0)

    *batch, n_slots, n = ring.shape
    rows = math.prod(batch)
    arrivals, out = jax.vmap(member)(ring.reshape(rows, n_slots, n), per_row(slot, rows))
    return [arrivals.reshape(*batch, n), out.reshape(ring.shape)]


def put_definition(ring: Array, values: Array, slot: Array) -> Array:
    """What `put` means on every backend."""
    *batch, n_slots, n = ring.shape
    rows = math.prod(batch)
    member = jax.vmap(lambda ring, values, slot: ring.at[slot % n_slots].set(values))
    return member(ring.reshape(rows, n_slots, n), values.reshape(rows, n), per_row(slot, rows)).reshape(ring.shape)


def _take_shape(ring: Any, slot: Any) -> list[Any]:
    *batch, _, n = ring.shape
    return [ShapedArray((*batch, n), ring.dtype), ShapedArray(ring.shape, ring.dtype)]


def _put_shape(ring: Any, values: Any, slot: Any) -> Any:
    return ShapedArray(ring.shape, ring.dtype)


def _take_native(ring: Array, slot: Array) -> Any:
    shapes = struct(_take_shape(ring, slot))
    return jax.ffi.ffi_call("bs_delay_ring_take_v1", shapes, input_output_aliases={0: 1})(ring, slot)


def _put_native(ring: Array, values: Array, slot: Array) -> Any:
    shape = struct(_put_shape(ring, values, slot))
    return jax.ffi.ffi_call("bs_delay_ring_put_v1", shape, input_output_aliases={0: 0})(ring, values, slot)


def _take_jvp(primals: Any, tangents: Any) -> Any:
    out, dot = take_p.bind(*primals), tangents[0]
    if is_zero(dot):
        return out, [zero_of(o) for o in out]
    return out, take_p.bind(dot, primals[1])


def _take_transpose(cts: Any, ring: Any, slot: Any) -> list[Any]:
    if all(is_zero(ct) for ct in cts):
        return [None, None]
    ct_arrivals, ct_ring = (ad.instantiate_zeros(ct) for ct in cts)
    return [put_p.bind(ct_ring, ct_arrivals, slot), None]


def _put_jvp(primals: Any, tangents: Any) -> Any:
    out, (ring_dot, values_dot, _) = put_p.bind(*primals), tangents
    if is_zero(ring_dot) and is_zero(values_dot):
        return out, zero_of(out)
    return out, put_p.bind(ad.instantiate_zeros(ring_dot), ad.instantiate_zeros(values_dot), primals[2])


def _put_transpose(ct: Any, ring: Any, values: Any, slot: Any) -> list[Any]:
    if is_zero(ct):
        return [None, None, None]
    ct_values, ct_ring = take_p.bind(ct, slot)
    return [
        ct_ring if ad.is_undefined_primal(ring) else None,
        ct_values if ad.is_undefined_primal(values) else None,
        None,
    ]


def _take_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    return take_p.bind(lead(args[0], dims[0], size), fold_groups(args[1], dims[1], size)), [0, 0]


def _put_batch(args: Any, dims: Any) -> Any:
    size = map_size(args, dims)
    ring, values = (lead(x, d, size) for x, d in zip(args[:2], dims[:2], strict=True))
    return put_p.bind(ring, values, fold_groups(args[2], dims[2], size)), 0


attach(
    take_p,
    shape=_take_shape,
    portable=take_definition,
    native=_take_native,
    jvp=_take_jvp,
    transpose=_take_transpose,
    batch=_take_batch,
)
attach(
    put_p,
    shape=_put_shape,
    portable=put_definition,
    native=_put_native,
    jvp=_put_jvp,
    transpose=_put_transpose,
    batch=_put_batch,
)
