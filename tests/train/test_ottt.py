"""OTTT: equal to backpropagation through time where later layers forget, its own formula where they do not."""

import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.units import ms
from tests.train.gradients import gradient

STEPS, BATCH = 19, 3
RNG = np.random.default_rng(5)
X = (RNG.random((STEPS, BATCH, 4)) < 0.4).astype(float)
Y = np.arange(BATCH) % 2


def soft(tau):
    return bs.LIF(tau * ms, reset="subtract")


def same(model, x=X, indices=(0, 2)):
    slopes = [gradient(name, model, bs.losses.ce_sum, x, Y)[1] for name in ("ottt", "bptt")]
    for index in indices:
        assert float(jnp.abs(slopes[1][index].weight).max()) > 1e-4
        np.testing.assert_allclose(slopes[0][index].weight, slopes[1][index].weight, rtol=1e-9, atol=1e-13)
        if slopes[1][index].bias is not None:
            np.testing.assert_allclose(slopes[0][index].bias, slopes[1][index].bias, rtol=1e-9, atol=1e-13)


def test_one_spiking_layer_has_the_gradient_of_backpropagation_through_time(x64):
    same(bs.Sequential(bs.Linear(4, 6, bias=True), soft(5), bs.Linear(6, 2, bias=True), bs.LI(4 * ms), dt=1 * ms))


def test_a_layer_above_that_forgets_at_once_changes_nothing(x64):
    same(
        bs.Sequential(bs.Linear(4, 6), soft(5), bs.Linear(6, 5), soft(0.01), bs.Linear(5, 2), bs.LI(4 * ms), dt=1 * ms),
        indices=(0, 2, 4),
    )


def test_convolutions_too(x64):
    x = (RNG.random((STEPS, BATCH, 1, 4, 4)) < 0.4).astype(float)
    model = bs.Sequential(
        bs.layers.Conv2d(1, 2, 3), soft(5), bs.layers.Flatten(), bs.Linear(32, 2), dt=1 * ms, input_shape=(1, 4, 4)
    )
    same(model, x, indices=(0, 3))


def test_in_depth_it_is_its_own_formula(x64):
    """Xiao et al. 2022, equations 8 to 10, in NumPy."""
    model = bs.Sequential(bs.Linear(4, 6), soft(5), bs.Linear(6, 5), soft(7), bs.Linear(5, 2), dt=1 * ms)
    weights, keep = [np.asarray(model[i].weight) for i in (0, 2, 4)], np.exp(-1 / np.array([5, 7]))
    surrogate = lambda u: 1 / (1 + (np.pi * (u - 1)) ** 2)
    membranes, traces = [np.zeros((BATCH, n)) for n in (6, 5)], [np.zeros((BATCH, n)) for n in (4, 6)]
    totals, kept, out = [np.zeros_like(w) for w in weights], [], 0
    for x in X:
        row, s = [], x
        for layer in range(2):
            traces[layer] = keep[layer] * traces[layer] + s
            u = keep[layer] * membranes[layer] + s @ weights[layer]
            s = (u >= 1).astype(float)
            membranes[layer] = u - s
            row.append((traces[layer].copy(), surrogate(u)))
        out = out + s @ weights[2]
        kept.append((row, s))
    probability = np.exp(out) / np.exp(out).sum(1, keepdims=True)
    missed = (probability - np.eye(2)[Y]) / BATCH
    for row, s in kept:
        totals[2] += s.T @ missed
        delta = missed @ weights[2].T
        for layer in (1, 0):
            delta = delta * row[layer][1]
            totals[layer] += row[layer][0].T @ delta
            delta = delta @ weights[layer].T
    _, slopes = gradient("ottt", model, bs.losses.ce_sum, X, Y)
    for index, expected in zip((0, 2, 4), totals, strict=True):
        assert np.abs(expected).max() > 1e-4
        np.testing.assert_allclose(slopes[index].weight, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (bs.LIF(), 'its reset is not `reset="subtract"` with `detach_reset=True`'),
        (bs.AdaptiveLIF(), "AdaptiveLIF is no LIF"),
        (bs.LIF(reset="subtract", t_ref=1 * ms), "it has a refractory time `t_ref`"),
        (bs.Recurrent(soft(5), 4), "Recurrent feeds back on itself"),
        (bs.LIF(np.arange(1.0, 5) * ms, reset="subtract"), "`tau_mem` is not one number"),
    ],
)
def test_what_it_cannot_treat_is_named(hidden, message):
    with pytest.raises(ValueError, match=f'"ottt" cannot treat layer 1: {message}'):
        gradient("ottt", bs.Sequential(bs.Linear(4, 4), hidden, dt=1 * ms), bs.losses.ce_count, X, Y)
