"""A recorded histogram is `numpy.histogram` of the trace, to the last value, in memory, in a file and after a stop."""

import functools
import sys

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brainsim as bs
from brainsim.simulate.histogram import histogram
from brainsim.units import Hz, mV, nS, pA
from tests.plasticity.trains import learn, network, spikes

BINS = np.linspace(0.2, 0.9, 15)
KEY = "pre->post.weight_histogram"
RULE = bs.STDP(0.2, 0.21, w_max=1.0)


def counted(values, bins):
    """Below, in the bins of `numpy.histogram`, above, for every row."""
    bins = np.asarray(bins).astype(values.dtype).astype(np.float64)
    rows = values.reshape(int(np.prod(values.shape[:-1])), values.shape[-1]).astype(np.float64)
    found = [[(row < bins[0]).sum(), *np.histogram(row, bins)[0], (row > bins[-1]).sum()] for row in rows]
    return np.asarray(found).reshape(*values.shape[:-1], len(bins) + 1)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(0,), (1,), (50,), (2, 17), (2, 3, 5)]))
def test_values_on_and_beside_edges_go_where_numpy_puts_them(seed, shape):
    """Edges that float32 cannot hold, and values that are their neighbours in float32."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.random(6) + 1e-3) - 1.0
    near = edges.astype(np.float32)
    pool = np.concatenate([near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9)), [0.0, -9, 9]])
    values = rng.choice(pool, shape).astype(np.float32)
    found = histogram(jnp.asarray(values), tuple(edges.tolist()))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, counted(values, edges))


def test_a_value_at_a_bound_is_in_the_last_bin():
    """0.2 in float32 is above 0.2, and a weight whose bound it is has nowhere else to be."""
    values = jnp.asarray([0.0, 0.1, 0.2, 0.2], jnp.float32)
    np.testing.assert_array_equal(histogram(values, (0.0, 0.05, 0.2)), [0, 1, 3, 0])


def test_what_is_no_number_is_above_and_zero_is_at_the_edge_zero():
    values = jnp.asarray([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0])
    np.testing.assert_array_equal(histogram(values, (-1.0, 0.0)), [1, 2, 3])


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("every", [None, 7.0])
def test_run_counts_what_the_trace_has(batch, every):
    net, (pre, post) = network(RULE), spikes(1, 60)
    if batch:
        pre, post = (np.stack([side, side[::-1]], axis=1) for side in (pre, post))
    record = [bs.Histogram("pre->post.weight", BINS, every=every), bs.Trace("pre->post.weight", every=every)]
    records = learn(net, pre, post, record=record).records
    values = np.asarray(records["pre->post.weight"])
    np.testing.assert_array_equal(records[KEY], counted(values, BINS))
    assert np.asarray(records[KEY])[..., 0].any() and len(np.unique(records[KEY], axis=0)) > 2
    some = bs.Histogram("pre->post.weight", BINS, ids=[1, 4], every=every)
    np.testing.assert_array_equal(learn(net, pre, post, record=[some]).records[KEY], counted(values[..., [1, 4]], BINS))


@functools.cache
def growing():
    """A population that a Poisson source drives through plastic synapses."""
    lif = bs.LIF(20.0, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV)
    stdp = bs.STDP(0.05, 0.02, w_max=1 * nS)
    plastic = bs.Projection(
        "ext", "E", bs.FixedProbability(0.5), bs.Uniform(0.2 * nS, 0.6 * nS), bs.Exponential(5.0, e_rev=0 * mV),
        plasticity=stdp,
    )  # fmt: skip
    return bs.Network({"ext": bs.Poisson(40, 60 * Hz), "E": bs.Population(20, lif)}, [plastic], dt=0.5, seed=3)


RECORD = [
    bs.Histogram("ext->E.weight", np.linspace(0.25, 0.9, 9) * nS, every=2.0),
    bs.Trace("ext->E.weight", every=2.0),
]


def test_simulate_counts_the_same_in_memory_in_a_file_and_after_saving(tmp_path):
    net = growing()
    r = bs.simulate(net, 60.0, record=RECORD, chunk=30, progress=False)
    view = r["ext->E"].weight_histogram
    whole = np.concatenate([view.below[:, None], view.counts, view.above[:, None]], axis=1)
    np.testing.assert_array_equal(whole, counted(r["ext->E"].weight, np.linspace(0.25, 0.9, 9)))
    np.testing.assert_array_equal(view.t, r.times("ext->E.weight"))
    assert view.below.any() and view.size == whole[0].sum() and view.unit == "nS"
    r.report(tmp_path / "r.html")
    assert f"every 2 ms, 8 bins of {view.size:,} values" in (tmp_path / "r.html").read_text()
    streamed = bs.simulate(net, 60.0, record=RECORD, chunk=30, progress=False, to=tmp_path / "a.h5")
    r.save(tmp_path / "b.h5")
    for other in (streamed, bs.Result.load(tmp_path / "a.h5"), bs.Result.load(tmp_path / "b.h5")):
        found = other["ext->E"].weight_histogram
        for name in ("t", "edges", "counts", "below", "above"):
            np.testing.assert_array_equal(getattr(found, name), getattr(view, name))
        np.testing.assert_array_equal(other.read("ext->E.weight_histogram", 2, 4), whole[2:4])


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    """The process stops after two chunks of thirty steps; what the second call returns is what one run would have."""
    from brainsim.simulate import simulate as driver

    module, made = sys.modules[driver.__module__], []
    original = module._chunk

    def stops(*args):
        made.append(1)
        if len(made) == 3:
            raise KeyboardInterrupt
        return original(*args)

    options = {"record": RECORD, "chunk": 30, "progress": False, "to": tmp_path / "a.h5"}
    monkeypatch.setattr(module, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(module, "_chunk", stops)
    with pytest.raises(KeyboardInterrupt):
        bs.simulate(growing(), 60.0, **options)
    found = bs.simulate(growing(), 60.0, **options, resume=True)
    assert len(made) == 3 + 2  # of the four chunks, two were left
    whole = bs.simulate(growing(), 60.0, record=RECORD, chunk=30, progress=False)
    for name in ("counts", "below", "above"):
        np.testing.assert_array_equal(*(getattr(r["ext->E"].weight_histogram, name) for r in (found, whole)))


def test_under_a_trace_and_in_layers():
    net = growing()
    counts = lambda net: bs.simulate(net, 20.0, record=RECORD, progress=False)["ext->E"].weight_histogram.counts
    np.testing.assert_array_equal(eqx.filter_jit(counts)(net), counts(net))
    model = bs.Sequential(bs.Linear(4, 6), bs.LIF(10.0), dt=1.0, seed=0)
    x = np.random.default_rng(0).random((30, 2, 4)).astype(np.float32) * 9
    record = [bs.Histogram("1.v", (-0.5, 0.0, 0.5, 1.0), every=3.0), bs.Trace("1.v", every=3.0)]
    records = bs.run(model, x, record=record).records
    np.testing.assert_array_equal(records["1.v_histogram"], counted(np.asarray(records["1.v"]), (-0.5, 0.0, 0.5, 1.0)))


def test_memory_is_that_of_the_bins(tmp_path):
    net = growing()
    spec = [bs.Histogram("ext->E.weight", (0.0, 0.5, 1.0))]
    with pytest.raises(MemoryError, match=r"weight_histogram.*4 x 120 x int32.*`every=`"):
        bs.simulate(net, 60.0, record=spec, progress=False, memory_limit=4 * 120 * 4 - 1)
    bs.simulate(net, 60.0, record=spec, progress=False, memory_limit=4 * 120 * 4)


def test_bins_in_another_unit_are_refused():
    with pytest.raises(ValueError, match=r"`bins` of \"ext->E.weight\": expected a conductance \(nS\), got a current"):
        bs.run(growing(), steps=1, record=[bs.Histogram("ext->E.weight", [0.0, 1.0] * pA)])
