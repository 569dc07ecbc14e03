"""Losses against NumPy and closed forms; padding changes nothing; gradients against finite differences."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim.train import losses, metrics
from brainsim.train.losses.first_spike import first_spike_times
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
    mean = summed / LENGTHS[:, None]
    assert losses.ce_mean(OUT, Y, LENGTHS) == pytest.approx(numpy_cross_entropy(mean, Y), rel=1e-5)
    assert losses.ce_max(OUT, Y, LENGTHS) == pytest.approx(numpy_cross_entropy(highest, Y), rel=1e-5)


def test_mse_of_a_trajectory_and_of_a_held_target():
    target = RNG.normal(size=OUT.shape).astype(np.float32)
    assert losses.mse(OUT, target) == pytest.approx(np.mean((OUT - target) ** 2), rel=1e-5)
    assert losses.mse(OUT, target[0]) == pytest.approx(np.mean((OUT - target[0]) ** 2), rel=1e-5)
    expected = np.sum((OUT - target) ** 2 * INSIDE[..., None]) / (INSIDE.sum() * 3)
    assert losses.mse(OUT, target, LENGTHS) == pytest.approx(expected, rel=1e-5)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


CLASSES = np.eye(3)[Y]
ENDS = [OUT[:n, i].astype(np.float64) for i, n in enumerate(LENGTHS)]
SPIKE_ENDS = [SPIKES[:n, i].astype(np.float64) for i, n in enumerate(LENGTHS)]


def test_votes_of_single_steps_are_those_of_numpy():
    each = [-np.log(softmax(x))[:, c].mean() for x, c in zip(ENDS, Y, strict=True)]
    assert losses.ce_rate(OUT, Y, LENGTHS) == pytest.approx(np.mean(each), rel=1e-5)
    votes = np.stack([softmax(x).sum(0) for x in ENDS])
    assert losses.ce_softmax(OUT, Y, LENGTHS) == pytest.approx(numpy_cross_entropy(votes, Y), rel=1e-5)
    each = [-np.log(softmax(OUT))[:, i, c].mean() for i, c in enumerate(Y)]
    assert losses.ce_rate(OUT, Y) == pytest.approx(np.mean(each), rel=1e-5)
    assert losses.ce_softmax(OUT, Y) == pytest.approx(numpy_cross_entropy(softmax(OUT).sum(0), Y), rel=1e-5)


def test_counts_and_membranes_aim_at_the_class():
    options = {"correct": 0.75, "incorrect": 0.29}
    wanted = [np.where(row, int(0.75 * n), int(0.29 * n)) for row, n in zip(CLASSES, LENGTHS, strict=True)]
    each = [np.mean((s.sum(0) - w) ** 2) / len(s) for s, w in zip(SPIKE_ENDS, wanted, strict=True)]
    assert losses.mse_count(SPIKES, Y, LENGTHS, **options) == pytest.approx(np.mean(each), rel=1e-5)
    whole = np.mean((SPIKES.sum(0) - CLASSES * 6) ** 2) / 6
    assert losses.mse_count(SPIKES, Y) == pytest.approx(whole, rel=1e-5)
    error = (OUT - np.where(CLASSES, 2.0, -1.0)) ** 2
    options = {"correct": 2.0, "incorrect": -1.0}
    assert losses.mse_membrane(OUT, Y, **options) == pytest.approx(error.mean(), rel=1e-5)
    masked = np.sum(error * INSIDE[..., None]) / (3 * INSIDE.sum())
    assert losses.mse_membrane(OUT, Y, LENGTHS, **options) == pytest.approx(masked, rel=1e-5)
    ramp = np.linspace(0, 1, 6)
    error = (OUT - ramp[:, None, None] * CLASSES) ** 2
    assert losses.mse_membrane(OUT, Y, correct=ramp) == pytest.approx(error.mean(), rel=1e-5)


def numpy_first_spikes(lengths: np.ndarray, dt: float) -> np.ndarray:
    """(k + 1) dt of the first spike, the end of the sample where there is none."""
    times = np.empty((4, 3))
    for i, n in np.ndindex(4, 3):
        steps = np.flatnonzero(SPIKES[: lengths[i], i, n])
        times[i, n] = ((steps[0] if len(steps) else lengths[i] - 1) + 1) * dt
    return times


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_first_spikes_are_those_of_numpy(lengths):
    ends = np.full(4, 6) if lengths is None else lengths
    times = numpy_first_spikes(ends, 0.5)
    options = {"dt": 0.5 * ms}
    expected = numpy_cross_entropy(-times / 2, Y)
    assert losses.first_spike(SPIKES, Y, lengths, tau=2 * ms, **options) == pytest.approx(expected, rel=1e-5)
    length = ends[:, None] * 0.5
    expected = np.mean(((times - np.where(CLASSES, 1.0, length)) / length) ** 2)
    assert losses.mse_first_spike(SPIKES, Y, lengths, correct=1 * ms, **options) == pytest.approx(expected, rel=1e-5)
    wanted = RNG.uniform(0, 3, (4, 3))
    missed = np.where(abs(times - wanted) < 0.6, 0, times - wanted)
    found = losses.mse_first_spike(SPIKES, wanted, lengths, tolerance=0.6 * ms, **options)
    assert found == pytest.approx(np.mean((missed / length) ** 2), rel=1e-5)
    assert metrics.accuracy_first_spike(SPIKES, times.argmin(1), lengths) == 1


def test_a_first_spike_pulls_where_it_is_and_a_silent_neuron_at_its_end():
    spikes = np.zeros((5, 1, 3), np.float32)
    spikes[[2, 3], 0, 0], spikes[4, 0, 1] = 1, 1
    slope = jax.jacobian(lambda s: first_spike_times(s, np.array([4]), dt=0.5)[0])(jnp.asarray(spikes))[:, :, 0]
    assert slope[0, 2, 0] == slope[1, 3, 1] == slope[2, 3, 2] == -0.5 and np.count_nonzero(slope) == 3


def test_a_population_stands_for_its_class():
    wide = RNG.integers(0, 2, (6, 4, 12)).astype(np.float32)
    groups = wide.reshape(6, 4, 3, 4).sum(-1)
    for function in (losses.ce_count, metrics.accuracy):
        of_groups = losses.population(function, 3)
        assert of_groups.__name__ == function.__name__
        assert of_groups(wide, Y, LENGTHS) == pytest.approx(float(function(groups, Y, LENGTHS)), rel=1e-6)
    with pytest.raises(ValueError, match="`classes`: expected a divisor of the 12 outputs, got 5"):
        losses.population(losses.ce_count, 5)(wide, Y)


ALL = [
    losses.ce_sum, losses.ce_mean, losses.ce_max, losses.ce_rate, losses.ce_softmax, losses.mse, losses.mse_count,
    losses.mse_membrane, losses.van_rossum, losses.first_spike, losses.mse_first_spike,
    metrics.accuracy, metrics.accuracy_softmax, metrics.accuracy_first_spike,
]  # fmt: skip


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.__name__)
def test_padding_changes_nothing(loss):
    y = SPIKES if loss in (losses.mse, losses.van_rossum) else Y
    garbage = np.where(INSIDE[..., None] > 0, OUT, 1e3 * RNG.normal(size=OUT.shape)).astype(np.float32)
    longer = np.concatenate([garbage, np.full((5, 4, 3), 77.0, np.float32)])
    longer_y = np.concatenate([y, np.ones((5, 4, 3), np.float32)]) if y is SPIKES else y
    plain = loss(np.where(INSIDE[..., None] > 0, OUT, 0).astype(np.float32), y, LENGTHS)
    assert loss(longer, longer_y, LENGTHS) == pytest.approx(float(plain), rel=1e-5)
    assert loss(OUT, y, INSIDE) == pytest.approx(float(plain), rel=1e-5)
    assert loss(OUT, y) != pytest.approx(float(plain), rel=1e-3) or loss.__module__ == metrics.__name__


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
@pytest.mark.parametrize(
    "loss", [loss for loss in ALL if "first" not in loss.__name__ and loss.__module__ != metrics.__name__]
)
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


def test_count_penalties():
    records, counts = {"1.spikes": SPIKES}, SPIKES.sum(0)
    l1, l2 = losses.l1("1.spikes", 0.5), losses.l2("1.spikes", 0.25)
    assert l1.record == ("1.spikes",)
    assert l1(records, dt=1.0) == pytest.approx(0.5 * counts.sum() / 4, rel=1e-6)
    assert l2(records, dt=1.0) == pytest.approx(0.25 * (counts**2).sum() / 4, rel=1e-6)
    counts = (SPIKES * INSIDE[..., None]).sum(0)
    assert l1(records, dt=1.0, lengths=LENGTHS) == pytest.approx(0.5 * counts.sum() / 4, rel=1e-6)
    assert l2(records, dt=1.0, lengths=LENGTHS) == pytest.approx(0.25 * (counts**2).sum() / 4, rel=1e-6)


def test_accuracy_counts_hits():
    assert metrics.accuracy(OUT, OUT.sum(0).argmax(1)) == 1
    assert metrics.accuracy_max(OUT, OUT.max(0).argmax(1)) == 1
    wrong = OUT.sum(0).argmax(1)
    wrong[0] = (wrong[0] + 1) % 3
    assert metrics.accuracy(OUT, wrong) == 0.75


def test_votes_have_one_weight_however_large_the_output():
    out = np.zeros((6, 1, 3), np.float32)
    out[:, 0, 1], out[0, 0, 0] = 2, 50
    assert metrics.accuracy(out, np.array([0])) == 1
    assert metrics.accuracy_softmax(out, np.array([1])) == 1
    assert metrics.accuracy_softmax(out, np.array([0]), np.array([1])) == 1


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
    with pytest.raises(ValueError, match=r"`y`: expected times of shape \(4, 3\) or classes \(4,\), got \(6, 4, 3\)"):
        losses.mse_first_spike(SPIKES, SPIKES)
    with pytest.raises(ValueError, match="`tau`: expected a time"):
        losses.van_rossum(OUT, OUT, tau=3 * mV)
    with pytest.raises(ValueError, match="`low` must be <= 2 Hz"):
        losses.rate("E.spikes", 5, 2)
    with pytest.raises(ValueError, match='`metrics`: expected one of "accuracy", "accuracy_max"'):
        metrics.named(["accuracie"])
