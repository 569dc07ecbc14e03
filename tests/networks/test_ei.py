"""Excitation and inhibition as a normalisation: moments of E-I Init, gradients of E-I Prop, signs, deep training."""

import operator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim._streams import Stream
from brainsim.networks.layers.ei import bernoulli_law, ei_law, stabilised
from brainsim.units import ms

KEY = jax.random.key(3)


def neuron() -> bs.LIF:
    return bs.LIF.like("spikingjelly", decay_input=False, v_reset=None, detach_reset=True)


def built(layer, shape, dtype=jnp.float32):
    return layer.build("ei", shape, dt=1.0, key=KEY, dtype=dtype)[0]


def spikes(shape, density, seed=0):
    return (np.random.default_rng(seed).random(shape) < density).astype(np.float32)


def reference(layer, x, mode="both"):
    """The layer in float64 NumPy, sample by sample, as its docstring says; `x` (samples, inputs)."""
    arrays = {name: np.asarray(getattr(layer, name), np.float64) for name in ("weight_ee", "weight_ie", "weight_ei")}
    out = []
    for sample in np.asarray(x, np.float64):
        i_e, rates = sample @ arrays["weight_ee"], np.maximum(sample @ arrays["weight_ie"], 0)
        if layer.readout:
            out.append(i_e - rates @ arrays["weight_ei"])
            continue
        value = i_e if mode == "divisive" else i_e - rates @ arrays["weight_ei"]
        if mode != "subtractive":
            divisor = (np.asarray(layer.gain_i, np.float64) * rates) @ arrays["weight_ei"]
            divisor[divisor == 0] = divisor[divisor > 0].min(initial=np.inf)
            value = value / np.where(np.isfinite(divisor), divisor, 1.0)
        out.append(np.asarray(layer.gain_e, np.float64) * value + np.asarray(layer.bias, np.float64))
    return np.stack(out)


@pytest.mark.parametrize("mode", ["both", "subtractive", "divisive"])
def test_the_layer_is_its_equation(mode):
    layer = built(bs.EILinear(30, 20, mode=mode), (30,))
    scattered = lambda name, shape: jnp.asarray(np.random.default_rng(len(name)).random(shape), jnp.float32)
    names = ["weight_ei", "gain_e", "bias"] + (["gain_i"] if mode != "subtractive" else [])
    layer = eqx.tree_at(
        lambda m: [getattr(m, n) for n in names], layer, [scattered(n, getattr(layer, n).shape) for n in names]
    )
    x = spikes((40, 30), 0.1)
    x[3] = 0
    np.testing.assert_allclose(layer.step(None, x, 1.0, None)[1], reference(layer, x, mode), rtol=2e-4, atol=2e-5)
    assert (layer.n_inhibitory, layer.weight_ei.shape) == (5, (5, 20))


def test_a_readout_neither_divides_nor_shifts():
    layer = built(bs.EILinear(30, 8, readout=True), (30,))
    x = spikes((20, 30), 0.3)
    np.testing.assert_allclose(layer.step(None, x, 1.0, None)[1], reference(layer, x), rtol=1e-4, atol=1e-5)
    paths = layer.parameters("0", lambda model: model, 1.0)
    assert set(paths) == {"0.weight_ee", "0.weight_ie", "0.weight_ei"}


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("measured", [False, True])
def test_moments_of_the_init(density, measured):
    """E[I_E] = E[I_sub] and E[I_div] = std(I_E) over neurons and samples; E[y] = 0."""
    model = bs.Sequential(bs.EILinear(1024, 400, density=density if not measured else 0.3), dt=1 * ms)
    x = spikes((1, 4000, 1024), density)
    layer = (bs.ei_init(model, x) if measured else model)["0"]
    i_e, i_i = layer.cross(x[0])
    i_sub, i_div = i_i @ layer.weight_ei, (layer.gain_i * i_i) @ layer.weight_ei
    assert float(i_e.mean()) == pytest.approx(float(i_sub.mean()), rel=0.05)
    assert float(i_div.mean()) == pytest.approx(float(i_e.std()), rel=0.05)
    assert float(layer.gain_i[0]) == pytest.approx(np.sqrt((2 - density) / (1024 * density)), rel=0.01)
    y = layer.step(None, x[0], 1.0, None)[1]
    spread = 1 / np.sqrt(2 - density)  # of I_E - I_sub over I_div, both divided by std(I_E)
    assert abs(float(y.mean())) < 0.3 * spread  # of which the draw of 100 interneurons makes most
    assert float(y.std()) == pytest.approx(spread, rel=0.05)


