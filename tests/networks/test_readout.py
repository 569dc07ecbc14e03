"""Running readouts against NumPy, and the derivative of the first spike's time; delays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Count, Delay, FirstSpike, Max, Mean
from brainsim.units import ms

RNG = np.random.default_rng(0)
XS = RNG.normal(size=(8, 3, 4))
SPIKES = (RNG.random((8, 3, 4)) < 0.15).astype(np.float32)


def run(layer, xs, **options):
    return bs.run(bs.Sequential(layer, dt=0.5 * ms, input_shape=xs.shape[2:]), jnp.float32(xs), **options)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Count(), np.cumsum(XS, 0)),
        (Mean(), np.cumsum(XS, 0) / np.arange(1, 9)[:, None, None]),
        (Max(), np.maximum.accumulate(XS, 0)),
    ],
)
def test_figures_so_far(layer, expected):
    np.testing.assert_allclose(run(layer, XS).out, expected, rtol=1e-5, atol=1e-6)


def test_the_first_spike_is_in_milliseconds_and_silence_lasts_until_now():
    out = np.asarray(run(FirstSpike(), SPIKES).out)
    fired = SPIKES.any(0)
    assert 0 < fired.sum() < fired.size
    np.testing.assert_allclose(out[-1], np.where(fired, 0.5 * (SPIKES.argmax(0) + 1), 4.0))
    np.testing.assert_allclose(out[0], 0.5)
    assert (np.diff(out, axis=0) >= 0).all()


def test_the_time_falls_with_the_spike_that_sets_it():
    """dt/ds = -dt in the step of the first spike, in the last step of a silent neuron, 0 elsewhere."""
    gradient = jax.grad(lambda s: run(FirstSpike(), s).out[-1].sum())(jnp.asarray(SPIKES))
    expected = np.zeros_like(SPIKES)
    step = np.where(SPIKES.any(0), SPIKES.argmax(0), 7)
    np.put_along_axis(expected, step[None], -0.5, axis=0)
    np.testing.assert_array_equal(gradient, expected)


def test_delays_are_shifts():
    steps = np.array([0, 1, 3, 8])
    for delay, each in ((1.5 * ms, np.full(4, 3)), (0.5 * steps * ms, steps), (0 * ms, np.zeros(4, int))):
        expected = np.zeros_like(XS)
        for i, d in enumerate(each):
            expected[d:, :, i] = XS[: 8 - d, :, i]
        model = bs.Sequential(Delay(4, delay), dt=0.5 * ms)
        np.testing.assert_array_equal(bs.run(model, XS).out, np.float32(expected))
        late = bs.run(model, XS[2:], state=bs.run(model, XS[:2]).state).out
        np.testing.assert_array_equal(late, np.float32(expected[2:]))


def test_delays_keep_their_milliseconds_on_another_grid():
    model = bs.Sequential(Delay(4, bs.Uniform(1 * ms, 1 * ms)), dt=0.5 * ms)
    assert bs.replace(model, dt=0.25 * ms)["0"].longest == 4 and model["0"].longest == 2
    with pytest.raises(ValueError, match="`0.delay` = 1 ms is not a multiple of dt = 0.4 ms"):
        bs.replace(model, dt=0.4 * ms)
    with pytest.raises(ValueError, match="`0.delay`: expected a time >= 0 ms"):
        bs.Sequential(Delay(4, -1 * ms), dt=1 * ms)
    with pytest.raises(ValueError, match=r"`n` of layer 1: Delay expects \(4,\), gets \(3,\)"):
        bs.Sequential(bs.Linear(2, 3), Delay(4, 1 * ms), dt=1 * ms)
