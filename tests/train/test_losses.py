"""Losses against NumPy and closed forms; padding changes nothing; gradients against finite differences."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim.train import losses, metrics
from brainsim.units import ms, mV

RNG = np.random.default_rng(0)
OUT = RNG.normal(size=(6, 4, 3)).astype(np.float32)
Y = np.array([0, 2, 1, 1])
LENGTHS = np.array([6, 2, 4, 1])
INSIDE = (np.arange(6)[:, None] < LENGTHS).astype(np.float32)
SPIKES = (RNG.random((6, 4, 3)) < 0.3).astype(np.float32)


def numpy_cross_entropy(logits: np.ndarray, y: np.ndarray) -> float:
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(y)), y]))


def numpy_van_rossum(f: np.ndarray, g: np.ndarray, tau: float, dt: float) -> float:
    """The integral by brute force on a fine grid; f, g (time, batch, n)."""
    fine = 200
    t = np.arange((len(f) + round(30 * tau / dt)) * fine) * (dt / fine) + dt / fine / 2
    total = np.zeros(f.shape[1:])
    kernels = [np.where(t >= k * dt, np.exp(-np.maximum(t - k * dt, 0) / tau), 0.0) for k in range(len(f))]
    for index in np.ndindex(*total.shape):
        trace = sum((f - g)[(k, *index)] * kernels[k] for k in range(len(f)))
        total[index] = np.sum(trace**2) * (dt / fine) / tau
    return float(total.mean())


def test_cross_entropies_are_those_of_numpy():
    assert losses.ce_sum(OUT, Y) == pytest.approx(numpy_cross_entropy(OUT.sum(0), Y), rel=1e-5)
    assert losses.ce_count(SPIKES, Y) == pytest.approx(numpy_cross_entropy(SPIKES.sum(0), Y), rel=1e-5)
    assert losses.ce_max(OUT, Y) == pytest.approx(numpy_cross_entropy(OUT.max(0), Y), rel=1e-5)
    with_end = [OUT[:n, i] for i, n in enumerate(LENGTHS)]
    summed, highest = np.stack([x.sum(0) for x in with_end]), np.stack([x.max(0) for x in with_end])
    assert losses.ce_sum(OUT, Y, LENGTHS) == pytest.approx(numpy_cross_entropy(summed, Y), rel=1e-5)
    assert losses.ce_max(OUT, Y, LENGTHS) == pytest.approx(numpy_cross_entropy(highest, Y), rel=1e-5)


def test_mse_of_a_trajectory_and_of_a_held_target():
    target = RNG.normal(size=OUT.shape).astype(np.float32)
    assert losses.mse(OUT, target) == pytest.approx(np.mean((OUT - target) ** 2), rel=1e-5)
    assert losses.mse(OUT, target[0]) == pytest.approx(np.mean((OUT - target[0]) ** 2), rel=1e-5)
    expected = np.sum((OUT - target) ** 2 * INSIDE[..., None]) / (INSIDE.sum() * 3)
    assert losses.mse(OUT, target, LENGTHS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [losses.ce_sum, losses.ce_max, losses.mse, losses.van_rossum, metrics.accuracy])
def test_padding_changes_nothing(loss):
    y = SPIKES if loss in (losses.mse, losses.van_rossum) else Y
    garbage = np.where(INSIDE[..., None] > 0, OUT, 1e3 * RNG.normal(size=OUT.shape)).astype(np.float32)
    longer = np.concatenate([garbage, np.full((5, 4, 3), 77.0, np.float32)])
    longer_y = np.concatenate([y, np.ones((5, 4, 3), np.float32)]) if y is SPIKES else y
    plain = loss(np.where(INSIDE[..., None] > 0, OUT, 0).astype(np.float32), y, LENGTHS)
    assert loss(longer, longer_y, LENGTHS) == pytest.approx(float(plain), rel=1e-5)
    assert loss(OUT, y, INSIDE) == pytest.approx(float(plain), rel=1e-5)
    assert loss(OUT, y) != pytest.approx(float(plain), rel=1e-3) or loss is metrics.accuracy


def test_van_rossum_closed_forms():
    distance = partial(losses.van_rossum, tau=4 * ms, dt=0.5 * ms)
    none, one, late = np.zeros((3, 12, 1, 1), np.float32)
    one[2], late[9] = 1, 1
    assert distance(one, none) == pytest.approx(0.5, rel=1e-6)
    assert distance(late, none) == pytest.approx(0.5, rel=1e-6)
    assert distance(one, late) == pytest.approx(1 - np.exp(-7 * 0.5 / 4), rel=1e-6)
    assert distance(one, one) == 0


def test_van_rossum_is_the_integral():
    other = (RNG.random(SPIKES.shape) < 0.3).astype(np.float32)
    brute = numpy_van_rossum(SPIKES, other, tau=3.0, dt=1.0)
    assert losses.van_rossum(SPIKES, other, tau=3.0) == pytest.approx(brute, rel=1e-4)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("loss", [losses.ce_sum, losses.ce_max, losses.mse, losses.van_rossum])
def test_gradients_are_finite_differences(loss):
    y = SPIKES.astype(np.float64) if loss in (losses.mse, losses.van_rossum) else Y
    out = jnp.asarray(OUT, jnp.float64)
    value = lambda x: loss(x, y, LENGTHS)
    slope, direction = jax.grad(value)(out), jnp.asarray(RNG.normal(size=OUT.shape))
    numeric = (value(out + 1e-6 * direction) - value(out - 1e-6 * direction)) / 2e-6
    assert jnp.vdot(slope, direction) == pytest.approx(float(numeric), rel=1e-6)
    assert not slope[4, 1].any()


def test_float64_is_kept(x64):
    out = jnp.asarray(OUT, jnp.float64)
    assert losses.ce_sum(out, Y, LENGTHS).dtype == losses.van_rossum(out, out, LENGTHS).dtype == jnp.float64


def test_rate_penalty():
    spikes = np.zeros((10, 2, 3), np.float32)
    spikes[::2, :, 1], spikes[:, :, 2] = 1, 1
    penalty = losses.rate("1.spikes", 100.0, 600.0, weight=0.5)
    assert penalty.record == ("1.spikes",)
    expected = 0.5 * (100**2 + 0 + 400**2) / 3
    assert penalty({"1.spikes": spikes}, dt=1.0) == pytest.approx(expected, rel=1e-5)
    lengths = jnp.array([4, 2])
    assert penalty({"1.spikes": spikes}, dt=1.0, lengths=lengths) == pytest.approx(expected, rel=1e-5)


def test_accuracy_counts_hits():
    assert metrics.accuracy(OUT, OUT.sum(0).argmax(1)) == 1
    assert metrics.accuracy_max(OUT, OUT.max(0).argmax(1)) == 1
    wrong = OUT.sum(0).argmax(1)
    wrong[0] = (wrong[0] + 1) % 3
    assert metrics.accuracy(OUT, wrong) == 0.75


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"`y`: expected integer classes of shape \(4,\), got float32"):
        losses.ce_sum(OUT, Y.astype(np.float32))
    with pytest.raises(ValueError, match="`y`: expected integer classes"):
        losses.ce_sum(OUT, Y[:3])
    with pytest.raises(ValueError, match=r"`out`: expected \(time, batch, n\), got \(6, 3\)"):
        losses.ce_sum(OUT[:, 0], Y)
    with pytest.raises(ValueError, match=r"`mask`: expected lengths \(4,\) or \(6, 4\)"):
        losses.ce_sum(OUT, Y, LENGTHS[:2])
    with pytest.raises(ValueError, match="`y`: expected targets"):
        losses.mse(OUT, OUT[:2])
    with pytest.raises(ValueError, match="`tau`: expected a time"):
        losses.van_rossum(OUT, OUT, tau=3 * mV)
    with pytest.raises(ValueError, match="`low` must be <= 2 Hz"):
        losses.rate("E.spikes", 5, 2)
    with pytest.raises(ValueError, match='`metrics`: expected one of "accuracy", "accuracy_max"'):
        metrics.named(["accuracie"])
