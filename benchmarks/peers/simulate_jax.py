"""The conductance-based E-I network as one writes it in JAX without a library, float32: a contestant.

A spike adds its weight by a scatter over the synapses of as many neurons as fired at most in any step.
"""

import math
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from serve import given, serve

DT, HOLD = 0.1, 50
AT_ONCE = 0.1
"""Part of the neurons that may fire in one step; more raise."""


def main() -> None:
    """Compile once, run once a line."""
    folder, duration, _, _ = given()
    indptr, indices, v0 = (np.load(Path(folder) / f"{name}.npy") for name in ("indptr", "indices", "v"))
    n, excitatory = v0.size, v0.size * 4 // 5
    rows = jnp.asarray(padded(indptr, indices, n))
    keep_e, keep_i, at_once = math.exp(-DT / 5), math.exp(-DT / 10), max(32, round(AT_ONCE * n))

    def step(carry, _):
        v, ge, gi, hold, most = carry
        total = 1 + ge + gi
        target = (-40 - 80 * gi) / total
        v = jnp.where(hold > 0, v, target + (v - target) * jnp.exp(-DT / 20 * total))
        fired = v >= -50
        v, hold = jnp.where(fired, -60.0, v), jnp.where(fired, HOLD, jnp.maximum(hold - 1, 0))
        (ids,) = jnp.nonzero(fired, size=at_once, fill_value=n)
        targets, is_e = rows[ids], (ids < excitatory)[:, None]
        ge = (ge * keep_e).at[jnp.where(is_e, targets, n)].add(0.6, mode="drop")
        gi = (gi * keep_i).at[jnp.where(is_e, n, targets)].add(6.7, mode="drop")
        return (v, ge, gi, hold, jnp.maximum(most, fired.sum())), (fired[:excitatory].sum(), fired[excitatory:].sum())

    @jax.jit
    def run(v):
        start = (v, jnp.zeros_like(v), jnp.zeros_like(v), jnp.zeros(n, jnp.int32), jnp.int32(0))
        (*_, most), counts = jax.lax.scan(step, start, None, length=round(duration / DT))
        return most, jax.tree.map(jnp.sum, counts)

    def sample() -> tuple[float, tuple[int, int]]:
        begin = time.perf_counter()
        most, (e, i) = jax.block_until_ready(run(jnp.asarray(v0)))
        seconds = time.perf_counter() - begin
        if int(most) > at_once:
            raise RuntimeError(f"{int(most)} neurons fired in one step; there is room for {at_once}.")
        return seconds, (int(e), int(i))

    serve("a scan by hand in JAX, float32", ("jax",), sample)


def padded(indptr: np.ndarray, indices: np.ndarray, n: int) -> np.ndarray:
    """Targets of every neuron and of none, filled up with `n`."""
    counts = np.diff(indptr)
    rows = np.full((n + 1, counts.max()), n, np.int32)
    rows[:n][np.arange(counts.max()) < counts[:, None]] = indices
    return rows


if __name__ == "__main__":
    main()
