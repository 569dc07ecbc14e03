"""A balanced network in JAX with brainevent's CSR operator in `jax.lax.scan`, float32: a contestant.

The synapses and initial voltages are those in the folder; one step is written out in `jnp` for each network. Brunel's
noise is drawn by `jax.random` in its fastest form: uniform bits of the machine's generator, and the inverse of the
distribution.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brainevent
import jax
import jax.numpy as jnp
import numpy as np
from serve import given, serve

DT, HOLD = 0.1, 50
WEIGHTS = {"coba": (0.6, 6.7), "cuba": (1.62, -9.0), "brunel": (0.1, -0.5)}
SLOTS = 15
"""Steps of Brunel's delay, 1.5 ms."""


def read(folder: Path, weights: tuple[float, float]):
    """Initial voltages, the excitatory neurons' number, and both populations' connections as event-driven matrices."""
    indptr, indices, v = (np.load(folder / f"{name}.npy") for name in ("indptr", "indices", "v"))
    n, excitatory = v.size, v.size * 4 // 5
    connections = []
    for start, stop, weight in ((0, excitatory, weights[0]), (excitatory, n, weights[1])):
        first, last = indptr[start], indptr[stop]
        rows = jnp.asarray(indptr[start : stop + 1] - first), jnp.asarray(indices[first:last])
        data = (jnp.full(1, weight, jnp.float32), rows[1], rows[0])
        connections.append(brainevent.CSR(data, shape=(stop - start, n)))
    return jnp.asarray(v), excitatory, connections


def conductances(push: Callable) -> Callable:
    """A step of "coba"; `push(fired)` gives what arrives from either population."""
    keep_e, keep_i = math.exp(-DT / 5), math.exp(-DT / 10)

    def step(carry, _):
        v, ge, gi, hold = carry
        total = 1 + ge + gi
        target = (-40 - 80 * gi) / total
        reached = jnp.where(hold > 0, v, target + (v - target) * jnp.exp(-DT / 20 * total))
        v, hold, fired = reset(reached, hold, -50, -60.0, HOLD)
        from_e, from_i = push(fired)
        return (v, ge * keep_e + from_e, gi * keep_i + from_i, hold), fired

    return step


def currents(push: Callable) -> Callable:
    """A step of "cuba", the exact solution of its linear equations."""
    keep_v, keep_e, keep_i = (math.exp(-DT / tau) for tau in (20, 5, 10))
    of_e, of_i = 5 / (5 - 20) * (keep_e - keep_v), 10 / (10 - 20) * (keep_i - keep_v)

    def step(carry, _):
        v, ge, gi, hold = carry
        reached = jnp.where(hold > 0, v, -49 + (v + 49) * keep_v + of_e * ge + of_i * gi)
        v, hold, fired = reset(reached, hold, -50, -60.0, HOLD)
        from_e, from_i = push(fired)
        return (v, ge * keep_e + from_e, gi * keep_i + from_i, hold), fired

    return step


def jumps(push: Callable, j: float) -> Callable:
    """A step of "brunel": spikes wait in a ring, and on average 2 external ones arrive in a step."""
    keep, mean = math.exp(-DT / 20), 2 * 20 / (j * 20) * DT
    chances = [math.exp(-mean) * mean**k / math.factorial(k) for k in range(13)]
    below = np.cumsum(chances, dtype=np.float32)

    def step(carry, k):
        v, ring, key, hold = carry
        key, drawn = jax.random.split(key)
        u = jax.random.uniform(drawn, v.shape)
        external = sum((u > float(part)).astype(jnp.float32) for part in below)
        from_e, from_i = push(ring[k % SLOTS])
        reached = jnp.where(hold > 0, v, v * keep + from_e + from_i + j * external)
        v, hold, fired = reset(reached, hold, 20, 10.0, 20)
        return (v, ring.at[k % SLOTS].set(fired), key, hold), fired

    return step


def reset(reached, hold, threshold: float, to: float, steps: int):
    """Voltages and refractory counters after the spikes, and who spiked."""
    fired = reached >= threshold
    return jnp.where(fired, to, reached), jnp.where(fired, steps, jnp.maximum(hold - 1, 0)), fired


def network(name: str, folder: Path) -> tuple[Callable, Any, int]:
    """A step, the initial state, and the number of excitatory neurons."""
    n = np.load(folder / "v.npy").size
    scale = 12_500 / n if name == "brunel" else 1.0
    v, excitatory, (of_e, of_i) = read(folder, tuple(scale * weight for weight in WEIGHTS[name]))

    def push(fired):
        parts = (fired[:excitatory], of_e), (fired[excitatory:], of_i)
        return tuple(brainevent.BinaryArray(spikes) @ matrix for spikes, matrix in parts)

    hold, zeros = jnp.zeros(n, jnp.int32), jnp.zeros_like(v)
    if name == "brunel":
        ring = jnp.zeros((SLOTS, n), bool)
        return jumps(push, 0.1 * scale), (v, ring, jax.random.key(0), hold), excitatory
    return {"coba": conductances, "cuba": currents}[name](push), (v, zeros, zeros, hold), excitatory


def main() -> None:
    """Compile once, run once a line."""
    jax.config.update("jax_default_prng_impl", "unsafe_rbg")
    folder, duration, _, name = given()
    step, start, excitatory = network(name, folder)

    @jax.jit
    def run(start):
        def counted(carry, k):
            carry, fired = step(carry, k)
            return carry, (fired[:excitatory].sum(), fired[excitatory:].sum())

        _, counts = jax.lax.scan(counted, start, jnp.arange(round(duration / DT)))
        return jax.tree.map(jnp.sum, counts)

    def sample() -> tuple[float, tuple[int, int]]:
        begin = time.perf_counter()
        counts = jax.block_until_ready(run(start))
        return time.perf_counter() - begin, (int(counts[0]), int(counts[1]))

    serve("brainevent CSR in jax.lax.scan, float32", ("brainevent", "jax"), sample)


if __name__ == "__main__":
    main()
