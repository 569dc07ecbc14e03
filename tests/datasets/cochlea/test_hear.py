"""A set of sounds heard at once: every sound has its spikes, they last as long as it does, and they are kept."""

import sys

import jax
import numpy as np
import pytest

from brainsim.datasets import AudioDataset, Cochlea, hear
from brainsim.units import ms

MILLISECONDS = (40, 62, 45, 41, 80, 44)
TONES = (3000, 300, 300, 3000, 300, 3000)


@pytest.fixture(scope="module")
def sounds():
    """Tones of two pitches and several lengths, 8 kHz."""
    clocks = [np.arange(8 * length) / 8000 for length in MILLISECONDS]
    pcm = [2e4 * np.sin(2 * np.pi * tone * clock) for tone, clock in zip(TONES, clocks, strict=True)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in pcm])])
    about = {"pitch": np.asarray(TONES)}
    return AudioDataset(np.concatenate(pcm).astype(np.int16), offsets, np.arange(6), 8000, classes=(), about=about)


def test_every_sound_has_its_spikes(sounds):
    heard = hear(sounds, 60, dt=1 * ms, progress=False)
    assert heard.shape == (60,) and len(heard) == 6 and list(heard.about["pitch"]) == list(TONES)
    np.testing.assert_array_equal(heard.y, sounds.y)
    places = []
    for number, length in enumerate(MILLISECONDS):
        t, channel = heard.recording(number)
        assert len(t) > 5 and t.max() <= length + 0.1
        places.append(np.median(channel))
    high, low = (np.asarray(places)[np.asarray(TONES) == tone] for tone in (3000, 300))
    assert high.max() < low.min()  # channel 0 is the highest frequency


def test_spikes_are_those_of_the_encoder(sounds):
    """One sound alone: its spikes are those of a cochlea as long as it."""
    one = sounds.take(np.asarray([4]))
    t, channel = hear(one, 20, seed=3, dt=1 * ms, progress=False).recording(0)
    cochlea = Cochlea(8000, MILLISECONDS[4] * ms, 20)
    key = jax.random.fold_in(jax.random.key(3), 0)
    steps, channels = np.nonzero(np.asarray(cochlea(one.batch(np.asarray([0]), key)[0], key))[:, 0])
    np.testing.assert_array_equal(channel, channels)
    np.testing.assert_allclose(t, steps * cochlea.dt, atol=5e-4)


def test_what_was_heard_is_kept(sounds, tmp_path, monkeypatch):
    first = hear(sounds, 20, folder=tmp_path / "heard", dt=1 * ms, progress=False)
    with monkeypatch.context() as patched:
        patched.setattr(Cochlea, "__call__", None)
        again = hear(sounds, 20, folder=tmp_path / "heard", dt=1 * ms, progress=False)
    for number in range(6):
        for kept, made in zip(again.recording(number), first.recording(number), strict=True):
            np.testing.assert_array_equal(kept, made)
    other = hear(sounds, 20, seed=1, folder=tmp_path / "heard", dt=1 * ms, progress=False)
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(other.recording(0), first.recording(0), strict=True))


def test_large_sets_are_heard_in_parts(sounds, monkeypatch):
    """The same sounds in one group or another: as many spikes, within their noise."""
    whole = hear(sounds, 60, dt=1 * ms, progress=False).counts
    monkeypatch.setattr(sys.modules["brainsim.datasets.cochlea.hear"], "ENTRIES", 1)
    single = hear(sounds, 60, dt=1 * ms, progress=False).counts
    np.testing.assert_allclose(single.sum(), whole.sum(), rtol=0.15)
    assert (single > 5).all() and (single != whole).any()


def test_what_cannot_be_heard(sounds):
    with pytest.raises(TypeError, match="`sounds`: expected an AudioDataset, got ndarray"):
        hear(np.zeros(3), dt=1 * ms)
    with pytest.raises(ValueError, match="`seed`"):
        hear(sounds, seed=-1, dt=1 * ms)
    none = AudioDataset(np.zeros(0, np.int16), np.zeros(1, int), np.zeros(0, int), 8000)
    with pytest.raises(ValueError, match="`sounds`: expected some sound in each of 0, but there is none"):
        hear(none, dt=1 * ms)
    silent = AudioDataset(
        np.r_[np.ones(400), np.zeros(400)].astype(np.int16), np.array([0, 400, 800]), np.arange(2), 8000
    )
    with pytest.raises(ValueError, match=r"`sounds`: expected some sound in each of 2, but numbers \[1\] are silent"):
        hear(silent, dt=1 * ms)
    for channels in (0, [4.0]):
        with pytest.raises(ValueError, match="`channels`"):
            hear(sounds, channels, dt=1 * ms, progress=False)
    with pytest.raises(ValueError, match="dt"):
        hear(sounds, 5, dt=-1 * ms, progress=False)
