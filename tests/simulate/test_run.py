"""`run`: pure, batched, masked, sampled, and the same with and without recomputation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.units import ms, mV, pA


def network(**changes):
    lif = bs.LIF(10 * ms, trainable=("tau_mem",))
    return bs.Network(
        {"in": bs.Input(4), "h": bs.Population(6, lif), "r": bs.Population(2, bs.LI(10 * ms))},
        [
            bs.Projection("in", "h", bs.AllToAll(), bs.Uniform(0.1 * mV, 0.6 * mV), delay=0 * ms, storage="dense"),
            bs.Projection("h", "h", bs.FixedProbability(0.5), -0.1 * mV, delay=3 * ms),
            bs.Projection("h", "r", bs.AllToAll(), bs.Normal(0 * mV, 1 * mV), delay=0 * ms),
        ],
        **{"dt": 1 * ms, "seed": 1, "outputs": "r", **changes},
    )


@pytest.fixture
def spikes():
    return jnp.asarray(np.random.default_rng(0).random((30, 3, 4)) < 0.4, jnp.float32)


def test_shapes_and_fields(spikes):
    out, state, records = bs.run(network(), {"in": spikes}, record=["h.spikes", "h.v[:2]", bs.Rate("h", bin=10 * ms)])
    assert out.shape == (30, 3, 2)
    assert {name: value.shape for name, value in records.items()} == {
        "h.spikes": (30, 3, 6), "h.v": (30, 3, 2), "h.rate": (3, 3),
    }  # fmt: skip
    assert int(state.step) == 30
    rate = np.asarray(records["h.spikes"]).reshape(3, 10, 3, 6).mean((1, 3)) * 1000
    np.testing.assert_allclose(records["h.rate"], rate, rtol=1e-5)
    assert rate.sum() > 0


def test_an_array_is_for_the_only_input(spikes):
    net = network()
    np.testing.assert_array_equal(bs.run(net, spikes).out, bs.run(net, {"in": spikes}).out)


def test_two_halves_are_the_whole(spikes):
    net = network()
    whole = bs.run(net, spikes)
    first = bs.run(net, spikes[:13])
    second = bs.run(net, spikes[13:], state=first.state)
    np.testing.assert_array_equal(whole.out, jnp.concatenate([first.out, second.out]))
    raw = lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    for a, b in zip(jax.tree.leaves(whole.state), jax.tree.leaves(second.state), strict=True):
        np.testing.assert_array_equal(raw(a), raw(b))


def test_batch_is_a_loop(spikes):
    net = network()
    together = bs.run(net, spikes).out
    for i in range(3):
        np.testing.assert_allclose(together[:, i], bs.run(net, spikes[:, i]).out, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("every", [1, 7, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 30))])
def test_sampled_traces_are_every_nth_step_whatever_the_start(spikes, every):
    net = network()
    full = bs.run(net, spikes, record=["h.v"]).records["h.v"]
    traced = bs.run(net, spikes, record=[bs.Trace("h.v", every=every * ms)]).records["h.v"]
    np.testing.assert_array_equal(traced, full[every - 1 :: every])
    half = bs.run(net, spikes[:11], record=[])
    later = bs.run(net, spikes[11:], state=half.state, record=[bs.Trace("h.v", every=every * ms)]).records["h.v"]
    kept = [k for k in range(11, 30) if (k + 1) % every == 0]
    np.testing.assert_array_equal(later, full[np.array(kept, int)])


def test_two_sampling_intervals_in_one_run(spikes):
    net = network()
    full = bs.run(net, spikes, record=["h.v"]).records["h.v"]
    record = [
        bs.Trace("h.v", every=4 * ms),
        bs.Trace("r.v", every=6 * ms),
        bs.Trace("h->r.jump", every=2 * ms, reduce="sum"),
    ]
    records = bs.run(net, spikes, record=record).records
    np.testing.assert_array_equal(records["h.v"], full[3::4])
    assert records["r.v"].shape == (5, 3, 2) and records["h->r.jump_sum"].shape == (15, 3)


def test_lengths_silence_what_comes_after(spikes):
    net = network()
    lengths = jnp.array([30, 10, 0])
    out, _, records = bs.run(net, spikes, lengths=lengths, record=["h.spikes"])
    full = bs.run(net, spikes, record=["h.spikes"])
    for i, n in enumerate(lengths):
        np.testing.assert_array_equal(out[:n, i], full.out[:n, i])
        assert not np.any(out[n:, i]) and not np.any(records["h.spikes"][n:, i])
    with pytest.raises(ValueError, match=r"`lengths`: expected integers of shape \(3,\), got float32"):
        bs.run(net, spikes, lengths=jnp.ones(3))


@pytest.mark.parametrize("remat", [1, 7, *(pytest.param(n, marks=pytest.mark.slow) for n in (None, 12, 30)), "auto"])
def test_recomputation_changes_no_gradient(spikes, remat):
    import equinox as eqx

    def loss(net, remat):
        run = bs.run(net, spikes, remat=remat, record=[bs.Trace("h.v", every=3 * ms)])
        return (run.out**2).mean() + run.records["h.v"].mean()

    net = network()
    expected, found = eqx.filter_grad(loss)(net, None), eqx.filter_grad(loss)(net, remat)
    assert float(jnp.abs(expected["in->h"].weight).sum()) > 0
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)


def test_keys(spikes):
    net = bs.Network({"p": bs.Poisson(20, 100.0)}, dt=1 * ms, seed=2)
    draw = lambda **k: np.asarray(bs.run(net, steps=50, record=["p.spikes"], **k).records["p.spikes"])
    np.testing.assert_array_equal(draw(), draw())
    assert np.any(draw() != draw(key=jax.random.key(1)))
    first = bs.run(net, steps=25)
    later = bs.run(net, steps=25, state=first.state, record=["p.spikes"]).records["p.spikes"]
    np.testing.assert_array_equal(later, draw()[25:])


class TestSignals:
    def cell(self):
        return bs.Network({"x": bs.Population(3, bs.LI(1e9 * ms, r_mem=1e9))}, dt=0.5 * ms)

    def charge(self, signal, steps=8, **options):
        """With tau = 1e9 ms and R = 1e9 GOhm, v sums I dt."""
        return np.asarray(bs.run(self.cell(), {"x": signal}, steps=steps, record=["x.v"], **options).records["x.v"])

    def test_constant_and_function(self):
        np.testing.assert_allclose(self.charge(2.0 * pA)[-1], 8.0, rtol=1e-5)
        ramp = self.charge(lambda t, key: t * jnp.ones(3))
        np.testing.assert_allclose(ramp[-1], 0.5 * 0.5 * sum(range(8)), rtol=1e-5)

    def test_timed_array(self):
        np.testing.assert_allclose(
            self.charge(bs.TimedArray([0, 100, 0, 0] * pA, every=1 * ms))[:, 0],
            [0, 0, 50, 100, 100, 100, 100, 100],
            rtol=1e-5,
        )
        assert self.charge(bs.TimedArray([1.0, -1.0], 0.5 * ms, repeat=True), steps=10)[-1, 0] == pytest.approx(
            0, abs=1e-5
        )
        np.testing.assert_allclose(self.charge(bs.TimedArray([1.0, 2.0], 1 * ms))[-1], 0.5 * (2 * 1 + 6 * 2), rtol=1e-5)
        with pytest.raises(ValueError, match="`every` = 0.7 ms is not a multiple"):
            self.charge(bs.TimedArray([1.0], 0.7 * ms))

    def test_rows_of_another_size(self):
        with pytest.raises(ValueError, match=r'`inputs\["x"\]`: expected a value or .* shape \(3,\) .* \(2,\)'):
            self.charge(bs.TimedArray(np.ones((4, 2)), 1 * ms))
        with pytest.raises(ValueError, match=r"got \(1,\)"):
            self.charge(lambda t, key: jnp.ones(1))

    def test_gradient_flows_to_a_timed_array(self):
        def last(values):
            return (
                bs.run(self.cell(), {"x": bs.TimedArray(values, 2 * ms)}, steps=8, record=["x.v"])
                .records["x.v"][-1]
                .sum()
            )

        np.testing.assert_allclose(jax.grad(last)(jnp.array([1.0, 2.0])), [6.0, 6.0], rtol=1e-5)

    def test_ornstein_uhlenbeck(self):
        net = bs.Network({"x": bs.Population(400, bs.LI(1e9 * ms, r_mem=1e9))}, dt=0.5 * ms)
        run = bs.run(net, {"x": bs.OU(3 * pA, 2 * pA, 5 * ms)}, steps=400, record=["x.v"])
        v = np.asarray(run.records["x.v"])
        current = np.diff(v, axis=0) / 0.5
        assert current.mean() == pytest.approx(3, abs=0.15)
        assert current.std() == pytest.approx(2, rel=0.05)
        lag = np.corrcoef(current[:-10].ravel(), current[10:].ravel())[0, 1]
        assert lag == pytest.approx(np.exp(-1), abs=0.05)

    def test_ornstein_uhlenbeck_goes_on_where_it_was(self):
        net, noise = self.cell(), {"x": bs.OU(0 * pA, 2 * pA, 5 * ms)}
        whole = bs.run(net, noise, steps=20, record=["x.v"]).records["x.v"]
        first = bs.run(net, noise, steps=9)
        later = bs.run(net, noise, steps=11, state=first.state, record=["x.v"]).records["x.v"]
        np.testing.assert_array_equal(whole[9:], later)


def test_rates_of_a_poisson_source_may_be_fed():
    net = bs.Network({"p": bs.Poisson(200, 0.0)}, dt=1 * ms)
    run = bs.run(net, {"p": bs.TimedArray([0.0, 500.0], 50 * ms)}, steps=100, record=["p.spikes"])
    counts = np.asarray(run.records["p.spikes"]).sum(1)
    assert counts[:50].sum() == 0
    assert counts[50:].sum() == pytest.approx(5000, abs=4 * 5000**0.5)


class TestMessages:
    def test_inputs(self, spikes):
        net = network()
        with pytest.raises(ValueError, match=r'`inputs\["in"\]`: expected \(time, \[batch\], 4\), got \(30, 3, 5\)'):
            bs.run(net, {"in": jnp.zeros((30, 3, 5))})
        with pytest.raises(ValueError, match=r'"in" is an Input of 4 values: give `inputs=\{"in": ...\}`'):
            bs.run(net, steps=3)
        with pytest.raises(ValueError, match='`inputs`: "q" takes no input; there are in, h, h.v, h.spikes, r'):
            bs.run(net, {"in": spikes, "q": 1.0})
        with pytest.raises(ValueError, match=r'`inputs\["h"\]`: has 29 steps along time, expected 30'):
            bs.run(net, {"in": spikes, "h": jnp.zeros((29, 3, 6))})
        with pytest.raises(ValueError, match=r'`inputs\["h"\]`: has batch 2, another input has 3'):
            bs.run(net, {"in": spikes, "h": jnp.zeros((30, 2, 6))})
        with pytest.raises(ValueError, match=r"expected a current \(pA\), got"):
            bs.run(net, {"in": spikes, "h": 3 * mV})

    def test_steps(self):
        with pytest.raises(ValueError, match="`steps`: expected a number of steps"):
            bs.run(bs.Network({"p": bs.Poisson(2, 5.0)}, dt=1.0))

    def test_state(self, spikes):
        net = network()
        with pytest.raises(
            ValueError, match=r"`state`: made for batch 2, input has batch 3: `state=None` or `model.init_state\(3\)`"
        ):
            bs.run(net, spikes, state=net.init_state(2))
        with pytest.raises(ValueError, match="`state`: made for another model"):
            bs.run(net, spikes, state=bs.Network({"p": bs.Poisson(2, 5.0)}, dt=1.0).init_state())

    def test_model_and_remat(self, spikes):
        with pytest.raises(TypeError, match="`model`: expected a Network or a Sequential, got int"):
            bs.run(3)
        with pytest.raises(ValueError, match="`remat`: expected"):
            bs.run(network(), spikes, remat=0)

    def test_rate_bins_must_fit(self, spikes):
        with pytest.raises(ValueError, match="30 steps are not a multiple of the bin of 7 steps"):
            bs.run(network(), spikes, record=[bs.Rate("h", bin=7 * ms)])
