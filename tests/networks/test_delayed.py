"""Delays that learn: kernels against their formulas, convolution, bounds, rounding, gradients; recurrent ones too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim._streams import Stream
from brainsim.units import ms

KEY = jax.random.key(1)
DT, N_IN, N_OUT, STEPS, BATCH = 2.0, 5, 4, 12, 3


def built(layer, shape=(N_IN,), dtype=jnp.float32, dt=DT):
    return layer.build("d", shape, dt=dt, key=KEY, dtype=dtype)[0]


def inputs(dtype=np.float32, width=N_IN, batch=BATCH):
    rng = np.random.default_rng(0)
    return ((rng.random((STEPS, batch, width)) < 0.4) * rng.random((STEPS, batch, width))).astype(dtype)


def gaussian(weight, delay, sigma, longest, dt=DT):
    """DCLS, equation of the paper, tap by tap."""
    bumps = np.stack([np.exp(-0.5 * ((n * dt - delay) / sigma) ** 2) for n in range(longest + 1)])
    return weight * bumps / bumps.sum(0)


def triangular(weight, delay, sigma, longest, dt=DT):
    """DelRec, equation of the paper, for delays of 1 step and more."""
    s = 1 + sigma / dt
    return np.stack([weight * max_zero(s - np.abs(n - delay / dt)) / s**2 for n in range(1, longest + 1)])


def max_zero(x):
    return np.maximum(x, 0.0)


def convolved(xs, taps):
    """y(k) = sum_n x(k - n) taps_n in float64, step by step."""
    ys = np.zeros((*xs.shape[:-1], taps.shape[-1]))
    for k in range(len(xs)):
        for n in range(min(k + 1, len(taps))):
            ys[k] += np.asarray(xs[k - n], np.float64) @ taps[n]
    return ys


def numbers(layer):
    return [np.asarray(x, np.float64) for x in (layer.weight, layer.delays.delay, layer.delays.sigma)]


def once(layer, xs, first=0, state=None):
    batch = xs.shape[1] if xs.ndim == 3 else None
    state = layer.init_state(batch, KEY, layer.weight.dtype) if state is None else state
    return layer.unroll(state, xs, DT, Stream.of(KEY, first))


@pytest.mark.parametrize("sigma", [0.4, 2.0, 9.0])
def test_forward_is_the_causal_convolution_with_gaussian_kernels(sigma):
    layer = built(bs.Linear(N_IN, N_OUT, delay=bs.Uniform(0 * ms, 12 * ms), max_delay=13 * ms, sigma=sigma * ms))
    taps = gaussian(*numbers(layer), longest=7)
    xs = inputs()
    np.testing.assert_allclose(once(layer, xs)[1], convolved(xs, taps), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(taps.sum(0), layer.weight, rtol=1e-6)
    assert layer.delays.max_steps == 7 and layer.delays.max_delay == 13


def test_inference_takes_whole_steps():
    layer = built(bs.Linear(N_IN, N_OUT, delay=bs.Uniform(0 * ms, 12 * ms), sigma=5 * ms, bias=True))
    layer = eqx.tree_at(lambda m: m.bias, layer, jnp.arange(N_OUT, dtype=jnp.float32))
    layer = bs.inference_mode(layer)
    weight, delay, _ = numbers(layer)
    xs = inputs()
    taps = np.stack([np.where(np.round(delay / DT) == n, weight, 0) for n in range(7)])
    np.testing.assert_allclose(once(layer, xs)[1], convolved(xs, taps) + np.arange(N_OUT), rtol=1e-4, atol=1e-5)


def test_a_narrow_kernel_is_the_rounded_delay():
    layer = built(bs.Linear(N_IN, N_OUT, delay=bs.Uniform(0 * ms, 12 * ms), sigma=0.02 * ms))
    xs = inputs()
    exact = bs.inference_mode(layer)
    np.testing.assert_allclose(once(layer, xs)[1], once(exact, xs)[1], rtol=1e-5, atol=1e-6)


def test_parameters_have_paths_kinds_and_bounds():
    model = bs.Sequential(bs.Linear(3, 2, delay=bs.Uniform(0 * ms, 250 * ms), max_delay=250 * ms), dt=10 * ms)
    info = model.parameters()["0.delay"]
    assert (info.kind, info.unit, info.low, info.high, info.trainable) == ("delay", "ms", 0.0, 250.0, True)
    sigma = model.parameters()["0.sigma"]
    assert (sigma.unit, sigma.trainable, float(sigma.where(model))) == ("ms", False, 10.0)
    assert bs.labels(model)["0"].delays.delay == "delay"
    shifted = eqx.tree_at(info.where, model, jnp.array([[-5.0, 300.0], [1.0, 2.0], [0.0, 250.0]]))
    np.testing.assert_array_equal(info.where(bs.constrain(shifted)), [[0, 250], [1, 2], [0, 250]])
    finer = bs.replace(model, dt=5 * ms)
    np.testing.assert_array_equal(info.where(finer), info.where(model))
    assert (model["0"].delays.max_steps, finer["0"].delays.max_steps) == (25, 50)


def test_delays_out_of_bounds_are_refused():
    for options, words in (
        (dict(delay=bs.Uniform(-5 * ms, 5 * ms)), "`0.delay` must be >= 0 ms"),
        (dict(delay=9 * ms, max_delay=5 * ms), "`0.delay` must be <= 5 ms, got max 9"),
        (dict(delay=np.zeros((2, 2)) * ms), r"`0.delay`: expected one value or an array of shape \(3, 2\)"),
        (dict(delay=3 * ms, sigma=0 * ms), "`0.sigma` must be > 0 ms"),
        (dict(delay=3 * ms, sigma="wide"), '`sigma`: expected one of "dt"'),
        (dict(delay=3 * bs.units.mV), "`delay`: expected a time"),
    ):
        with pytest.raises(ValueError, match=words):
            bs.Sequential(bs.Linear(3, 2, **options), dt=1 * ms)


def test_delays_go_to_a_file_and_back(tmp_path):
    layers = [bs.Linear(3, 4, delay=bs.Uniform(0 * ms, 9 * ms)), bs.LIF(10 * ms)]
    model = bs.Sequential(*layers, bs.Recurrent(bs.LIF(10 * ms), 4, delay=bs.Uniform(2 * ms, 9 * ms)), dt=2 * ms)
    bs.save(tmp_path / "model", model)
    loaded = bs.load(tmp_path / "model").model
    assert eqx.tree_equal(loaded, model) and loaded["2"].delays.max_steps == model["2"].delays.max_steps == 5


def test_a_bound_without_delays_is_refused():
    with pytest.raises(ValueError, match="`max_delay`: expected a `delay`"):
        bs.Linear(3, 2, max_delay=5 * ms)
    with pytest.raises(ValueError, match="`max_delay`: only for delays that train"):
        bs.Recurrent(bs.LIF(), 3, delay=2 * ms, max_delay=5 * ms)


def test_gradients_are_those_of_finite_differences(x64):
    """To weight, delay, sigma and input, of a smooth function of the outputs."""
    layer = built(bs.Linear(N_IN, N_OUT, delay=bs.Uniform(0 * ms, 12 * ms), sigma=3 * ms), dtype=jnp.float64)
    xs, ct = inputs(np.float64), np.random.default_rng(5).normal(size=(STEPS, BATCH, N_OUT))
    places = [lambda m: m.weight, lambda m: m.delays.delay, lambda m: m.delays.sigma]
    value = lambda layer, xs: jnp.sum(ct * jnp.sin(once(layer, xs)[1]))
    by_layer = eqx.filter_grad(lambda layer: value(layer, xs))(layer)
    for where in places:
        leaf = where(layer)
        direction = np.random.default_rng(6).normal(size=leaf.shape)
        ends = []
        for h in (1e-6, -1e-6):
            moved = numbers(eqx.tree_at(where, layer, leaf + h * direction))
            ends.append((ct * np.sin(convolved(xs, gaussian(*moved, longest=layer.delays.max_steps)))).sum())
        assert float((where(by_layer) * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)
    taps = gaussian(*numbers(layer), longest=layer.delays.max_steps)
    slope = ct * np.cos(convolved(xs, taps))
    expected = convolved(slope[::-1], taps.swapaxes(1, 2))[::-1]
    np.testing.assert_allclose(jax.grad(value, argnums=1)(layer, jnp.asarray(xs)), expected, rtol=1e-9, atol=1e-12)


def test_a_delay_is_learnt():
    """One spike must arrive 7 steps late; it starts with 2 steps. The kernel is wide at first and narrow at the end."""
    model = bs.Sequential(bs.Linear(1, 1, init=1.0, delay=4 * ms, max_delay=20 * ms), dt=DT * ms)
    xs = jnp.zeros((STEPS, 1, 1)).at[0].set(1.0)
    target = jnp.zeros(STEPS).at[7].set(1.0)
    optimizer = bs.constrain(optax.adam(0.5), model)
    params, static = eqx.partition(model, bs.mask(model, ["0.delay"]))

    @eqx.filter_jit
    def step(params, state, sigma):
        def loss(params):
            now = eqx.tree_at(lambda m: m["0"].delays.sigma, eqx.combine(params, static), sigma)
            return jnp.square(bs.run(now, xs).out[:, 0, 0] - target).sum()

        updates, state = optimizer.update(eqx.filter_grad(loss)(params), state, params)
        return eqx.apply_updates(params, updates), state

    optimizer = bs.constrain(optax.adam(0.5), params)
    state = optimizer.init(params)
    for sigma in np.geomspace(8, 0.5, 60):
        params, state = step(params, state, jnp.float32(sigma))
    learnt = bs.inference_mode(eqx.combine(params, static))
    assert float(learnt["0"].delays.delay[0, 0]) == pytest.approx(14, abs=1)
    np.testing.assert_array_equal(bs.run(learnt, xs).out[:, 0, 0], target)


class TestRecurrent:
    """`Recurrent(..., delay=...)` and `DelayedRecurrent`."""

    def layer(self, sigma=0.0, dtype=jnp.float32, neuron=None, n=4, **options):
        options = {"delay": bs.Uniform(2 * ms, 9 * ms), "max_delay": 10 * ms, **options}
        neuron = bs.LIF(10 * ms) if neuron is None else neuron
        return built(bs.Recurrent(neuron, n, sigma=sigma * ms, **options), (n,), dtype)

    @pytest.mark.parametrize("sigma", [0.0, 3.0])
    def test_its_sum_is_the_convolution_with_triangles(self, sigma):
        """The neurons are integrators without leak or threshold, so that their states show what they received."""
        layer = self.layer(sigma, neuron=bs.LI(1e9 * ms), weight=bs.Normal(0, 0.3))
        xs = inputs(width=4)
        ys = once(layer, xs)[1]
        received = np.diff(np.concatenate([np.zeros((1, BATCH, 4)), np.asarray(ys, np.float64)]), axis=0)
        weight, delay, width = numbers(layer)
        taps = np.concatenate([np.zeros((1, 4, 4)), triangular(weight, delay, width, 5)])
        np.testing.assert_allclose(received, xs + convolved(ys, taps), rtol=1e-3, atol=1e-4)

    def test_at_sigma_0_a_delay_on_the_grid_is_exact(self):
        delay = np.array([[4.0, 2.0], [6.0, 10.0]])
        weight = np.array([[0.0, 2.0], [2.0, 0.0]])
        layer = self.layer(delay=delay * ms, weight=weight, n=2)
        xs = np.zeros((STEPS, 1, 2), np.float32)
        xs[0, 0, 0] = 1.5
        fired = np.argwhere(once(layer, xs)[1][:, 0])
        np.testing.assert_array_equal(fired, [[0, 0], [1, 1], [4, 0], [5, 1], [8, 0], [9, 1]])

    def test_inference_interpolates_between_two_steps(self):
        layer = bs.inference_mode(self.layer(4.0))
        weight, delay, _ = numbers(layer)
        taps = layer.delays.taps(layer.weight, DT)
        np.testing.assert_allclose(taps, triangular(weight, delay, 0.0, 5), atol=1e-6)
        np.testing.assert_allclose(taps.sum(0), weight, rtol=1e-5)

    @pytest.mark.parametrize("sigma", [0.0, 2.0])
    def test_a_delay_of_whole_steps_has_the_slope_between_its_neighbours(self, x64, sigma):
        """At sigma = 0 the kernel has a kink at every whole step; the slope there is the mean of both sides."""
        layer = self.layer(sigma, jnp.float64, delay=np.full((1, 1), 6.0) * ms, n=1, weight=1.0)
        taps = lambda delay: eqx.tree_at(lambda d: d.delay, layer.delays, delay).taps(layer.weight, DT)[:, 0, 0]
        slope = jax.jacfwd(taps)(layer.delays.delay)[:, 0, 0]
        ends = [taps(layer.delays.delay + h) for h in (1e-6, -1e-6)]
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, atol=1e-8)
        assert float(slope[3]) > 0 and float(slope.sum()) == pytest.approx(0, abs=1e-12)

    def test_gradients_are_those_of_finite_differences(self, x64):
        """To weight and delay, of a smooth function of leaky integrators that feed each other."""
        layer = self.layer(3.0, jnp.float64, neuron=bs.LI(10 * ms), weight=bs.Normal(0, 0.3))
        xs, ct = inputs(np.float64, 4), np.random.default_rng(5).normal(size=(STEPS, BATCH, 4))
        value = eqx.filter_jit(lambda layer: jnp.sum(ct * jnp.sin(once(layer, jnp.asarray(xs))[1])))
        gradient = eqx.filter_grad(value)(layer)
        for where in (lambda m: m.weight, lambda m: m.delays.delay, lambda m: m.delays.sigma):
            leaf = where(layer)
            direction = np.random.default_rng(6).normal(size=leaf.shape)
            ends = [value(eqx.tree_at(where, layer, leaf + h * direction)) for h in (1e-6, -1e-6)]
            slope = float(ends[0] - ends[1]) / 2e-6
            assert float((where(gradient) * direction).sum()) == pytest.approx(slope, rel=1e-6) and slope != 0

    def test_build_gives_a_layer_with_paths_and_bounds(self):
        recurrent = bs.Recurrent(bs.LIF(10 * ms), 3, delay=np.full((3, 3), 5.0) * ms, max_delay=8 * ms)
        model = bs.Sequential(bs.Linear(2, 3), recurrent, dt=2 * ms)
        assert isinstance(model["1"], bs.layers.DelayedRecurrent) and repr(model["1"]) == "DelayedRecurrent(LIF, 3)"
        info = model.parameters()["1.delay"]
        assert (info.kind, info.low, info.high, info.trainable) == ("delay", 2.0, 8.0, True)
        assert {"1.weight", "1.sigma", "1.tau_mem"} <= set(model.parameters())
        assert isinstance(bs.replace(model, dt=1 * ms)["1"], bs.layers.DelayedRecurrent)
        assert isinstance(bs.Sequential(bs.Recurrent(bs.LIF(), 3, delay=4 * ms), dt=2 * ms)["0"], bs.Recurrent)
        with pytest.raises(ValueError, match="`0.delay` must be >= 2 ms, got min 1"):
            bs.Sequential(bs.Recurrent(bs.LIF(), 3, delay=np.ones((3, 3)) * ms), dt=2 * ms)
        with pytest.raises(ValueError, match=r"`n` of layer 1: DelayedRecurrent expects 3 inputs, gets \(4,\)"):
            bs.Sequential(bs.Linear(2, 4), recurrent, dt=2 * ms)
