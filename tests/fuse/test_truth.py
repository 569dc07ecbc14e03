"""Questions about numbers that are 0 or 1 become truth values, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from brainsim.fuse.graph import Graph, graph_of
from brainsim.fuse.truth import plain
from tests.fuse.native import Native
from tests.fuse.test_emit import emitter

X = jax.ShapeDtypeStruct((8,), np.float32)


def ops(function, *shapes):
    """The operations that are left."""
    graph = graph_of(jax.make_jaxpr(function)(*shapes))
    return [node.op for node in plain(graph.nodes, graph.types, graph.outputs).nodes]


def spikes(v):
    return (v >= 1).astype(v.dtype)


def test_a_threshold_is_asked_once():
    def step(v, held):
        s = jnp.where(held > 0, 0, spikes(v))
        return jnp.where(s > 0, 0.0, v), jnp.where(s != 0, 5.0, held - 1), s

    left = ops(step, X, X)
    assert left.count("gt") == left.count("ge") == 1 and "ne" not in left


@pytest.mark.parametrize(
    "question, left",
    [
        (lambda s: s > 0, ["ge"]),
        (lambda s: s >= 1, ["ge"]),
        (lambda s: s == 0, ["ge", "not"]),
        (lambda s: s < 0.5, ["ge", "not"]),
        (lambda s: s * s != 0, ["ge", "and"]),
        (lambda s: lax.max(s, s) > 0.5, ["ge", "or"]),
        (lambda s: s.astype(bool), ["ge"]),
        (lambda s: lax.reshape(s, (2, 4)) > 0, ["ge"]),
        (lambda s: s.astype(jnp.int32) == 1, ["ge"]),
    ],
)
def test_questions(question, left):
    assert ops(lambda v: question(spikes(v)), X) == left


@pytest.mark.parametrize(
    "question",
    [lambda s: s > 2, lambda s: s >= 0, lambda s: s + s > 0, lambda s: -s < 0, lambda s: s / 2 > 0.2],
)
def test_what_is_left_alone(question):
    """Answers that are one for both, and numbers that are not 0 or 1."""
    assert len(ops(lambda v: question(spikes(v)), X)) > 2


def test_numbers_that_are_read_stay():
    assert ops(lambda v: spikes(v) + v, X) == ["ge", "convert_element_type", "add"]


@pytest.mark.parametrize("bound", [-1.0, 0.0, 0.5, 1.0, 2.0, np.nan])
@pytest.mark.parametrize("ask", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_every_question_has_the_answer_of_jax(ask, bound):
    def asked(v, w):
        chosen = jnp.where(w > 0, spikes(v), 1)
        product = spikes(v) * spikes(w)
        return getattr(lax, ask)(chosen, np.float32(bound)), getattr(lax, ask)(product, np.float32(bound))

    v, w = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    graph = graph_of(jax.make_jaxpr(asked)(v, w))
    nodes, types, instead = plain(graph.nodes, graph.types, graph.outputs)
    changed = Graph(graph.inputs, tuple(instead.get(a, a) for a in graph.outputs), nodes, tuple(types))
    native = Native({"f": ([np.float32] * 2, [bool] * 2, emitter(changed))})
    for got, expected in zip(native("f", v, w), asked(v, w), strict=True):
        np.testing.assert_array_equal(got, expected)
