"""Spikes crossing a sparse matrix that is stored nowhere: a row is drawn again, from a hash, whenever it has an event.

    word(i, k) = Threefry(key; row i, draw k),        u = the uniform number of a word
    Bernoulli:      gap to the next target = 1 + floor(log u / log(1 - p))      (Batagelj & Brandes 2005)
    fixed degree:   target k = floor(word * width / 2^32),   k < degree         (with replacement)
    weight:         w = mean + spread x,   x = 0, uniform in (-1/2, 1/2), or standard normal

The same key, row and draw give the same synapse on every path, in push (forward) and in pull and outer (the gradients):
all three see one matrix, and memory is that of its key. `u` has 2^23 values, so gaps longer than 16.6 / p, of
probability 6e-8, do not occur. Batagelj V., Brandes U., Phys. Rev. E 71 (2005) 036113; Salmon et al., SC 2011.
Units: the result has the weight's unit times the spikes'.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jaxtyping import Float, Int, UInt

from .. import _checks, _exact, _streams
from . import _arguments as arguments
from ._register import per_row, struct
from ._transposes import Trilinear, Ways

LAWS = ("constant", "uniform", "normal")
MAX_TARGETS = 2**30 - 1
"""Postsynaptic neurons at most: a target and a gap fit 32 bits together."""

CHUNK = 1024  # active rows that XLA draws at once

# Shapes: as in `_trilinear`, with the key (4,) in place of indices, offsets and delays, and weights (G, 2).
push_p = Primitive("procedural_push")  # acc, weight, key, spikes, step -> acc
pull_p = Primitive("procedural_pull")  # weight, key, ct, step -> spikes, ct
outer_p = Primitive("procedural_outer")  # spikes, key, ct, step -> weight, ct
pull_p.multiple_results = outer_p.multiple_results = True


class Rows(NamedTuple):
    """How the rows of a matrix are drawn.

    Attributes:
        n_pre: Number of rows.
        n_post: Number of columns.
        p: Probability of each entry (Bernoulli); None where rows have a fixed degree.
        degree: Entries of each row, drawn with replacement; -1 for Bernoulli rows.
        skip: Whether the entries (i, i) are left out.
        law: What `x` is: "constant", "uniform" or "normal".
    """

    n_pre: int
    n_post: int
    p: float | None = None
    degree: int = -1
    skip: bool = False
    law: str = "constant"

    @property
    def width(self) -> int:
        """Columns that an entry may be in."""
        return max(self.n_post - self.skip, 0)

    @property
    def mean(self) -> float:
        """Entries of a row on average."""
        return self.width * self.p if self.p is not None else float(self.degree if self.width else 0)

    @property
    def law_number(self) -> int:
        """The law as the kernels number it."""
        return LAWS.index(self.law)

    @property
    def scale(self) -> np.float32:
        """1 / log(1 - p), <= 0."""
        p = 1.0 if self.p is None else self.p
        return np.float32(-0.0 if p == 1 else -math.inf if p == 0 else 1 / math.log1p(-p))


def key_words(seed: int, path: str) -> np.ndarray:
    """The four words of the key of a matrix: two for its targets, two for its weights."""
    return _streams.generator(seed, path).integers(0, 2**32, 4, np.uint32)


def procedural_push(
    acc: Float[Array, "*batch post"],
    weight: Float[Array, "*law"] | float,
    key: UInt[Array, " 4"],
    spikes: Float[Array, "*batch pre"],
    rows: Rows,
    *,
    delay: int = 0,
    step: Int[Array, ""] | int | None = None,
) -> Float[Array, "*batch post"]:
    """`acc + spikes @ W` for a matrix that is drawn again, in place where `acc` is not used afterwards.

    Args:
        acc: What the products are added to, (..., n_post); with `step` a ring (..., L, n_post).
        weight: Mean of the weights, or mean and spread (2,).
        key: Key of the matrix, uint32 (4,); see `key_words`.
        spikes: Spikes or graded events, (..., n_pre), with the batch axes of `acc`.
        rows: How the rows are drawn.
        delay: Steps until the events are due, 0 to L.
        step: The current step, int32, where `acc` is a ring: the target slot is (step + delay) mod L.

    Returns:
        The sum, with the shape and type of `acc`.
    """
    name, inner = ("acc", 1) if step is None else ("ring", 2)
    spikes = arguments.spikes_array(spikes)
    acc = arguments.float_array(name, acc, spikes.dtype)
    if acc.ndim < inner:
        raise ValueError(f"`{name}` must have {inner} axes after the batch, got shape {acc.shape}.")
    arguments.last_axis("spikes", spikes, rows.n_pre, "the rows")
    arguments.last_axis(name, acc, rows.n_post, "the columns")
    arguments.same_batch("spikes", spikes.shape[:-1], name, acc.shape[:-inner])
    at = arguments.int_array("step", 0 if step is None else step, (0,))
    operands = acc, _weights(weight, spikes.dtype), _key(key), spikes, at[None]
    return push_p.bind(*operands, rows=_checked(rows), delay=_delay(delay, acc, step), is_ring=step is not None)


def procedural_pull(
    weight: Float[Array, "*law"] | float, key: UInt[Array, " 4"], ct: Float[Array, "*batch post"], rows: Rows
) -> Float[Array, "*batch pre"]:
    """`ct @ W^T`: the gradient of `procedural_push` to its spikes.

    Args:
        weight: Mean of the weights, or mean and spread (2,).
        key: Key of the matrix, uint32 (4,).
        ct: Gradient to the sums, (..., n_post).
        rows: How the rows are drawn.

    Returns:
        Gradient to the spikes, (..., n_pre).
    """
    ct = arguments.float_array("ct", ct)
    arguments.last_axis("ct", ct, rows.n_post, "the columns")
    operands = _weights(weight, ct.dtype), _key(key), ct, jnp.zeros(1, jnp.int32)
    return pull_p.bind(*operands, rows=_checked(rows), delay=0, is_ring=False)[0]


def procedural_edges(key: UInt[Array, " 4"], rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix written out: (nnz,) rows and columns (int32) and the numbers x (float32), row by row.

    Args:
        key: Key of the matrix, uint32 (4,).
        rows: How the rows are drawn.
    """
    index = jnp.arange(rows.n_pre, dtype=jnp.int32)
    one = jax.jit(lambda number, last: _draw(_key(key), _checked(rows), index, number, last))
    last, found = jnp.full(rows.n_pre, -1, jnp.int32), []
    for number in range(MAX_TARGETS):
        last, target, exists, x = one(jnp.int32(number), last)
        kept = np.flatnonzero(np.asarray(exists))
        if kept.size == 0:
            break
        found.append((kept.astype(np.int32), np.asarray(target)[kept], np.asarray(x)[kept]))
    if not found:
        return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
    pre, post, x = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(pre, kind="stable")
    return pre[order], post[order], x[order]


