"""What the tests of neurons share: a built neuron and a run of it."""

import functools
from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from brainsim._streams import Stream
from brainsim._types import Drive


def _build(neuron, n=1, *, dt=0.1, dtype=jnp.float32, seed=0):
    return neuron.build("x", (n,), dt=dt, key=jax.random.key(seed), dtype=dtype)


def _start(neuron, n=1, *, batch=None, dtype=jnp.float32, init=None, seed=0):
    return neuron.init_state((n,), batch=batch, key=jax.random.key(seed), init=init or {}, dtype=dtype)


def _run(neuron, state, drive=None, *, dt=0.1, steps=None, first=0, seed=0, over=jax.lax.scan):
    """Scan a built neuron. `drive`: a Drive whose leaves have a leading time axis; or None with `steps`.

    Returns the last state, and (states, emitted) with a leading time axis.
    """
    drive = Drive() if drive is None else drive
    leaves = jax.tree.leaves(drive)
    steps = steps if not leaves else leaves[0].shape[0]
    return _scan(neuron, state, drive, jnp.int32(first), jax.random.key(seed), dt=dt, steps=steps, over=over)


@functools.partial(jax.jit, static_argnames=("dt", "steps", "over"))
def _scan(neuron, state, drive, first, key, *, dt, steps, over):
    def step(carry, x):
        k, d = x
        state, out = neuron.step(carry, d, dt, Stream.of(key, k))
        return state, (state, out)

    return over(step, state, (first + jnp.arange(steps, dtype=jnp.int32), drive))


@pytest.fixture
def sim() -> Callable:
    """`sim.build(neuron, n)`, `sim.start(built, n)`, `sim.run(built, state, drive)`."""
    return SimpleNamespace(build=_build, start=_start, run=_run)
