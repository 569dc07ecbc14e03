"""Kinetics against their closed forms, and the contract of every synapse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.synapses import NMDA, Alpha, Delta, DualExponential, Exponential, Relay
from brainsim.units import ms, mV, nS

SYNAPSES = [
    Delta(), Relay(), Exponential(5 * ms), Exponential(5 * ms, e_rev=-80 * mV), Alpha(2 * ms), NMDA(), NMDA(alpha=0.5),
    DualExponential(0.5 * ms, 5 * ms, e_rev=0 * mV),
]  # fmt: skip


def built(synapse, n=3, dtype=jnp.float32):
    return synapse.build("a->b", (n,), dt=0.1, key=jax.random.key(0), dtype=dtype)


@pytest.mark.parametrize("synapse", SYNAPSES, ids=repr)
class TestContract:
    def test_state_keeps_shape_and_dtype_under_scan(self, synapse):
        part = built(synapse)
        state = part.init_state((2, 3), jnp.float32)

        def step(state, arrivals):
            state = part.arrive(part.advance(state, 0.1), arrivals)
            return state, jax.tree.leaves(part.drive(state, jnp.full((2, 3), -50.0)))

        later, drives = jax.lax.scan(step, state, jnp.ones((4, 2, 3)))
        assert jax.tree.structure(later) == jax.tree.structure(state)
        for a, b in zip(jax.tree.leaves(later), jax.tree.leaves(state), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert all(np.isfinite(drive).all() for drive in drives)

    def test_superposition(self, synapse):
        part = built(synapse)
        a, b = jnp.array([1.0, 0.5, 2.0]), jnp.array([0.25, 4.0, 0.0])

        def after(arrivals):
            state = part.arrive(part.init_state((3,), jnp.float32), arrivals)
            return getattr(part.advance(state, 0.1), part.port)

        np.testing.assert_allclose(after(a) + after(b), after(a + b), rtol=1e-6)

    def test_names_a_unit_for_every_state(self, synapse):
        assert set(built(synapse).init_state((3,), jnp.float32)) == set(synapse.state_units())


@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0, 7.0])
def test_exponential_decays_exactly(x64, dt):
    part = built(Exponential(5 * ms, e_rev=0 * mV), dtype=jnp.float64)
    state = part.arrive(part.init_state((3,), jnp.float64), jnp.array([1.0, 2.0, 3.0]))
    for _ in range(4):
        state = part.advance(state, dt)
    np.testing.assert_allclose(state.g, np.array([1.0, 2.0, 3.0]) * np.exp(-4 * dt / 5), rtol=1e-14)


def test_conductance_drive_is_g_and_g_times_e():
    part = built(Exponential(5 * ms, e_rev=-80 * mV))
    drive = part.drive(part.arrive(part.init_state((3,), jnp.float32), jnp.ones(3)))
    np.testing.assert_array_equal(drive.conductance, np.ones(3))
    np.testing.assert_array_equal(drive.reversal, np.full(3, -80.0))
    assert drive.current is None and drive.jump is None and drive.decaying == ()


def test_current_is_handed_on_as_decaying():
    part = built(Exponential(5 * ms))
    ((start, tau),) = part.drive(part.init_state((3,), jnp.float32)).decaying
    assert start.shape == (3,) and float(tau) == 5.0


def test_instantaneous_synapses_forget():
    part = built(Delta())
    state = part.arrive(part.init_state((3,), jnp.float32), jnp.ones(3))
    np.testing.assert_array_equal(part.advance(state, 0.1).jump, np.zeros(3))


class TestProjectionMessages:
    def build(self, *args, **options):
        options = {"rule": bs.AllToAll(), "weight": 1.0, **options}
        return bs.Projection("I", "E", **options).build(4, 3, dt=0.1, seed=0, dtype=jnp.float32)

    def test_unit_of_weight(self):
        with pytest.raises(
            ValueError, match=r"`weight` of I->E: Exponential with `e_rev` takes a conductance \(nS\), got 6.7 mV"
        ):
            self.build(weight=6.7 * mV, synapse=Exponential(5 * ms, e_rev=0 * mV))
        with pytest.raises(ValueError, match=r"`weight` of I->E: Delta takes a voltage \(mV\), got 6.7 nS"):
            self.build(weight=6.7 * nS)

    def test_sign(self):
        with pytest.raises(
            ValueError, match=r"`sign=-1` but \d+ of 12 weights are > 0 \(max .* mV\): pass `high=0\*mV`"
        ):
            self.build(weight=bs.Normal(0 * mV, 1 * mV), sign=-1)
        with pytest.raises(ValueError, match=r"1 of 1 weights are < 0"):
            self.build(weight=-1.0, sign=1, storage="dense")
        with pytest.raises(ValueError, match=r"conductance is >= 0 and inhibits by its `e_rev`"):
            self.build(synapse=Exponential(5 * ms, e_rev=-80 * mV), sign=-1)
        with pytest.raises(ValueError, match=r"Exponential with `e_rev` but 1 of 1 weights are < 0"):
            self.build(weight=-1.0, storage="dense", synapse=Exponential(5 * ms, e_rev=-80 * mV))
        with pytest.raises(ValueError, match="`sign` of I->E: expected"):
            self.build(sign=2)

    def test_delay_off_the_grid(self):
        with pytest.raises(
            ValueError, match=r"`delay` of `I->E` = 0.25 ms is not a multiple of dt = 0.1 ms: 0.2 or 0.3"
        ):
            self.build(delay=0.25 * ms)
        with pytest.raises(ValueError, match="`delay`: expected one of"):
            self.build(delay="later")

    def test_a_delay_of_zero_beside_longer_ones(self):
        with pytest.raises(ValueError, match="1 of 2 delays are 0 ms and others not"):
            self.build(rule=bs.EdgeList([0, 1], [1, 2]), delay=np.array([0.0, 1.5]))
        assert self.build(rule=bs.EdgeList([0, 1], [1, 2]), delay=np.array([0.3, 0.3])).delay_steps is None

    def test_repeated_pairs_in_a_matrix(self):
        with pytest.raises(ValueError, match='"dense" holds one synapse per pair, the rule repeats 1'):
            self.build(rule=bs.EdgeList([0, 0, 1], [1, 1, 2]), storage="dense")

    def test_arrays_need_an_order(self):
        with pytest.raises(ValueError, match="`weight` of I->E: an array needs an `EdgeList`"):
            self.build(weight=np.ones(12))
        with pytest.raises(ValueError, match=r"`weight` of I->E: expected shape \(2,\), one per edge, got \(3,\)"):
            self.build(rule=bs.EdgeList([0, 1], [1, 2]), weight=np.ones(3))

    def test_kinds(self):
        with pytest.raises(TypeError, match="`rule` of I->E: expected a rule"):
            self.build(rule=0.1)
        with pytest.raises(TypeError, match="`synapse` of I->E: expected a synapse"):
            self.build(synapse="exp")
        with pytest.raises(ValueError, match="`storage`: expected one of"):
            self.build(storage="coo")
        with pytest.raises(ValueError, match="`trainable` of I->E: no parameter `tau`; it has weight, trainable|`tau`"):
            self.build(trainable=("tau",))

    def test_not_finite(self):
        with pytest.raises(ValueError, match="`weight`.*nan"):
            self.build(weight=float("nan"))


def test_edge_list_keeps_the_callers_order():
    pre, post = np.array([2, 0, 1, 0]), np.array([0, 2, 1, 0])
    weight, delay = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.2, 0.3, 0.4])
    built = bs.Projection("a", "b", bs.EdgeList(pre, post), weight, delay=delay).build(
        3, 3, dt=0.1, seed=0, dtype=jnp.float32
    )
    found = {(int(i), int(j)): (float(w), round(float(d), 3)) for i, j, w, d in zip(*built.edges, strict=True)}
    assert found == {(2, 0): (1.0, 0.1), (0, 2): (2.0, 0.2), (1, 1): (3.0, 0.3), (0, 0): (4.0, 0.4)}
    assert built.max_steps == 4


def test_drawn_delays_are_on_the_grid_and_at_least_one_step():
    projection = bs.Projection("a", "b", bs.AllToAll(), 1.0, delay=bs.Uniform(0 * ms, 1 * ms))
    built = projection.build(20, 20, dt=0.1, seed=0, dtype=jnp.float32)
    assert built.delay_steps.dtype == jnp.int32
    assert int(built.delay_steps.min()) == 1 and int(built.delay_steps.max()) == 10 == built.max_steps


def test_weight_function_sees_its_edges():
    seen = {}

    def weight(key, context):
        seen.update(pre=context.pre, post=context.post, shape=context.shape)
        return jnp.asarray(context.pre * 10.0 + context.post)

    built = bs.Projection("a", "b", bs.AllToAll(), weight).build(2, 3, dt=0.1, seed=0, dtype=jnp.float32)
    np.testing.assert_array_equal(built.weight, [0, 1, 2, 10, 11, 12])
    assert seen["shape"] == (6,)


@pytest.mark.parametrize("delay", ["dt", 0 * ms, 0.3 * ms])
def test_pairs_cross_as_a_diagonal_matrix_does(delay):
    """Neuron i to neuron i crosses element by element; every weight is a dyadic number, so the sums are exact."""
    weight = np.arange(1, 9) / 8
    pairs = bs.EdgeList(np.arange(8), np.arange(8))

    def voltages(storage, rule, weight):
        net = bs.Network(
            {"in": bs.Input(8), "x": bs.Population(8, bs.LI(1e6 * ms))},
            [bs.Projection("in", "x", rule, weight * mV, delay=delay, storage=storage)],
            dt=0.1 * ms,
        )
        assert net["in->x"].paired == (storage == "csr" and net["in->x"].max_steps <= 1)
        counts = np.random.default_rng(0).integers(0, 3, (20, 8)).astype(np.float32)
        return bs.run(net, inputs={"in": counts}, record=["x.v"]).records["x.v"]

    np.testing.assert_array_equal(voltages("csr", pairs, weight), voltages("dense", pairs, np.diag(weight)))


@pytest.mark.parametrize("delay", ["dt", 0 * ms, 0.3 * ms])
def test_one_weight_for_all_pairs_crosses_as_a_sum(delay):
    """All to all with a number as weight: what everybody gets is one sum, exact in dyadic numbers."""
    every = bs.AllToAll(self_connections=True)
    counts = np.random.default_rng(0).integers(0, 3, (20, 8)).astype(np.float32)

    def voltages(storage, weight):
        net = bs.Network(
            {"in": bs.Input(8), "x": bs.Population(5, bs.LI(1e6 * ms))},
            [bs.Projection("in", "x", every, weight * mV, delay=delay, storage=storage)],
            dt=0.1 * ms,
        )
        return bs.run(net, inputs={"in": counts}, record=["x.v"]).records["x.v"]

    expected = voltages("dense", np.full((8, 5), 0.375))
    np.testing.assert_array_equal(voltages("dense", 0.375), expected)
    np.testing.assert_array_equal(voltages("csr", 0.375), expected)
