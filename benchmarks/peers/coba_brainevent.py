"""The conductance-based E-I network in JAX with brainevent's CSR operator in `jax.lax.scan`: a contestant.

The synapses and initial voltages are those in the folder; two arrays of conductances, one step written out in `jnp`.
"""

import math
import time
from pathlib import Path

import brainevent
import jax
import jax.numpy as jnp
import numpy as np
from serve import given, serve

DT, HOLD = 0.1, 50


def network(folder: Path):
    """Initial voltages, and both populations' connections as event-driven matrices."""
    indptr, indices, v = (np.load(folder / f"{name}.npy") for name in ("indptr", "indices", "v"))
    n, excitatory = v.size, v.size * 4 // 5
    connections = []
    for start, stop, weight in ((0, excitatory, 0.6), (excitatory, n, 6.7)):
        first, last = indptr[start], indptr[stop]
        rows = jnp.asarray(indptr[start : stop + 1] - first), jnp.asarray(indices[first:last])
        data = (jnp.full(1, weight, jnp.float32), rows[1], rows[0])
        connections.append(brainevent.CSR(data, shape=(stop - start, n)))
    return jnp.asarray(v), excitatory, connections


def main() -> None:
    """Compile once, run once a line."""
    folder, duration, _ = given()
    v0, excitatory, (from_e, from_i) = network(folder)
    keep_e, keep_i = math.exp(-DT / 5), math.exp(-DT / 10)

    def step(carry, _):
        v, ge, gi, hold = carry
        total = 1 + ge + gi
        target = (-40 - 80 * gi) / total
        reached = jnp.where(hold > 0, v, target + (v - target) * jnp.exp(-DT / 20 * total))
        fired = reached >= -50
        v = jnp.where(fired, -60.0, reached)
        hold = jnp.where(fired, HOLD, jnp.maximum(hold - 1, 0))
        ge = ge * keep_e + brainevent.BinaryArray(fired[:excitatory]) @ from_e
        gi = gi * keep_i + brainevent.BinaryArray(fired[excitatory:]) @ from_i
        return (v, ge, gi, hold), (fired[:excitatory].sum(), fired[excitatory:].sum())

    @jax.jit
    def run(v):
        start = (v, jnp.zeros_like(v), jnp.zeros_like(v), jnp.zeros(v.shape, jnp.int32))
        _, counts = jax.lax.scan(step, start, None, length=round(duration / DT))
        return jax.tree.map(jnp.sum, counts)

    def sample() -> tuple[float, tuple[int, int]]:
        begin = time.perf_counter()
        counts = jax.block_until_ready(run(v0))
        return time.perf_counter() - begin, (int(counts[0]), int(counts[1]))

    serve("brainevent CSR in jax.lax.scan, float32", ("brainevent", "jax"), sample)


if __name__ == "__main__":
    main()
