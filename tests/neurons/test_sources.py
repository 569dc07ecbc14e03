"""Sources: laws of the counts, spikes in the steps they belong to, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from brainsim._streams import Stream
from brainsim.neurons import Input, Poisson, SpikeTimes
from brainsim.units import Hz, kHz, ms, mV
from brainsim.values import Normal

KEY = jax.random.key(0)


def build(source, dt=0.1, dtype=jnp.float32):
    return source.build("in", dt=dt, key=KEY, dtype=dtype)


def run(source, steps, *, x=None, batch=None, dt=0.1, first=0):
    shape = (source.size,) if batch is None else (batch, source.size)
    state = source.init_state(batch, KEY, jnp.float32)

    def step(state, k_x):
        k, row = k_x
        return source.step(state, row, shape, dt, k, Stream.of(KEY, k))

    return np.asarray(jax.lax.scan(step, state, (first + jnp.arange(steps, dtype=jnp.int32), x))[1])


class TestPoisson:
    def test_mean_and_variance_per_step(self):
        counts = run(build(Poisson(200, 20 * kHz)), 300)  # 2 a step
        n = counts.size
        assert abs(counts.mean() - 2) < 4 * np.sqrt(2 / n)
        assert abs(counts.var() - 2) < 4 * np.sqrt((2 + 2 * 2**2) / n)
        assert counts.max() > 6 and counts.dtype == np.float32

    def test_trials_differ_and_a_continuation_continues(self):
        source = build(Poisson(50, 3 * kHz))
        counts = run(source, 40, batch=2)
        assert (counts[:, 0] != counts[:, 1]).any()
        parts = [run(source, 15, batch=2), run(source, 25, batch=2, first=15)]
        np.testing.assert_array_equal(counts, np.concatenate(parts))

    def test_rate_as_a_value_slot_or_a_function_of_time(self):
        rates = np.array([0.0, 100.0, 5000.0])
        means = run(build(Poisson(3, rates * Hz)), 20_000).mean(0)
        np.testing.assert_allclose(means, rates * 1e-4, atol=4 * np.sqrt(0.5 / 20_000))
        assert build(Poisson(4, Normal(50 * Hz, 5 * Hz))).rate.shape == (4,)
        counts = run(build(Poisson(500, lambda t: jnp.where(t < 2.0, 0.0, 5000.0))), 40).sum(1)
        assert not counts[:20].any() and (counts[20:] > 100).all()

    def test_inputs_replace_the_rate(self):
        x = jnp.asarray([[0.0, 8000.0]] * 500 + [[8000.0, 0.0]] * 500)
        counts = run(build(Poisson(2, 0 * Hz)), 1000, x=x)
        assert not counts[:500, 0].any() and not counts[500:, 1].any()
        assert abs(counts[:500, 1].mean() - 0.8) < 4 * np.sqrt(0.8 / 500)

    def test_binary_and_clipped_counts(self):
        binary = run(build(Poisson(1000, 4 * kHz, binary=True)), 50)
        assert set(np.unique(binary)) == {0.0, 1.0}
        assert stats.binomtest(int(binary.sum()), binary.size, 0.4).pvalue > 1e-3
        assert run(build(Poisson(1000, 20 * kHz, max_per_step=3)), 20).max() == 3

    def test_misuse(self):
        with pytest.raises(ValueError, match=r"`rate` 20000 Hz x dt 0.1 ms = 2 a step: with `binary=True` at most 1"):
            build(Poisson(5, 20_000, binary=True))
        with pytest.raises(ValueError, match="`rate` must be >= 0 Hz"):
            Poisson(5, -1 * Hz)
        with pytest.raises(ValueError, match=r"`rate`: expected a rate \(Hz\), got 3 mV"):
            Poisson(5, 3 * mV)
        with pytest.raises(ValueError, match="`n`: expected a number of channels, got 2.5"):
            Poisson(2.5, 3)


class TestSpikeTimes:
    def test_each_spike_falls_in_its_step_and_repeats_add_up(self):
        source = build(SpikeTimes([0.3, 0.1, 0.0, 0.25, 0.3, 0.3] * ms, [1, 0, 2, 2, 1, 0]))
        expected = np.zeros((5, 3))
        for step, channel in [(2, 1), (0, 0), (0, 2), (2, 2), (2, 1), (2, 0)]:
            expected[step, channel] += 1
        np.testing.assert_array_equal(run(source, 5), expected)
        np.testing.assert_array_equal(run(source, 5, batch=2), np.stack([expected] * 2, 1))
        np.testing.assert_array_equal(run(source, 2, first=2), expected[2:4])

    def test_recorded_spikes_come_back_in_their_steps(self):
        steps = np.random.default_rng(0).integers(0, 50_000, 300)
        source = build(SpikeTimes((steps + 1) * 0.1, np.zeros(300, int)))
        offsets = np.asarray(source.offsets)
        np.testing.assert_array_equal(np.repeat(np.arange(offsets.size - 1), np.diff(offsets)), np.sort(steps))

    def test_another_step_size_and_no_spikes(self):
        source = SpikeTimes([1.0, 3.9], [0, 1], n=4)
        np.testing.assert_array_equal(run(build(source, dt=2.0), 2, dt=2.0), [[1, 0, 0, 0], [0, 1, 0, 0]])
        np.testing.assert_array_equal(run(build(build(source, dt=2.0), dt=4.0), 1, dt=4.0), [[1, 1, 0, 0]])
        assert not run(build(SpikeTimes([], np.zeros(0, int), n=3)), 4).any()

    @pytest.mark.parametrize(
        ("times", "ids", "n", "message"),
        [
            ([1.0, 2.0], [0], None, r"`times` and `ids`: expected one entry per spike, got shapes \(2,\) and \(1,\)"),
            ([-1.0], [0], None, r"`times`: expected times >= 0 ms, got -1 at spike 0"),
            ([np.nan], [0], None, r"`times`: expected times >= 0 ms, got nan"),
            ([1.0], [5], 3, r"`ids`: expected 0..2, got 5 at spike 0"),
            ([1.0], [0.5], None, r"`ids`: expected integers, got an array of float64"),
        ],
    )
    def test_misuse(self, times, ids, n, message):
        with pytest.raises((ValueError, TypeError), match=message):
            SpikeTimes(times, ids, n)

    def test_it_takes_no_inputs(self):
        with pytest.raises(ValueError, match="`inputs`: SpikeTimes takes none"):
            run(build(SpikeTimes([1.0], [0])), 2, x=jnp.ones((2, 1)))


class TestInput:
    def test_hands_on_what_it_is_given_as_floats(self):
        source = build(Input(3))
        for dtype in (jnp.float32, jnp.bool_, jnp.uint8):
            out = run(source, 2, x=jnp.ones((2, 3), dtype), batch=2)
            assert out.shape == (2, 2, 3) and out.dtype == np.float32

        def total(x):
            return source.step(source.init_state(), x, (3,), 0.1, jnp.int32(0), None)[1].sum()

        np.testing.assert_array_equal(jax.grad(total)(jnp.ones(3)), 1.0)

    def test_misuse(self):
        with pytest.raises(ValueError, match="`inputs`: expected 3 channels, got 4"):
            run(build(Input(3)), 2, x=jnp.ones((2, 4)))
        with pytest.raises(ValueError, match=r"`inputs`: expected values of shape \(3,\) for this Input, got nothing"):
            run(build(Input(3)), 2)
