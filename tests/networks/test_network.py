"""Networks: what arrives where and when, the messages of bad ones, and that parts do not disturb each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.units import ms, mV, nS, pA


def relayed(delay, storage="csr", steps=40, n=3):
    """Neuron i of a source fires at step i; returns the steps at which target i gets its jump."""
    net = bs.Network(
        {"s": bs.SpikeTimes((np.arange(n) + 1) * 0.1, np.arange(n), n=n), "t": bs.Population(n, bs.LI(1e9 * ms))},
        [bs.Projection("s", "t", bs.EdgeList(np.arange(n), np.arange(n)), 1 * mV, delay=delay, storage=storage)],
        dt=0.1,
    )
    v = np.asarray(bs.run(net, steps=steps, record=["t.v"]).records["t.v"])
    return [int(np.flatnonzero(np.diff(np.r_[0.0, v[:, i]]) > 0.5)[0]) for i in range(n)]


@pytest.mark.parametrize("storage", ["csr", "dense"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 16])
def test_an_event_of_step_k_with_delay_d_acts_in_step_k_plus_d(steps, storage):
    assert relayed(steps * 0.1 * ms, storage) == [steps, steps + 1, steps + 2]


def test_default_delay_is_one_step():
    assert relayed("dt") == [1, 2, 3]


def test_every_synapse_may_have_its_own_delay():
    assert relayed(np.array([0.5, 0.1, 1.6])) == [5, 2, 18]


def test_no_event_is_lost_or_doubled():
    """Emitted x out-degree = delivered + in flight, as integers, while the ring wraps more than 100 times."""
    n, steps = 50, 2000
    net = bs.Network(
        {"s": bs.Poisson(n, 200.0), "t": bs.Population(n, bs.LI(1e12 * ms))},
        [bs.Projection("s", "t", bs.connectivity.FixedOutdegree(7), 1 * mV, delay=bs.Uniform(0.1 * ms, 1.6 * ms))],
        dt=0.1,
        seed=5,
    )
    result = bs.run(net, steps=steps, record=["s.spikes"])
    emitted = float(result.records["s.spikes"].sum())
    waiting = result.state.projections["s->t"]
    assert emitted > 1000
    assert emitted * 7 == float(result.state.populations["t"].v.sum() + waiting.jump.sum() + waiting.ring.sum())


@pytest.mark.parametrize("delay", [bs.Uniform(0.1 * ms, 1.6 * ms), 1.5 * ms], ids=["random", "one"])
def test_no_event_of_ten_million_is_lost(delay):
    """The same for 10^7 deliveries in one call; a dense matrix with one delay may be pushed as bits."""
    n, degree, steps = 1000, 100, 5200
    net = bs.Network(
        {"s": bs.Poisson(n, 200.0), "t": bs.Population(n, bs.LI(1e12 * ms))},
        [bs.Projection("s", "t", bs.connectivity.FixedOutdegree(degree), 1 * mV, delay=delay)],
        dt=0.1,
        seed=6,
    )
    result = bs.run(net, steps=steps, record=(bs.Rate("s"),))
    emitted = round(float(np.asarray(result.records["s.rate"], np.float64).mean()) * n * steps * net.dt / 1000)
    waiting, arrived = result.state.projections["s->t"], result.state.populations["t"].v
    parts = [np.asarray(part, np.float64).sum() for part in (arrived, waiting.jump, waiting.ring)]
    assert emitted * degree > 10_000_000 and sum(parts[1:]) > 0
    assert emitted * degree == sum(parts)


def small(**changes):
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, t_ref=1 * ms, i_bias=20 * pA)
    options = {"dt": 0.1 * ms, "seed": 3, **changes}
    exc, inh = bs.Exponential(5 * ms, e_rev=0 * mV), bs.Exponential(10 * ms, e_rev=-80 * mV)
    return bs.Network(
        {
            "E": bs.Population(40, lif, init={"v": bs.Normal(-55 * mV, 2 * mV)}),
            "I": bs.Population(10, lif, init={"v": bs.Normal(-55 * mV, 2 * mV)}),
        },
        [
            bs.Projection("E", "E", bs.FixedProbability(0.2), 0.3 * nS, exc, delay=bs.Uniform(0.5 * ms, 1.5 * ms)),
            bs.Projection("E", "I", bs.FixedProbability(0.2), bs.Uniform(0.1 * nS, 0.5 * nS), exc),
            bs.Projection("I", "E", bs.FixedIndegree(3), 3 * nS, inh, delay=0.4 * ms),
        ],
        **options,
    )


def test_adding_a_projection_or_a_population_changes_nothing_else():
    base = small()
    more = bs.Network(
        {**base.recipe.populations, "X": bs.Population(7, bs.LIF(10 * ms))},
        [bs.Projection("X", "E", bs.FixedProbability(0.5), 0 * mV), *base.recipe.projections],
        dt=0.1,
        seed=3,
    )
    for path in base.projections:
        for a, b in zip(jax.tree.leaves(base[path]), jax.tree.leaves(more[path]), strict=True):
            np.testing.assert_array_equal(a, b)
    runs = [bs.run(net, steps=300, record=["E.spikes", "I.spikes"]).records for net in (base, more)]
    assert float(runs[0]["E.spikes"].sum()) > 5
    for name in runs[0]:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])


def test_the_seed_decides_the_wiring_and_nothing_else_does():
    a, b, other = small(), small(), small(seed=4)
    np.testing.assert_array_equal(a["E->E"].indices, b["E->E"].indices)
    assert a["E->E"].n_synapses != other["E->E"].n_synapses or not np.array_equal(
        a["E->E"].indices, other["E->E"].indices
    )


def test_batch_elements_differ_and_equal_a_loop_over_keys():
    net = small()
    state = net.init_state(3)
    assert len(np.unique(np.asarray(state.populations["E"].v))) > 100
    keys = jax.random.split(jax.random.key(1), 3)
    together = jax.vmap(lambda key: bs.run(net, steps=50, key=key, record=["E.v"]).records["E.v"])(keys)
    for i, key in enumerate(keys):
        alone = bs.run(net, steps=50, key=key, record=["E.v"]).records["E.v"]
        np.testing.assert_allclose(together[i], alone, rtol=1e-5)


def test_parameters_name_every_leaf_and_find_it():
    net = small()
    parameters = net.parameters()
    assert {"E.tau_mem", "E.v_th", "I->E.weight", "I->E.tau_syn", "E->I.e_rev"} <= set(parameters)
    assert parameters["I->E.weight"].where(net) is net["I->E"].weight
    assert parameters["I->E.weight"].low == 0.0
    assert parameters["E.tau_mem"].where(net) is net["E"].neuron.tau_mem
    partial = eqx.filter(net, eqx.is_inexact_array, inverse=True)
    assert set(partial.parameters()) == set(parameters)


def test_gradient_reaches_every_kind_of_parameter():
    net = small()

    def loss(net):
        return bs.run(net, steps=200, record=["E.v"]).records["E.v"].mean()

    gradient = eqx.filter_grad(loss)(net)
    assert np.any(np.asarray(gradient["I->E"].weight) != 0)
    assert np.all(np.isfinite(np.asarray(gradient["E->E"].weight)))
    assert float(gradient["E"].neuron.tau_mem) != 0 and float(gradient["I->E"].synapse.tau_syn) != 0


def test_replace_dt_keeps_wiring_and_trained_values():
    net = small()
    net = eqx.tree_at(lambda m: m["I->E"].weight, net, jnp.float32(2.0))
    finer = bs.replace(net, dt=0.05 * ms)
    np.testing.assert_array_equal(finer["E->E"].indices, net["E->E"].indices)
    assert finer.dt == 0.05 and float(finer["I->E"].weight) == 2.0 and finer["I->E"].max_steps == 8
    assert float(bs.replace(net, seed=9)["I->E"].weight) == 3.0
    with pytest.raises(ValueError, match="`size`: expected one of dt, seed, outputs"):
        bs.replace(net, size=3)
    with pytest.raises(ValueError, match="not a multiple of dt"):
        bs.replace(net, dt=0.3 * ms)


class TestMessages:
    unit = bs.Population(2, bs.LIF(20 * ms))

    def edge(self, pre="a", post="b", **options):
        return bs.Projection(pre, post, bs.AllToAll(), 0.1 * mV, **options)

    def test_cycle_without_delay(self):
        edges = [self.edge(delay=0 * ms), self.edge("b", "a", delay=0 * ms)]
        with pytest.raises(ValueError, match=r"`delay`: 0 ms on the cycle (a->b->a|b->a->b)"):
            bs.Network({"a": self.unit, "b": self.unit}, edges, dt=0.1)

    def test_unknown_names(self):
        with pytest.raises(ValueError, match="projection a->c: no population 'c'; there are a, b"):
            bs.Network({"a": self.unit, "b": self.unit}, [self.edge(post="c")], dt=0.1)
        with pytest.raises(KeyError, match="no 'x'; there are a"):
            bs.Network({"a": self.unit}, dt=0.1)["x"]

    def test_twice_the_same(self):
        with pytest.raises(ValueError, match="a->b: a second one between the same pair needs its own `name`"):
            bs.Network({"a": self.unit, "b": self.unit}, [self.edge(), self.edge()], dt=0.1)
        net = bs.Network({"a": self.unit, "b": self.unit}, [self.edge(), self.edge(name="slow")], dt=0.1)
        assert set(net.projections) == {"a->b", "a->b#slow"}

    def test_into_a_source(self):
        with pytest.raises(ValueError, match="'s' is a source and takes no input"):
            bs.Network({"a": self.unit, "s": bs.Poisson(2, 5.0)}, [self.edge("a", "s")], dt=0.1)

    def test_time_step(self):
        for dt in (0.0, -0.1, float("nan")):
            with pytest.raises(ValueError, match="`dt`"):
                bs.Network({"a": self.unit}, dt=dt)
        with pytest.raises(ValueError, match=r"`dt`: expected a time \(ms\), got 1 mV"):
            bs.Network({"a": self.unit}, dt=1 * mV)

    def test_populations(self):
        with pytest.raises(TypeError, match="`populations`: expected a Population or a source for 'a'"):
            bs.Network({"a": bs.LIF(20 * ms)}, dt=0.1)
        with pytest.raises(ValueError, match="a name may not hold"):
            bs.Network({"a.b": self.unit}, dt=0.1)
        with pytest.raises(ValueError, match="`init`: LIF has no state `u`; it has v"):
            bs.Population(2, bs.LIF(20 * ms), init={"u": 1.0})
        for size in (-1, 2.5, "many"):
            with pytest.raises(ValueError, match="`size`: expected a number of neurons"):
                bs.Population(size, bs.LIF(20 * ms))

    def test_records(self):
        net = small()
        with pytest.raises(ValueError, match='"E.vv"'):
            bs.run(net, steps=1, record=["E.vv"])
        with pytest.raises(ValueError, match='"Q.v"'):
            bs.run(net, steps=1, record=["Q.v"])
        with pytest.raises(ValueError, match="`outputs`: no population 'R'; there are a"):
            bs.Network({"a": self.unit}, dt=0.1, outputs="R")


def test_dense_and_sparse_storage_agree():
    rng = np.random.default_rng(0)
    pre, post = np.nonzero(rng.random((6, 5)) < 0.5)
    weight = np.zeros((6, 5))
    weight[pre, post] = rng.integers(1, 9, pre.size) / 8
    source = bs.Poisson(6, 2000.0)
    results = []
    for storage, w in (("csr", weight[pre, post]), ("dense", weight)):
        net = bs.Network(
            {"s": source, "t": bs.Population(5, bs.LI(20 * ms))},
            [bs.Projection("s", "t", bs.EdgeList(pre, post), w * mV, delay=0.3 * ms, storage=storage)],
            dt=0.1,
        )
        assert net["s->t"].n_synapses == pre.size
        results.append(bs.run(net, steps=50, record=["t.v"]).records["t.v"])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    assert float(jnp.abs(results[0]).max()) > 0


def test_sizes_zero_and_one():
    for n in (0, 1):
        net = bs.Network(
            {"a": bs.Population(n, bs.LIF(20 * ms, i_bias=5 * pA)), "b": bs.Population(2, bs.LIF(20 * ms))},
            [
                bs.Projection("a", "b", bs.FixedProbability(0.5), 0.1 * mV),
                bs.Projection("b", "a", bs.AllToAll(), 0.1 * mV),
            ],
            dt=0.1,
        )
        assert bs.run(net, steps=5, record=["a.spikes"]).records["a.spikes"].shape == (5, n)
