"""Plastic synapses with a delay each: loops over synapses in NumPy, the ledger of spikes, and groups of one delay."""

import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim._native import WHY_XLA
from brainsim.bench.harness import lines_logged
from brainsim.plasticity.branches import Branches
from brainsim.units import ms
from tests.plasticity.test_contract import RULES, told
from tests.plasticity.test_rules import Dyadic
from tests.plasticity.trains import learn, network, spikes, weights

RNG = np.random.default_rng(11)
N_PRE, N_POST = 12, 7
KEEPS = bs.Exponential(1e9 * ms)  # a current that adds up what arrives: exp(-1e-9) is 1 in float32


def wired(rule, *, seed=0, longest=6, **options):
    """A network with random synapses, each with a delay of 1 to `longest` steps, and their delays as a matrix."""
    rng = np.random.default_rng(seed)
    pre, post = np.nonzero(rng.random((N_PRE, N_POST)) < 0.6)
    delay = rng.integers(1, longest + 1, pre.size)
    matrix = np.zeros((N_PRE, N_POST), int)
    matrix[pre, post] = delay
    mixed = rng.permutation(pre.size)
    wiring = bs.EdgeList(pre[mixed], post[mixed])
    return network(rule, N_PRE, N_POST, wiring=wiring, delay=delay[mixed] * 1.0, **options), matrix


def matrix_of(net, values):
    edges, found = net["pre->post"].edges, np.zeros((N_PRE, N_POST), np.asarray(values).dtype)
    found[edges.pre, edges.post] = values
    return found


def test_branches_hold_every_synapse_once():
    net, delays = wired(bs.STDP(w_max=1.0))
    connection = net["pre->post"]
    np.testing.assert_array_equal(matrix_of(net, connection.edges.delay), delays)
    branches, rows = connection.branches, np.diff(np.asarray(connection.branches.indptr))
    assert (rows > 0).all() and branches.n_branches == sum(len(np.unique(row[row > 0])) for row in delays)
    np.testing.assert_array_equal(np.repeat(np.asarray(branches.steps), rows), connection.delay_steps)
    neuron = np.repeat(np.arange(N_PRE), np.diff(np.asarray(branches.fork)))
    np.testing.assert_array_equal(np.repeat(neuron, rows), connection.edges.pre)


@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_bits_are_those_of_a_loop_over_synapses(pairing):
    """Weights and currents, where each synapse has a presynaptic trace of its own."""
    steps, (pre, post) = 300, spikes(4, 300, N_PRE, N_POST)
    net, delays = wired(Dyadic(0.125, 0.25, w_max=1.0, pairing=pairing), synapse=KEEPS)
    result = learn(net, pre, post, record=("pre->post.i",))
    half, one = np.float32(0.5), np.float32(1)
    w, x = np.full((N_PRE, N_POST), half), np.zeros((N_PRE, N_POST), np.float32)
    y, current, currents = np.zeros(N_POST, np.float32), np.zeros(N_POST, np.float32), []
    raised = lambda trace, s: trace + s if pairing == "all" else np.where(s > 0, one, trace)
    for k in range(steps):
        sent = k + 1 - np.maximum(delays, 1)
        arrived = np.where((delays > 0) & (sent >= 0), pre[np.maximum(sent, 0), np.arange(N_PRE)[:, None]], 0)
        for i in range(N_PRE):
            current = np.where(arrived[i] > 0, current + w[i], current)
        currents.append(current)
        x, y = x * half, y * half
        w = np.where(arrived > 0, np.clip(w - np.float32(0.25) * y, 0, 1), w)
        x = raised(x, arrived.astype(np.float32))
        w = np.where((delays > 0) & (post[k] > 0), np.clip(w + np.float32(0.125) * x, 0, 1), w)
        y = raised(y, post[k])
    np.testing.assert_array_equal(matrix_of(net, weights(result)), np.where(delays > 0, w, 0))
    np.testing.assert_array_equal(result.records["pre->post.i"], currents)
    assert 0.2 < ((weights(result) > 0) & (weights(result) < 1)).mean()


