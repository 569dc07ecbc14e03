"""Training that spares earlier tasks: projected updates, learned rows, and what `fit` makes of both."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.train import Hebbian, Subspace, hlop, subspaces
from brainsim.train.presynaptic import matrix, rows, weight
from brainsim.units import ms
from tests.train.gradients import gradient

STEPS, BATCH = 5, 6
RNG = np.random.default_rng(2)
SIZES = {"0": 3, "2": 2}
QUIET = dict(loss=bs.losses.ce_sum, metrics=["accuracy"], progress=False)


def network(seed=0, **options):
    soft = lambda: bs.LIF(5 * ms, reset="subtract")
    return bs.Sequential(
        bs.Linear(8, 7, bias=True), soft(), bs.Linear(7, 6, **options), soft(), bs.Linear(6, 3), bs.LI(5 * ms),
        dt=1 * ms, seed=seed,
    )  # fmt: skip


def task(scale=1.0, batches=4):
    """Inputs in a space of three dimensions."""
    base = RNG.normal(size=(3, 8))
    code = RNG.normal(size=(batches, BATCH, 3))
    x = np.repeat((code @ base)[:, None], STEPS, axis=1).astype(np.float32) * scale
    return list(zip(x, code.argmax(-1), strict=True))


def fitted(model, data, optimizer, epochs=2, **options):
    return bs.fit(model, data, optimizer=optimizer, epochs=epochs, **QUIET, **options)


def old_rows(model, sizes=SIZES, key=5):
    """Subspaces of a task before: random orthonormal rows, all of them old."""
    return subspaces(model, {}, before=subspaces(model, sizes, key=key))


def test_updates_have_no_component_in_the_old_subspace_whatever_the_optimizer(x64):
    model = network()
    spaces = old_rows(model)
    for inner in (optax.sgd(0.1, momentum=0.9), optax.adamw(0.01, weight_decay=0.1)):
        done = fitted(model, task(), hlop(inner, spaces)).model
        for path, index in (("0", 0), ("2", 2)):
            change = np.asarray(done[index].weight - model[index].weight)
            assert np.abs(change).max() > 1e-3
            assert np.abs(np.asarray(spaces[path].old) @ change).max() < 1e-14
        np.testing.assert_array_equal(done[0].bias, model[0].bias)
        assert np.abs(done[4].weight - model[4].weight).max() > 1e-3


def test_with_sgd_it_is_the_gradient_of_projected_inputs(x64):
    """sum delta x_orth^T by hand: delta of each step and sample is the derivative to what leaves the layer."""
    model, ((x, y), *_) = network(), task()
    spaces, x = old_rows(model, {"0": 3}), jnp.asarray(x, float)

    def loss(pushed):
        out = x @ model[0].weight + pushed
        for index in range(1, len(model.layers)):
            state = model.init_state(BATCH)
            out = model.layers[index].unroll(state.layers[index], out, model.dt, model._stream(state, str(index)))[1]
        return bs.losses.ce_sum(out, jnp.asarray(y))

    delta = jax.grad(loss)(jnp.zeros((STEPS, BATCH, 7)))
    old = spaces["0"].old
    expected = jnp.einsum("tbi,tbj->ij", x - x @ old.T @ old, delta)
    done = fitted(model, [(x, y)], hlop(optax.sgd(0.1), spaces), epochs=1).model
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(done[0].weight - model[0].weight, -0.1 * expected, rtol=1e-9, atol=1e-14)


def test_the_traces_of_ottt_are_projected_too(x64):
    model, data = network(), task(batches=1)
    spaces = old_rows(model)
    done = fitted(model, data, hlop(optax.sgd(0.1), spaces), epochs=1, gradient="ottt").model
    ((x, y),) = data
    _, slopes = gradient("ottt", model, bs.losses.ce_sum, np.asarray(x, float), y)
    for path, index in (("0", 0), ("2", 2)):
        raw, old = slopes[index].weight, spaces[path].old
        assert np.abs(old @ raw).max() > 1e-3
        np.testing.assert_allclose(
            done[index].weight - model[index].weight, -0.1 * (raw - old.T @ (old @ raw)), rtol=1e-9, atol=1e-14
        )


def test_before_the_first_task_is_over_nothing_is_projected_and_the_model_trains_as_without(x64):
    model, data = network(), task()
    plain = fitted(model, data, optax.sgd(0.1))
    heard = fitted(model, data, hlop(optax.sgd(0.1), subspaces(model, SIZES)))
    for left, right in zip(jax.tree.leaves(plain.model), jax.tree.leaves(heard.model), strict=True):
        np.testing.assert_array_equal(left, right)
    assert plain.history.steps == heard.history.steps


def test_rows_learn_from_what_reaches_the_layer(x64):
    """One step by hand: the input of the model, and the spikes of the layer before."""
    model, ((x, y), *_) = network(), task()
    begin, rule = subspaces(model, SIZES, key=1), {"0": Hebbian(0.001), "2": Hebbian(0.1)}
    spikes = bs.run(model, x, record=["1.spikes"]).records["1.spikes"]
    assert spikes.sum() > 5
    found = fitted(model, [(x, y)], hlop(optax.sgd(0.1), begin, rule), epochs=1).state.opt_state.subspaces
    for path, values in (("0", x), ("2", spikes)):
        expected = rule[path].learned(begin[path], jnp.asarray(values, float).reshape(STEPS * BATCH, -1))
        assert np.abs(expected.new - begin[path].new).max() > 1e-5
        np.testing.assert_allclose(found[path].new, expected.new, rtol=1e-9, atol=1e-14)


def test_padding_teaches_nothing(x64):
    model, ((x, y), *_) = network(), task()
    lengths, begin = np.array([5, 1, 2, 3, 4, 5]), subspaces(model, {"0": 3})
    kept = np.arange(STEPS)[:, None] < lengths
    for padding in (0.0, 7.0):
        padded = np.where(kept[..., None], x, padding)
        found = fitted(model, [(padded, y, lengths)], hlop(optax.sgd(0.1), begin), epochs=1).state.opt_state
        expected = Hebbian().learned(begin["0"], jnp.asarray(x[kept], float))
        np.testing.assert_allclose(found.subspaces["0"].new, expected.new, rtol=1e-9, atol=1e-14)


def test_a_task_in_a_subspace_is_kept_and_without_projection_it_is_not():
    """Inputs of the first task span three dimensions, which three rows find: what they give stays as it was."""
    model, first, second = network(), task(0.5, 60), task(0.5, 20)
    rule, moved = Hebbian(0.05), {}
    done = fitted(model, first, hlop(optax.sgd(0.05), subspaces(model, {"0": 3}), rule), epochs=4)
    spaces = subspaces(done.model, {"0": 3}, before=done.state.opt_state.subspaces)
    assert [spaces["0"].old.shape, spaces["0"].new.shape] == [(3, 8), (3, 8)]
    for name, optimizer in {"hlop": hlop(optax.sgd(0.05), spaces, rule), "plain": optax.sgd(0.05)}.items():
        later = fitted(done.model, second, optimizer).model
        change = later[0].weight - done.model[0].weight
        moved[name] = np.linalg.norm(first[0][0] @ np.asarray(change)) / np.linalg.norm(change)
    assert moved["hlop"] < 0.02 * moved["plain"]


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2, "padding": 1}, {"padding": "valid", "dilation": 2}],
    ids=["same", "stride", "dilation"],
)
def test_a_convolution_is_the_product_of_its_patches(x64, options):
    layer = bs.Conv2d(2, 3, (3, 2), **options)
    model = bs.Sequential(layer, bs.LIF(5 * ms), dt=1 * ms, input_shape=(2, 6, 5))
    x = jnp.asarray(RNG.normal(size=(STEPS, BATCH, 2, 6, 5)))
    found = rows(model, "0", x) @ matrix(model[0], model[0].weight)
    y = model[0].step(None, x, 1.0, None)[1]
    np.testing.assert_allclose(found, jnp.moveaxis(y, 2, -1).reshape(-1, 3), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(weight(model[0], matrix(model[0], model[0].weight)), model[0].weight)


def test_a_convolution_spares_the_patches_of_earlier_tasks(x64):
    model = bs.Sequential(
        bs.Conv2d(1, 4, 3), bs.LIF(5 * ms), bs.layers.Flatten(), bs.Linear(64, 3), bs.LI(5 * ms),
        dt=1 * ms, input_shape=(1, 4, 4),
    )  # fmt: skip
    spaces = old_rows(model, {"0": 4, "3": 10})
    data = [(RNG.normal(size=(STEPS, BATCH, 1, 4, 4)), np.arange(BATCH) % 3)]
    done = fitted(model, data, hlop(optax.sgd(0.1), spaces)).model
    for index, path in ((0, "0"), (3, "3")):
        change = matrix(model[index], done[index].weight - model[index].weight)
        assert np.abs(change).max() > 1e-4 and np.abs(spaces[path].old @ change).max() < 1e-14


def test_what_does_not_train_stays_and_rows_of_a_trained_network_are_learned_alone():
    model, data = network(), task()
    begin = old_rows(model) | subspaces(model, {"4": 2})
    part = fitted(model, data, hlop(optax.sgd(0.1), begin), trainable=["2.weight", "4.weight"]).model
    np.testing.assert_array_equal(part[0].weight, model[0].weight)
    still = fitted(model, data, hlop(optax.set_to_zero(), subspaces(model, SIZES)))
    np.testing.assert_array_equal(still.model[2].weight, model[2].weight)
    start = subspaces(model, SIZES)
    assert np.abs(still.state.opt_state.subspaces["0"].new - start["0"].new).max() > 1e-4


def test_an_interrupted_task_goes_on_with_the_same_rows(tmp_path):
    model, data = network(), task()
    spaces = subspaces(model, {"0": 2, "2": 1}, before=old_rows(model))
    optimizer = hlop(optax.adam(0.01), spaces)
    whole = fitted(model, data, optimizer, epochs=4)
    fitted(model, data, optimizer, checkpoint=tmp_path / "run")
    resumed = fitted(model, data, optimizer, epochs=4, checkpoint=tmp_path / "run")
    for left, right in zip(*(jax.tree.leaves((fit.model, fit.state)) for fit in (whole, resumed)), strict=True):
        np.testing.assert_array_equal(left, right)
    bs.save(tmp_path / "task", whole.model, extra=whole.state.opt_state.subspaces)
    stored = bs.load(tmp_path / "task")
    for path, space in whole.state.opt_state.subspaces.items():
        assert type(stored.extra[path]) is Subspace
        np.testing.assert_array_equal(stored.extra[path].new, space.new)
        np.testing.assert_array_equal(stored.extra[path].old, spaces[path].old)


def test_rows_may_be_few_or_none():
    model = network()
    spaces = subspaces(model, {"0": 3}, before=subspaces(model, {"0": 2, "2": 4}))
    assert {path: (len(space.old), len(space.new)) for path, space in spaces.items()} == {"0": (2, 3), "2": (4, 0)}
    found = fitted(model, task(), hlop(optax.sgd(0.1), spaces)).state.opt_state.subspaces
    np.testing.assert_array_equal(found["2"].weight, spaces["2"].weight)


class TestErrors:
    def test_of_layers(self):
        model = network(delay=bs.Uniform(1 * ms, 3 * ms))
        with pytest.raises(ValueError, match="`sizes`: expected layers of the model, 0, 1, .*, got 'hidden'"):
            subspaces(model, {"hidden": 3})
        with pytest.raises(ValueError, match=r"`sizes`: layer 1, LIF, is neither Linear nor a convolution"):
            subspaces(model, {"1": 3})
        with pytest.raises(ValueError, match=r"`sizes`: layer 2, Linear\(7, 6\), has delays"):
            subspaces(model, {"2": 3})
        grouped = bs.Sequential(bs.Conv2d(4, 4, 3, groups=2), bs.LIF(5 * ms), dt=1 * ms, input_shape=(4, 5, 5))
        with pytest.raises(ValueError, match=r"`sizes`: layer 0, .* has 2 groups"):
            subspaces(grouped, {"0": 3})
        net = bs.Network({"a": bs.Population(2, bs.LIF(5 * ms))}, [], dt=1 * ms)
        with pytest.raises(TypeError, match="`model`: expected a Sequential, got a Network"):
            subspaces(net, {"a": 1})

    def test_of_sizes(self):
        model = network()
        with pytest.raises(ValueError, match=r"`sizes`: expected 0 to 8 new rows for layer 0 \(8 inputs\), got 9"):
            subspaces(model, {"0": 9})
        before = subspaces(model, {"0": 6})
        with pytest.raises(ValueError, match="expected 0 to 2 new rows for layer 0"):
            subspaces(model, {"0": 3}, before=before)
        other = bs.Sequential(bs.Linear(5, 4), bs.LIF(5 * ms), dt=1 * ms)
        with pytest.raises(ValueError, match="`before`: layer 0 has 5 inputs, its rows have 8 entries"):
            subspaces(other, {}, before=before)
        with pytest.raises(ValueError, match="`subspaces`: layer 0 has 5 inputs, its rows have 8 entries"):
            fitted(other, task(), hlop(optax.sgd(0.1), before))
        with pytest.raises(ValueError, match="expected 0 to 2 new rows .*, got 1.5"):
            subspaces(model, {"0": 1.5}, before=before)
        burst = {"0": before["0"]._replace(new=before["0"].new * jnp.nan)}
        with pytest.raises(ValueError, match="`before`: rows of layer 0 are not finite: a smaller `rate`"):
            subspaces(model, {"0": 1}, before=burst)

    def test_of_the_optimizer(self):
        model = network()
        spaces = subspaces(model, SIZES)
        with pytest.raises(ValueError, match="`subspaces`: expected at least one layer"):
            hlop(optax.sgd(0.1), {})
        with pytest.raises(ValueError, match="`rule`: expected one for each of 0, 2, got 0"):
            hlop(optax.sgd(0.1), spaces, {"0": Hebbian()})
        with pytest.raises(ValueError, match="`optimizer`: `hlop` hears what reaches the layers from `fit` alone"):
            fitted(model, task(), optax.chain(hlop(optax.sgd(0.1), spaces), optax.scale(0.5)))


def test_an_update_in_every_step_has_no_inputs_to_learn_rows_from():
    readout = bs.Sequential(bs.Linear(8, 7), bs.LIF(5 * ms, reset="subtract"), bs.Linear(7, 3), dt=1 * ms)
    optimizer = hlop(optax.sgd(0.1), subspaces(readout, {"0": 2}))
    with pytest.raises(ValueError, match='`optimizer`: it learns from the inputs of whole sequences.*"batch"'):
        bs.fit(
            readout, task(), loss=bs.losses.ce_rate, optimizer=optimizer, epochs=1, gradient="ottt", update="step",
            progress=False,
        )  # fmt: skip


def test_the_head_of_a_task_is_put_in_beside_what_is_shared():
    """Task-incremental learning: a readout each, which no subspace spares; the others give what they gave."""
    model, data = network(), task()
    spaces = old_rows(model)
    later = fitted(model, data, hlop(optax.sgd(0.1), spaces)).model
    back = eqx.tree_at(lambda m: m.layers[4].weight, later, model[4].weight)
    assert np.abs(later[4].weight - back[4].weight).max() > 1e-3
    np.testing.assert_array_equal(back[4].weight, model[4].weight)
