"""`simulate`: chunks change nothing, a continuation is the long run, bad states are named, memory is asked first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.units import ms, mV, nS, pA


def network(n=60, **lif):
    options = {"v_th": -50 * mV, "v_reset": -60 * mV, "v_rest": -60 * mV, "t_ref": 2 * ms, "i_bias": 20 * pA, **lif}
    cell = {"neuron": bs.LIF(20 * ms, **options), "init": {"v": bs.Normal(-55 * mV, 2 * mV)}}
    exc, inh = bs.Exponential(5 * ms, e_rev=0 * mV), bs.Exponential(10 * ms, e_rev=-80 * mV)
    return bs.Network(
        {"E": bs.Population(n, **cell), "I": bs.Population(n // 4, **cell), "ext": bs.Poisson(20, 500.0)},
        [
            bs.Projection("E", "I", bs.FixedProbability(0.2), 0.6 * nS, exc),
            bs.Projection("I", "E", bs.FixedProbability(0.2), 3 * nS, inh, delay=1.6 * ms),
            bs.Projection("ext", "E", bs.FixedProbability(0.2), 0.5 * nS, exc, delay=bs.Uniform(0.2 * ms, 1 * ms)),
        ],
        dt=0.1 * ms,
        seed=7,
    )


RECORD = ["E.spikes", "ext.spikes", "I.v[:3]", bs.Trace("I->E.g", ids=[1, 4], every=0.7 * ms), bs.Rate("E", bin=2 * ms)]


def same_state(a, b):
    raw = lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    return all(np.array_equal(raw(x), raw(y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def same(a, b):
    np.testing.assert_array_equal(a["E"].spikes.t, b["E"].spikes.t)
    np.testing.assert_array_equal(a["E"].spikes.i, b["E"].spikes.i)
    np.testing.assert_array_equal(a["ext"].spikes.dense, b["ext"].spikes.dense)
    np.testing.assert_array_equal(a["I"].v, b["I"].v)
    np.testing.assert_array_equal(a["I->E"].g, b["I->E"].g)
    assert same_state(a.state, b.state)


def test_chunks_change_nothing():
    net = network()
    whole = bs.simulate(net, 50 * ms, record=RECORD, chunk=500)
    assert whole["E"].spikes.t.size > 20
    for chunk in (499, 77, "auto"):
        same(whole, bs.simulate(net, 50 * ms, record=RECORD, chunk=chunk))


def test_agrees_with_run():
    net = network()
    result = bs.simulate(net, 30 * ms, record=["E.spikes", "I.v"], chunk=100)
    records = bs.run(net, steps=300, record=["E.spikes", "I.v"]).records
    np.testing.assert_array_equal(result["E"].spikes.dense, records["E.spikes"])
    np.testing.assert_array_equal(result["I"].v, records["I.v"])
    steps, neurons = np.nonzero(np.asarray(records["E.spikes"]))
    np.testing.assert_allclose(np.sort(result["E"].spikes.t), np.sort((steps + 1) * 0.1), rtol=1e-6)


@pytest.mark.parametrize("cut", [1, 13.3, 49.9])
def test_a_continuation_is_the_long_run(cut):
    net = network()
    whole = bs.simulate(net, 50 * ms, record=RECORD)
    first = bs.simulate(net, cut * ms, record=RECORD)
    second = bs.simulate(net, (50 - cut) * ms, record=RECORD, state=first.state)
    assert same_state(whole.state, second.state)
    np.testing.assert_array_equal(whole["E"].spikes.i, np.r_[first["E"].spikes.i, second["E"].spikes.i])
    np.testing.assert_array_equal(whole["I->E"].g, np.concatenate([first["I->E"].g, second["I->E"].g]))
    np.testing.assert_allclose(second.t[0], cut + 0.1, rtol=1e-6)


def test_save_load_and_go_on(tmp_path):
    net = network()
    whole = bs.simulate(net, 20 * ms, record=RECORD)
    bs.simulate(net, 8 * ms, record=RECORD).save(tmp_path / "first.h5")
    loaded = bs.Result.load(tmp_path / "first.h5")
    assert same_state(bs.simulate(net, 12 * ms, record=[], state=loaded.state).state, whole.state)


def test_trials_differ_and_have_an_axis():
    result = bs.simulate(network(), 20 * ms, batch=3, record=["E.spikes", "E.v[:2]"])
    assert result["E"].v.shape == (200, 3, 2)
    dense = result["E"].spikes.dense
    assert dense.shape == (200, 3, 60) and np.any(dense[:, 0] != dense[:, 1])


def test_repeating_repeats_and_a_key_changes():
    net = network()
    a, b = (bs.simulate(net, 10 * ms, record=["ext.spikes"]) for _ in range(2))
    np.testing.assert_array_equal(a["ext"].spikes.dense, b["ext"].spikes.dense)
    c = bs.simulate(net, 10 * ms, record=["ext.spikes"], key=jax.random.key(5))
    assert np.any(a["ext"].spikes.dense != c["ext"].spikes.dense)


def test_default_records_and_none():
    result = bs.simulate(network(), 10 * ms)
    assert result["E"].spikes.counts.shape == (60,)
    assert bs.simulate(network(), 10 * ms, record=[]).state is not None


def test_inputs_follow_the_chunks():
    net = bs.Network({"x": bs.Population(2, bs.LI(1e9 * ms, r_mem=1e9))}, dt=1 * ms)
    current = np.arange(20.0).reshape(10, 2)
    result = bs.simulate(net, inputs={"x": current * pA}, record=["x.v"], chunk=3)
    np.testing.assert_allclose(result["x"].v, np.cumsum(current, 0), rtol=1e-5)


def test_a_bad_state_is_named_with_place_and_time():
    net = network(n=40, t_ref=0 * ms)
    faulty = jnp.zeros(40).at[11].set(jnp.nan)
    with pytest.raises(
        FloatingPointError, match=r"non-finite v in E at step 183 \(18.4 ms\), neuron 11; largest drive: "
    ):
        bs.simulate(net, 30 * ms, inputs={"E": lambda t, key: jnp.where(t > 18.25, faulty, 0.0)}, record=[], chunk=100)
    drive = np.zeros((300, 40))
    drive[183, 11] = np.inf
    with pytest.raises(ValueError, match=r'`inputs\["E"\]`: inf at step 183 \(18.3 ms\), entry 11'):
        bs.simulate(net, inputs={"E": drive}, record=[])


def test_memory_is_refused_with_the_number():
    with pytest.raises(MemoryError, match=r'simulate: .* of "E.v" .*every=.*limit 1 MB'):
        bs.simulate(network(), 10_000 * ms, record=["E.v"], memory_limit=1e6)


def test_graded_output_keeps_its_values():
    net = bs.Network({"u": bs.Population(3, bs.UltraLIF(20 * ms))}, dt=1 * ms)
    result = bs.simulate(net, inputs={"u.v": np.full((5, 3), 0.7)}, record=["u.spikes"])
    dense = bs.run(net, {"u.v": np.full((5, 3), 0.7)}, record=["u.spikes"]).records["u.spikes"]
    assert 0 < float(dense[0, 0]) < 1
    np.testing.assert_array_equal(result["u"].spikes.dense, dense)


def test_an_astrocyte_drives_neurons_with_its_slow_inward_current():
    net = bs.Network(
        {"ext": bs.Poisson(5, 5000.0), "a": bs.Population(1, bs.Astrocyte()), "n": bs.Population(2, bs.LI(10 * ms))},
        [
            bs.Projection("ext", "a", bs.AllToAll(), 0.002),
            bs.Projection("a", "n", bs.AllToAll(), 1 * pA, bs.synapses.Relay()),
        ],
        dt=1 * ms,
    )
    result = bs.simulate(net, 4000 * ms, record=["a.sic", "n.v", "a.ca"])
    assert result["a"].sic.max() > 1
    steady = result["n"].v[-1] / result["a"].sic[-20:-1].mean()
    np.testing.assert_allclose(steady, 1, rtol=0.05)


def test_currents_and_the_field_they_make(caplog):
    """I = g (e_rev - v) or i, at the end of the step, in the fused loop; a jump is no current."""
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, i_bias=20 * pA)
    net = bs.Network(
        {"E": bs.Population(40, lif), "I": bs.Population(10, lif), "ext": bs.Poisson(20, 900.0)},
        [
            bs.Projection("ext", "E", bs.FixedProbability(0.3), 3 * pA, bs.Exponential(5 * ms)),
            bs.Projection("I", "E", bs.FixedProbability(0.3), 3 * nS, bs.Exponential(10 * ms, e_rev=-80 * mV)),
            bs.Projection("E", "I", bs.FixedProbability(0.3), 1 * mV),
        ],
        dt=0.1 * ms,
    )
    each = ["I->E.current", "I->E.g", "E.v", "ext->E.current", "ext->E.i"]
    with caplog.at_level("INFO", logger="brainsim"):
        r = bs.simulate(net, 100 * ms, record=each)
        summed = bs.simulate(net, 100 * ms, record=[bs.Trace(f"{p}->E.current", reduce="sum") for p in ("I", "ext")])
    assert not [line for line in caplog.messages if line.startswith("A loop goes")]
    np.testing.assert_allclose(r["I->E"].current, r["I->E"].g * (-80 - r["E"].v), rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(r["ext->E"].current, r["ext->E"].i)
    assert r.unit("I->E.current") == "pA" and r["I->E"].current.min() < -1
    t, field = bs.analysis.lfp(summed, excitatory=["ext->E"], inhibitory=["I->E"], normalise=False)
    expected = r["ext->E"].current.sum(1)[:-60] - 1.65 * r["I->E"].current.sum(1)[60:]
    np.testing.assert_allclose(field, expected, rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(t, np.arange(61, 1001) * 0.1)
    with pytest.raises(ValueError, match='"E->I.current" matches nothing'):
        bs.simulate(net, 1 * ms, record=["E->I.current"])


def test_to_a_file(tmp_path):
    net = network()
    kept = bs.simulate(net, 20 * ms, record=RECORD)
    filed = bs.simulate(net, 20 * ms, record=RECORD, to=tmp_path / "run.h5", chunk=50)
    same(kept, filed)
    same(kept, bs.Result.load(tmp_path / "run.h5"))


def test_under_a_trace_results_are_dense():
    net = network()

    @jax.jit
    def mean_rate(key):
        result = bs.simulate(net, 10 * ms, record=["E.spikes"], key=key)
        return result["E"].spikes.dense.mean()

    expected = bs.simulate(net, 10 * ms, record=["E.spikes"], key=jax.random.key(0))["E"].spikes.dense.mean()
    assert float(mean_rate(jax.random.key(0))) == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises((ValueError, TypeError), match="events.*not available|data-dependent"):
        jax.jit(lambda key: bs.simulate(net, 1 * ms, record=["E.spikes"], key=key)["E"].spikes.t)(jax.random.key(0))


def test_compiles_once_for_calls_of_one_shape():
    from brainsim.simulate.simulate import _chunk

    net = network()
    bs.simulate(net, 5 * ms, record=[])
    before = _chunk._cached._cache_size() if hasattr(_chunk, "_cached") else None
    bs.simulate(net, 5 * ms, record=[], key=jax.random.key(3))
    after = _chunk._cached._cache_size() if hasattr(_chunk, "_cached") else None
    assert before == after


class TestMessages:
    def test_duration(self):
        net = network()
        with pytest.raises(ValueError, match="`duration` = 0.25 ms is not a multiple of dt = 0.1 ms"):
            bs.simulate(net, 0.25 * ms)
        with pytest.raises(ValueError, match=r"`duration`: expected a time \(ms\), got 3 mV"):
            bs.simulate(net, 3 * mV)
        with pytest.raises(ValueError, match="`duration`: expected a time"):
            bs.simulate(net)

    def test_batch_and_chunk(self):
        net = network()
        with pytest.raises(ValueError, match="`batch` = 3, but `inputs` have batch 2"):
            bs.simulate(net, batch=3, inputs={"E": np.zeros((5, 2, 60))})
        with pytest.raises(ValueError, match="`chunk`: expected"):
            bs.simulate(net, 1 * ms, chunk=0)

    def test_model(self):
        with pytest.raises(TypeError, match="`model`: expected a Network"):
            bs.simulate(3, 1 * ms)
