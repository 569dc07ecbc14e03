"""Release in quanta: binomial, independent from spike to spike and neuron to neuron, at no event without a spike."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import brainsim as bs
from brainsim.synapses import QuantalRelease, Relay, ShortTerm
from brainsim.units import Hz, ms, pA

N, STEPS = 200, 4000


def released(*terminals, rate=80.0, seed=0):
    """Spikes of every source and what arrives of them one step later, (STEPS, N) each."""
    net = bs.Network(
        {"s": bs.Poisson(N, rate * Hz, binary=True), "t": bs.Population(N, bs.LI(20 * ms))},
        [bs.Projection("s", "t", bs.OneToOne(), 1 * pA, [*terminals, Relay()])],
        dt=1.0,
        seed=seed,
    )
    if bs.explain(net).parts[0].way != "xla":
        assert bs.explain(net).loop == "one native call"
    records = bs.run(net, steps=STEPS, record=["s.spikes", "s->t.i"]).records
    return np.asarray(records["s.spikes"]), np.asarray(records["s->t.i"])


@pytest.mark.parametrize(("p", "sites"), [(0.3, 1), (0.6, 5)])
def test_quanta_are_binomial(p, sites):
    spikes, out = released(QuantalRelease(p, sites))
    assert not out[spikes == 0].any()
    quanta = out[spikes == 1] * sites
    np.testing.assert_array_equal(quanta, np.round(quanta))
    expected = stats.binom.pmf(np.arange(sites + 1), sites, p) * quanta.size
    seen = np.bincount(quanta.astype(int), minlength=sites + 1)
    assert stats.chisquare(seen, expected).pvalue > 0.005  # alpha = 0.01 / 2
    failed = (out == 0)[spikes == 1].reshape(-1)
    assert abs(np.corrcoef(failed[:-1], failed[1:])[0, 1]) < 4 / np.sqrt(failed.size)


def test_after_short_term_plasticity_the_probability_is_what_would_be_released():
    """The mean over neurons that have one train in common is the deterministic course, within 4 standard errors."""
    trains = [np.arange(10, 200, 20.0)] * N
    source = bs.SpikeTimes(np.concatenate(trains), np.repeat(np.arange(N), 10), n=N)
    net = bs.Network(
        {"s": source, "t": bs.Population(N, bs.LI())},
        [
            bs.Projection("s", "t", bs.OneToOne(), 1 * pA, [ShortTerm(200 * ms, None, 0.5), *rest, Relay()], name=name)
            for name, rest in (("mean", []), ("drawn", [QuantalRelease(0.8, 2)]))
        ],
        dt=1.0,
    )
    mean, drawn = (
        np.asarray(bs.run(net, steps=220, record=[f"s->t#{name}.i"]).records[f"s->t#{name}.i"])
        for name in ("mean", "drawn")
    )
    at = np.flatnonzero(mean[:, 0])
    assert len(at) == 10
    chance = 0.8 * mean[at, 0]
    error = np.sqrt(chance * (1 - chance) / 2 / N)
    assert (np.abs(drawn[at].mean(1) - chance) < 4 * error).all()


def test_several_spikes_in_a_step_and_the_gradient_of_the_mean():
    part = QuantalRelease(0.25, 2).build("s->t", (3000,), dt=1.0, key=jax.random.key(0), dtype=jnp.float32)
    stream = bs._streams.Stream.of(jax.random.key(1), 0)
    out = np.asarray(part.transmit(bs._types.State(), jnp.full(3000, 3.0), 1.0, stream)[1]) * 2
    expected = stats.binom.pmf(np.arange(7), 6, 0.25) * 3000
    seen = np.bincount(out.astype(int), minlength=7)
    assert stats.chisquare(np.r_[seen[:4], seen[4:].sum()], np.r_[expected[:4], expected[4:].sum()]).pvalue > 0.01
    total = lambda part, y: part.transmit(bs._types.State(), y, 1.0, stream)[1].sum()
    gradient, slope = eqx.filter_grad(lambda both: total(*both))((part, jnp.ones(3000)))
    np.testing.assert_allclose(gradient.p, 3000.0)
    np.testing.assert_allclose(slope, 0.25)


def test_misuse():
    with pytest.raises(ValueError, match="`p` must be <= 1"):
        QuantalRelease(1.5)
    with pytest.raises(ValueError, match="`sites`: expected a number of sites >= 1, got 0"):
        QuantalRelease(0.5, 0)
    populations = {"a": bs.Population(1, bs.Astrocyte()), "t": bs.Population(1, bs.LI())}
    with pytest.raises(ValueError, match="a->t: QuantalRelease needs spikes, 'a' emits `sic`"):
        bs.Network(populations, [bs.Projection("a", "t", bs.AllToAll(), 1.0, [QuantalRelease(), Relay()])], dt=1.0)
