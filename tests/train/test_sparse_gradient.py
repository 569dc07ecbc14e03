"""Sparse spiking gradients: against the event lists of the paper in NumPy, and against the full surrogate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.neurons import Band, FastSigmoid
from brainsim.units import ms
from tests.train.gradients import gradient

STEPS, BATCH, SIZES, TAU = 29, 3, (5, 8, 6), 6.0
RNG = np.random.default_rng(2)
X = (RNG.random((STEPS, BATCH, SIZES[0])) < 0.3).astype(float)
Y = RNG.normal(size=(STEPS, BATCH, SIZES[-1]))
WEIGHTS = [RNG.normal(0.15, 0.6, (a, b)) for a, b in zip(SIZES, SIZES[1:], strict=False)]


def network(surrogate):
    cell = lambda: bs.LIF(TAU * ms, reset="subtract", surrogate=surrogate)
    hidden = [(bs.Linear(*w.shape, init=w), cell()) for w in WEIGHTS]
    return bs.Sequential(*(layer for pair in hidden for layer in pair), dt=1 * ms)


def pull(out, y, mask=None):
    return jnp.sum(out * y)


def by_events(width):
    """Section 3 of the paper: sums over active (trial, step, neuron) only, and the share of active ones."""
    keep, total, active_share = np.exp(-1 / TAU), [np.zeros_like(w) for w in WEIGHTS], []
    voltages, inputs, x = [], [], X
    for w in WEIGHTS:
        v, row = np.zeros((BATCH, w.shape[1])), []
        for step in x @ w:
            v = keep * v + step
            row.append(v)
            v = v - (v >= 1)
        voltages.append(np.array(row))
        inputs.append(x)
        x = (voltages[-1] >= 1).astype(float)
    wanted = Y
    for layer in (1, 0):
        v, w, active = voltages[layer], WEIGHTS[layer], np.abs(voltages[layer] - 1) < width
        active_share.append(active.mean())
        delta = np.zeros_like(v)
        for b, t, j in zip(*np.nonzero(active.transpose(1, 0, 2)), strict=True):
            push = wanted[t, b, j] / (1 + 100 * abs(v[t, b, j] - 1)) ** 2
            past = push * keep ** np.arange(t, -1, -1)
            total[layer][:, j] += past @ inputs[layer][: t + 1, b]
            delta[: t + 1, b, j] += past
        wanted = delta @ w.T
    return total, active_share


@pytest.mark.parametrize("width", [0.2, 0.6])
def test_only_active_neurons_pass_a_gradient(x64, width):
    _, slopes = gradient("bptt", network(Band(width=width)), pull, X, Y)
    expected, active = by_events(width)
    assert max(active) < 0.7
    for index, wanted in zip((0, 2), expected, strict=True):
        assert np.abs(wanted).max() > 1e-3
        np.testing.assert_allclose(slopes[index].weight, wanted, rtol=1e-9, atol=1e-13)


def test_as_the_band_grows_it_is_the_surrogate_inside(x64):
    _, whole = gradient("bptt", network(FastSigmoid(100.0)), pull, X, Y)
    gaps = []
    for width in (0.1, 1.0, 50.0):
        _, slopes = gradient("bptt", network(Band(width=width)), pull, X, Y)
        gaps.append(float(jnp.abs(slopes[0].weight - whole[0].weight).max()))
    assert gaps[0] > gaps[1] > gaps[2] == 0


def test_the_band_is_open_and_spikes_are_unchanged():
    x = jnp.array([-0.5, -0.2, -0.1, 0.0, 0.1, 0.25])
    band = Band(FastSigmoid(10.0), 0.2)
    np.testing.assert_array_equal(band(x), [0, 0, 0, 1, 1, 1])
    slope = jax.vmap(jax.grad(band))(x)
    np.testing.assert_allclose(slope, np.array([0, 0, 0.25, 1, 0.25, 0]), rtol=1e-6)
    with pytest.raises(ValueError, match="`width` must be > 0"):
        Band(width=0.0)
