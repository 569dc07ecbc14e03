"""The cochlea's parts against NumPy in float64, and the whole against spikes that its authors' equations gave."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from brainsim.datasets import load
from brainsim.datasets.cochlea import Cochlea, basilar_membrane, bushy_cell, hair_cell

DT_S = 1 / 16_000


def test_a_place_answers_to_its_frequency():
    """The best frequency falls along the membrane, and silence at a frequency below 1 Hz moves nothing."""
    response = np.abs(basilar_membrane.transfer(8000, 32_000, np.asarray([0.5, 1.5, 2.5])))
    best = np.linspace(1, 16_000, 4001)[response.argmax(axis=1)]
    assert best[0] > 2 * best[1] > 4 * best[2] and best[2] < 1000


def slow_hair_cell(velocity):
    """The equations of the docstring, one cell."""
    h = hair_cell
    k = h.G * h.A / (h.A + h.B)
    c = h.M * h.Y * k / (h.L * k + h.Y * (h.L + h.R))
    q, w, found = c * (h.L + h.R) / k, c * h.R / h.X, []
    for s in velocity:
        k = h.G * DT_S * max(0, s + h.A) / (s + h.A + h.B)
        refill, release, back = max(0, h.Y * DT_S * (h.M - q)), k * q, h.X * DT_S * w
        lost, taken = (h.L + h.R) * DT_S * c, h.R * DT_S * c
        q, c, w = max(0, q + refill - release + back), max(0, c + release - lost), max(0, w + taken - back)
        found.append(c * h.H * DT_S)
    return np.asarray(found)


def test_hair_cells_are_their_equations():
    velocity = np.random.default_rng(0).normal(0, 60, (400, 3))

    def step(pools, s):
        return hair_cell.step(pools, s, DT_S)

    found = jax.lax.scan(step, hair_cell.at_rest((3,)), jnp.asarray(velocity, jnp.float32))[1]
    np.testing.assert_allclose(found, np.stack([slow_hair_cell(s) for s in velocity.T], axis=1), rtol=2e-4, atol=1e-6)
    silent = jax.lax.scan(step, hair_cell.at_rest((1,)), jnp.zeros((200, 1)))[1]
    assert np.ptp(silent) < 1e-3 * float(silent[0, 0])  # the pools start in balance


def test_fibres_are_binomial():
    """Inversion: the count is the quantile of the uniform number, away from the steps of the distribution."""
    u = ((np.arange(2000) + 0.5) / 2000)[:, None]
    n, p = (a.ravel() for a in np.meshgrid([40.0, 17.0, 0.0], [0.0, 0.01, 0.3, 0.5, 0.9, 1.0]))
    found = np.asarray(bushy_cell.binomial(*(jnp.asarray(v, jnp.float32) for v in (u, n, p))))
    expected = np.where(p > 0.5, n - stats.binom.ppf(u, n, 1 - p), stats.binom.ppf(u, n, p))
    assert np.mean(found != expected, axis=0).max() < 2e-3


def slow_bushy_cell(arrived):
    """A neuron and what its fibres bring, as the authors' program counts."""
    em, es, left = np.exp(-DT_S / 1e-3), np.exp(-DT_S / 5e-4), 0.0
    v, current, spikes = np.zeros(len(arrived)), 0.0, np.zeros(len(arrived))
    for k in range(len(arrived)):
        if k > 0:
            if left <= 0:
                if v[k - 1] < 1:
                    v[k] = v[k - 1] * em
                else:
                    left, spikes[k - 1] = 16.0, 1
            current *= es
        current += arrived[k]
        if left <= 0:
            v[k] += current * 13e3 / 40 * DT_S
        v[k] = min(v[k], 1)
        left -= 1
    return spikes