def _checked(rows: Rows) -> Rows:
    if not (0 <= rows.n_post <= MAX_TARGETS and 0 <= rows.n_pre <= MAX_TARGETS):
        raise ValueError(f"`rows`: expected 0 to {MAX_TARGETS} neurons on both sides, got {rows.n_pre}, {rows.n_post}.")
    if (rows.p is None) == (rows.degree < 0):
        raise ValueError(f"`rows`: expected a probability or a degree, got p={rows.p} and degree={rows.degree}.")
    _checks.within("p", 0.0 if rows.p is None else rows.p, low=0.0, high=1.0)
    _checks.within("degree", rows.degree, high=MAX_TARGETS)
    _checks.choice("law", rows.law, LAWS)
    return rows


def _weights(weight: Any, dtype: Any) -> Array:
    array = arguments.float_array("weight", weight, dtype)
    if array.shape not in ((), (2,)):
        raise ValueError(f"`weight` must be the mean, or the mean and the spread (2,), got shape {array.shape}.")
    return (jnp.stack([array, jnp.zeros_like(array)]) if array.ndim == 0 else array)[None]


def _key(key: Any) -> Array:
    key = jnp.asarray(key)
    if key.shape != (4,) or key.dtype != jnp.uint32:
        raise TypeError(f"`key` must be four words, uint32 (4,), got {key.dtype} of shape {key.shape}.")
    return key


