"""Streams: known answers of the generator, laws of the draws, and that nothing depends on what else exists."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from brainsim._streams import Stream, _invert_poisson, fold, generator, key_of, path_hash, threefry

ALPHA = 0.01 / 20  # the number of tests of a law in this file
MANY = 200_000


def stream(step: int = 3, seed: int = 0) -> Stream:
    return Stream.of(jax.random.key(seed), step)


class TestNames:
    def test_a_path_keeps_its_hash_for_ever(self):
        assert path_hash("I->E.weight") == 2071299778
        assert 0 <= path_hash("E.v") < 2**31

    def test_wiring_does_not_depend_on_the_other_paths(self):
        first = generator(1, "E->I").integers(0, 2**31, 5)
        np.testing.assert_array_equal(first, generator(1, "E->I").integers(0, 2**31, 5))
        for seed, path in ((1, "I->E"), (2, "E->I")):
            assert (first != generator(seed, path).integers(0, 2**31, 5)).any()

    def test_keys_below_a_key(self):
        data = [
            jax.random.key_data(key).tolist() for key in (key_of(1, "a"), fold(jax.random.key(1), "a"), key_of(1, "b"))
        ]
        assert data[0] == data[1] != data[2]


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers_of_random123(key, counter, expected):
    words = threefry(*(jnp.uint32(word) for word in (*key, *counter)))
    assert tuple(int(word) for word in words) == expected


class TestUniform:
    def test_law(self):
        draw = np.asarray(stream().uniform((MANY,)))
        assert draw.dtype == np.float32
        assert stats.kstest(draw, "uniform").pvalue > ALPHA

    def test_law_in_float64(self, x64):
        draw = np.asarray(stream().uniform((MANY,), dtype=jnp.float64))
        assert draw.dtype == np.float64
        assert stats.kstest(draw, "uniform").pvalue > ALPHA
        assert np.unique(draw).size == MANY

    def test_neither_zero_nor_one(self):
        draw = np.asarray(stream().uniform((2_000_000,)))
        assert 0 < draw.min() < 1e-5 and 1 - 1e-5 < draw.max() < 1

    @pytest.mark.parametrize("other", [dict(step=4), dict(seed=1)])
    def test_another_step_or_key_is_independent(self, other):
        a, b = (np.asarray(s.uniform((MANY,))) for s in (stream(), stream(**other)))
        assert stats.pearsonr(a, b).pvalue > ALPHA

    def test_draws_of_one_step_are_independent(self):
        a, b, c = (np.asarray(stream().uniform((MANY,), draw=draw)) for draw in (0, 1, 2))
        for one, other in ((a, b), (b, c), (a, c)):
            assert stats.pearsonr(one, other).pvalue > ALPHA

    def test_neighbours_in_space_and_time_are_independent(self):
        steps = np.stack([np.asarray(stream(step).uniform((2000,))) for step in range(100)])
        assert stats.pearsonr(steps[:, :-1].ravel(), steps[:, 1:].ravel()).pvalue > ALPHA
        assert stats.pearsonr(steps[:-1].ravel(), steps[1:].ravel()).pvalue > ALPHA

    def test_a_larger_shape_extends_a_smaller_one(self):
        np.testing.assert_array_equal(stream().uniform((7,)), stream().uniform((11,))[:7])
        np.testing.assert_array_equal(stream().uniform((2, 3)).ravel(), stream().uniform((6,)))

    @pytest.mark.parametrize("shape", [(), (0,), (1,)])
    def test_shapes(self, shape):
        for draw in (stream().uniform(shape), stream().normal(shape), stream().poisson(2.0, shape)):
            assert draw.shape == shape


class TestNormal:
    def test_law(self):
        draw = np.asarray(stream().normal((MANY,)))
        assert draw.dtype == np.float32 and np.isfinite(draw).all()
        assert stats.kstest(draw, "norm").pvalue > ALPHA

    def test_law_in_float64(self, x64):
        draw = np.asarray(stream().normal((MANY,), dtype=jnp.float64))
        assert draw.dtype == np.float64
        assert stats.kstest(draw, "norm").pvalue > ALPHA

    def test_tails(self):
        draw = np.abs(np.asarray(stream().normal((2_000_000,))))
        for bound in (2.0, 3.0, 4.0):
            count, p = int((draw > bound).sum()), 2 * stats.norm.sf(bound)
            assert abs(count - draw.size * p) < 4 * np.sqrt(draw.size * p)


class TestPoisson:
    @pytest.mark.parametrize("mean", [0.02, 1.5, 15.0, 40.0])
    def test_law(self, mean):
        counts = np.asarray(stream().poisson(mean, (MANY,)))
        assert counts.dtype == np.float32 and (counts == np.round(counts)).all()
        law = stats.poisson.pmf(np.arange(120), mean)
        often = law * MANY > 8
        seen = np.bincount(counts.astype(int), minlength=120)
        expected = np.append(law[often], 1 - law[often].sum()) * MANY
        assert stats.chisquare(np.append(seen[often], seen[~often].sum()), expected).pvalue > ALPHA

    def test_no_events_at_rate_zero(self):
        assert not stream().poisson(0.0, (1000,)).any()
        assert stream().poisson(jnp.zeros(0), (0,)).shape == (0,)

    def test_every_neuron_has_its_own_mean(self):
        mean = jnp.array([0.0, 0.1, 3.0, 50.0])
        counts = np.asarray(stream().poisson(mean, (20_000, 4)))
        standard = np.sqrt(np.asarray(mean) / 20_000)
        assert (np.abs(counts.mean(0) - mean) <= 4 * standard).all()

    def test_an_entry_depends_on_its_own_mean_only(self):
        alone = stream().poisson(jnp.array([0.3, 20.0]), (500, 2))
        beside = stream().poisson(jnp.array([[0.3, 20.0], [300.0, 0.0]] * 250), (500, 2))
        np.testing.assert_array_equal(alone[::2], beside[::2])
        np.testing.assert_array_equal(stream().poisson(0.7, (50,)), stream().poisson(jnp.full(50, 0.7), (50,)))

    @pytest.mark.parametrize("mean", [1e-6, 0.02, 1.0, 6.0, 16.0])
    def test_counts_are_quantiles_of_the_uniform_draw(self, mean):
        u = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 20_001), 1 - 2.0**-24 * np.arange(1, 99, 2)]).astype(np.float32)
        counts = jax.jit(jax.vmap(_invert_poisson, (None, 0)))(jnp.float32(mean), u)
        away = 4e-6
        lowest, highest = (stats.poisson.ppf(np.clip(u.astype(float) + d, 0, 1 - 1e-9), mean) for d in (-away, away))
        assert ((np.maximum(lowest, 0) <= counts) & (counts <= highest)).all()

    def test_the_rarest_draws_are_no_outliers(self):
        """Of any mean: where rounding loses the tail, the count is the last one before, or its neighbour."""
        means = np.concatenate([np.geomspace(1e-6, 16, 500), np.linspace(0.01, 16, 500)]).astype(np.float32)
        u = (1 - 2.0**-24 * np.arange(1, 9, 2)).astype(np.float32)
        counts = jax.jit(jax.vmap(jax.vmap(_invert_poisson, (None, 0)), (0, None)))(means, u)
        assert (counts <= 1 + stats.poisson.ppf(1 - 1e-8, means.astype(float)[:, None])).all()

    def test_counts_carry_no_gradient(self):
        assert jax.grad(lambda mean: stream().poisson(mean, (50,)).sum())(2.0) == 0.0


class TestStreamIsAValue:
    def test_it_crosses_jit_and_vmap(self):
        def draw(s):
            return s.uniform((5,))

        steps = jnp.arange(3, dtype=jnp.int32)
        together = jax.jit(jax.vmap(lambda step: draw(Stream.of(jax.random.key(0), step))))(steps)
        np.testing.assert_array_equal(together, jnp.stack([draw(stream(step)) for step in range(3)]))

    def test_raw_and_typed_keys_are_one(self):
        key = jax.random.key(5)
        np.testing.assert_array_equal(Stream.of(key, 1).words, Stream.of(jax.random.key_data(key), 1).words)

    def test_its_key_belongs_to_the_step(self):
        data = [jax.random.key_data(stream(step).key).tolist() for step in (3, 3, 4)]
        assert data[0] == data[1] != data[2]

    def test_streams_below_it_are_independent(self):
        a, b, c = (np.asarray(s.uniform((MANY,))) for s in (stream(), stream().fold("a"), stream().fold("b")))
        for one, other in ((a, b), (b, c), (a, c)):
            assert stats.pearsonr(one, other).pvalue > ALPHA
