"""Sparse weights changed in place where a neuron has an event, touching only the synapses of that neuron.

    w_k <- f(w_k; a_own(k), b_other(k), c)        for all synapses k of every neuron that has an event

`own` is the neuron with the event, `other` the one at the far end of the synapse, c are single numbers, and f is any
pointwise `jnp` function of numbers. Weights lie in the rows of the presynaptic neurons. For events of presynaptic
neurons these rows are what is changed; for those of postsynaptic neurons `order` says where the synapses of each
column lie among the rows, so both directions share one array of weights.
Units: those of the weights.

The definition below is what gradients and other devices get. Inside `fuse.loop` f is compiled like any other pointwise
code and called by `kernels/stdp_csr.h` on the synapses that it gathers, so a rule of one's own costs no more than one
of the package.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import ShapedArray, Tracer
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jaxtyping import Float, Int

from . import _arguments as arguments
from ._register import attach, is_zero, lead, map_size, zero_of

stdp_csr_p = Primitive("stdp_csr")  # weight, events, indices, indptr, order, *values -> weight

_IN_ROWS = np.zeros(1, np.int32)  # no order: the synapses of a neuron with an event lie side by side


def stdp_csr(
    update: Callable[..., Any],
    weight: Float[Array, "*batch synapses"],
    events: Float[Array, "*batch own"],
    indices: Int[Array, " synapses"],
    indptr: Int[Array, " own+1"],
    *,
    own: Sequence[Any] = (),
    other: Sequence[Any] = (),
    shared: Sequence[Any] = (),
    order: Int[Array, " synapses"] | None = None,
) -> Float[Array, "*batch synapses"]:
    """The weights after `update` of all synapses of the neurons with an event; in place where `weight` is not used on.

    Args:
        update: `(weight, own, other, shared) -> weight`, traced once with numbers: the synapse's weight, and a tuple
            of what each of the three sequences holds for it.
        weight: One weight per synapse, (..., nnz).
        events: Where not 0, the neuron has an event, (..., n_own), float or bool.
        indices: Neuron at the other end of each synapse, int32 (nnz,), in the order of `indptr`.
        indptr: First synapse of each neuron that may have an event, and the end, int32 (n_own + 1,).
        own: Arrays (..., n_own): a value for each neuron that may have an event.
        other: Arrays (..., n_other): a value for each neuron at the other ends.
        shared: Numbers.
        order: Place of each synapse of `indices` in `weight`, int32 (nnz,), a permutation; None: its own.

    Raises:
        ValueError: Arrays that do not fit each other, or an `update` that does not return one number of their type.
    """
    weight = arguments.float_array("weight", weight)
    events = jnp.asarray(events)
    indices, indptr = arguments.csr_arrays(indices, indptr)
    if weight.ndim == 0:
        raise ValueError("`weight` must have a last axis of synapses, got a scalar.")
    arguments.last_axis("weight", weight, indices.size, "one per synapse")
    arguments.last_axis("events", events, indptr.size - 1, "one less than `indptr`")
    batch = weight.shape[:-1]
    arguments.same_batch("events", events.shape[:-1], "weight", batch)
    if order is not None:
        order = arguments.int_array("order", order, (1,))
        arguments.last_axis("order", order, indices.size, "one per synapse")
    groups = [
        [_neuron_array("own", value, batch, weight.dtype, events.shape[-1]) for value in own],
        [_neuron_array("other", value, batch, weight.dtype) for value in other],
        [jnp.asarray(value, weight.dtype) for value in shared],
    ]
    if len({value.shape[-1] for value in groups[1]}) > 1:
        raise ValueError(f"`other` must have one length, got {sorted({v.shape[-1] for v in groups[1]})}.")
    if any(value.ndim for value in groups[2]):
        raise ValueError(f"`shared` must be numbers, got shapes {[value.shape for value in groups[2]]}.")
    roles = tuple(role for role, group in zip(("own", "other", "shared"), groups, strict=True) for _ in group)
    return stdp_csr_p.bind(
        *(weight, events, indices, indptr, jnp.asarray(_IN_ROWS) if order is None else order),
        *(value for group in groups for value in group),
        update=_traced(update, weight.dtype, tuple(map(len, groups))),
        roles=roles,
        in_rows=order is None,
    )


def _neuron_array(name: str, value: Any, batch: tuple[int, ...], dtype: Any, size: int | None = None) -> Array:
    value = arguments.float_array(name, value, dtype)
    if value.ndim == 0:
        raise ValueError(f"`{name}` must hold arrays with a last axis of neurons, got a scalar.")
    if size is not None:
        arguments.last_axis(name, value, size, "one per neuron that may have an event")
    return jnp.broadcast_to(value, (*batch, value.shape[-1]))


def _traced(update: Callable[..., Any], dtype: Any, counts: tuple[int, ...]) -> ClosedJaxpr:
    """`update` as a jaxpr of numbers: the weight, then all values in turn."""

    def flat(weight: Array, *values: Array) -> Any:
        groups, at = [], 0
        for count in counts:
            groups.append(tuple(values[at : at + count]))
            at += count
        return update(weight, *groups)

    number = jax.ShapeDtypeStruct((), dtype)
    closed, out = jax.make_jaxpr(flat, return_shape=True)(*[number] * (1 + sum(counts)))
    if jax.tree.structure(out) != jax.tree.structure(0) or (out.shape, out.dtype) != ((), dtype):
        raise ValueError(f"`update` must return one {dtype} for one weight, got {out}.")
    if any(isinstance(const, Tracer) for const in closed.consts):
        raise ValueError("`update` closes over a value that is being traced: pass it in `own`, `other` or `shared`.")
    return ClosedJaxpr(closed.jaxpr, [np.asarray(const) for const in closed.consts])


def definition(
    weight: Array,
    events: Array,
    indices: Array,
    indptr: Array,
    order: Array,
    *values: Array,
    update: ClosedJaxpr,
    roles: tuple[str, ...],
    in_rows: bool,
) -> Array:
    """What the operator means on every backend."""
    synapses = jnp.arange(indices.size, dtype=jnp.int32)
    owner = jnp.searchsorted(indptr, synapses, side="right").astype(jnp.int32) - 1
    at = {"own": owner, "other": indices}
    seen = [value if role == "shared" else value[..., at[role]] for value, role in zip(values, roles, strict=True)]
    before = weight if in_rows else weight[..., order]
    (after,) = _elementwise(update, before, seen)
    changed = jnp.where(events[..., owner] != 0, after, before)
    return changed if in_rows else weight.at[..., order].set(changed, unique_indices=True)


def _elementwise(update: ClosedJaxpr, weight: Array, values: Sequence[Array]) -> list[Array]:
    function = jaxpr_as_fun(update)
    axes = [0, *(0 if value.ndim else None for value in values)]
    for _ in range(weight.ndim):
        function = jax.vmap(function, in_axes=axes)
    return function(weight, *values)


def _shape(weight: Any, *_: Any, **__: Any) -> Any:
    return ShapedArray(weight.shape, weight.dtype)


def _jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    moving = [at for at, tangent in enumerate(tangents) if at not in (1, 2, 3, 4) and not is_zero(tangent)]
    if not moving:
        out = stdp_csr_p.bind(*primals, **params)
        return out, zero_of(out)

    def along(*active: Array) -> Array:
        args = list(primals)
        for at, value in zip(moving, active, strict=True):
            args[at] = value
        return definition(*args, **params)

    return jax.jvp(along, [primals[at] for at in moving], [tangents[at] for at in moving])


def _batch(args: Any, dims: Any, *, roles: tuple[str, ...], **params: Any) -> Any:
    """One more leading axis; a number that is mapped becomes a value of each neuron with an event."""
    if any(dim is not None for dim in dims[2:5]):
        return jax.vmap(lambda *args: definition(*args, roles=roles, **params), in_axes=tuple(dims))(*args), 0
    size = map_size(args, dims)
    weight, events = (lead(x, d, size) for x, d in zip(args[:2], dims[:2], strict=True))
    values, now = [], []
    for value, dim, role in zip(args[5:], dims[5:], roles, strict=True):
        if role == "shared" and dim is not None:
            value, role = value.reshape(size, *[1] * (events.ndim - 1)), "own"
            values.append(jnp.broadcast_to(value, events.shape))
        else:
            values.append(value if role == "shared" else lead(value, dim, size))
        now.append(role)
    return stdp_csr_p.bind(weight, events, *args[2:5], *values, roles=tuple(now), **params), 0


attach(stdp_csr_p, shape=_shape, portable=definition, native=definition, jvp=_jvp, batch=_batch)
