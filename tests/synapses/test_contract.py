"""One contract, every synapse and terminal: a new one is one line in `SYNAPSES` and inherits the whole battery."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim.synapses import NMDA, Alpha, Delta, DualExponential, Exponential, QuantalRelease, Relay, ShortTerm
from brainsim.units import ms, mV, pF

SYNAPSES = {
    "Delta": Delta(),
    "Relay": Relay(),
    "Exponential current": Exponential(5 * ms),
    "Exponential conductance": Exponential(5 * ms, e_rev=-80 * mV),
    "Alpha current": Alpha(2 * ms),
    "Alpha conductance": Alpha(2 * ms, e_rev=0 * mV),
    "DualExponential current": DualExponential(0.5 * ms, 5 * ms),
    "DualExponential conductance": DualExponential(0.5 * ms, 5 * ms, e_rev=0 * mV),
    "NMDA": NMDA(),
    "NMDA saturating": NMDA(alpha=0.5),
    "ShortTerm depression": [ShortTerm(100 * ms), Exponential(5 * ms)],
    "QuantalRelease": [QuantalRelease(0.5, 3), Exponential(5 * ms)],
    "ShortTerm facilitation": [ShortTerm(100 * ms, 500 * ms, 0.1), DualExponential(0.5 * ms, 5 * ms, e_rev=0 * mV)],
}
STEPS, N, BATCH = 40, 6, 3


def network(name):
    """Driven neurons that reach others at once, and those reach themselves with delays of several steps."""
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, c_mem=100 * pF, t_ref=0.5 * ms)
    cells = bs.Population(N, cell, init={"v": bs.Normal(-53 * mV, 3 * mV)})
    synapse = SYNAPSES[name]
    return bs.Network(
        {"in": bs.Input(N), "A": cells, "B": cells},
        [
            bs.Projection("in", "A", bs.FixedIndegree(3), 20.0),
            bs.Projection("A", "B", bs.FixedIndegree(3), bs.Uniform(2, 6), synapse),
            bs.Projection("B", "B", bs.FixedIndegree(3), bs.Uniform(2, 6), synapse, delay=bs.Uniform(0.2, 1.0)),
        ],
        dt=0.1,
        seed=4,
        outputs="B.v",
    )


def spikes(batch=()):
    return (np.random.default_rng(0).random((STEPS, *batch, N)) < 0.1).astype(np.float32)


def close(a, b, rtol=1e-5, atol=1e-4):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


@pytest.mark.parametrize("name", SYNAPSES)
class TestContract:
    def test_two_halves_are_the_whole_and_both_paths_agree(self, name, monkeypatch):
        net, xs = network(name), spikes((BATCH,))
        record = [f"A->B.{state}" for state in net["A->B"].state_units()]
        run = jax.jit(lambda x, state: bs.run(net, {"in": x}, state=state, record=record))
        state = net.init_state(BATCH)
        first = run(xs[: STEPS // 2], state)
        second = run(xs[STEPS // 2 :], first.state)
        whole = run(xs, state)
        assert jax.tree.structure(whole.state) == jax.tree.structure(state)
        for before, after in zip(jax.tree.leaves(state), jax.tree.leaves(whole.state), strict=True):
            assert (before.shape, before.dtype) == (after.shape, after.dtype)
        np.testing.assert_array_equal(jnp.concatenate([first.out, second.out]), whole.out)
        for path in record:
            halves = jnp.concatenate([first.records[path], second.records[path]])
            np.testing.assert_array_equal(halves, whole.records[path])
            assert np.abs(halves).max() > 0
        if _native.WHY_XLA is None:
            assert bs.explain(net, {"in": xs[:2]}).loop == "one native call"
            monkeypatch.setattr(_native, "WHY_XLA", "a test")  # the loop is traced anew in every run, and asks again
            plain = bs.run(net, {"in": xs}, state=state, record=record)
            close((plain.out, plain.records), (whole.out, whole.records))

    def test_a_batch_is_vmap_is_a_loop_and_gradients_are_finite(self, name):
        net, xs = network(name), spikes((BATCH,))

        def loss(weight, x):
            changed = eqx.tree_at(lambda m: m["A->B"].weight, net, weight)
            out = bs.run(changed, {"in": x}).out
            return (out[-1] ** 2).sum() / 1000, out

        weight = net["A->B"].weight
        gradient, mapped = jax.jit(jax.vmap(jax.grad(loss, has_aux=True), in_axes=(None, 1)))(weight, xs)
        alone = jax.jit(lambda x: bs.run(net, {"in": x}).out)
        close(mapped, jnp.stack([alone(xs[:, i]) for i in range(BATCH)]))
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