def test_every_spike_is_delivered_or_on_its_way():
    """Emitted times out-degree = delivered + in flight, counted by a current that keeps what it gets."""
    pre, post = spikes(9, 80, N_PRE, N_POST)
    pre[-3:] = 1
    pre *= RNG.integers(1, 4, pre.shape)  # several spikes in a step
    net, delays = wired(bs.STDP(w_max=1.0), weight=1.0, synapse=KEEPS)
    state = learn(bs.inference_mode(net), pre, post).state.projections["pre->post"]
    emitted = (pre.sum(0) * (delays > 0).sum(1)).sum()
    rows = np.diff(np.asarray(net["pre->post"].branches.indptr))
    on_their_way = (np.asarray(state.spikes).sum(0) * rows).sum()
    assert on_their_way > 0 and emitted == np.asarray(state.i).sum() + on_their_way


@pytest.mark.parametrize("terminals", [(), (bs.synapses.ShortTerm(100 * ms, 50 * ms),)])
@pytest.mark.parametrize("name", RULES)
def test_it_is_the_sum_of_projections_with_one_delay_each(name, terminals):
    """Three delays in one projection learn what three projections learn, and drive the same current."""
    if terminals and name not in ("STDP hard", "RewardSTDP"):
        return
    rule, (pre, post) = RULES[name], spikes(2, 120, N_PRE, N_POST)
    synapse = [*terminals, bs.Exponential(5 * ms)] if terminals else bs.Exponential(5 * ms)
    net, delays = wired(rule, longest=3, synapse=synapse)
    record = ("post.spikes", "pre->post.i", bs.Trace("pre->post.weight"))
    together = learn(net, pre, post, **told(name, 120), record=record)
    current, found = 0, np.zeros((120, N_PRE, N_POST), np.float32)
    for delay in (1, 2, 3):
        ends = np.nonzero(delays == delay)
        one = network(rule, N_PRE, N_POST, wiring=bs.EdgeList(*ends), delay=delay * ms, synapse=synapse)
        part = learn(one, pre, post, **told(name, 120), record=record).records
        found[:, ends[0], ends[1]] = part["pre->post.weight"]
        current = current + part["pre->post.i"]
    edges = net["pre->post"].edges
    np.testing.assert_allclose(together.records["pre->post.weight"], found[:, edges.pre, edges.post], atol=1e-6)
    np.testing.assert_allclose(together.records["pre->post.i"], current, atol=1e-5)
    assert np.ptp(found[:, delays > 0]) > 0.05


def test_native_as_xla_a_batch_and_a_run_that_goes_on(monkeypatch):
    net, _ = wired(bs.STDP(0.2, 0.21, w_max=1.0))
    trials = [spikes(seed, 60, N_PRE, N_POST) for seed in (1, 2)]
    with lines_logged() as lines:
        apart = [weights(learn(net, *trial)) for trial in trials]
    assert WHY_XLA is not None or lines == []
    together = learn(net, *(np.stack(side, axis=1) for side in zip(*trials, strict=True)))
    np.testing.assert_array_equal(weights(together), apart)
    first = learn(net, *(side[:31] for side in trials[0]))
    second = learn(net, *(side[31:] for side in trials[0]), state=first.state)
    np.testing.assert_array_equal(weights(second), apart[0])
    monkeypatch.setattr(_native, "WHY_XLA", "switched off")
    np.testing.assert_allclose(weights(learn(net, *trials[0])), apart[0], atol=2e-5)


def test_delays_that_are_all_equal_take_no_branches():
    delays = bs.Uniform(2.9 * ms, 3.1 * ms)
    drawn, one = (network(bs.STDP(0.2, 0.21, w_max=1.0), delay=delay) for delay in (delays, 3 * ms))
    assert drawn["pre->post"].branches is None and drawn["pre->post"].delay == 3
    np.testing.assert_array_equal(*(weights(learn(net, *spikes(1, 60))) for net in (drawn, one)))


def test_passing_on_is_a_shift_by_the_delay():
    branches = Branches(jnp.arange(4), jnp.asarray([0, 2, 3]), jnp.asarray([1, 3, 2]))
    ring, rows = jnp.zeros((3, 3)), []
    for k, emitted in enumerate(jnp.asarray([[1.0, 2.0], [0, 0], [0, 0], [0, 0]])):
        arrived, ring = branches.pass_on(ring, emitted, jnp.int32(k))
        rows.append(arrived)
    np.testing.assert_array_equal(rows, [[1, 0, 0], [0, 0, 2], [0, 1, 0], [0, 0, 0]])