def test_every_layer_is_initialised_for_what_the_layers_before_it_make():
    layers = [bs.EILinear(200, 120), neuron(), bs.EILinear(120, 80), neuron(), bs.EILinear(80, 10, readout=True)]
    model = bs.Sequential(*layers, dt=1 * ms, seed=2)
    x = spikes((4, 32, 200), 0.4)
    ready = bs.ei_init(model, x)
    hidden = np.asarray(bs.run(ready, x, record=["1.spikes"]).records["1.spikes"], np.float64).reshape(-1, 120)
    scale, gain = ei_law(hidden.mean(), (hidden**2).mean(), hidden.var(axis=0).mean(), 120)
    np.testing.assert_allclose(ready["2"].gain_i, gain, rtol=1e-6)
    plain = bernoulli_law(0.1, 120)[0]
    np.testing.assert_allclose(ready["2"].weight_ee, np.asarray(model["2"].weight_ee) * (scale / plain), rtol=1e-5)
    assert not np.allclose(bs.ei_init(model, x, jax.random.key(8))["2"].weight_ee, ready["2"].weight_ee)


def test_layers_inside_others_are_initialised_too():
    body = [bs.EILinear(30, 30), neuron()]
    flat = bs.Sequential(bs.EILinear(40, 30), neuron(), *body, dt=1 * ms)
    block = bs.layers.Residual(*body, shortcut=bs.layers.Chain(bs.EILinear(30, 30)))
    nested = bs.Sequential(bs.EILinear(40, 30), neuron(), block, dt=1 * ms)
    x = spikes((3, 8, 40), 0.3)
    flat, ready = bs.ei_init(flat, x), bs.ei_init(nested, x)
    np.testing.assert_array_equal(ready["2"].body.layers[0].gain_i, flat["2"].gain_i)
    np.testing.assert_array_equal(ready["2"].shortcut.layers[0].gain_i, flat["2"].gain_i)
    plain = nested["2"].body.layers[0].weight_ee
    ratio = np.asarray(ready["2"].body.layers[0].weight_ee) / np.asarray(plain)
    np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-4)


def test_inputs_that_no_init_is_for_are_refused():
    model = bs.Sequential(("a", bs.EILinear(6, 4)), dt=1 * ms)
    with pytest.raises(ValueError, match="layer a needs inputs >= 0 that vary, and gets a negative value"):
        bs.ei_init(model, -np.ones((2, 3, 6)))
    with pytest.raises(ValueError, match="layer a needs inputs >= 0 that vary, and gets the same in every"):
        bs.ei_init(model, np.zeros((2, 3, 6)))
    with pytest.raises(ValueError, match=r"`x`: expected \(time, \[batch\], 6\), got \(3, 5\)"):
        bs.ei_init(model, np.zeros((3, 5)))


def test_zeros_of_the_divisor_become_the_smallest_value_of_their_sample():
    divisor = jnp.array([[0.0, 3.0, 2.0], [0.0, 0.0, 0.0], [5.0, 4.0, 0.0]])
    expected = [[2, 3, 2], [1, 1, 1], [5, 4, 4]]
    np.testing.assert_array_equal(stabilised(divisor, (-1,)), expected)
    ct = jnp.arange(9.0).reshape(3, 3)
    _, pull = jax.vjp(lambda d: stabilised(d, (-1,)), divisor)
    np.testing.assert_array_equal(pull(ct)[0], ct)
    image = stabilised(divisor.reshape(1, 3, 1, 3), (-3, -2, -1))
    np.testing.assert_array_equal(image.reshape(3, 3), [[2, 3, 2], [2, 2, 2], [5, 4, 2]])


def test_gradients_are_those_of_the_equation(x64):
    """Finite differences, where every divisor is positive."""
    layer = built(bs.EILinear(12, 8), (12,), jnp.float64)
    x = np.random.default_rng(1).random((5, 12))
    ct = np.random.default_rng(2).normal(size=(5, 8))
    value = lambda layer: jnp.sum(ct * layer.step(None, x, 1.0, None)[1])
    gradient = eqx.filter_grad(value)(layer)
    for name in ("weight_ee", "weight_ie", "weight_ei", "gain_i", "gain_e"):
        leaf = getattr(layer, name)
        direction = np.random.default_rng(3).normal(size=leaf.shape)
        where = operator.attrgetter(name)
        moved = [eqx.tree_at(where, layer, leaf + h * direction) for h in (1e-6, -1e-6)]
        slope = (reference(moved[0], x) * ct).sum() - (reference(moved[1], x) * ct).sum()
        got = float((getattr(gradient, name) * direction).sum())
        assert got == pytest.approx(slope / 2e-6, rel=1e-5), name


