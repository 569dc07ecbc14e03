"""The spectrum, variance and independence of noise that follows a power law."""

import numpy as np
import pytest
from scipy import signal

import brainsim as bs
from brainsim import _native
from brainsim.networks import PowerLawNoise
from brainsim.networks.power_law_noise import spectrum
from brainsim.units import Hz, mV, pA

DT = 1.0
INTEGRATOR = bs.LI(1e9, c_mem=1.0)  # v grows by current x dt


def traces(noise, steps, n, seed=0, dt=DT):
    net = bs.Network({"x": bs.Population(n, INTEGRATOR)}, dt=dt, outputs="x.v", seed=seed)
    if _native.WHY_XLA is None:
        assert bs.explain(net, {"x": noise}).loop == "one native call"
    v = np.asarray(bs.run(net, {"x": noise}, steps=steps).out, np.float64)
    return np.diff(v, axis=0, prepend=0) / dt


@pytest.mark.parametrize("exponent", [0.1, 0.3, 0.5, 1.0, 1.5, 1.8])
@pytest.mark.parametrize(("dt", "high"), [(0.1, 100.0), (0.1, 2500.0), (1.0, 250.0)])
def test_the_sum_has_the_power_law_over_the_whole_band(exponent, dt, high):
    """The spectra of the parts in closed form, at frequencies between those of the fit."""
    noise = PowerLawNoise(0.0, 3.0, exponent, 0.5, high).prepared("x", "pA", dt)
    kept, std = noise.parts(dt)
    frequency = np.geomspace(0.5, high, 777)
    law = (std**2 * spectrum(frequency[:, None], kept, dt)).sum(1) * frequency**exponent
    assert law.max() / law.min() < (1.03 if exponent < 1.6 else 1.07)
    np.testing.assert_allclose((std**2).sum(), 9.0)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.6])
def test_simulated_noise_has_the_exponent_std_and_mean(exponent, x64):
    """Welch's spectrum of 100 s of 32 neurons over two decades."""
    x = traces(PowerLawNoise(5 * pA, 2 * pA, exponent, 1 * Hz, 250 * Hz), 100_000, 32)
    frequency, power = signal.welch(x, fs=1000 / DT, nperseg=4096, axis=0)
    inside = (frequency >= 3) & (frequency <= 200)
    slope = np.polyfit(np.log(frequency[inside]), np.log(power.mean(1)[inside]), 1)[0]
    assert abs(slope + exponent) < 0.02
    assert abs(x.mean() - 5) < 0.1 and abs(x.std() / 2 - 1) < 0.02
    assert abs(np.corrcoef(x.T)[~np.eye(32, dtype=bool)].mean()) < 0.01
    np.testing.assert_allclose(x[:50].std(), 2, rtol=0.2)  # it starts in the stationary state


def test_a_continued_run_goes_on_where_it_was():
    net = bs.Network({"x": bs.Population(3, INTEGRATOR)}, dt=DT, outputs="x.v")
    inputs = {"x": PowerLawNoise(0 * pA, 1 * pA)}
    whole = bs.run(net, inputs, steps=30).out
    first = bs.run(net, inputs, steps=12)
    second = bs.run(net, inputs, steps=18, state=first.state).out
    np.testing.assert_array_equal(np.concatenate([first.out, second]), whole)


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (PowerLawNoise(0 * pA, 1 * pA, 2.0), "`exponent` of `inputs.*` must be > 0 and < 2, got 2"),
        (PowerLawNoise(0 * pA, 1 * pA, 1.0, 10 * Hz, 5 * Hz), "`high` of `inputs.*` must be > `low` = 10 Hz, got 5"),
        (PowerLawNoise(0 * pA, 1 * pA, high=300 * Hz), "`high` must be <= 250 Hz"),
        (PowerLawNoise(0 * pA, -1 * pA), "`std` must be >= 0 pA"),
        (PowerLawNoise(0 * mV, 1 * pA), r"`mean`: expected a current \(pA\), got 0 mV"),
    ],
)
def test_misuse(noise, words):
    with pytest.raises(ValueError, match=words):
        traces(noise, 3, 2)
