"""The hair cell: three pools of transmitter between membrane and nerve.

    k = g max(0, s + A) / (s + A + B)
    q' = y max(0, M - q) - k q + x w        what can be released
    c' = k q - (l + r) c                    what is in the cleft
    w' = r c - x w                          what is taken back

All rates in 1/s; s is the velocity of the membrane, h c dt the probability that a fibre spikes within a step. Pools are
never negative. Meddis, J. Acoust. Soc. Am. 79 (1986) 702 and 83 (1988) 1056; numbers of Cramer et al. (2022).
"""

from typing import NamedTuple

import jax.numpy as jnp

from ..._types import Array

A, B, G = 5.0, 300.0, 2000.0
Y, L, R, X = 5.05, 2500.0, 6580.0, 66.3
H, M = 50_000.0, 1.0


class Pools(NamedTuple):
    """The transmitter of every cell.

    Attributes:
        free: What can be released, q.
        cleft: What is in the cleft, c.
        store: What is taken back, w.
    """

    free: Array
    cleft: Array
    store: Array


def at_rest(shape: tuple[int, ...]) -> Pools:
    """The pools in silence."""
    k = G * A / (A + B)
    cleft = M * Y * k / (L * k + Y * (L + R))
    return Pools(*(jnp.full(shape, value, jnp.float32) for value in (cleft * (L + R) / k, cleft, cleft * R / X)))


def step(pools: Pools, velocity: Array, dt_s: float) -> tuple[Pools, Array]:
    """The pools after a step, and the probability of a spike in it (Euler, step in s)."""
    q, c, w = pools
    k = jnp.where(velocity + A > 0, G * dt_s * (velocity + A) / (velocity + A + B), 0.0)
    refilled, released = jnp.maximum(0.0, Y * dt_s * (M - q)), k * q
    q_next = jnp.maximum(0.0, q + refilled - released + X * dt_s * w)
    c_next = jnp.maximum(0.0, c + released - (L + R) * dt_s * c)
    w_next = jnp.maximum(0.0, w + R * dt_s * c - X * dt_s * w)
    return Pools(q_next, c_next, w_next), c_next * (H * dt_s)
