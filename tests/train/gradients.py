"""What the tests of gradient methods share: a method applied to a model, and the sizes of what it computes."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import brainsim as bs
from brainsim.train.batches import Batch
from brainsim.train.gradients import method
from brainsim.train.objective import Objective


def gradient(name, model, loss, x, y, *, regularize=(), trainable=None):
    """Outcome and gradient by the method of a name."""
    call, params = _call(name, model, loss, regularize, trainable)
    return jax.jit(call)(params, jnp.asarray(x), jnp.asarray(y))


def _call(name, model, loss, regularize=(), trainable=None, rates=()):
    objective = Objective(loss, tuple(regularize), {}, rates)
    params, static = eqx.partition(model, bs.mask(model, trainable))
    key = jax.random.key(0)
    return (lambda params, x, y: method(name)(objective, params, static, Batch(x, y, None), key)), params


def shapes(name, model, loss, x, y, *, rates=()) -> set[tuple[int, ...]]:
    """The shape of every array that the method computes, in whatever loop or call; `rates` are reported beside."""
    call, params = _call(name, model, loss, rates=rates)
    return shapes_of(call, params, x, y)


def shapes_of(call, *args) -> set[tuple[int, ...]]:
    """The shape of every array that a function of arrays computes."""
    return set(_shapes(jax.make_jaxpr(call)(*jax.tree.map(jnp.asarray, args)).jaxpr))


def _shapes(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    for equation in jaxpr.eqns:
        yield from (var.aval.shape for var in equation.outvars)
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from _shapes(inner)
