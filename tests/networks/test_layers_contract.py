"""The contract of every layer: all steps at once are the same as one after the other, in two halves, and per sample."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._streams import Stream
from brainsim._types import State
from brainsim.networks.layers import (
    ELM,
    AvgPool2d,
    BatchNorm,
    Cell,
    Chain,
    Conv1d,
    Count,
    Delay,
    Dropout,
    FirstSpike,
    Flatten,
    Graph,
    Layer,
    Max,
    MaxPool2d,
    Mean,
    Parallel,
    Residual,
    Scale,
    SlidingPSN,
    SumPool2d,
    Threshold,
)
from brainsim.units import ms, mV

DT, STEPS, BATCH = 1.0, 9, 3
KEY = jax.random.key(5)


@dataclass
class Case:
    """A layer, the shape of its input, and a state to watch."""

    layer: Layer
    shape: tuple[int, ...]
    watch: tuple[str, ...] = ()


CASES = {
    "Linear": Case(bs.Linear(4, 3), (4,)),
    "Linear bias": Case(bs.Linear(4, 3, bias=True), (4,)),
    "LIF": Case(Cell(bs.LIF(10 * ms)), (4,), ("v",)),
    "LIF refractory": Case(Cell(bs.LIF(10 * ms, t_ref=2 * ms, reset="subtract")), (2, 2), ("v", "refractory")),
    "LI": Case(Cell(bs.LI(10 * ms)), (4,), ("v",)),
    "AdaptiveLIF": Case(Cell(bs.AdaptiveLIF(10 * ms)), (4,), ("v",)),
    "Recurrent": Case(bs.Recurrent(bs.LIF(10 * ms), 4), (4,), ("v",)),
    "Recurrent delayed": Case(bs.Recurrent(bs.LIF(10 * ms), 4, delay=3 * ms), (4,), ("v",)),
    "LIF fed with a current": Case(Cell(bs.LIF(10 * ms, r_mem=5.0, port="current")), (4,), ("v",)),
    "CubaLI": Case(Cell(bs.neurons.CubaLI(10 * ms, w_in=3.0, port="held")), (4,), ("v", "i")),
    "Flatten": Case(Flatten(), (2, 2)),
    "Flatten some": Case(Flatten(start=1, end=2), (2, 3, 2, 2)),
    "EILinear": Case(bs.EILinear(4, 8), (4,)),
    "EILinear readout": Case(bs.EILinear(4, 8, readout=True), (4,)),
    "EIConv2d": Case(bs.EIConv2d(2, 8, (3, 2)), (2, 5, 4)),
    "Linear with delays": Case(bs.Linear(4, 3, delay=bs.Uniform(0 * ms, 5 * ms), bias=True), (4,)),
    "Recurrent with delays": Case(bs.Recurrent(bs.LIF(10 * ms), 4, delay=bs.Uniform(1 * ms, 5 * ms)), (4,), ("v",)),
    "Conv1d": Case(Conv1d(2, 4, 3, stride=2, padding=1, groups=2), (2, 7)),
    "Conv2d": Case(bs.Conv2d(2, 3, (3, 2), bias=True), (2, 5, 4)),
    "AvgPool2d": Case(AvgPool2d(2), (2, 5, 4)),
    "MaxPool2d": Case(MaxPool2d(3, stride=1), (2, 5, 4)),
    "SumPool2d": Case(SumPool2d(3, stride=2, padding=1), (2, 5, 4)),
    "Scale": Case(Scale(np.array([1.0, 2.0, 3.0])), (3,)),
    "Threshold": Case(Threshold(0.5), (2, 3)),
    "Graph": Case(
        Graph(
            {"a": bs.Linear(4, 4), "b": bs.LIF(10 * ms), "c": bs.Linear(4, 4)},
            [("input", "a"), ("a", "b"), ("input", "b"), ("b", "c"), ("a", "c"), ("c", "output"), ("b", "output")],
        ),
        (4,),
        ("b.v",),
    ),
    "Graph with a cycle": Case(
        Graph(
            {"lif": bs.LIF(10 * ms), "back": bs.Linear(4, 4)},
            [("input", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")],
        ),
        (4,),
        ("lif.v",),
    ),
    "Dropout": Case(Dropout(0.5), (2, 3)),
    "BatchNorm in inference": Case(BatchNorm(inference=True), (2, 3)),
    "Chain": Case(Chain(bs.Linear(4, 4), bs.LIF(10 * ms)), (4,), ("1.v",)),
    "Residual": Case(Residual(bs.Linear(4, 3), bs.LIF(10 * ms), shortcut=bs.Linear(4, 3)), (4,), ("1.v",)),
    "Count": Case(Count(), (4,)),
    "Mean": Case(Mean(), (4,)),
    "Max": Case(Max(), (2, 2)),
    "FirstSpike": Case(FirstSpike(), (4,)),
    "Delay": Case(Delay(4, 2 * ms), (4,)),
    "ELM": Case(ELM(3, 2, memory=4, branches=2, synapses=2), (3,), ("branch", "memory")),
    "Parallel": Case(Parallel(bs.LIF(10 * ms, reset="none")), (2, 2), ("v",)),
    "SlidingPSN": Case(SlidingPSN(3), (2, 2)),
    "Delay of each": Case(Delay((2, 2), [[0, 1], [3, 12]] * ms), (2, 2)),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request) -> Case:
    return request.param


def built(case: Case, dtype: Any = jnp.float32) -> Layer:
    return case.layer.build("layer", case.shape, dt=DT, key=jax.random.key(0), dtype=dtype)[0]


def inputs(case: Case, dtype: Any = np.float32, batch: int | None = BATCH) -> jax.Array:
    rng = np.random.default_rng(0)
    full = rng.random((STEPS, BATCH, *case.shape)) * (rng.random((STEPS, BATCH, *case.shape)) < 0.7)
    return jnp.asarray(full if batch else full[:, 0], dtype)


def stepped(layer: Layer, state: State, xs: jax.Array, watch: tuple[str, ...], first: int = 0) -> tuple:
    """One step after the other; the scan asks that the state keeps its shapes and dtypes."""

    def one(state, row):
        x, k = row
        state, y = layer.step(state, x, DT, Stream.of(KEY, k))
        return state, (y, {name: layer.read(state, name) for name in watch})

    steps = first + jnp.arange(len(xs), dtype=jnp.int32)
    state, (ys, watched) = jax.lax.scan(one, state, (xs, steps))
    return state, ys, watched


def close(a: Any, b: Any, rtol: float = 1e-5) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_allclose(left, right, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("batch", [None, BATCH])
def test_unroll_is_scan_of_step(case, batch):
    layer, xs = built(case), inputs(case, batch=batch)
    state = layer.init_state(batch, KEY, jnp.float32)
    once = layer.unroll(state, xs, DT, Stream.of(KEY, 0), case.watch)
    close(once, stepped(layer, state, xs, case.watch))
    assert (
        once[1].shape[1:]
        == ((batch,) if batch else ()) + case.layer.build("layer", case.shape, dt=DT, key=KEY, dtype=jnp.float32)[1]
    )


def test_two_halves_are_the_whole(case):
    layer, xs = built(case), inputs(case)
    state = layer.init_state(BATCH, KEY, jnp.float32)
    whole = layer.unroll(state, xs, DT, Stream.of(KEY, 0))
    middle, first, _ = layer.unroll(state, xs[:4], DT, Stream.of(KEY, 0))
    end, second, _ = layer.unroll(middle, xs[4:], DT, Stream.of(KEY, 4))
    close((end, jnp.concatenate([first, second])), whole[:2])


def test_samples_of_a_batch_do_not_mix(case):
    layer, xs = built(case), inputs(case)
    together = layer.unroll(layer.init_state(BATCH, KEY, jnp.float32), xs, DT, Stream.of(KEY, 0))[1]
    alone = layer.unroll(layer.init_state(1, KEY, jnp.float32), xs[:, :1], DT, Stream.of(KEY, 0))[1]
    np.testing.assert_allclose(together[:, :1], alone, rtol=1e-5, atol=1e-6)


def test_vmap_over_samples_is_the_batch(case):
    layer, xs = built(case), inputs(case)
    state = layer.init_state(BATCH, KEY, jnp.float32)
    one = lambda state, xs: layer.unroll(state, xs, DT, Stream.of(KEY, 0))[:2]
    mapped = jax.vmap(one, in_axes=(0, 1), out_axes=(0, 1))(state, xs)
    close(mapped, one(state, xs))


def test_the_gradient_of_unroll_is_that_of_stepping(case):
    layer, xs = built(case), inputs(case)
    weight = jnp.asarray(np.random.default_rng(1).normal(size=(STEPS,)), jnp.float32)
    params, static = eqx.partition(layer, eqx.is_inexact_array)
    state = layer.init_state(BATCH, KEY, jnp.float32)

    def value(run, params, xs):
        ys = run(eqx.combine(params, static), xs)
        return jnp.tensordot(weight, ys, 1).sum()

    once = lambda layer, xs: layer.unroll(state, xs, DT, Stream.of(KEY, 0))[1]
    each = lambda layer, xs: stepped(layer, state, xs, ())[1]
    grads = [jax.jit(jax.grad(value, argnums=(1, 2)), static_argnums=0)(run, params, xs) for run in (once, each)]
    close(*grads, rtol=1e-4)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads[0]))


def test_float64_is_kept(case, x64):
    layer, xs = built(case, jnp.float64), inputs(case, np.float64)
    state, ys, _ = layer.unroll(layer.init_state(BATCH, KEY, jnp.float64), xs, DT, Stream.of(KEY, 0))
    assert ys.dtype == jnp.float64
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {jnp.dtype("float64"), jnp.dtype("int32")}


def test_a_layer_crosses_plain_jit_and_grad(case):
    layer, xs = built(case), inputs(case)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(layer))
    state = layer.init_state(BATCH, KEY, jnp.float32)
    run = lambda layer, xs: layer.unroll(state, xs, DT, Stream.of(KEY, 0))[1]
    close(jax.jit(run)(layer, xs), run(layer, xs))


def test_linear_is_a_product_and_draws_within_its_bound():
    layer = built(Case(bs.Linear(4, 3, bias=True), (4,)))
    x = inputs(CASES["Linear"])
    np.testing.assert_allclose(layer.step(State(), x, DT, None)[1], x @ layer.weight, rtol=1e-5, atol=1e-6)
    wide = bs.Linear(600, 50).build("w", (600,), dt=DT, key=KEY, dtype=jnp.float32)[0].weight
    assert np.abs(wide).max() <= 0.1 and np.std(wide) == pytest.approx(0.1 / np.sqrt(3), rel=0.02)


def test_linear_takes_a_value_slot():
    array = np.arange(12.0).reshape(4, 3)
    for init, expected in ((array * mV, array), (0.5, np.full((4, 3), 0.5)), (lambda key, context: array, array)):
        layer = built(Case(bs.Linear(4, 3, init=init), (4,)))
        np.testing.assert_array_equal(layer.weight, expected)
    with pytest.raises(ValueError, match='`init`: expected one of "kaiming"'):
        bs.Linear(2, 2, init="xavier")
    with pytest.raises(ValueError, match="`init`: expected a voltage"):
        bs.Linear(2, 2, init=3 * ms)


def test_recurrent_spikes_come_back_after_the_delay():
    """Neuron 0 is made to fire in step 0; its only synapse, 0 -> 1, acts `delay` later."""
    weight = np.array([[0.0, 2.0], [0.0, 0.0]])
    for delay, arrival in (("dt", 1), (1 * ms, 1), (3 * ms, 3)):
        layer = built(Case(bs.Recurrent(bs.LIF(10 * ms), 2, weight=weight, delay=delay), (2,)))
        xs = jnp.zeros((6, 2)).at[0, 0].set(1.5)
        _, spikes, _ = layer.unroll(layer.init_state(None, KEY, jnp.float32), xs, DT, Stream.of(KEY, 0))
        np.testing.assert_array_equal(np.argwhere(spikes), [[0, 0], [arrival, 1]])


@pytest.mark.parametrize("delay", [0 * ms, 1.5 * ms])
def test_a_delay_off_the_grid_or_of_nothing_is_refused(delay):
    with pytest.raises(ValueError, match="`1.delay`"):
        bs.Sequential(bs.Linear(2, 3), bs.Recurrent(bs.LIF(10 * ms), 3, delay=delay), dt=1 * ms)