def test_bushy_cells_are_their_equations():
    rng = np.random.default_rng(1)
    p, u = rng.uniform(0, 0.02, (600, 4)).astype(np.float32), rng.random((600, 4)).astype(np.float32)
    p[200:260] = 0.3

    def step(state, now):
        index, p, u = now
        state, spikes = bushy_cell.step(state, p, u, index, DT_S)
        return state, (spikes, state.spiked[index % 16], state.busy)

    start = bushy_cell.at_rest((4,), DT_S)
    spikes, arrived, busy = (np.asarray(x) for x in jax.lax.scan(step, start, (jnp.arange(600), p, u))[1])
    for cell in range(4):
        np.testing.assert_array_equal(spikes[:-1, cell], slow_bushy_cell(arrived[:, cell])[:-1])
    window = np.stack([arrived[max(0, k - 15) : k + 1].sum(axis=0) for k in range(600)])
    np.testing.assert_array_equal(busy, window)  # silent for 16 steps, 1 ms
    assert 40 >= busy.max() > 30 and spikes.sum() > 20


@pytest.mark.slow
def test_spoken_digits_give_the_recorded_spikes(data_folder):
    """fsdd_cochlea140 came from the authors' equations in NumPy: as many spikes of the same sounds, at their places."""
    data_folder("fsdd"), data_folder("fsdd_cochlea140")
    sounds, recorded = load("fsdd", split="test"), load("fsdd_cochlea140", split="test", dt=1.0)
    ids = np.flatnonzero(np.diff(sounds.offsets) < 4000)[:12]
    x, _, lengths = sounds.batch(ids, jax.random.key(0))
    cochlea = Cochlea(8000, 500.0, basilar_membrane.places(700)[2::5])
    spikes = np.asarray(cochlea(x, jax.random.key(0), lengths))
    assert spikes.shape == (cochlea.steps, 12, 140) and cochlea.dt == 0.0625
    found, expected = spikes.sum(axis=(0, 2)), recorded.counts[ids]
    assert abs(found.sum() / expected.sum() - 1) < 0.05
    np.testing.assert_allclose(found, expected, rtol=0.25)
    profile = np.zeros((2, 140))
    profile[0] = spikes.sum(axis=(0, 1))
    for sample in ids:
        profile[1] += np.bincount(recorded.recording(sample)[1], minlength=140)
    assert np.corrcoef(*profile.reshape(2, 28, 5).sum(axis=2))[0, 1] > 0.99


@pytest.mark.slow
def test_the_authors_program_gives_the_same(data_folder):
    """Membrane and spike counts of `lauscher` on its own test sound, where it is installed."""
    pytest.importorskip("lauscher")
    from lauscher.audiowaves import FileMonoAudioWave
    from lauscher.transformations import BasilarMembrane, BushyCell, HairCell, HanningWindow, RmsNormalizer

    wave = FileMonoAudioWave(str(data_folder("fixtures") / "lauscher_spoken_digit.flac"))
    sound = np.array(wave.samples)[:, None]
    moved = wave.transform(RmsNormalizer(0.3)).transform(HanningWindow()).transform(BasilarMembrane(channels=70))
    cochlea = Cochlea(48_000, 1000 * len(sound) / 48_000, 70)
    ours, theirs = np.asarray(cochlea.membrane(sound, [len(sound)]))[:, 0].T, moved.channels
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
    np.random.seed(0)
    spikes = moved.transform(HairCell()).transform(BushyCell()).spike_times
    assert abs(np.asarray(cochlea(sound, jax.random.key(0), [len(sound)])).sum() / len(spikes) - 1) < 0.1


def test_what_is_refused():
    cochlea = Cochlea(32_000, 10.0, 2)
    with pytest.raises(ValueError, match="`sound`: expected at most 10 ms, got 400 samples"):
        cochlea(np.ones((400, 1)), jax.random.key(0))
    with pytest.raises(ValueError, match="`sound`: expected a length and some sound for each of 2"):
        cochlea(np.ones((300, 1)) * [1, 0], jax.random.key(0))
    with pytest.raises(ValueError, match="`channels` must be <= 3.5 cm"):
        Cochlea(32_000, 10.0, [0.0, 4.0])


def test_silence_after_a_sound_has_no_spikes():
    sound = np.sin(np.arange(1600) / 5)[:, None]
    cochlea = Cochlea(32_000, 75.0, [1.0, 1.5, 2.0, 2.5])
    spikes = np.asarray(cochlea(sound, jax.random.key(0)))
    assert spikes.shape == (1201, 1, 4) and spikes[:801].sum() > 3 and not spikes[801:].any()
