"""Prints the instruction set in use and a digest of each operator's result on large random data, in both precisions."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from brainsim import fuse
from brainsim.operators import (
    csr_outer,
    csr_pull,
    csr_push,
    delay_ring_push,
    event_conv,
    event_conv_outer,
    event_dense,
    event_dense_outer,
    event_dense_packed,
    event_dense_where,
    status,
)

N_PRE, N_POST, FAN_OUT, SLOTS = 3000, 4001, 100, 4  # large enough for several threads


def results(dtype: str) -> list[jax.Array]:
    """One array per operator."""
    rng = np.random.default_rng(0)
    nnz = N_PRE * FAN_OUT
    indices = np.sort(rng.integers(0, N_POST, (N_PRE, FAN_OUT), dtype=np.int32), axis=1).reshape(-1)
    indptr = np.arange(0, nnz + 1, FAN_OUT, dtype=np.int32)
    delays = rng.integers(1, SLOTS + 1, nnz, dtype=np.int32)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), dtype)

    def events(*shape: int) -> jax.Array:
        return normal(*shape) * jnp.asarray(rng.random(shape) < 0.05, dtype)

    weight, batch = normal(nnz), events(40, N_PRE)
    return [
        csr_push(normal(N_POST), weight, indices, indptr, normal(N_PRE), is_sorted=True),
        csr_push(normal(40, N_POST), 0.3, indices, indptr, batch),
        delay_ring_push(normal(SLOTS, N_POST), weight, indices, indptr, delays, normal(N_PRE), 2, is_sorted=True),
        csr_pull(weight, indices, indptr, normal(N_POST)),
        csr_outer(batch, indices, indptr, normal(40, N_POST)),
        csr_outer(batch, indices, indptr, normal(40, N_POST), homogeneous=True),
        event_dense(events(2000, 133), normal(133, 309)),
        event_dense_outer(events(2000, 133), normal(2000, 309)),
        *_from_bits(jnp.asarray(rng.random((2000, 133)) < 0.05, dtype), normal(133, 309), normal(2000, 309)),
        _to_few(events(2000, 133) != 0, normal(133, 309), normal(2000, 309)),
        event_conv(events(60, 5, 21, 22), normal(5, 33, 3, 3), stride=2),
        event_conv(normal(60, 5, 21, 22), normal(5, 33, 3, 3)),
        event_conv_outer(events(60, 5, 21, 22), normal(60, 33, 21, 22), (3, 3)),
        jax.vjp(lambda x: event_conv(x, normal(5, 33, 3, 3)), events(60, 5, 21, 22))[1](normal(60, 33, 21, 22))[0],
        *_hearing(normal(133, 133) / 11, normal(30, 70, 133)),
    ]


def _from_bits(spikes: jax.Array, weight: jax.Array, ct: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The product, and the gradient to its weight."""
    out, pull = jax.vjp(lambda weight: event_dense_packed(spikes, weight), weight)
    return out, pull(ct)[0]


def _to_few(wanted: jax.Array, weight: jax.Array, ct: jax.Array) -> jax.Array:
    """The gradient to spikes where it is wanted."""
    spikes = jnp.zeros(wanted.shape, weight.dtype)
    return jax.vjp(lambda spikes: event_dense_where(spikes, weight, None, wanted), spikes)[1](ct)[0]


def _hearing(weight: jax.Array, xs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The events of `_heard`, and the gradient of their sum to the weight."""
    (_, events), slope = jax.value_and_grad(_heard, has_aux=True)(weight, xs)
    return events, slope


def _heard(weight: jax.Array, xs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Events of rows of elements that hear each other: few forward, many numbers backward."""

    def step(v: jax.Array, row: tuple[jax.Array, tuple[()]]) -> tuple[jax.Array, tuple[jax.Array, tuple[()]]]:
        y = jnp.where(row[0] > 1.5, row[0] - v, 0)
        return row[0] / 2, (y, ())

    out = fuse.feedback(step, jnp.matmul)(jnp.zeros_like(xs[0]), jnp.zeros_like(xs[:1]), weight, xs, ())
    return out[1][0].sum(), out[1][0]


def main() -> None:
    """Print one line."""
    jax.config.update("jax_enable_x64", True)
    digests = [hashlib.sha256(np.asarray(x)).hexdigest()[:12] for t in ("float32", "float64") for x in results(t)]
    print(status()["isa"], *digests)


if __name__ == "__main__":
    main()
