"""The ELM neuron: the equations in NumPy, published sizes, its memory and its parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._streams import Stream
from brainsim.networks.layers import ELM
from brainsim.units import ms

DT, KEY = 2.0, jax.random.key(0)


def built(layer, dtype=jnp.float64):
    return layer.build("0", layer.expects, dt=DT, key=KEY, dtype=dtype)[0]


def run(layer, x, watch=()):
    once = lambda layer, x: layer.unroll(layer.init_state(None, KEY, x.dtype), x, DT, Stream.of(KEY, 0), watch)
    return jax.jit(once)(layer, x)


@pytest.mark.parametrize(
    ("memory", "count"),
    [(1, 4601), (2, 4708), (3, 4823), (5, 5077), (7, 5363), (10, 5852), (15, 6827), (20, 8002), (25, 9377)]
    + [(30, 10952), (40, 14702), (50, 19252), (75, 34127), (100, 54002)],
)
def test_number_of_parameters_of_the_published_neurons(memory, count):
    """NeuronIO: 1278 inputs, 45 branches of 100 synapses, two outputs; all 14 sizes of the paper's table."""
    shapes = jax.eval_shape(lambda: built(ELM(1278, 2, memory=memory, branches=45, synapses=100), jnp.float32))
    trained = [info.where(shapes).size for info in shapes.parameters("0", lambda m: m, DT).values() if info.trainable]
    assert sum(trained) == count


@pytest.mark.parametrize("options", [{}, dict(branches=2, synapses=3), dict(branches=3, synapses=1, hidden=5)])
def test_every_synapse_by_itself_in_numpy(options, x64):
    """The equations with a trace for every synapse, summed over its branch."""
    layer = built(ELM(3, 2, memory=4, tau_syn=3 * ms, tau_memory=(4 * ms, 40 * ms), **options))
    rng = np.random.default_rng(0)
    layer = jax.tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=leaf.shape), layer)
    x = rng.normal(size=(12, 3))
    weight = np.maximum(np.asarray(layer.synapse), 0)
    kappa, synapse, m, expected = np.exp(-DT / np.asarray(layer.tau_memory)), 0 * weight, np.zeros(4), []
    for row in x:
        synapse = np.exp(-DT / 3) * synapse + weight * row[layer.routing]
        known = np.concatenate([synapse.sum(1), kappa * m])
        first = np.concatenate([layer.branch_in, layer.memory_in])
        hidden = np.maximum(known @ first + layer.hidden_bias, 0)
        m = kappa * m + 5 * (1 - kappa) * 1.7159 * np.tanh(2 / 3 * (hidden @ layer.update + layer.update_bias))
        expected.append(m @ layer.readout + layer.readout_bias)
    np.testing.assert_allclose(run(layer, jnp.asarray(x))[1], expected, rtol=1e-10, atol=1e-12)


def test_inputs_are_spread_evenly_and_neighbours_share_a_branch():
    routing = ELM(1278, 2, branches=45, synapses=100).routing
    assert routing.shape == (45, 100) and (np.diff(routing.ravel()) >= 0).all()
    assert set(np.bincount(routing.ravel(), minlength=1278)) <= {3, 4}
    np.testing.assert_array_equal(ELM(5, 1).routing, np.arange(5)[:, None])
    with pytest.raises(ValueError, match="`synapses`: 2 branches of 3 are fewer than the 10 inputs: at least 5"):
        ELM(10, 1, branches=2, synapses=3)
    with pytest.raises(ValueError, match="`tau_memory`: expected shortest <= longest, got 9 and 4 ms"):
        ELM(2, 1, tau_memory=(9 * ms, 4 * ms))


def test_time_constants_and_the_largest_memory(x64):
    layer = built(ELM(2, 1, memory=5, tau_memory=(1 * ms, 16 * ms)))
    np.testing.assert_allclose(layer.tau_memory, [1, 2, 4, 8, 16])
    big = jax.tree.map(lambda leaf: 100 * leaf, layer)
    _, _, watched = run(big, jnp.ones((200, 2)), watch=("memory", "branch"))
    assert np.abs(watched["memory"]).max() <= 5 * 1.7159 * (1 + 1e-12)
    assert watched["branch"].shape == (200, 2)


def test_what_trains_and_what_stays_in_its_range():
    model = bs.Sequential(ELM(3, 2, memory=4, tau_memory=(4 * ms, 40 * ms)), dt=DT * ms)
    known = model.parameters()
    assert known["0.synapse"].trainable and not known["0.tau_memory"].trainable
    far = jax.tree.map(lambda leaf: 1e3 * leaf, model)
    np.testing.assert_allclose(bs.constrain(far)["0"].tau_memory, 40)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(8, 3, 3)), jnp.float32)
    grads = jax.grad(lambda model: jnp.square(bs.run(model, x).out).sum())(model)["0"]
    assert all(np.isfinite(leaf).all() and (leaf != 0).any() for leaf in jax.tree.leaves(grads))