def _delay(delay: int, acc: Array, step: Any) -> int:
    slots = 1 if step is None else acc.shape[-2]
    if not 0 <= delay <= slots:
        raise ValueError(f"`delay` must be 0 to {slots} steps, the slots of the ring, got {delay}.")
    return int(delay)


def _high_product(word: Array, factor: int) -> Array:
    """floor(word * factor / 2^32) of 32-bit words, in 16-bit halves."""
    low, high = word & 0xFFFF, word >> 16
    factor_low, factor_high = jnp.uint32(factor & 0xFFFF), jnp.uint32(factor >> 16)
    first = high * factor_low + ((low * factor_low) >> 16)
    second = low * factor_high + (first & 0xFFFF)
    return high * factor_high + (first >> 16) + (second >> 16)


def _draw(key: Array, rows: Rows, index: Array, number: Array, last: Array) -> tuple[Array, Array, Array, Array]:
    """Draw `number` of rows `index`: `last` for the next draw, target (n_post: none), whether it exists, and x."""
    row = index.astype(jnp.uint32)
    draw = jnp.full_like(row, number.astype(jnp.uint32))
    first, second = _streams.threefry(key[0], key[1], row, draw)
    if rows.p is None:
        place = _high_product(first, rows.width).astype(jnp.int32)
        exists = jnp.full(place.shape, (number < rows.degree) & (rows.width > 0))
    else:
        wide = _exact.times(_exact.log(_streams.unit(first, second, jnp.float32)), float(rows.scale))
        gap = jnp.minimum(wide, 2.0**30).astype(jnp.int32) + 1
        place = jnp.where(last < rows.width, last + jnp.minimum(gap, rows.width - last), rows.width)
        last, exists = place, place < rows.width
    past_diagonal = (place >= index).astype(jnp.int32) if rows.skip else 0
    target = jnp.where(exists, place + past_diagonal, rows.n_post)
    x = jnp.zeros(row.shape, jnp.float32)
    if rows.law == "uniform":
        x = _streams.unit(second, first, jnp.float32) - 0.5
    elif rows.law == "normal":
        x = _streams.gaussian(*_streams.threefry(key[2], key[3], row, draw), jnp.float32)
    return last, target, exists, x


def _each_draw(key: Array, rows: Rows, index: Array, begin: Any, add: Callable[..., Any]) -> Any:
    """`begin` after `add(value, target, x)` for draw after draw of the rows `index`, until none has any left."""

    def body(carry: Any) -> Any:
        number, last, _, value = carry
        last, target, exists, x = _draw(key, rows, index, number, last)
        return number + 1, last, exists.any(), add(value, target, x)

    start = jnp.int32(0), jnp.full(index.shape, -1, jnp.int32), jnp.bool_(rows.width > 0), begin
    return jax.lax.while_loop(lambda carry: carry[2], body, start)[3]


def _members(ring: Array, is_ring: bool) -> Array:
    """An accumulator or cotangent as (rows, L, n_post)."""
    n_slots = ring.shape[-2] if is_ring else 1
    return ring.reshape(math.prod(ring.shape[: -2 if is_ring else -1]), n_slots, ring.shape[-1])


def _of(weight: Array, x: Array) -> Array:
    return weight[0] + _exact.times(x.astype(weight.dtype), weight[1])


