"""Random streams named by path: what one part draws never depends on which other parts exist.

    key(path) = fold_in(root key of the seed, hash of the path)

Before time starts, wiring is drawn on the host (`generator`), values by JAX (`key_of`). During the run a `Stream` draws
by counter: word(key, step, index) = Threefry-2x32 with 20 rounds (Salmon et al., SC 2011), in plain `uint32`
arithmetic, so that XLA fuses it into the loop that uses the number. Draws have the same bits in XLA and in a fused
kernel.
"""

import hashlib
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import _exact


def path_hash(path: str) -> int:
    """A stable 31-bit hash of a path such as `"I->E.weight"`."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=4).digest(), "little") >> 1


def fold(key: jax.Array, path: str) -> jax.Array:
    """The key of the stream `path` below `key`."""
    return jax.random.fold_in(key, path_hash(path))


def key_of(seed: int, path: str) -> jax.Array:
    """The JAX key of the stream `path` of a seed."""
    return fold(jax.random.key(seed), path)


def generator(seed: int, path: str) -> np.random.Generator:
    """The NumPy generator of the stream `path` of a seed (Philox)."""
    return np.random.Generator(np.random.Philox(key=[seed, path_hash(path)]))


class Stream(NamedTuple):
    """Random numbers of one part in one step; a pytree that can cross `jit`, `vmap` and `scan`.

    Entry i of a draw depends on nothing but the words, the step, `draw` and i, so a larger shape extends a smaller one.

    Attributes:
        words: Key, two uint32.
        step: Number of the step, int32.
    """

    words: jax.Array
    step: jax.Array

    @classmethod
    def of(cls, key: jax.Array, step: jax.Array | int) -> "Stream":
        """The stream of a JAX key in a step."""
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        data = jax.random.key_data(key) if typed else key
        return cls(data[:2], jnp.asarray(step, jnp.int32))

    @property
    def key(self) -> jax.Array:
        """A JAX key of this step, for `jax.random`."""
        return jax.random.wrap_key_data(jnp.stack(self._derive(0, _KEYS)), impl="threefry2x32")

    def fold(self, path: str) -> "Stream":
        """The stream `path` below this one."""
        return self._replace(words=jnp.stack(self._hashed(path_hash(path), _PATHS)))

    def uniform(self, shape: tuple[int, ...], *, draw: int | jax.Array = 0, dtype: Any = jnp.float32) -> jax.Array:
        """Uniform in the open interval (0, 1).

        Values are odd multiples of 2^-24 (float32) or 2^-53 (float64), so neither 0 nor 1 ever comes and the mean is
        1/2.

        Args:
            shape: Shape of the result.
            draw: Number of the draw; different numbers are independent within a step.
            dtype: float32 or float64.
        """
        return unit(*self._words(shape, draw), dtype)

    def normal(self, shape: tuple[int, ...], *, draw: int | jax.Array = 0, dtype: Any = jnp.float32) -> jax.Array:
        """Standard normal, by Box and Muller from both words: sqrt(-2 log u1) cos(2 pi u2).

        The tails end at 5.77 standard deviations in float32 (two-sided probability 8e-9) and at 6.66 in float64.
        """
        return gaussian(*self._words(shape, draw), dtype)

    def poisson(
        self, mean: jax.Array | float, shape: tuple[int, ...], *, draw: int | jax.Array = 0, dtype: Any = jnp.float32
    ) -> jax.Array:
        """Poisson counts, never clipped, by inversion: the number of k for which u > P(X <= k).

        A mean above 16 is drawn as a sum of independent counts of smaller means. Outcomes rarer than the granularity of
        `uniform` fall on their neighbour. Counts carry no gradient.

        Args:
            mean: Expected count, >= 0; broadcasts to `shape`.
            shape: Shape of the result.
            draw: Number of the draw; different numbers are independent within a step.
            dtype: float32 or float64, of the counts as well.
        """
        means = jax.lax.stop_gradient(jnp.asarray(mean, dtype))
        means = jnp.broadcast_to(means, shape).ravel() if means.ndim else means
        index = jax.lax.iota(jnp.uint32, math.prod(shape))
        draw_one = jax.vmap(_poisson, in_axes=(None, 0 if means.ndim else None, 0))
        return draw_one(self._derive(draw, _COUNTS), means, index).reshape(shape)

    def binomial(
        self, count: jax.Array, p: float | jax.Array, shape: tuple[int, ...], *, draw: int | jax.Array = 0
    ) -> jax.Array:
        """Binomial counts: how many of `count` events are kept, each independently with probability `p`.

        Args:
            count: Number of events, >= 0 and whole; broadcasts to `shape`. Its dtype is that of the result.
            p: Probability, one number or of shape `shape`; the draws carry no gradient.
            shape: Shape of the result.
            draw: Number of the draw; different numbers are independent within a step.
        """
        count = jax.lax.stop_gradient(jnp.broadcast_to(count, shape).ravel())
        p = jax.lax.stop_gradient(jnp.asarray(p, count.dtype))
        p = jnp.broadcast_to(p, shape).ravel() if p.ndim else p
        index = jax.lax.iota(jnp.uint32, math.prod(shape))
        draw_one = jax.vmap(_binomial, in_axes=(None, 0, 0 if p.ndim else None, 0))
        return draw_one(self._derive(draw, _KEPT), count, p, index).reshape(shape)

    def _words(self, shape: tuple[int, ...], draw: int | jax.Array) -> tuple[jax.Array, jax.Array]:
        words = self.words if isinstance(draw, int) and draw == 0 else self._hashed(draw, _DRAWS)
        index = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
        return threefry(words[0], words[1], self.step.astype(jnp.uint32), index)

    def _hashed(self, number: int | jax.Array, purpose: int) -> tuple[jax.Array, jax.Array]:
        number = jnp.asarray(number).astype(jnp.uint32)
        return threefry(self.words[0], self.words[1], number, jnp.uint32(purpose))

    def _derive(self, number: int | jax.Array, purpose: int) -> tuple[jax.Array, jax.Array]:
        first, second = self._hashed(number, purpose)
        return threefry(first, second, self.step.astype(jnp.uint32), jnp.uint32(purpose))


# Second counter words that no index of an array reaches: one a purpose.
_DRAWS, _PATHS, _KEYS, _COUNTS, _KEPT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFB
WRITTEN_OUT = 8
"""Probabilities of a Poisson law that are compared at once."""
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(key0: jax.Array, key1: jax.Array, x0: jax.Array, x1: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Threefry-2x32 with 20 rounds: two random words of two key words and two counter words, all uint32.

    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    keys = (key0, key1, key0 ^ key1 ^ jnp.uint32(0x1BD11BDA))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << rotation) | (x1 >> (32 - rotation)))
        x0, x1 = x0 + keys[(group + 1) % 3], x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1


def unit(first: jax.Array, second: jax.Array, dtype: Any) -> jax.Array:
    """A uniform number in the open interval (0, 1) of two random words; see `Stream.uniform`."""
    if jnp.dtype(dtype) == jnp.float64:
        high, low = (first >> 6).astype(dtype), (second >> 6).astype(dtype)
        return high * 2.0**-26 + (low * 2.0**-52 + 2.0**-53)
    return (first >> 9).astype(jnp.int32).astype(jnp.float32) * 2.0**-23 + 2.0**-24


def gaussian(first: jax.Array, second: jax.Array, dtype: Any) -> jax.Array:
    """A standard normal number of two random words; see `Stream.normal`."""
    double = jnp.dtype(dtype) == jnp.float64
    u1 = first.astype(dtype) * 2.0**-32 + 2.0**-33 if double else unit(first, second, dtype)
    turn = second.astype(jnp.int32).astype(dtype) * 2.0**-32  # angle / 2 pi, in [-1/2, 1/2]
    cosine = _exact.sine(2.0 * math.pi * (0.25 - jnp.abs(turn)), terms=11 if double else 6)
    return _exact.times(jnp.sqrt(-2.0 * _exact.log(u1)), cosine)


def _poisson(words: tuple[jax.Array, jax.Array], mean: jax.Array, index: jax.Array) -> jax.Array:
    """One count; each of its parts has a counter of its own."""
    parts = jnp.maximum(jnp.ceil(mean / 16.0), 1.0).astype(jnp.int32)
    share = mean / parts.astype(mean.dtype)

    def add(carry):
        part, total = carry
        drawn = unit(*threefry(words[0], words[1], part.astype(jnp.uint32), index), mean.dtype)
        return part + 1, total + _invert_poisson(share, drawn)

    return jax.lax.while_loop(lambda carry: carry[0] < parts, add, (jnp.int32(0), jnp.zeros_like(mean)))[1]


def _binomial(words: tuple[jax.Array, jax.Array], count: jax.Array, p: jax.Array, index: jax.Array) -> jax.Array:
    """One count; each of its events has a counter of its own."""

    def decide(carry):
        event, total = carry
        drawn = unit(*threefry(words[0], words[1], event.astype(jnp.uint32), index), count.dtype)
        return event + 1, total + (drawn < p).astype(count.dtype)

    start = (jnp.int32(0), jnp.zeros_like(count))
    return jax.lax.while_loop(lambda carry: carry[0] < count.astype(jnp.int32), decide, start)[1]


def _invert_poisson(mean: jax.Array, u: jax.Array) -> jax.Array:
    """The number of k with u > P(X <= k), of a single mean, at most 16.

        P(X = k + 1) = P(X = k) mean / (k + 1)

    The first probabilities are written out: of one mean for many elements they are numbers, and what an element costs
    is a comparison each. It ends where u is reached; where what is left is lost in rounding, nothing is above it.
    """

    def search(count, mass, below, number):
        count = jnp.where(u > below, jnp.asarray(number, u.dtype), count)
        mass = _exact.times(mass, mean / number)
        return count, mass, jnp.where(below + mass > below, below + mass, jnp.inf)

    def too_small(carry):
        return u > carry[3]

    def search_on(carry):
        done, count, mass, below = carry
        for number in range(1, WRITTEN_OUT + 1):
            count, mass, below = search(count, mass, below, done + number)
        return done + WRITTEN_OUT, count, mass, below

    mass = _exact.exp(-mean)
    count, below = jnp.zeros_like(u), mass
    for number in range(1, WRITTEN_OUT + 1):
        count, mass, below = search(count, mass, below, number)
    start = jnp.full_like(u, WRITTEN_OUT), count, mass, below
    return jax.lax.while_loop(too_small, search_on, start)[1]
