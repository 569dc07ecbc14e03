"""Avalanches counted by hand, exponents of drawn power laws, and branching processes of known ratio."""

import numpy as np
import pytest

from brainsim import analysis
from brainsim.analysis.avalanches import of_activity

from .processes import branching


def test_avalanches_by_hand():
    """Bins of 1 ms: 2 | 0 | 1 3 | 0 0 | 4 | 0 | 1, of which the first and the last are cut by the ends."""
    counts = [2, 0, 1, 3, 0, 0, 4, 0, 1]
    sizes, durations = of_activity(counts)
    assert sizes.tolist() == [4, 4] and durations.tolist() == [2, 1]
    t = np.repeat(np.arange(9) + 0.5, counts)
    found = analysis.avalanches((t, np.arange(len(t)) % 3), bin=1, n=3, duration=9)
    assert (found.sizes.tolist(), found.durations.tolist(), found.bin) == ([4, 4], [2, 1], 1.0)
    assert analysis.avalanches((t, 0 * t.astype(int)), n=1, duration=9).bin == pytest.approx(9 / 11)
    with pytest.raises(ValueError, match="`bin`: expected a time"):
        analysis.avalanches(([], np.zeros(0, int)), n=1, duration=9)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 3.2])
def test_a_drawn_power_law(alpha):
    values = np.random.default_rng(0).zipf(alpha, 20_000)
    law = analysis.power_law(values, x_min=1)
    assert abs(law.alpha - alpha) < 4 * law.error and law.error < 0.03 and law.distance < 0.01
    again = [analysis.power_law(np.random.default_rng(k).zipf(alpha, 2000), x_min=1).alpha for k in range(30)]
    np.testing.assert_allclose(law.error, np.std(again) / np.sqrt(10), rtol=0.5)


def test_where_the_power_law_begins():
    rng = np.random.default_rng(1)
    tail = rng.zipf(2.5, 60_000)
    values = np.concatenate([rng.integers(1, 6, 3000), tail[tail >= 6]])
    law = analysis.power_law(values)
    assert 5 <= law.x_min <= 9 and abs(law.alpha - 2.5) < 0.15 and law.tail < len(values)


def test_a_critical_branching_process_has_exponents_3_2_and_2():
    """Sizes of a critical Galton-Watson process fall off as s^-3/2, lifetimes as T^-2; seen here above 10 and 5."""
    rng = np.random.default_rng(2)
    sizes, lifetimes = np.ones(20_000, np.int64), np.ones(20_000, np.int64)
    now = np.ones(20_000, np.int64)
    for _ in range(300):
        now = rng.poisson(now)
        sizes += now
        lifetimes += now > 0
    done = now == 0
    np.testing.assert_allclose(analysis.power_law(sizes[done], x_min=10).alpha, 1.5, atol=0.1)
    np.testing.assert_allclose(analysis.power_law(lifetimes[done], x_min=8).alpha, 2.0, atol=0.15)


@pytest.mark.parametrize("m", [0.6, 0.9])
def test_the_simple_ratio_without_input(m):
    started = np.zeros((1, 4000)) + 20
    activity = [started]
    rng = np.random.default_rng(0)
    for _ in range(30):
        activity.append(rng.poisson(m * activity[-1]))
    np.testing.assert_allclose(analysis.branching_ratio(np.concatenate(activity)), m, atol=0.01)
    assert np.isnan(analysis.branching_ratio(np.zeros(10)))


@pytest.mark.parametrize("m", [0.7, 0.95])
@pytest.mark.parametrize("seen", [1.0, 0.1])
def test_mr_estimator_of_a_driven_process_seen_in_part(m, seen):
    activity = branching(m, 5 * (1 - m) * 20, 5_000, trials=40)
    sampled = np.random.default_rng(1).binomial(activity, seen)
    found = analysis.mr_estimator(sampled, lags=30)
    np.testing.assert_allclose(found.m, m, atol=0.02)
    np.testing.assert_allclose(found.tau, -1 / np.log(m), rtol=0.3)
    assert (found.b > 0.95) == (seen == 1.0), "b falls where a part is seen"
    if seen < 1:
        assert found.slopes[0] < 0.7 * m, "one step alone underestimates"


def test_trials_have_means_of_their_own():
    activity = branching(0.8, 10, 20_000, trials=4) * 1.0
    found = analysis.mr_estimator(activity + [0, 100, 500, 1000])
    np.testing.assert_allclose(found.m, 0.8, atol=0.02)


def wired_by_hand(raster, pre, post, w):
    """The definition, spike by spike."""
    steps, n = raster.shape
    means = []
    for i in range(n):
        ratios = []
        for t in range(w, steps - w):
            if raster[t, i]:
                targets, sources = set(post[pre == i]), set(pre[post == i])
                later = sum(raster[k, j] for k in range(t + 1, t + w + 1) for j in targets)
                before = sum(raster[k, j] for k in range(t - w, t) for j in sources)
                ratios.append(later / max(1, before))
        means += [np.mean(ratios)] if ratios else []
    return np.mean(means)


def test_branching_along_synapses_is_the_definition():
    rng = np.random.default_rng(0)
    raster = rng.random((60, 7)) < 0.2
    pre, post = rng.integers(0, 7, 20), rng.integers(0, 7, 20)
    step, neuron = np.nonzero(raster)
    found = analysis.wired_branching((step + 1.0, neuron), pre, post, n=7, duration=60)
    np.testing.assert_allclose(found, wired_by_hand(raster, pre, post, 4), rtol=1e-12)


def test_a_chain_passes_one_spike_on():
    """Neuron i fires at i: one source before, one target after, 1; with two targets each, 2."""
    t = np.arange(20) + 1.0
    ids = np.arange(20)
    one = analysis.wired_branching((t, ids), ids[:-1], ids[1:], n=20, duration=20)
    assert one == 1
    with pytest.raises(ValueError, match="`post` must be <= 19"):
        analysis.wired_branching((t, ids), ids, ids + 1, n=20, duration=20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.power_law([0, 1, 2]), "`values`: expected positive integers"),
        (lambda: analysis.power_law([1.5, 2.5]), "`values`: expected positive integers"),
        (lambda: analysis.power_law([1, 2, 3]), "at least 10"),
        (lambda: analysis.mr_estimator(np.ones(100)), "needs at least 160 bins"),
        (lambda: analysis.mr_estimator(np.ones(400)), "`activity`: never changes"),
        (lambda: analysis.branching_ratio([[[1]]]), "`activity`: expected counts"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
