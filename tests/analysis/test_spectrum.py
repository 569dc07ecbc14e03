"""Spectra of signals whose spectrum is known: a sine, white noise, 1/f noise with and without an oscillation."""

import numpy as np
import pytest

from brainsim import analysis
from brainsim.units import Hz, ms, s

from .processes import coloured_noise


def test_power_integrates_to_the_variance_and_a_sine_is_where_it_is():
    t = np.arange(20_000) * 0.5e-3
    signal = 3 + 2 * np.sin(2 * np.pi * 40 * t)
    f, power = analysis.psd(signal, 0.5 * ms, segment=1 * s)
    assert f[power.argmax()] == 40
    np.testing.assert_allclose(np.trapezoid(power, f), 2, rtol=1e-3)


def test_white_noise_is_flat():
    white = np.random.default_rng(0).normal(size=(200_000, 2))
    f, power = analysis.psd(white, 1.0, segment=100)
    assert power.shape == (51, 2)
    np.testing.assert_allclose(power[1:-1].mean(0), 2 / 1000, rtol=0.01)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.7, 2.5])
def test_the_exponent_of_coloured_noise(exponent):
    spectrum = analysis.psd(coloured_noise(exponent, 400_000, 1.0), 1.0, segment=2000)
    found = analysis.aperiodic(*spectrum, low=2, high=200)
    np.testing.assert_allclose(found.exponent, exponent, atol=0.03)
    np.testing.assert_allclose(found.offset, 0, atol=0.06)
    np.testing.assert_allclose(found.at([10, 100]), 10**found.offset / np.asarray([10, 100]) ** found.exponent)


def test_an_oscillation_is_not_taken_for_the_line():
    t = np.arange(400_000) * 1e-3
    noise = coloured_noise(1.5, len(t), 1.0)
    wave = np.sin(2 * np.pi * 12 * t + np.cumsum(np.random.default_rng(1).normal(0, 0.05, len(t)))) * 2.0
    spectrum = analysis.psd(noise + wave, 1.0, segment=2000)
    found = analysis.aperiodic(*spectrum, low=2 * Hz, high=100 * Hz)
    assert not found.used[np.abs(spectrum.frequency - 12) < 1.5].any() and found.used.sum() > 100
    np.testing.assert_allclose(found.exponent, 1.5, atol=0.05)
    f, power = (part[(spectrum.frequency >= 2) & (spectrum.frequency <= 100)] for part in spectrum)
    assert abs(np.polyfit(np.log10(f), np.log10(power), 1)[0] + 1.5) > 0.1, "a plain fit is misled"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.psd(np.ones(3), 1), "`signal`: expected at least 8 samples"),
        (lambda: analysis.psd(np.full(20, np.nan), 1), "`signal`: expected"),
        (lambda: analysis.psd(np.ones(20), 0), "`dt` must be > 0 ms"),
        (lambda: analysis.psd(np.ones(20), 1, overlap=1), "`overlap`: expected a share"),
        (lambda: analysis.aperiodic(np.arange(9.0), np.ones(8)), "`power`: expected one value per frequency"),
        (lambda: analysis.aperiodic(np.arange(9.0), np.ones(9), low=6), "at least 5 frequencies"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
