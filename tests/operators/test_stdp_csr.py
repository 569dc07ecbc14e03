"""`stdp_csr` against NumPy, one synapse after the other, exact on dyadic values; its derivative and its map."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim.fuse.loop import choose, loop, loop_p
from brainsim.fuse.plan import Plan
from brainsim.operators import WHY_XLA, stdp_csr

SHIFT = 0.25
SIZES = [(1, 1, 1), (5, 3, 15), (130, 70, 2600)]  # n_pre, n_post, synapses


def network(seed, n_pre, n_post, nnz):
    rng = np.random.default_rng(seed)
    pre, post = np.divmod(np.sort(rng.permutation(n_pre * n_post)[:nnz]), n_post)
    order = np.lexsort((pre, post))
    rows = np.searchsorted(pre, np.arange(n_pre + 1)), post
    columns = np.searchsorted(post[order], np.arange(n_post + 1)), pre[order], order
    weight = (rng.integers(0, 64, nnz) / 64).astype(np.float32)
    return pre, post, weight, *(tuple(x.astype(np.int32) for x in side) for side in (rows, columns))


def change(w, own, other, shared):
    """Dyadic, and different in own and other."""
    (a,), (b,), (c,) = own, other, shared
    return jnp.clip(w + c * (2 * b - a), 0, 1)


def step(rows, columns, weight, pre, post, x, y):
    """An event of either side, one after the other."""
    (indptr, indices), (column_ends, sources, order) = rows, columns
    weight = stdp_csr(change, weight, pre, indices, indptr, own=[x], other=[y], shared=[SHIFT])
    return stdp_csr(change, weight, post, sources, column_ends, own=[y], other=[x], shared=[SHIFT], order=order)


def by_hand(ends, weight, pre, post, x, y):
    """One synapse after the other."""
    for k, (i, j) in enumerate(zip(*ends, strict=True)):
        for event, a, b in ((pre[i], x[i], y[j]), (post[j], y[j], x[i])):
            if event:
                weight[k] = np.clip(weight[k] + SHIFT * (2 * b - a), 0, 1)
    return weight


def trains(seed, steps, *sizes):
    rng = np.random.default_rng(seed)
    spikes = [(rng.random((steps, n)) < 0.3).astype(np.float32) for n in sizes]
    return *spikes, *((rng.integers(-8, 9, (steps, n)) / 8).astype(np.float32) for n in sizes)


def run(scan, rows, columns, weight, xs):
    return scan(lambda w, x: (step(rows, columns, w, *x), None), weight, xs)[0]


@pytest.mark.parametrize("scan", [loop, jax.lax.scan], ids=["native", "definition"])
@pytest.mark.parametrize("size", SIZES)
def test_every_event_changes_its_synapses_and_no_other(size, scan):
    pre, post, weight, rows, columns = network(1, *size)
    xs = trains(2, 40, *size[:2])
    found = jax.jit(partial(run, scan, rows, columns))(weight, xs)
    expected = weight.copy()
    for x in zip(*xs, strict=True):
        expected = by_hand((pre, post), expected, *x)
    np.testing.assert_array_equal(found, expected)
    assert size[2] < 10 or (expected != weight).mean() > 0.5


@pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
def test_runs_in_the_one_native_loop():
    _, _, weight, rows, columns = network(1, *SIZES[2])
    jaxpr = jax.make_jaxpr(partial(run, loop, rows, columns))(weight, trains(2, 4, *SIZES[2][:2]))
    (eqn,) = [eqn for eqn in jaxpr.eqns if eqn.primitive is loop_p]
    assert isinstance(choose(**eqn.params).way, Plan)


@pytest.mark.parametrize("mapped", ["weight", "all"])
def test_vmap_is_one_call_for_each(mapped):
    _, _, weight, rows, columns = network(1, *SIZES[1])
    weights = jnp.stack([weight, weight[::-1], 1 - weight])
    xs = [jnp.asarray(x) for x in trains(3, 20, *SIZES[1][:2])]
    each = [jnp.stack([x, x[::-1], 1 - x]) for x in xs]
    run_one = jax.jit(partial(run, loop, rows, columns))
    if mapped == "weight":
        found, expected = jax.vmap(run_one, in_axes=(0, None))(weights, xs), [run_one(w, xs) for w in weights]
    else:
        found = jax.vmap(run_one)(weights, each)
        expected = [run_one(weights[b], [x[b] for x in each]) for b in range(3)]
    np.testing.assert_array_equal(found, jnp.stack(expected))


def test_a_mapped_number_is_a_value_of_each_neuron():
    _, _, weight, (indptr, indices), _ = network(1, *SIZES[1])
    events = jnp.ones(5)

    def moved(c):
        return stdp_csr(
            lambda w, _, __, shared: w + shared[0], jnp.asarray(weight), events, indices, indptr, shared=[c]
        )

    np.testing.assert_array_equal(jax.vmap(moved)(jnp.array([0.5, 2.0])), [weight + 0.5, weight + 2.0])


def test_derivative_is_that_of_the_function_where_there_is_an_event(x64):
    _, _, weight, (indptr, indices), _ = network(1, *SIZES[1])
    weight, events = jnp.asarray(weight, float), jnp.array([1.0, 0, 1, 0, 0])
    owner = np.repeat(np.arange(5), np.diff(indptr))

    def total(weight, own):
        changed = stdp_csr(lambda w, a, _, __: w * w * a[0], weight, events, indices, indptr, own=[own])
        return changed.sum()

    own = jnp.arange(1.0, 6.0)
    to_weight, to_own = jax.grad(total, argnums=(0, 1))(weight, own)
    fired = np.asarray(events)[owner] > 0
    np.testing.assert_allclose(to_weight, np.where(fired, 2 * weight * own[owner], 1.0))
    np.testing.assert_allclose(to_own, np.bincount(owner, np.where(fired, weight**2, 0.0), 5))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": np.ones(4, np.float32)}, "`weight` must have 15"),
        ({"events": np.ones(4, np.float32)}, "`events` must have 5"),
        ({"own": [np.ones(4, np.float32)]}, "`own` must have 5"),
        ({"other": [np.ones(3, np.float32), np.ones(4, np.float32)]}, "`other` must have one length"),
        ({"shared": [np.ones(2, np.float32)]}, "`shared` must be numbers"),
        ({"order": np.zeros(3, np.int32)}, "`order` must have 15"),
        ({"update": lambda w, *_: (w, w)}, "`update` must return one float32"),
        ({"update": lambda w, *_: w > 0}, "`update` must return one float32"),
    ],
)
def test_what_does_not_fit_is_named(changes, words):
    _, _, weight, (indptr, indices), _ = network(1, *SIZES[1])
    given = {"update": lambda w, *_: w, "weight": weight, "events": np.ones(5, np.float32)}
    given |= {"indices": indices, "indptr": indptr}
    with pytest.raises(ValueError, match=words):
        stdp_csr(**(given | changes))


@pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
@pytest.mark.parametrize("array", ["indices", "order"])
def test_an_index_out_of_range_is_a_fault(array):
    _, _, weight, rows, (ends, sources, order) = network(1, *SIZES[2])
    wrong = (sources if array == "indices" else order).copy()
    wrong[7] = 10**6
    columns = (ends, wrong, order) if array == "indices" else (ends, sources, wrong)
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match=f"stdp_csr: `{array}` at position 7 is 1000000"):
        jax.block_until_ready(run(loop, rows, columns, jnp.asarray(weight), trains(2, 40, *SIZES[2][:2])))
