"""What leaves a loop: numbers that arrays repeat as numbers, counted arrays not at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from brainsim.fuse.graph import Literal, graph_of
from brainsim.fuse.hoist import hoist

X = jax.ShapeDtypeStruct((64,), np.float32)


def parted(function, *shapes, held=1):
    """The body parted, the first `held` arguments being the same in every step."""
    graph = graph_of(jax.make_jaxpr(function)(*shapes))
    return graph, *hoist(graph, set(graph.inputs[:held]))


def arrays_read(function, *shapes, held=1):
    """Sizes of what the loop reads and does not change."""
    _, graph, hoisted = parted(function, *shapes, held=held)
    atoms = {hoisted.seen(atom) for node in hoisted.nodes for atom in node.ins if not isinstance(atom, Literal)}
    return sorted(graph.type_of(atom).size for atom in atoms if atom in hoisted.invariant)


SCALAR = jax.ShapeDtypeStruct((), np.float32)


@pytest.mark.parametrize(
    "function",
    [
        lambda tau, v: v * jnp.exp(-jnp.full_like(v, 0.1) / tau),
        lambda tau, v: v + jnp.where(jnp.zeros_like(v) < tau, 1.0, jnp.ones_like(v) * tau),
        lambda tau, v: v + lax.convert_element_type(jnp.full((64,), tau).astype(jnp.int32), jnp.float32),
    ],
)
def test_an_array_that_repeats_a_number_is_that_number(function):
    assert set(arrays_read(function, SCALAR, X)) <= {1}
    graph, extended, hoisted = parted(function, SCALAR, X)
    v = np.random.default_rng(0).normal(size=64).astype(np.float32)
    known = hoisted.evaluate(dict(zip(graph.inputs, (np.float32(3), v), strict=True)))
    for array, number in hoisted.scalar_of.items():
        if not isinstance(number, Literal):
            assert extended.type_of(number).shape == () or number in graph.inputs
            np.testing.assert_array_equal(known[array], np.full(graph.type_of(array).shape, known[number]))


def test_an_array_of_different_numbers_stays_one():
    assert arrays_read(lambda tau, v: v * jnp.exp(-0.1 / tau), X, X) == [64]


def test_counted_arrays_are_counted_again():
    def draw(key, v):
        count = lax.iota(jnp.uint32, 64) + key
        return v + ((count << 3) ^ (count >> 5)).astype(jnp.float32)

    _, _, hoisted = parted(draw, jax.ShapeDtypeStruct((), np.uint32), X)
    assert "iota" in [node.op for node in hoisted.nodes]
    assert set(arrays_read(draw, jax.ShapeDtypeStruct((), np.uint32), X)) == {1}


def test_what_takes_long_to_count_is_fetched():
    def long(key, v):
        count = lax.iota(jnp.uint32, 64)
        for shift in range(1, 8):
            count = (count << shift) + key
        return v + count.astype(jnp.float32)

    assert 64 in arrays_read(long, jax.ShapeDtypeStruct((), np.uint32), X)


def test_a_counted_array_that_is_returned_or_summed_stays_an_array():
    def returned(key, v):
        count = lax.iota(jnp.uint32, 64) + key
        return v + count.astype(jnp.float32), count

    graph, _, hoisted = parted(returned, jax.ShapeDtypeStruct((), np.uint32), X)
    assert graph.outputs[1] in hoisted.invariant
    summed = lambda key, v: v + (lax.iota(jnp.uint32, 64) + key).astype(jnp.float32).sum()
    _, _, hoisted = parted(summed, jax.ShapeDtypeStruct((), np.uint32), X)
    assert [node.op for node in hoisted.nodes] == ["add"]
