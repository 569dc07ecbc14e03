"""The primitives behind `csr` and `delay_ring`: the partial derivatives of the trilinear form of `_transposes`.

T(w, s, c) = sum_k w_k s[pre(k)] c[(step + d_k) mod L, post(k)]        over the synapses k of compressed rows
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive

from ._register import per_row, struct
from ._transposes import Trilinear, Ways

# Shapes: acc and ct (*batch, n_post), with an axis of L slots before the last if `is_ring`; spikes (*batch, n_pre);
# weight (G, 1 or nnz), delays (1 or nnz,), step (S,), where G and S divide the number of rows, the product of
# `batch`; indices (nnz,), indptr (n_pre + 1,). An accumulator is never reshaped on its way to the kernel, and pull
# and outer hand the cotangent that they read on to whoever overwrites it next: without either, XLA copies the whole
# ring at every step of a scan.
push_p = Primitive("csr_push")  # acc, weight, indices, indptr, delays, spikes, step -> acc
pull_p = Primitive("csr_pull")  # weight, indices, indptr, delays, ct, step -> spikes, ct
outer_p = Primitive("csr_outer")  # spikes, indices, indptr, delays, ct, step -> weight, ct
pull_p.multiple_results = outer_p.multiple_results = True

# The definitions: what the operators mean, and how XLA runs them where no kernel does (push: `push_events`).


CHUNK = 1024  # synapses that `push_events` takes at once


def _pre(indptr: Array, nnz: int) -> Array:
    """Presynaptic neuron of each synapse."""
    return jnp.searchsorted(indptr, jnp.arange(nnz, dtype=jnp.int32), side="right").astype(jnp.int32) - 1


def _slots(step: Array, delays: Array, n_slots: int, nnz: int) -> Array:
    """Slot of each synapse, (nnz,)."""
    return jnp.broadcast_to((step + delays) % n_slots, (nnz,))


def _rings(acc: Array, is_ring: bool) -> Array:
    """An accumulator or cotangent as (rows, L, n_post)."""
    n_slots = acc.shape[-2] if is_ring else 1
    return acc.reshape(math.prod(acc.shape[: -2 if is_ring else -1]), n_slots, acc.shape[-1])


def push_definition(
    acc: Array,
    weight: Array,
    indices: Array,
    indptr: Array,
    delays: Array,
    spikes: Array,
    step: Array,
    *,
    is_ring: bool,
    is_sorted: bool,
) -> Array:
    """`acc` + dT/dc."""
    pre, rings = _pre(indptr, indices.size), _rings(acc, is_ring)
    rows = rings.shape[0]

    def member(ring: Array, weight: Array, spikes: Array, step: Array) -> Array:
        slots = _slots(step, delays, ring.shape[0], indices.size)
        return ring.at[slots, indices].add(weight * spikes[pre])

    spikes = spikes.reshape(rows, spikes.shape[-1])
    return jax.vmap(member)(rings, per_row(weight, rows), spikes, per_row(step, rows)).reshape(acc.shape)


def push_events(
    acc: Array,
    weight: Array,
    indices: Array,
    indptr: Array,
    delays: Array,
    spikes: Array,
    step: Array,
    *,
    is_ring: bool,
    is_sorted: bool,
) -> Array:
    """`push_definition` in chunks of the synapses whose spike is not 0: what XLA runs where no kernel does."""
    rings, nnz = _rings(acc, is_ring), indices.size
    rows, chunk = rings.shape[0], min(CHUNK, nnz)
    if nnz == 0:
        return acc

    def member(ring: Array, weight: Array, spikes: Array, step: Array) -> Array:
        ends = jnp.cumsum(jnp.where(spikes != 0, jnp.diff(indptr), 0), dtype=jnp.int32)

        def add(part: Array, ring: Array) -> Array:
            event = part * chunk + jnp.arange(chunk, dtype=jnp.int32)
            row = jnp.minimum(jnp.searchsorted(ends, event, side="right"), ends.size - 1).astype(jnp.int32)
            at = jnp.where(event < ends[-1], jnp.take(indptr, row + 1) - ends[row] + event, nnz)
            value = jnp.take(weight, at, mode="clip") * spikes[row]
            slot = (step + jnp.take(delays, at, mode="clip")) % ring.shape[0]
            target = jnp.take(indices, at, mode="fill", fill_value=ring.shape[1])
            return ring.at[slot, target].add(value, mode="drop")

        return jax.lax.fori_loop(0, (ends[-1] + chunk - 1) // chunk, add, ring)

    spikes = spikes.reshape(rows, spikes.shape[-1])
    return jax.vmap(member)(rings, per_row(weight, rows), spikes, per_row(step, rows)).reshape(acc.shape)


def pull_definition(
    weight: Array,
    indices: Array,
    indptr: Array,
    delays: Array,
    ct: Array,
    step: Array,
    *,
    is_ring: bool,
    is_sorted: bool,
) -> list[Array]:
    """dT/ds, and the cotangent."""
    pre, rings = _pre(indptr, indices.size), _rings(ct, is_ring)
    rows = rings.shape[0]

    def member(weight: Array, ct: Array, step: Array) -> Array:
        slots = _slots(step, delays, ct.shape[0], indices.size)
        return jnp.zeros(indptr.size - 1, ct.dtype).at[pre].add(weight * ct[slots, indices])

    out = jax.vmap(member)(per_row(weight, rows), rings, per_row(step, rows))
    return [out.reshape(*ct.shape[: -2 if is_ring else -1], indptr.size - 1), ct]


def outer_definition(
    spikes: Array,
    indices: Array,
    indptr: Array,
    delays: Array,
    ct: Array,
    step: Array,
    *,
    groups: int,
    n_weights: int,
    is_ring: bool,
    is_sorted: bool,
) -> list[Array]:
    """dT/dw, and the cotangent."""
    pre, rings = _pre(indptr, indices.size), _rings(ct, is_ring)
    rows = rings.shape[0]

    def member(spikes: Array, ct: Array, step: Array) -> Array:
        slots = _slots(step, delays, ct.shape[0], indices.size)
        return spikes[pre] * ct[slots, indices]

    each = jax.vmap(member)(spikes.reshape(rows, spikes.shape[-1]), rings, per_row(step, rows))
    each = each.reshape(groups, rows // max(groups, 1), indices.size).sum(1)
    return [each if n_weights == indices.size else each.sum(1, keepdims=True), ct]


# The native calls, with the result's shape from the same rule as the abstract evaluation.


def _push_shape(acc: Any, *rest: Any, **params: Any) -> Any:
    return ShapedArray(acc.shape, acc.dtype)


def _pull_shape(
    weight: Any, indices: Any, indptr: Any, delays: Any, ct: Any, step: Any, *, is_ring: bool, **params: Any
) -> Any:
    rows = ShapedArray((*ct.shape[: -2 if is_ring else -1], indptr.shape[0] - 1), ct.dtype)
    return [rows, ShapedArray(ct.shape, ct.dtype)]


def _outer_shape(
    spikes: Any,
    indices: Any,
    indptr: Any,
    delays: Any,
    ct: Any,
    step: Any,
    *,
    groups: int,
    n_weights: int,
    **params: Any,
) -> Any:
    return [ShapedArray((groups, n_weights), spikes.dtype), ShapedArray(ct.shape, ct.dtype)]


def _push_native(*args: Array, is_ring: bool, is_sorted: bool) -> Any:
    call = jax.ffi.ffi_call("bs_csr_push_v1", struct(_push_shape(*args)), input_output_aliases={0: 0})
    return call(*args, is_ring=is_ring, is_sorted=is_sorted)


def _pull_native(*args: Array, is_ring: bool, is_sorted: bool) -> Any:
    shapes = struct(_pull_shape(*args, is_ring=is_ring))
    return jax.ffi.ffi_call("bs_csr_pull_v1", shapes, input_output_aliases={4: 1})(*args, is_ring=is_ring)


def _outer_native(*args: Array, is_ring: bool, is_sorted: bool, groups: int, n_weights: int) -> Any:
    shapes = struct(_outer_shape(*args, groups=groups, n_weights=n_weights))
    return jax.ffi.ffi_call("bs_csr_outer_v1", shapes, input_output_aliases={4: 1})(*args, is_ring=is_ring)


Trilinear(push_p, pull_p, outer_p).attach(
    3,
    push=Ways(_push_shape, push_definition, push_events, _push_native),
    pull=Ways(_pull_shape, pull_definition, pull_definition, _pull_native),
    outer=Ways(_outer_shape, outer_definition, outer_definition, _outer_native),
)
