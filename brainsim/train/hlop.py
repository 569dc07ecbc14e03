"""Learning one task after another without forgetting: weights change orthogonally to the inputs of earlier tasks.

    x_orth = x - W^T W x,   W the lateral rows of earlier tasks          grad = sum delta x_orth^T

For y = x M the gradient of M is sum x delta^T, over steps and samples; it is linear in x, so that projecting x is
projecting the gradient, whatever the way to it (backpropagation through time, or the traces of OTTT, which are sums of
inputs). Here the update of the optimizer is projected: with SGD that is the same, and with Adam or weight decay the
change of M still has no component in the old subspace, dM^T x_old = 0.

    spaces = bs.train.subspaces(model, {"0": 80, "2": 200})
    done = bs.fit(model, task_1, optimizer=bs.train.hlop(optax.sgd(0.1), spaces), ...)
    spaces = bs.train.subspaces(done.model, {"0": 70, "2": 70}, before=done.state.opt_state.subspaces)
    bs.fit(done.model, task_2, optimizer=bs.train.hlop(optax.sgd(0.1), spaces), ...)

The rows of a task learn while its weights do, from every step of every sample (padding excluded), as part of the
optimizer's state, which `fit` checkpoints. The model computes what it computes without. A bias is a weight of an input
that is 1 in every task: from the second task on those of the layers above do not change. What else trains is free; name
what may with `fit(trainable=)`. Lateral spiking neurons quantise y where the rows learn; the update is projected by the
rows themselves (the published `proj_type weight`). Xiao et al., ICLR 2024 (arXiv 2402.11984).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _streams
from .._types import Array
from . import presynaptic
from .mask import present
from .subspace import Hebbian, Subspace

PUBLISHED = Hebbian()
"""How lateral weights learn where nothing is said."""


class Listening(optax.GradientTransformationExtraArgs):
    """An optimizer whose update also takes `inputs`, what reached some layers, and `lengths`, both from `fit`.

    Attributes:
        layers: Names of the layers.
    """

    layers: tuple[str, ...] = ()


class HlopState(NamedTuple):
    """State of the optimizer `hlop`.

    Attributes:
        inner: State of the optimizer inside.
        subspaces: Lateral weights by layer.
    """

    inner: Any
    subspaces: dict[str, Subspace]


def subspaces(
    model: Any, sizes: Mapping[str, int], *, before: Mapping[str, Subspace] | None = None, key: int | Array = 0
) -> dict[str, Subspace]:
    """Lateral weights for a task, by layer.

    Args:
        model: `Sequential`.
        sizes: Number of new rows for each layer, by its name: `Linear` without delays, or a convolution without groups.
        before: Lateral weights after the task before; all their rows are old now. None: there was none.
        key: Seed or JAX key of the new rows.

    Raises:
        TypeError: The model is no `Sequential`.
        ValueError: A layer that cannot be projected, or more rows than its inputs have dimensions.
    """
    root = jax.random.key(key) if isinstance(key, int) else key
    found, before = {}, before or {}
    for path in dict.fromkeys((*before, *sizes)):
        count, d = sizes.get(path, 0), presynaptic.width(presynaptic.weighted(model, path, "sizes"))
        empty = jnp.zeros((0, d), model.dtype)
        last = before.get(path, Subspace(empty, empty, empty))
        _check_width("before", path, last, d)
        if not jnp.all(jnp.isfinite(last.weight)):
            raise ValueError(f"`before`: rows of layer {path} are not finite: a smaller `rate` of `Hebbian`.")
        old = len(last.weight)
        if not 0 <= count <= d - old or count != int(count):
            raise ValueError(f"`sizes`: expected 0 to {d - old} new rows for layer {path} ({d} inputs), got {count}.")
        found[path] = last.extended(int(count), _streams.fold(root, f"{path}[{old}]"))
    return found


def _check_width(argument: str, path: str, space: Subspace, d: int) -> None:
    if space.new.shape[1] != d:
        raise ValueError(f"`{argument}`: layer {path} has {d} inputs, its rows have {space.new.shape[1]} entries.")


def hlop(
    optimizer: optax.GradientTransformation,
    subspaces: Mapping[str, Subspace],
    rule: Hebbian | Mapping[str, Hebbian] = PUBLISHED,
) -> optax.GradientTransformationExtraArgs:
    """An optimizer that spares earlier tasks, for `fit(optimizer=)`; see the module for what it does.

    `optimizer=optax.set_to_zero()` learns the rows of a network that is trained already.

    Args:
        optimizer: What makes an update of a gradient.
        subspaces: Lateral weights at the beginning; those learned are `fit(...).state.opt_state.subspaces` (where `fit`
            returns the model of an earlier epoch, by `stop=`, they are still those of the last).
        rule: How they learn, for all layers or for each by its name; as published where nothing is said.

    Raises:
        ValueError: No layer, or a rule for other layers.
    """
    begin, inside = dict(subspaces), optax.with_extra_args_support(optimizer)
    rules = dict(rule) if isinstance(rule, Mapping) else dict.fromkeys(begin, rule)
    if not begin:
        raise ValueError('`subspaces`: expected at least one layer, such as subspaces(model, {"0": 80}), got none.')
    if set(rules) != set(begin):
        raise ValueError(f"`rule`: expected one for each of {', '.join(begin)}, got {', '.join(rules) or 'none'}.")

    def init(params: Any) -> HlopState:
        for path, space in begin.items():
            _check_width("subspaces", path, space, presynaptic.width(presynaptic.weighted(params, path)))
        return HlopState(inside.init(params), begin)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, HlopState]:
        if params is None or "inputs" not in extra:
            raise ValueError("`optimizer`: `hlop` hears what reaches the layers from `fit` alone: pass it there bare.")
        heard, lengths = extra.pop("inputs"), extra.pop("lengths")
        updates, inner = inside.update(updates, state.inner, params, **extra)
        updates = _spared(updates, state.subspaces, params)
        learned = {}
        for path, space in state.subspaces.items():
            x, count = _counted(params, path, heard[path], lengths)
            learned[path] = rules[path].learned(space, x.astype(space.new.dtype), count)
        return updates, HlopState(inner, learned)

    listening = Listening(init, update)
    listening.layers = tuple(begin)
    return listening


def _spared(updates: Any, subspaces: Mapping[str, Subspace], params: Any) -> Any:
    """Updates without their components in the old subspaces; biases of these layers stay."""
    known, where, values = present(params), [], []
    for path, space in subspaces.items():
        if not len(space.old):
            continue
        layer = presynaptic.weighted(params, path)
        if (info := known.get(f"{path}.weight")) is not None:
            where.append(info.where)
            spared = space.without_old(presynaptic.matrix(layer, info.where(updates)))
            values.append(presynaptic.weight(layer, spared))
        if (info := known.get(f"{path}.bias")) is not None:
            where.append(info.where)
            values.append(jnp.zeros_like(info.where(updates)))
    return eqx.tree_at(lambda tree: [of(tree) for of in where], updates, values) if where else updates


def _counted(params: Any, path: str, x: Array, lengths: Array | None) -> tuple[Array, Array | int | None]:
    """The rows of a layer's input, 0 where a sequence has ended, and how many count."""
    if lengths is None:
        return presynaptic.rows(params, path, x), None
    valid = jnp.arange(len(x), dtype=lengths.dtype)[:, None] < lengths
    x = jnp.where(valid.reshape(*valid.shape, *[1] * (x.ndim - 2)), x, 0)
    found = presynaptic.rows(params, path, x)
    return found, jnp.maximum(jnp.sum(valid), 1) * (len(found) // valid.size)
