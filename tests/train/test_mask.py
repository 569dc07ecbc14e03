"""What trains: the defaults, paths, and labels, on both containers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

import brainsim as bs
from brainsim import _paths

DEFAULT = {
    "Sequential": {"0.weight": "weight", "0.bias": "bias", "hid.tau_mem": "time_constant", "2.weight": "weight"},
    "Network": {
        **{f"{path}.weight": "weight" for path in ("in->E", "in->I", "E->I", "I->E", "E->out")},
        "E.tau_mem": "time_constant",
        "E.v_th": "threshold",
    },
}


def values_of(model, tree) -> dict[str, object]:
    """What a tree of the model's structure holds at each path."""
    return {path: info.where(tree) for path, info in model.parameters().items() if info.where(tree) is not None}


def test_the_default_is_weights_biases_and_what_was_named(model):
    expected = DEFAULT[type(model).__name__]
    flags = values_of(model, bs.mask(model))
    assert {path for path, flag in flags.items() if flag} == set(expected)
    assert {"hid.v_th", "hid.v_rest", "hid.i_bias", "E.v_rest", "I.tau_mem"} & set(flags)
    assert jax.tree.structure(bs.mask(model)) == jax.tree.structure(model)
    assert sum(jax.tree.leaves(bs.mask(model))) == len(expected)


def test_labels_name_the_kind_of_what_trains(model):
    expected = DEFAULT[type(model).__name__]
    names = values_of(model, bs.labels(model))
    assert {path: name for path, name in names.items() if name != "frozen"} == expected
    params = eqx.filter(model, bs.mask(model))
    assert values_of(model, bs.labels(params)) == expected


def test_paths_choose(network):
    flags = values_of(network, bs.mask(network, ["*->E.weight", "I.tau_mem"]))
    assert {path for path, flag in flags.items() if flag} == {"in->E.weight", "I->E.weight", "I.tau_mem"}
    names = values_of(network, bs.labels(network, ["I.tau_mem"]))
    assert {path for path, name in names.items() if name != "frozen"} == {"I.tau_mem"}


def test_a_path_that_matches_nothing_lists_the_near_ones(model):
    with pytest.raises(ValueError, match=r'`paths`: "E.tau_men" matches nothing; did you mean .*tau_mem'):
        bs.mask(model, ["E.tau_men"])
    with pytest.raises(TypeError, match=r'`paths`: expected a list of paths, got "E.v_th": pass \["E.v_th"\]'):
        bs.mask(model, "E.v_th")


def test_a_star_is_the_only_wildcard():
    assert _paths.matches("*.weight", "I->E#nmda.weight")
    assert _paths.matches("E*", "E.v") and _paths.matches("*", "a.b")
    assert not _paths.matches("E.v", "Exv") and not _paths.matches("?.v", "E.v") and not _paths.matches("E", "E.v")


def test_labels_drive_a_multi_transform(model):
    """Each kind gets its own optimizer; the frozen rest does not move."""
    params, static = eqx.partition(model, bs.mask(model))
    rates = {
        "weight": optax.sgd(0.1),
        "bias": optax.sgd(0.2),
        "time_constant": optax.sgd(0.5),
        "threshold": optax.sgd(1.0),
    }
    optimizer = bs.constrain(
        optax.multi_transform({**rates, "other": optax.sgd(0.0), "frozen": optax.set_to_zero()}, bs.labels(params)),
        params,
    )
    gradient = jax.tree.map(lambda leaf: -jnp.ones_like(leaf), params)
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    moved = eqx.combine(optax.apply_updates(params, updates), static)
    steps = {"weight": 0.1, "bias": 0.2, "time_constant": 0.5, "threshold": 1.0}
    for path, info in model.parameters().items():
        if (before := info.where(model)) is None:
            continue
        kind = DEFAULT[type(model).__name__].get(path)
        high = jnp.minimum(before + steps[kind], info.high) if kind else before
        assert jnp.allclose(info.where(moved), high, atol=1e-5), path
