"""tdBN against NumPy in float64: output, running averages, padding, gradient; and how they travel into the model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.networks.layers import BatchNorm, Conv1d, Residual
from brainsim.units import ms, mV

RNG = np.random.default_rng(0)
XS = RNG.normal(1.5, 2.0, size=(7, 3, 4))


def normalised(x, axes, scale=1.0, eps=1e-5):
    """tdBN with weight 1 and bias 0."""
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return scale * (x - mean) / np.sqrt(var + eps)


def model_of(*layers, shape=(4,)):
    return bs.Sequential(*layers, dt=1 * ms, input_shape=shape)


@pytest.mark.parametrize("space", [(), (2, 5)])
def test_training_normalises_over_time_batch_and_space(space):
    xs = RNG.normal(-3.0, 2.0, size=(6, 2, 4, *space))
    model = model_of(BatchNorm(alpha=0.5, v_th=20 * mV), shape=(4, *space))
    weight, bias = np.array([1.0, 2.0, -1.0, 0.5]), np.array([0.0, 1.0, 2.0, -3.0])
    place = lambda m: (m["0"].weight, m["0"].bias)
    model = eqx.tree_at(place, model, (jnp.float32(weight), jnp.float32(bias)))
    axes, by_channel = (0, 1, *range(3, xs.ndim)), (4, *[1] * len(space))
    expected = normalised(xs, axes, 10.0) * weight.reshape(by_channel) + bias.reshape(by_channel)
    result = bs.run(model, jnp.float32(xs))
    np.testing.assert_allclose(result.out, expected, rtol=1e-4, atol=1e-4)
    learnt = bs.absorb(model, result.state)["0"]
    np.testing.assert_allclose(learnt.mean, 0.1 * xs.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(learnt.var, 0.9 + 0.1 * xs.var(axes, ddof=1), rtol=1e-5)


def test_inference_uses_what_was_absorbed():
    model = model_of(BatchNorm(momentum=1.0))
    trained = bs.run(model, jnp.float32(XS))
    fixed = bs.inference_mode(bs.absorb(model, trained.state))
    other = RNG.normal(size=(2, 5, 4))
    count = 7 * 3
    var = XS.var((0, 1)) * count / (count - 1)
    expected = (other - XS.mean((0, 1))) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(bs.run(fixed, jnp.float32(other)).out, expected, rtol=1e-4, atol=1e-5)
    assert bs.absorb(fixed, bs.run(fixed, jnp.float32(other)).state)["0"].mean is fixed["0"].mean


def test_two_batches_average():
    model = model_of(BatchNorm(momentum=0.25))
    for scale in (1.0, 3.0):
        model = bs.absorb(model, bs.run(model, jnp.float32(scale * XS)).state)
    mean = XS.mean((0, 1))
    np.testing.assert_allclose(model["0"].mean, 0.75 * 0.25 * mean + 0.25 * 3 * mean, rtol=1e-5)


def test_padding_is_not_counted():
    lengths = np.array([7, 2, 4])
    inside = np.arange(7)[:, None] < lengths
    model = model_of(bs.Linear(4, 4, init=np.eye(4)), BatchNorm())
    runs = [bs.run(model, jnp.float32(np.where(inside[..., None], XS, fill)), lengths=lengths) for fill in (0.0, 1e3)]
    kept = XS[inside]
    expected = np.where(inside[..., None], (XS - kept.mean(0)) / np.sqrt(kept.var(0) + 1e-5), 0)
    for result in runs:
        np.testing.assert_allclose(result.out, expected, rtol=1e-4, atol=1e-5)
        learnt = bs.absorb(model, result.state)["1"]
        np.testing.assert_allclose(learnt.mean, 0.1 * kept.mean(0), rtol=1e-5)
        np.testing.assert_allclose(learnt.var, 0.9 + 0.1 * kept.var(0, ddof=1), rtol=1e-5)


def test_the_gradient_goes_through_the_averages(x64):
    """Against central differences of the definition; a gradient that held mean and variance fixed would be wrong."""
    model, ct = model_of(BatchNorm()), RNG.normal(size=XS.shape)
    gradient = jax.grad(lambda x: jnp.sum(ct * bs.run(model, x).out))(jnp.asarray(XS))
    dx = RNG.normal(size=XS.shape)
    value = lambda x: np.vdot(ct, normalised(x, (0, 1)))
    slope = (value(XS + 1e-5 * dx) - value(XS - 1e-5 * dx)) / 2e-5
    assert np.vdot(gradient, dx) == pytest.approx(slope, rel=1e-7)


def test_large_offsets_keep_their_digits():
    xs = jnp.float32(1000 + RNG.normal(size=(500, 64, 4)))
    out = bs.run(model_of(BatchNorm()), xs).out
    np.testing.assert_allclose(out, normalised(np.asarray(xs, np.float64), (0, 1)), atol=2e-3)


def test_one_step_is_refused_in_training_and_the_same_in_inference():
    model = model_of(BatchNorm())
    with pytest.raises(ValueError, match=r"`inference`: BatchNorm averages over all steps .* `bs.inference_mode"):
        model.step(model.init_state(3), jnp.float32(XS[0]))
    with pytest.raises(ValueError, match="`xs`: expected at least 2 values for each channel"):
        bs.run(model, jnp.float32(XS[:1, :1]))
    with pytest.raises(ValueError, match="layer 0 needs all steps at once"):
        bs.run(model, jnp.float32(XS), remat=3)
    fixed = bs.inference_mode(model)
    np.testing.assert_array_equal(fixed.step(fixed.init_state(3), XS[0])[1]["0"], bs.run(fixed, XS[:1]).out[0])


def test_only_weight_and_bias_train_and_a_run_goes_on():
    model = model_of(bs.Linear(4, 4), BatchNorm())
    trains = bs.mask(model)
    assert trains["1"].weight and trains["1"].bias and not (trains["1"].mean or trains["1"].var)
    first = bs.run(model, jnp.float32(XS))
    again = bs.run(model, jnp.float32(XS), state=first.state)
    mean = np.asarray(first.state.layers[1].mean)
    np.testing.assert_allclose(again.state.layers[1].mean, 1.9 * mean, rtol=1e-4)


def test_fit_absorbs_and_evaluates_with_the_averages(tmp_path):
    model = model_of(bs.Linear(4, 3), BatchNorm(momentum=0.5), bs.LI(10 * ms))
    batches = [(np.float32(XS), np.array([0, 1, 2])), (np.float32(2 * XS), np.array([0, 1, 2]))]
    done = bs.fit(model, batches, loss=bs.losses.ce_sum, optimizer=optax.sgd(0.0), epochs=2, metrics=(), progress=False)
    by_hand = model
    for _ in range(2):
        for x, _ in batches:
            by_hand = bs.absorb(by_hand, bs.run(by_hand, x).state)
    for name in ("mean", "var"):
        np.testing.assert_allclose(getattr(done.model["1"], name), getattr(by_hand["1"], name), rtol=1e-5, atol=1e-6)
    bs.save(tmp_path / "model", done.model)
    np.testing.assert_array_equal(bs.load(tmp_path / "model").model["1"].var, done.model["1"].var)


def test_averages_are_kept_with_another_step_and_inside_a_residual():
    block = Residual(Conv1d(2, 2, 3), BatchNorm(), shortcut=BatchNorm())
    model = model_of(block, shape=(2, 6))
    model = bs.absorb(model, bs.run(model, jnp.float32(RNG.normal(2.0, 1.0, size=(5, 3, 2, 6)))).state)
    assert (np.abs(model["0.shortcut"].mean - 0.2) < 0.05).all() and (model["0.1"].mean != 0).all()
    np.testing.assert_array_equal(bs.replace(model, dt=0.5 * ms)["0.1"].mean, model["0.1"].mean)


def test_a_network_absorbs_nothing():
    net = bs.Network({"a": bs.Population(2, bs.LIF(10 * ms))}, [], dt=1 * ms)
    assert bs.absorb(net, net.init_state()) is net
    with pytest.raises(TypeError, match="`model`: expected a Network or a Sequential, got BatchNorm"):
        bs.absorb(BatchNorm(), net.init_state())


def test_what_is_said_of_wrong_arguments():
    for arguments, words in (
        ({"v_th": 3 * ms}, "`v_th`: expected a voltage"),
        ({"momentum": 1.5}, "`momentum` must be <= 1"),
        ({"eps": 0.0}, "`eps` must be > 0"),
        ({"alpha": 0.0}, "`alpha` must be > 0"),
    ):
        with pytest.raises(ValueError, match=words):
            BatchNorm(**arguments)
