"""Spikes crossing a sparse matrix in compressed rows, touching only the rows of neurons that spiked.

    T(w, s, c) = sum_k w_k s[pre(k)] c[(step + d_k) mod L, post(k)]        over the synapses k

is linear in the weights w, the spikes s and the cotangent c. The three operators are its partial derivatives, hence
each other's transposes: push (to c), pull (to s), outer (to w). Delays d and the ring of L slots belong to
`delay_ring`; here L = 1. The primitives are in `_trilinear`.
Units: the result has the weight's unit times the spikes' (a spike is the number 1).
"""

from typing import Any

import numpy as np
from jax import Array
from jaxtyping import Float, Int

from . import _arguments as arguments
from ._trilinear import outer_p, pull_p, push_p

_ZERO = np.zeros(1, np.int32)  # no delay; step 0


def csr_push(
    acc: Float[Array, "*batch post"],
    weight: Float[Array, "*synapses"] | float,
    indices: Int[Array, " synapses"],
    indptr: Int[Array, " pre+1"],
    spikes: Float[Array, "*batch pre"],
    *,
    is_sorted: bool = False,
) -> Float[Array, "*batch post"]:
    """`acc + spikes @ W`, in place where `acc` is not used afterwards; only rows with a non-zero spike are read.

    Args:
        acc: What the products are added to, (..., n_post).
        weight: One weight for all synapses, or one each (nnz,).
        indices: Postsynaptic neuron of each synapse, int32 (nnz,).
        indptr: First synapse of each presynaptic neuron and the end, int32 (n_pre + 1,).
        spikes: Spikes or graded events, (..., n_pre), with the batch axes of `acc`.
        is_sorted: Whether `indices` ascend within each row, which allows large calls to use several threads.

    Returns:
        The sum, with the shape and type of `acc`.
    """
    acc = arguments.float_array("acc", acc)
    if acc.ndim == 0:
        raise ValueError("`acc` must have a last axis of postsynaptic neurons, got a scalar.")
    return push_into(acc, weight, indices, indptr, 0, spikes, 0, is_ring=False, is_sorted=is_sorted)


def csr_pull(
    weight: Float[Array, "*synapses"] | float,
    indices: Int[Array, " synapses"],
    indptr: Int[Array, " pre+1"],
    ct: Float[Array, "*batch post"],
) -> Float[Array, "*batch pre"]:
    """`ct @ W^T`: the gradient of `csr_push` to its spikes.

    Args:
        weight: One weight for all synapses, or one each (nnz,).
        indices: Postsynaptic neuron of each synapse, int32 (nnz,).
        indptr: First synapse of each presynaptic neuron and the end, int32 (n_pre + 1,).
        ct: Gradient to the sums, (..., n_post).

    Returns:
        Gradient to the spikes, (..., n_pre).
    """
    indices, indptr = arguments.csr_arrays(indices, indptr)
    ct = arguments.float_array("ct", ct)
    weight = arguments.per_synapse("weight", arguments.float_array("weight", weight, ct.dtype), indices.size)
    if ct.ndim == 0:
        raise ValueError("`ct` must have a last axis of postsynaptic neurons, got a scalar.")
    return pull_p.bind(weight[None], indices, indptr, _ZERO, ct, _ZERO, is_ring=False, is_sorted=False)[0]


def csr_outer(
    spikes: Float[Array, "*batch pre"],
    indices: Int[Array, " synapses"],
    indptr: Int[Array, " pre+1"],
    ct: Float[Array, "*batch post"],
    homogeneous: bool = False,
) -> Float[Array, "*synapses"]:
    """`spikes^T ct` at the synapses, summed over the batch: the gradient of `csr_push` to its weight.

    Args:
        spikes: Spikes or graded events, (..., n_pre).
        indices: Postsynaptic neuron of each synapse, int32 (nnz,).
        indptr: First synapse of each presynaptic neuron and the end, int32 (n_pre + 1,).
        ct: Gradient to the sums, (..., n_post), with the batch axes of `spikes`.
        homogeneous: Whether one weight is shared by all synapses.

    Returns:
        Gradient to the weight, () if `homogeneous`, else (nnz,).
    """
    indices, indptr = arguments.csr_arrays(indices, indptr)
    spikes = arguments.spikes_array(spikes)
    ct = arguments.float_array("ct", ct, spikes.dtype)
    arguments.last_axis("spikes", spikes, indptr.size - 1, "one less than `indptr`")
    arguments.same_batch("spikes", spikes.shape[:-1], "ct", ct.shape[:-1])
    weight, _ = outer_p.bind(
        *(spikes, indices, indptr, _ZERO, ct, _ZERO),
        groups=1,
        n_weights=1 if homogeneous else indices.size,
        is_ring=False,
        is_sorted=False,
    )
    return weight.reshape(() if homogeneous else indices.shape)


def push_into(
    acc: Array,
    weight: Any,
    indices: Any,
    indptr: Any,
    delays: Any,
    spikes: Any,
    step: Any,
    *,
    is_ring: bool,
    is_sorted: bool,
) -> Array:
    """Check and bind `push` for an accumulator or a ring: the one body of `csr_push` and `delay_ring_push`."""
    name, inner = ("ring", 2) if is_ring else ("acc", 1)
    indices, indptr = arguments.csr_arrays(indices, indptr)
    spikes = arguments.spikes_array(spikes)
    arguments.float_array(name, acc, spikes.dtype)
    weight = arguments.float_array("weight", weight, spikes.dtype)
    weight = arguments.per_synapse("weight", weight, indices.size)
    delays = arguments.per_synapse("delays", arguments.int_array("delays", delays, (0, 1)), indices.size)
    step = arguments.int_array("step", step, (0,))
    arguments.last_axis("spikes", spikes, indptr.size - 1, "one less than `indptr`")
    arguments.same_batch("spikes", spikes.shape[:-1], name, acc.shape[:-inner])
    return push_p.bind(
        *(acc, weight[None], indices, indptr, delays, spikes, step[None]), is_ring=is_ring, is_sorted=is_sorted
    )
