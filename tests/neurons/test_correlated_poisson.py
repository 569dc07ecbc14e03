"""Correlated Poisson processes and pulse packets: rates, correlations and how many fire together, with fixed seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import brainsim as bs
from brainsim._streams import Stream
from brainsim.fuse.loop import loop
from brainsim.neurons import CorrelatedPoisson, pulse_packets
from brainsim.units import Hz, ms

N, STEPS, DT, RATE = 40, 40_000, 1.0, 25.0


def counts(kind, c, batch=None, steps=STEPS, n=N, seed=0):
    populations = {"p": CorrelatedPoisson(n, RATE * Hz, c, kind=kind), "x": bs.Population(1, bs.LI(20 * ms))}
    net = bs.Network(populations, dt=DT, outputs="p", seed=seed)
    state = net.init_state(batch)
    return np.asarray(jax.jit(lambda s: bs.run(net, steps=steps, state=s).out)(state))


@pytest.mark.parametrize("kind", ["mip", "sip"])
@pytest.mark.parametrize("c", [0.1, 0.5])
def test_every_channel_is_poisson_and_pairs_have_the_correlation(kind, c):
    x = counts(kind, c)
    mean = RATE * DT / 1000
    assert abs(x.mean() / mean - 1) < 0.05 * (1 + 3 * c)
    assert abs(x.var() / x.mean() - 1) < 0.03  # Fano factor of a Poisson count
    pairs = np.corrcoef(x.T)[~np.eye(N, dtype=bool)]
    assert abs(pairs.mean() - c) < 0.03
    lagged = np.corrcoef(x[:-1].sum(1), x[1:].sum(1))[0, 1]
    assert abs(lagged) < 3 / np.sqrt(STEPS)
    gaps = np.diff(np.flatnonzero(x[:, 0]))
    assert abs(gaps.std() / gaps.mean() - 1) < 0.1  # CV of the intervals


def test_shared_spikes_have_all_channels_or_a_binomial_share_of_them():
    """P(all 40 together): the shared ones of "sip", 0.5 x 25 Hz; one of "mip" has 20 on average, never nearly all."""
    sip, mip = (counts(kind, 0.5) for kind in ("sip", "mip"))
    together = (sip > 0).all(1)
    assert abs(together.mean() / (0.5 * RATE * DT / 1000) - 1) < 0.15
    assert not (mip > 0).all(1).any()
    single = mip[(mip.sum(1) > 0) & (mip.max(1) == 1)].sum(1)
    inside = single[single < 34]  # two mother spikes in one step are rare
    assert abs(inside.mean() - 20) < 0.5 and abs(inside.std() / np.sqrt(10) - 1) < 0.15


def test_trials_are_independent():
    x = counts("sip", 0.9, batch=2, steps=20_000)
    across = np.corrcoef(x[:, 0].sum(1), x[:, 1].sum(1))[0, 1]
    assert abs(across) < 3 / np.sqrt(20_000)


def test_binomial_draws_follow_their_law_on_both_paths():
    key = jax.random.key(3)
    count = jnp.array([0.0, 1.0, 7.0, 40.0])

    def body(step, _):
        return step + 1, Stream.of(key, step).binomial(jnp.repeat(count, 250), 0.3, (1000,))

    fused, plain = (np.asarray(over(body, jnp.int32(0), None, 8)[1]) for over in (loop, jax.lax.scan))
    np.testing.assert_array_equal(fused, plain)
    drawn = fused.reshape(8, 4, 250).swapaxes(0, 1).reshape(4, 2000)
    assert not drawn[0].any()
    for n, values in zip((1, 7), drawn[1:3], strict=True):  # alpha = 0.01 / 2
        expected = stats.binom.pmf(np.arange(n + 1), n, 0.3) * 2000
        seen = np.bincount(values.astype(int), minlength=n + 1)
        assert stats.chisquare(seen[expected > 5], expected[expected > 5] * seen[expected > 5].sum()
                               / expected[expected > 5].sum()).pvalue > 0.005  # fmt: skip
    assert abs(drawn[3].mean() - 12) < 4 * np.sqrt(40 * 0.21 / 2000)


def test_packets_have_their_spikes_each_on_its_own_channel():
    times = np.array([50.0, 120.0])
    source = pulse_packets(100, times * ms, 60, 2 * ms, seed=1)
    assert source.n == 100
    for centre in times:
        near = np.abs(source.times - centre) < 30
        assert near.sum() == 60 and len(set(source.ids[near])) == 60
        assert stats.kstest((source.times[near] - centre) / 2, "norm").pvalue > 0.005  # alpha = 0.01 / 2
    net = bs.Network({"p": source}, dt=0.1, outputs="p")
    assert float(bs.run(net, steps=1600).out.sum()) == 120
    exact = pulse_packets(5, [10.0], 5, 0 * ms)
    np.testing.assert_array_equal(exact.times, 10.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CorrelatedPoisson(5, 10 * Hz, 0.0), '`correlation` must be > 0 for "mip"'),
        (lambda: CorrelatedPoisson(5, 10 * Hz, 1.5), "`correlation` must be <= 1"),
        (lambda: CorrelatedPoisson(5, np.ones(5) * Hz, 0.5), "`rate`: expected one number for all channels"),
        (lambda: CorrelatedPoisson(5, 10 * ms, 0.5), r"`rate`: expected a rate \(Hz\)"),
        (lambda: CorrelatedPoisson(5, 10 * Hz, 0.5, kind="dg"), '`kind`: expected one of "mip", "sip"'),
        (lambda: pulse_packets(5, [10.0], 6, 1.0), "`activity`: expected 0 to n = 5 spikes"),
        (lambda: pulse_packets(50, [1.0], 50, 5.0), "`times`: a packet at 1 ms with std 5 ms has a spike before 0 ms"),
    ],
)
def test_misuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()