def push_definition(
    acc: Array, weight: Array, key: Array, spikes: Array, step: Array, *, rows: Rows, delay: int, is_ring: bool
) -> Array:
    """`acc` + dT/dc, in chunks of the rows that have an event."""
    rings = _members(acc, is_ring)
    members, chunk = rings.shape[0], max(min(CHUNK, rows.n_pre), 1)
    if rows.n_pre == 0 or rows.width == 0:
        return acc

    def member(ring: Array, weight: Array, spikes: Array, step: Array) -> Array:
        slot, active = (step + delay) % ring.shape[0], jnp.nonzero(spikes, size=rows.n_pre, fill_value=0)[0]
        count = jnp.count_nonzero(spikes).astype(jnp.int32)

        def chunk_of(part: Array, ring: Array) -> Array:
            at = part * chunk + jnp.arange(chunk, dtype=jnp.int32)
            index = jnp.take(active, at, mode="clip").astype(jnp.int32)
            worth = jnp.where(at < count, spikes[index], 0)
            add = lambda ring, target, x: ring.at[slot, target].add(_of(weight, x) * worth, mode="drop")
            return _each_draw(key, rows, index, ring, add)

        return jax.lax.fori_loop(0, (count + chunk - 1) // chunk, chunk_of, ring)

    spikes = spikes.reshape(members, rows.n_pre)
    return jax.vmap(member)(rings, per_row(weight, members), spikes, per_row(step, members)).reshape(acc.shape)


def pull_definition(
    weight: Array, key: Array, ct: Array, step: Array, *, rows: Rows, delay: int, is_ring: bool
) -> list[Array]:
    """dT/ds, and the cotangent."""
    rings, index = _members(ct, is_ring), jnp.arange(rows.n_pre, dtype=jnp.int32)
    members = rings.shape[0]

    def member(weight: Array, ring: Array, step: Array) -> Array:
        due = ring[(step + delay) % ring.shape[0]]
        add = lambda sums, target, x: sums + _of(weight, x) * jnp.take(due, target, mode="fill", fill_value=0)
        return _each_draw(key, rows, index, jnp.zeros(rows.n_pre, ct.dtype), add)

    out = jax.vmap(member)(per_row(weight, members), rings, per_row(step, members))
    return [out.reshape(*ct.shape[: -2 if is_ring else -1], rows.n_pre), ct]


def outer_definition(
    spikes: Array,
    key: Array,
    ct: Array,
    step: Array,
    *,
    groups: int,
    n_weights: int,
    rows: Rows,
    delay: int,
    is_ring: bool,
) -> list[Array]:
    """dT/dw to mean and spread, and the cotangent."""
    rings, index = _members(ct, is_ring), jnp.arange(rows.n_pre, dtype=jnp.int32)
    members = rings.shape[0]

    def member(spikes: Array, ring: Array, step: Array) -> Array:
        due = ring[(step + delay) % ring.shape[0]]

        def add(sums: Array, target: Array, x: Array) -> Array:
            crossed = spikes * jnp.take(due, target, mode="fill", fill_value=0)
            return sums + jnp.stack([crossed.sum(), (crossed * x.astype(crossed.dtype)).sum()])

        return _each_draw(key, rows, index, jnp.zeros(n_weights, ct.dtype), add)

    each = jax.vmap(member)(spikes.reshape(members, rows.n_pre), rings, per_row(step, members))
    return [each.reshape(groups, members // max(groups, 1), n_weights).sum(1), ct]


def _push_shape(acc: Any, *_: Any, **__: Any) -> Any:
    return ShapedArray(acc.shape, acc.dtype)


def _pull_shape(weight: Any, key: Any, ct: Any, step: Any, *, rows: Rows, is_ring: bool, **_: Any) -> list[Any]:
    return [ShapedArray((*ct.shape[: -2 if is_ring else -1], rows.n_pre), ct.dtype), ShapedArray(ct.shape, ct.dtype)]


def _outer_shape(spikes: Any, key: Any, ct: Any, step: Any, *, groups: int, n_weights: int, **_: Any) -> list[Any]:
    return [ShapedArray((groups, n_weights), spikes.dtype), ShapedArray(ct.shape, ct.dtype)]


def _push_native(*args: Array, rows: Rows, delay: int, is_ring: bool) -> Any:
    call = jax.ffi.ffi_call("bs_procedural_push_v1", struct(_push_shape(*args)), input_output_aliases={0: 0})
    numbers = {"delay": np.int64(delay), "degree": np.int64(rows.degree), "law": np.int64(rows.law_number)}
    return call(*args, is_ring=is_ring, skip=rows.skip, scale=rows.scale, **numbers)


Trilinear(push_p, pull_p, outer_p).attach(
    1,
    push=Ways(_push_shape, push_definition, push_definition, _push_native),
    pull=Ways(_pull_shape, pull_definition, pull_definition, pull_definition),
    outer=Ways(_outer_shape, outer_definition, outer_definition, outer_definition),
)
