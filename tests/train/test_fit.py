"""`fit`: it learns, on both containers, changes only what trains, compiles once a shape, and says what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.bench import digits
from brainsim.datasets import Dataset, encode
from brainsim.units import ms

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 40)
PIXELS = (0.1 + 0.9 * np.eye(4, dtype=np.float32)[LABELS] + 0.1 * RNG.random((40, 4)).astype(np.float32)) / 1.2
DATA = Dataset(PIXELS, LABELS, lambda x, key: encode.constant(x, 12))


def train(model, data=None, **options):
    options = {"loss": bs.losses.ce_sum, "optimizer": optax.adam(0.02), "epochs": 3, "progress": False, **options}
    return bs.fit(model, DATA.batches(16, key=0) if data is None else data, **options)


def test_it_learns_and_leaves_the_given_model_alone(model):
    before = [np.array(leaf) for leaf in jax.tree.leaves(model)]
    trained, history, state = train(model, epochs=12, valid=DATA.batches(40))
    assert history["valid_accuracy"][-1] > 0.95 and history["loss"][-1] < 0.5 * history["loss"][0]
    assert len(history) == state.epoch == 12 and len(history.steps) == state.step == 36
    for leaf, kept in zip(jax.tree.leaves(model), before, strict=True):
        np.testing.assert_array_equal(leaf, kept)
    for path, info in model.parameters().items():
        value = info.where(trained)
        if value is not None:
            assert bool(jnp.all((value >= info.low) & (value <= info.high))), path
            assert info.trainable or np.array_equal(value, info.where(model)), path


def test_only_what_is_named_trains(network):
    trained = train(network, trainable=["E->out.weight"], epochs=1).model
    changed = [
        path
        for path, info in network.parameters().items()
        if info.where(network) is not None and not np.array_equal(info.where(trained), info.where(network))
    ]
    assert changed == ["E->out.weight"]


def test_a_network_takes_a_mapping(network):
    batches = [({"in": x}, y) for x, y in DATA.batches(20)]
    by_name, by_array = train(network, batches), train(network, list(DATA.batches(20)))
    assert by_name.history.steps == by_array.history.steps


def test_it_is_compiled_once_a_shape(sequential):
    traces = []

    def counted(out, y, mask=None):
        traces.append(out.shape)
        return bs.losses.ce_sum(out, y, mask)

    train(sequential, loss=counted, valid=DATA.batches(40))
    assert sorted(set(traces)) == [(12, 8, 3), (12, 16, 3), (12, 40, 3)]
    assert len(traces) == 3


def test_figures_are_means_over_samples_whatever_the_batches(sequential):
    options = {"optimizer": optax.sgd(0.0), "epochs": 1}
    ragged, whole = (train(sequential, DATA.batches(size), valid=DATA.batches(size), **options) for size in (16, 40))
    for name in ("loss", "accuracy", "valid_loss", "valid_accuracy"):
        assert ragged.history[name][0] == pytest.approx(whole.history[name][0], rel=1e-5)
    assert whole.history["loss"][0] == pytest.approx(whole.history["valid_loss"][0], rel=1e-5)


def test_padding_with_lengths_changes_nothing(sequential):
    x, y = next(iter(DATA.batches(16)))
    lengths = np.arange(16) % 9 + 4
    inside = (np.arange(12)[:, None] < lengths)[..., None]
    x = np.where(inside, x, 0).astype(np.float32)
    padded = np.concatenate([np.where(inside, x, 3.0), np.full((5, 16, 4), 3.0)]).astype(np.float32)
    penalty = bs.losses.rate("hid.spikes", 400, 500, weight=1e-4)
    runs = [train(sequential, [(batch, y, lengths)], regularize=[penalty]) for batch in (x, padded)]
    np.testing.assert_allclose(runs[0].history.steps, runs[1].history.steps, rtol=1e-5)
    unmasked = train(sequential, [(padded, y)], regularize=[penalty])
    assert abs(unmasked.history.steps[0] - runs[0].history.steps[0]) > 1e-2


def test_a_regulariser_is_added_and_acts(sequential):
    penalty = bs.losses.rate("hid.spikes", 0, 1, weight=1e-3)
    plain, calm = train(sequential, epochs=8), train(sequential, epochs=8, regularize=[penalty])
    assert calm.history.steps[0] > plain.history.steps[0]
    x = next(iter(DATA.batches(40)))[0]
    rates = [bs.run(result.model, x, record=["hid.spikes"]).records["hid.spikes"].mean() for result in (plain, calm)]
    assert rates[1] < 0.8 * rates[0]


def test_a_metric_of_ones_own(sequential):
    def spread(out, y, mask=None):
        return jnp.std(out)

    history = train(sequential, metrics=["accuracy", spread], epochs=1).history
    assert set(history.epochs[0]) == {"loss", "accuracy", "spread", "seconds"} and history["spread"][0] > 0
    with pytest.raises(KeyError, match="no 'speed'; there are loss, accuracy"):
        history["speed"]


def test_history_survives_json_and_is_drawn(sequential, tmp_path):
    import json

    history = train(sequential, valid=DATA.batches(40)).history
    again = bs.train.History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again == history
    history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_the_rates_of_layers_are_those_of_a_run(model):
    history = train(model, [next(iter(DATA.batches(40)))], epochs=1, optimizer=optax.sgd(0.0)).history
    owner = "hid" if isinstance(model, bs.Sequential) else "E"
    x, _ = next(iter(DATA.batches(40)))
    spikes = bs.run(model, x, record=[f"{owner}.spikes"]).records[f"{owner}.spikes"]
    assert history[f"rate/{owner}"][0] == pytest.approx(1000 * float(np.mean(spikes)), rel=1e-5)
    rates = {name for name in history.epochs[0] if "rate" in name}
    assert rates == {"rate/hid"} if owner == "hid" else {"rate/E", "rate/I"}


def test_layers_that_differ_for_inference_are_evaluated_so_and_their_statistics_kept():
    model = bs.Sequential(
        bs.Linear(4, 16), bs.layers.BatchNorm(), bs.LIF(10 * ms), bs.layers.Dropout(0.5), bs.Linear(16, 3),
        bs.LI(8 * ms), dt=1 * ms,
    )  # fmt: skip
    (batch,) = DATA.batches(40)
    trained, history, _ = train(model, [batch], valid=[batch], epochs=2)
    frozen = bs.inference_mode(trained)
    out = bs.run(frozen, batch[0]).out
    assert history["valid_loss"][-1] == pytest.approx(float(bs.losses.ce_sum(out, batch[1])), rel=1e-5)
    assert not np.array_equal(trained["1"].mean, model["1"].mean)
    again = train(model, [batch], valid=[batch], epochs=2).history
    assert again.steps == history.steps
    assert len({round(loss, 6) for loss in train(model, [batch] * 3, optimizer=optax.sgd(0.0)).history.steps}) > 1


def test_a_gradient_is_chosen_by_name(sequential):
    with pytest.raises(ValueError, match='`gradient`: expected one of "bptt"'):
        train(sequential, gradient="backprop")


def test_a_generator_is_refused(sequential):
    with pytest.raises(TypeError) as error:
        train(sequential, (batch for batch in DATA.batches(16)))
    assert str(error.value) == (
        "`train` is a generator: exhausted after epoch 1; pass a list, a loader, or a function of the epoch."
    )
    with pytest.raises(TypeError, match="`valid` is a generator"):
        train(sequential, valid=iter(DATA.batches(16)))


def test_a_loss_that_is_not_finite_names_epoch_and_step():
    model = bs.Sequential(bs.Linear(4, 3), bs.LI(10 * ms), dt=1 * ms)
    x, y = next(iter(DATA.batches(16)))
    bad = np.array(x)
    bad[3, 2, 1] = np.nan
    with pytest.raises(FloatingPointError, match=r"`loss` is nan at epoch 2, step 5 \(batch 2 of the epoch\)"):
        train(model, lambda epoch: [(x, y), (bad if epoch == 1 else x, y), (x, y)])


def test_what_else_is_refused(sequential, network):
    with pytest.raises(ValueError, match="`train`: expected at least one batch in epoch 1, got none"):
        train(sequential, [])
    with pytest.raises(ValueError, match=r"`train`: expected batches \(x, y\) or \(x, y, lengths\)"):
        train(sequential, [np.ones((12, 16, 4))])
    with pytest.raises(ValueError, match=r"`train`: expected x of shape \(time, batch, ...\), got \(16, 4\)"):
        train(sequential, Dataset(PIXELS, LABELS).batches(16))
    with pytest.raises(ValueError, match="`trainable`: no parameter of the model trains"):
        train(sequential, trainable=[])
    with pytest.raises(ValueError, match='"hidd.tau_mem" matches nothing'):
        train(sequential, trainable=["hidd.tau_mem"])
    silent = bs.Network({"in": bs.Input(4), "E": bs.Population(2, bs.LIF())}, [], dt=1 * ms)
    with pytest.raises(ValueError, match="trains"):
        train(silent)
    unnamed = bs.Network(dict(network.recipe.populations), network.recipe.projections, dt=1 * ms)
    with pytest.raises(ValueError, match="`model`: the network has no output to train"):
        train(unnamed)


def test_float64_parameters_stay_so(x64):
    model = bs.Sequential(bs.Linear(4, 3), bs.LI(10 * ms), dt=1 * ms)
    trained = train(model, epochs=1).model
    assert trained["0"].weight.dtype == jnp.float64 and not np.array_equal(trained["0"].weight, model["0"].weight)


def test_the_digits_network_learns_in_a_few_epochs():
    trained, history, _ = digits.train(epochs=4, progress=False)
    assert history["valid_accuracy"][-1] > 0.85
    for projection in trained.projections.values():
        assert bool(jnp.all(projection.sign * projection.weight >= 0)), projection.path


@pytest.mark.slow
def test_the_digits_network_reads_95_percent():
    trained = digits.train(progress=False).model
    assert digits.accuracy(trained) >= 0.95
    assert all(2 < rate < 100 for rate in digits.rates(trained).values())