@pytest.mark.parametrize("optimizer", [optax.sgd(1e-2, momentum=0.9), optax.adam(1e-3)], ids=["sgd", "adam"])
def test_the_inhibitory_weight_takes_one_fan_in_th_of_any_optimizers_updates(optimizer):
    model = bs.Sequential(bs.EILinear(48, 32), neuron(), bs.EILinear(32, 4, readout=True), dt=1 * ms, seed=1)
    x, y = task(16)
    params, static = eqx.partition(model, bs.mask(model))
    gradient = eqx.filter_grad(lambda p: bs.losses.ce_sum(bs.run(eqx.combine(p, static), x).out, y))(params)
    kept = bs.constrain(optimizer, params)
    with jax.numpy_dtype_promotion("standard"):
        free, slow = (o.update(gradient, o.init(params), params)[0] for o in (optimizer, kept))
    for layer, fan_in in (("0", 48), ("2", 32)):
        np.testing.assert_allclose(slow[layer].weight_ei, free[layer].weight_ei / fan_in, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(slow["0"].bias, free["0"].bias, rtol=1e-6)
    assert float(jnp.abs(slow["0"].weight_ei).max()) > 0


def test_the_neuron_is_the_recurrence_of_the_paper():
    """u <- (1 - 1/tau)(u - theta s) + I with tau = 2 and theta = 1."""
    layer = bs.layers.Cell(neuron()).build("n", (3,), dt=1.0, key=KEY, dtype=jnp.float32)[0]
    current = np.random.default_rng(0).normal(0.6, 0.8, (40, 3)).astype(np.float32)
    u, s, expected = np.zeros(3), np.zeros(3), []
    for row in current:
        u = 0.5 * (u - s) + row
        s = (u >= 1.0).astype(float)
        expected.append(s)
    got = layer.unroll(layer.init_state(None, KEY, jnp.float32), current, 1.0, Stream.of(KEY, 0))[1]
    np.testing.assert_array_equal(got, expected)
    assert 0.2 < np.mean(expected) < 0.8


def net(depth, width=32, mode="both"):
    layers = [bs.EILinear(48 if i == 0 else width, width, mode=mode) for i in range(depth)]
    return [part for layer in layers for part in (layer, neuron())] + [bs.EILinear(width, 4, readout=True)]


def test_weights_and_gains_stay_non_negative_after_every_step():
    model = bs.Sequential(*net(2), dt=1 * ms, seed=1)
    x, y = task(16)
    params, static = eqx.partition(model, bs.mask(model))
    optimizer = bs.constrain(optax.sgd(0.5), params)
    opt_state = optimizer.init(params)

    @eqx.filter_jit
    def step(params, opt_state):
        loss = lambda params: bs.losses.ce_sum(bs.run(eqx.combine(params, static), x).out, y)
        updates, opt_state = optimizer.update(eqx.filter_grad(loss)(params), opt_state, params)
        return eqx.apply_updates(params, updates), opt_state

    known, at_zero, moved = model.parameters(), 0, 0
    bounded = [info for info in known.values() if info.low == 0.0 and info.trainable]
    assert len(bounded) == 5 + 5 + 3
    for _ in range(5):
        params, opt_state = step(params, opt_state)
        for info in bounded:
            assert float(info.where(params).min()) >= 0.0
            at_zero += int((info.where(params) == 0).sum())
        moved += int((params["0"].bias < 0).sum())
    assert at_zero > 0 and moved > 0


def task(n, seed=0):
    """Four classes of 48 inputs: of each, another quarter of the inputs fires more often."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 4
    rate = np.where(np.arange(48) // 12 == y[:, None], 0.6, 0.1)
    return (rng.random((4, n, 48)) < rate).astype(np.float32), y


def accuracy_after_training(model):
    """On 200 other samples, after 120 steps of Adam on 64."""
    x, y = task(64)
    mean_ce = lambda out, y, mask=None: optax.softmax_cross_entropy_with_integer_labels(out.mean(0), y).mean()
    model, _, _ = bs.fit(model, [(x, y)] * 120, loss=mean_ce, optimizer=optax.adam(2e-3), epochs=1, progress=False)
    test, labels = task(200, seed=1)
    return float(np.mean(np.argmax(np.asarray(bs.run(model, test).out).mean(0), -1) == labels))


@pytest.mark.slow
def test_eight_layers_train_where_the_same_net_without_division_or_without_the_init_does_not():
    deep, undivided = (bs.Sequential(*net(8, 64, mode=mode), dt=1 * ms) for mode in ("both", "subtractive"))
    gains = lambda model: [model[str(i)].gain_i for i in range(0, 16, 2)]
    uninitialised = eqx.tree_at(gains, deep, [jnp.ones_like(gain) for gain in gains(deep)])
    assert accuracy_after_training(bs.ei_init(deep, task(64)[0])) > 0.9
    assert accuracy_after_training(undivided) < 0.75
    assert accuracy_after_training(uninitialised) < 0.75


def reference_image(layer, image):
    """One image (c_in, h, w) with "same" padding of an odd kernel, in float64, pixel by pixel."""
    image, (kh, kw) = np.asarray(image, np.float64), layer.kernel
    padded = np.pad(image, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2)))
    pixels = [
        (padded[:, i : i + kh, j : j + kw, None] * np.asarray(weight, np.float64).transpose(0, 2, 3, 1)).sum((0, 1, 2))
        for weight in (layer.weight_ee, layer.weight_ie)
        for i in range(image.shape[1])
        for j in range(image.shape[2])
    ]
    half = len(pixels) // 2
    i_e, rates, w_ei = np.stack(pixels[:half]), np.stack(pixels[half:]), np.asarray(layer.weight_ei, np.float64)
    divisor = (np.asarray(layer.gain_i, np.float64) * rates) @ w_ei
    divisor[divisor == 0] = divisor[divisor > 0].min()
    return ((i_e - rates @ w_ei) / divisor).T.reshape(-1, *image.shape[1:])


def test_the_convolution_is_the_layer_at_every_pixel():
    layer = built(bs.EIConv2d(2, 8, 3), (2, 5, 6))
    layer = eqx.tree_at(lambda m: m.weight_ei, layer, jax.random.uniform(KEY, (2, 8)))
    images = spikes((4, 3, 2, 5, 6), 0.1)
    y = layer.step(None, images, 1.0, None)[1]
    assert y.shape == (4, 3, 8, 5, 6)
    for index in ((0, 0), (3, 2)):
        np.testing.assert_allclose(y[index], reference_image(layer, images[index]), rtol=2e-4, atol=2e-5)


def test_convolutions_are_initialised_and_have_shapes_and_bounds():
    model = bs.Sequential(
        bs.EIConv2d(1, 40, 5, padding="valid"), neuron(), bs.EIConv2d(40, 8, (3, 1), stride=2), dt=1 * ms,
        input_shape=(1, 12, 12),
    )  # fmt: skip
    assert model.shapes == ((1, 12, 12), (40, 8, 8), (40, 8, 8), (8, 4, 4))
    assert model["0"].weight_ie.shape == (1, 10, 5, 5) and model["2"].fan_in == 120
    ready = bs.ei_init(model, spikes((2, 16, 1, 12, 12), 0.3))
    i_e, i_i = ready["0"].cross(spikes((32, 1, 12, 12), 0.3, seed=1))
    i_div = (ready["0"].gain_i * i_i) @ ready["0"].weight_ei
    assert float(i_div.mean()) == pytest.approx(float(i_e.std()), rel=0.1)  # 25 weights a channel: the draw shows
    assert all(model.parameters()[f"0.{name}"].low == 0 for name in ("weight_ee", "weight_ie", "weight_ei", "gain_i"))
    with pytest.raises(ValueError, match=r"`c_in` of layer 0: EIConv2d expects \(2, height, width\), gets \(1, 4, 4\)"):
        bs.Sequential(bs.EIConv2d(2, 4, 3), dt=1 * ms, input_shape=(1, 4, 4))
    with pytest.raises(ValueError, match="`kernel` of layer 0"):
        bs.Sequential(bs.EIConv2d(1, 4, 5, padding="valid"), dt=1 * ms, input_shape=(1, 4, 4))


def test_wrong_arguments_say_what_was_expected():
    for options, words in (
        (dict(mode="none"), '`mode`: expected one of "both"'),
        (dict(inhibitory=1.0), "`inhibitory`: expected a share of all neurons"),
        (dict(density=0.0), "`density`: expected a share of the inputs"),
    ):
        with pytest.raises(ValueError, match=words):
            bs.EILinear(4, 4, **options)
    with pytest.raises(ValueError, match=r"`n_in` of layer 0: EILinear expects 3 inputs, gets \(2,\)"):
        bs.Sequential(bs.EILinear(3, 4), dt=1 * ms, input_shape=(2,))
