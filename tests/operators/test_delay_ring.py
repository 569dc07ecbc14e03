"""`delay_ring` against an event list in float64, its derivatives, and that a scan holds no copy of the ring."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from brainsim.operators import delay_ring_push, delay_ring_take
from brainsim.operators._trilinear import push_definition, push_events
from brainsim.operators.delay_ring import put_definition, put_p, take_definition

FAULT = (jax.errors.JaxRuntimeError, ValueError)  # which of the two depends on whether JAX waited for the result
SLOTS = 5
SIZES = [(1, 1, 0), (4, 1, 3), (6, 5, 30)]  # n_pre, n_post, synapses


def push_by_definition(ring, weight, indices, indptr, delays, spikes, step, push=push_definition):
    args = (ring, weight.reshape(1, -1), indices, indptr, delays.reshape(-1), spikes, step[None])
    return push(*args, is_ring=True, is_sorted=False)


PUSH = {"public": jax.jit(delay_ring_push), "definition": jax.jit(push_by_definition)}
PUSH["events"] = jax.jit(partial(push_by_definition, push=push_events))


def network(seed, size, shared_weight, shared_delay, batch):
    n_pre, n_post, nnz = size
    rng = np.random.default_rng(seed)
    indptr = np.r_[0, np.sort(rng.integers(0, nnz + 1, n_pre - 1)), nnz].astype(np.int32)
    indices = rng.integers(0, n_post, nnz).astype(np.int32)
    weight = (rng.integers(-8, 9, () if shared_weight else nnz) / 4).astype(np.float32)
    delays = np.asarray(rng.integers(0, SLOTS + 1, () if shared_delay else nnz), np.int32)
    spikes = ((rng.random((*batch, n_pre)) < 0.5) * rng.integers(1, 4, (*batch, n_pre)) / 2).astype(np.float32)
    ring = (rng.integers(-8, 9, (*batch, SLOTS, n_post)) / 4).astype(np.float32)
    return ring, weight, indices, indptr, delays, spikes


def events(ring, weight, indices, indptr, delays, spikes, step):
    """One addition per event, in float64."""
    nnz = len(indices)
    pre = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    w, d = np.broadcast_to(weight, nnz), np.broadcast_to(delays, nnz)
    out = ring.astype(float)
    for k in range(nnz):
        out[..., (step + d[k]) % SLOTS, indices[k]] += float(w[k]) * spikes[..., pre[k]]
    return out


@pytest.mark.parametrize("path", PUSH)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    shared_weight=st.booleans(),
    shared_delay=st.booleans(),
    batch=st.sampled_from([(), (3,)]),
    step=st.integers(0, 2**31 - 1 - SLOTS),
)
@settings(max_examples=40)
def test_push_is_exact(path, seed, size, shared_weight, shared_delay, batch, step):
    args = network(seed, size, shared_weight, shared_delay, batch)
    np.testing.assert_array_equal(PUSH[path](*args, np.int32(step)), events(*args, step))


@pytest.mark.parametrize("batch", [(), (3,), (2, 2)])
@pytest.mark.parametrize("slot", [0, 4, 13])
def test_take_reads_and_clears(batch, slot):
    ring = np.random.default_rng(0).normal(size=(*batch, SLOTS, 3)).astype(np.float32)
    left = ring.copy()
    left[..., slot % SLOTS, :] = 0
    for arrivals, out in (delay_ring_take(ring, slot), take_definition(jnp.asarray(ring), jnp.int32([slot]))):
        np.testing.assert_array_equal(arrivals, ring[..., slot % SLOTS, :])
        np.testing.assert_array_equal(out, left)


def test_put_is_the_transpose_of_take():
    rng = np.random.default_rng(0)
    ring, values = jnp.float32(rng.normal(size=(2, SLOTS, 3))), jnp.float32(rng.normal(size=(2, 3)))
    slot = jnp.int32([7])
    found = put_p.bind(ring, values, slot)
    np.testing.assert_array_equal(found, put_definition(ring, values, slot))
    np.testing.assert_array_equal(found, ring.at[:, 2].set(values))
    (transposed,) = jax.vjp(lambda r: delay_ring_take(r, 7), ring)[1]((values, ring))
    np.testing.assert_array_equal(transposed, found)


def chain(ring, weight, spikes, rest):
    """Three steps of take and push: every derivative rule of the ring takes part."""
    out = 0.0
    for k in range(3):
        arrivals, ring = delay_ring_take(ring, k)
        ring = delay_ring_push(ring, weight, *rest, spikes * (1 + arrivals.sum()), k)
        out = out + (arrivals**2).sum()
    return out + (ring**2).sum()


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_by_finite_differences(x64, shared):
    ring, weight, indices, indptr, delays, spikes = network(3, (4, 3, 9), shared, shared, ())
    args = tuple(np.float64(x) / 4 for x in (ring, weight, spikes))
    check_grads(lambda r, w, s: chain(r, w, s, (indices, indptr, delays)), args, order=2, modes=("fwd", "rev"))


def test_transformations_agree(x64):
    ring, weight, indices, indptr, delays, spikes = network(3, (4, 3, 9), False, False, ())
    args = tuple(np.float64(x) / 4 for x in (ring, weight, spikes))

    def loss(r, w, s):
        return chain(r, w, s, (indices, indptr, delays))

    plain = jax.grad(loss, (0, 1, 2))(*args)
    for other in (
        jax.grad(jax.checkpoint(loss), (0, 1, 2)),
        jax.jit(jax.grad(loss, (0, 1, 2))),
        jax.jacfwd(loss, (0, 1, 2)),
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), other(*args), plain)
    stacked = [np.stack([x, x[::-1]]) for x in args]
    loop = [jax.grad(loss, (0, 1, 2))(*(x[b] for x in stacked)) for b in range(2)]
    mapped = jax.vmap(jax.grad(loss, (0, 1, 2)))(*stacked)
    jax.tree.map(lambda m, *x: np.testing.assert_allclose(m, np.stack(x), rtol=1e-12), mapped, *loop)


def test_vmap_over_the_step():
    args = network(5, (6, 5, 30), False, False, (3,))
    steps = np.int32([0, 3, 11])
    found = jax.vmap(lambda r, s, k: delay_ring_push(r, *args[1:5], s, k))(args[0], args[5], steps)
    expected = np.stack([events(args[0][b], *args[1:5], args[5][b], steps[b]) for b in range(3)])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.kernels
@pytest.mark.parametrize(("delay", "at"), [(SLOTS + 1, 2), (-1, 0), (2**31 - 1, 1)])
def test_bad_delay_is_an_error(delay, at):
    ring, weight, indices, indptr, delays, spikes = network(3, (4, 3, 9), False, False, ())
    delays = delays.copy()
    delays[at] = delay
    message = f"delay_ring_push: `delays` at position {at} is {delay}, expected 0 to {SLOTS}"
    with pytest.raises(FAULT, match=message):
        jax.block_until_ready(delay_ring_push(ring, weight, indices, indptr, delays, spikes + 1, 0))
    with pytest.raises(FAULT, match="delay_ring_push: `delays` at position 0"):
        jax.block_until_ready(delay_ring_push(ring, weight, indices, indptr, delay, spikes + 1, 0))


def test_ring_needs_slots():
    with pytest.raises(ValueError, match="`ring` must have shape"):
        delay_ring_take(np.zeros(3, np.float32), 0)
    with pytest.raises(TypeError, match="`slot` must be int32"):
        delay_ring_take(np.zeros((2, 3), np.float32), np.float32(0))


N, RING = 40, 16


def simulate(weight, record, batch=()):
    """A recurrent scan with a ring of 16 slots, like a network's time loop."""
    rng = np.random.default_rng(0)
    nnz = 4 * N
    indices = jnp.asarray(rng.integers(0, N, nnz), jnp.int32)
    indptr = jnp.arange(0, nnz + 1, 4, dtype=jnp.int32)
    delays = jnp.asarray(rng.integers(1, RING + 1, nnz), jnp.int32)

    def step(carry, _):
        ring, g, v, k = carry
        arrivals, ring = delay_ring_take(ring, k)
        g = 0.9 * g + arrivals
        v = 0.95 * v + g
        spikes = jax.nn.sigmoid(10 * (v - 1)) * (v > 1).astype(v.dtype)
        ring = delay_ring_push(ring, weight, indices, indptr, delays, spikes, k)
        return (ring, g, v - spikes, k + 1), (spikes, arrivals) if record else None

    start = (jnp.zeros((*batch, RING, N)), jnp.zeros((*batch, N)), jnp.full((*batch, N), 1.5), jnp.int32(0))
    return jax.lax.scan(step, start, None, length=20)


@pytest.mark.kernels
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("weight", [np.float32(0.1), np.full(4 * N, 0.1, np.float32)], ids=["shared", "each"])
@pytest.mark.parametrize("what", ["plain", "recorded", "gradient"])
def test_scan_updates_the_ring_in_place(what, weight, batch):
    functions = {
        "plain": lambda w: simulate(w, False, batch),
        "recorded": lambda w: simulate(w, True, batch),
        "gradient": jax.grad(lambda w: simulate(w, True, batch)[1][0].sum()),
    }
    text = jax.jit(functions[what]).lower(weight).compile().as_text()
    assert 'custom_call_target="bs_csr_push_v1"' in text
    shape = ",".join(map(str, (*batch, RING, N)))
    computations = re.split(r"\n(?=(?:ENTRY )?%?[\w.]+ \()", text)
    bodies = [c for c in computations if not c.startswith("ENTRY")]
    assert len(bodies) > 1
    copies = [line for body in bodies for line in body.splitlines() if re.search(rf"= f32\[{shape}\]\S* copy", line)]
    assert not copies, copies
