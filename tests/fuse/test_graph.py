"""The graph of a jaxpr: the same results, no calls left, nothing that no output needs."""

import jax
import jax.numpy as jnp
import numpy as np

from brainsim.fuse.graph import graph_of

TABLE = np.arange(3, dtype=np.float32)


@jax.custom_jvp
def doubled(x):
    return x * 2


doubled.defjvp(lambda primals, tangents: (doubled(*primals), 2 * tangents[0]))


def function(x, n):
    y = jax.jit(lambda y: y + TABLE)(doubled(x))
    z = jax.checkpoint(jnp.sin)(y)
    unused = jnp.cos(z)
    del unused
    return jax.lax.while_loop(lambda c: jnp.any(c[0] < 9), lambda c: (c[0] + c[1], c[1]), (z, z * 0 + 2))[0], n + 1, z


def test_evaluates_to_the_same():
    x, n = jnp.asarray([0.5, -1.0, 2.0]), jnp.int32(3)
    graph = graph_of(jax.make_jaxpr(function)(x, n))
    for got, expected in zip(graph.evaluate(x, n), function(x, n), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_dissolves_calls_and_drops_what_no_output_needs():
    graph = graph_of(jax.make_jaxpr(function)(jnp.ones(3), jnp.int32(0)))
    operations = [node.op for node in graph.nodes]
    assert "cos" not in operations
    assert set(operations) <= {"mul", "add", "sin", "while"}


def test_names_the_line_of_the_user():
    graph = graph_of(jax.make_jaxpr(function)(jnp.ones(3), jnp.int32(0)))
    (sine,) = (node for node in graph.nodes if node.op == "sin")
    assert "test_graph.py" in sine.where and "function" in sine.where


def test_array_constants_are_known_values():
    graph = graph_of(jax.make_jaxpr(function)(jnp.ones(3), jnp.int32(0)))
    (constant,) = graph.constants.values()
    np.testing.assert_array_equal(constant, TABLE)
