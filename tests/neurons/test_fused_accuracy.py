"""Both paths of every neuron's step against wide arithmetic: no further off than its operations may be.

XLA contracts multiplications and additions, the fused path does not, so the two need not agree in the last place; each
must lie within the bound that `bounds` follows through the step for random states.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native
from brainsim._types import Drive, State
from brainsim.fuse.graph import graph_of
from brainsim.fuse.loop import loop
from brainsim.fuse.trace import trace
from tests.fuse.bounds import Bounded, Evaluation
from tests.neurons.test_contract import DRAWN, DT, GATED, MILLIVOLTS, NEURONS, N

REPEATS = 200
# Noise is compared bit by bit in tests/fuse; what reads its neighbours never fuses.
# A precise time divides by what is exactly 0 in some lanes, which the bounds cannot decide; see `test_precise`.
PLAIN = [
    name
    for name, neuron in NEURONS.items()
    if name not in ("Noisy", *DRAWN) and neuron.pointwise and not neuron.precise_times
]


def random_step(name, seed):
    """A neuron of `REPEATS` times as many cells, a random state near threshold, and random input."""
    rng = np.random.default_rng(seed)
    neuron = NEURONS[name].build("x", (N,), dt=DT, key=jax.random.key(0), dtype=jnp.float32)
    neuron = jax.tree.map(lambda leaf: jnp.tile(leaf, REPEATS) if leaf.shape == (N,) else leaf, neuron)
    state = neuron.init_state((N * REPEATS,), key=jax.random.key(0), dtype=jnp.float32)
    spread = 10.0 if name in GATED or any(part in name for part in MILLIVOLTS) else 0.5
    fields = {}
    for field in state:
        start = np.asarray(getattr(state, field))
        if field == "refractory":
            fields[field] = jnp.asarray(rng.integers(0, 3, start.shape), jnp.int32)
        else:
            noise = rng.normal(size=start.shape) * (spread if field in ("v", "u", "a") else 0.1 * np.abs(start))
            fields[field] = jnp.asarray(start + noise, jnp.float32)
    arrays = [jnp.asarray(np.abs(rng.normal(size=N * REPEATS)), jnp.float32) for _ in range(5)]
    drive = Drive(jump=arrays[0])
    if name == "ResonateAndFire":
        drive = Drive(arrays[0], arrays[1], None, None, ((arrays[4], jnp.float32(5.0)),))
    elif "Ultra" not in name and name not in ("Astrocyte", "LeakyAstrocyte", "BRF"):
        drive = Drive(arrays[0], arrays[1], arrays[2], arrays[3], ((arrays[4], jnp.float32(5.0)),))
    return neuron, State(**fields), drive


@pytest.mark.parametrize("path", ["xla", "fused"])
@pytest.mark.parametrize("name", PLAIN)
def test_a_step_is_as_accurate_as_its_operations(name, path):
    if path == "fused" and _native.WHY_XLA is not None:
        pytest.skip(f"needs the native kernels: {_native.WHY_XLA}")
    over = loop if path == "fused" else jax.lax.scan
    for seed in range(3):
        check_step(*random_step(name, seed), over)


def check_step(neuron, state, drive, over) -> None:
    step = lambda state, drive: neuron.step(state, drive, DT)
    drive = jax.tree.map(lambda x: jnp.broadcast_to(x, (N * REPEATS,)), drive)
    last, out = jax.jit(lambda s, d: over(step, s, jax.tree.map(lambda x: x[None], d)))(state, drive)
    traced = trace(step, state, drive)
    evaluation = Evaluation(N * REPEATS)
    given = [evaluation.given(np.asarray(x)) for x in (*traced.captured, *jax.tree.leaves((state, drive)))]
    expected = evaluation.run(graph_of(traced.jaxpr), given)
    assert evaluation.dropped.mean() < 0.05
    for result, bounded in zip(jax.tree.leaves((last, out[0])), expected, strict=True):
        within(np.asarray(result), bounded, ~evaluation.dropped)


def within(result: np.ndarray, bounded: Bounded, lanes: np.ndarray) -> None:
    value, error = bounded.value[lanes], np.broadcast_to(bounded.error, lanes.shape)[lanes]
    off = np.abs(result[lanes].astype(value.dtype) - value)
    assert (off <= error).all(), f"off by {off[off > error].max()}, may be {error[off > error].max()}"
