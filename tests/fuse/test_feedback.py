"""`feedback` against `jax.lax.scan`: values, gradients by the native pullback, forward mode, second order, `vmap`."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native, fuse
from brainsim._types import Drive
from brainsim.neurons.surrogate import surrogate_of
from tests.fuse.steps import DT, NEURONS, built, close

pytestmark = pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")
STEPS = 7
CASES = [  # shape, batch, delay, one time constant for all
    ((5,), 3, 1, False),
    ((5,), None, 2, True),
    ((70,), 18, 1, True),
    ((16,), 2, 3, False),
    ((5,), 3, STEPS + 2, False),
]


def plain(step, cross):
    """What `feedback` means."""

    def run(carry, line, weight, x, rows):
        def one(state, now):
            carry, line = state
            x, row = now
            carry, (y, more) = step(carry, (x + cross(line[0], weight), row))
            return (carry, jnp.concatenate([line[1:], y[None]])), (y, more)

        (carry, _), ys = jax.lax.scan(one, (carry, line), (x, rows))
        return carry, ys

    return run


BOTH = (fuse.feedback, plain)


def case(name, shape, batch, delay=1, dtype=jnp.float64, shared=False):
    """Neurons that hear each other, and a loss of them: `f(over)(neuron, v, line, weight, xs)`."""
    neuron, state = built(name, shape, batch, dtype, shared=shared)
    full = shape if batch is None else (batch, *shape)
    rng = np.random.default_rng(0)
    draw = lambda *size: jnp.asarray(rng.normal(size=size), dtype)
    xs, price, line = 2 * draw(STEPS, *full), draw(STEPS, *full), draw(delay, *full)
    weight = draw(shape[0], shape[0]) / shape[0] ** 0.5

    def run(over):
        def all_steps(neuron, state, line, weight, xs):
            def step(state, row):
                x, k = row
                state, y = neuron.step(state, Drive(jump=x), DT)
                return state, (y, (state.v * k, k))

            return over(step, jnp.matmul)(state, line, weight, xs, jnp.arange(STEPS, dtype=dtype))

        return all_steps

    def loss(over):
        def value(neuron, v, line, weight, xs):
            later, (y, (vs, _)) = run(over)(neuron, state.replace(v=v), line, weight, xs)
            return (y * price).sum() + (later.v**2).sum() + (vs[2] ** 2).sum()

        return value

    return neuron, state, (line, weight, xs), run, loss


@pytest.mark.parametrize(("shape", "batch", "delay", "shared"), CASES)
@pytest.mark.parametrize("name", NEURONS)
class TestNeurons:
    def test_values(self, name, shape, batch, delay, shared, x64):
        neuron, state, rest, run, _ = case(name, shape, batch, delay, shared=shared)
        close(*(jax.jit(run(over))(neuron, state, *rest) for over in BOTH))

    def test_gradients_to_all_that_is_given(self, name, shape, batch, delay, shared, x64):
        neuron, state, rest, _, loss = case(name, shape, batch, delay, shared=shared)
        got, expected = (jax.jit(jax.grad(loss(over), range(5)))(neuron, state.v, *rest) for over in BOTH)
        assert all(float(jnp.abs(leaf).sum()) > 0 for leaf in got[2:])
        close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NEURONS)
class TestTransformations:
    def test_forward_mode(self, name, x64):
        neuron, state, rest, _, loss = case(name, (5,), 3, delay=2)
        primals = (neuron, state.v, *rest)
        close(*(jax.jvp(loss(over), primals, jax.tree.map(jnp.ones_like, primals)) for over in BOTH))

    def test_checkpoint(self, name, x64):
        neuron, state, rest, _, loss = case(name, (5,), 3)
        held = jax.grad(jax.checkpoint(loss(fuse.feedback)), 3)(neuron, state.v, *rest)
        close(held, jax.grad(loss(plain), 3)(neuron, state.v, *rest))


@pytest.mark.parametrize("which", range(5))
def test_vmap_of_values_and_of_gradients(which, x64):
    neuron, state, rest, _, loss = case("UltraLIF", (5,), 3, delay=2)
    given = [neuron, state.v, *rest]
    given[which] = jax.tree.map(lambda x: jnp.stack([x, 1.5 * x]), given[which])
    axes = [0 if i == which else None for i in range(5)]
    for wanted in ((which,), (0, 3, 4)):
        run = lambda over, wanted=wanted: jax.vmap(jax.value_and_grad(loss(over), wanted), axes)(*given)
        close(*map(run, BOTH))
    close(*(jax.grad(lambda *g, o=over: jax.vmap(loss(o), axes)(*g).sum(), (0, 3))(*given) for over in BOTH))


def test_second_derivatives(x64):
    neuron, state, (line, weight, xs), _, loss = case("UltraLIF", (5,), None)
    value = lambda a, over: loss(over)(neuron, state.v, line, weight * a, xs * a)
    close(*(jax.hessian(functools.partial(value, over=over))(jnp.float64(1.3)) for over in BOTH), rtol=1e-4)


def test_gradients_against_finite_differences(x64):
    neuron, state, (line, weight, xs), _, loss = case("UltraLIF", (20,), 2)
    value = lambda a: loss(fuse.feedback)(neuron, state.v, line, weight.at[3, 4].add(a), xs)
    h = 1e-6
    slope = (value(h) - value(-h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(value)(0.0), slope, rtol=1e-7)


@pytest.mark.parametrize("rows", [2, 15, 67])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 100, 1024, 1100])
def test_sizes_are_exact_forward_and_backward(n, rows):
    """Dyadic numbers, few and many events: every sum is exact."""
    rng = np.random.default_rng(0)
    quarters = lambda *size: jnp.asarray(rng.integers(-4, 5, size) / 4, jnp.float32)
    xs, line, weight = quarters(3, rows, n), quarters(1, rows, n) > 0.5, quarters(n, n)

    def value(over, x, weight):
        step = lambda v, row: (row[0], (jnp.where(row[0] > 1.5, row[0] - v, 0.0), ()))
        later, (y, _) = over(step, jnp.matmul)(jnp.zeros((rows, n)), line.astype(jnp.float32), weight, x, ())
        return (y * (1 + jnp.arange(n) % 3).astype(y.dtype)).sum() + later.sum(), y

    got, expected = (jax.value_and_grad(functools.partial(value, over), (0, 1), True)(xs, weight) for over in BOTH)
    assert float(jnp.count_nonzero(got[0][1])) > 0 or n == 1
    jax.tree.map(np.testing.assert_array_equal, got, expected)


def recurrent(over, beta, weight, xs):
    """Spikes of leaky integrators that hear each other."""
    spike = surrogate_of("atan")

    def step(v, row):
        v = beta * v + row[0]
        y = spike(v - 1)
        return jnp.where(y > 0, 0.0, v), (y, ())

    return over(step, jnp.matmul)(jnp.zeros(xs.shape[1:]), jnp.zeros_like(xs[:1]), weight, xs, ())[1][0]


def test_forward_and_backward_are_one_native_call_each():
    value = lambda *args: (recurrent(fuse.feedback, *args) ** 2).sum()
    args = jnp.float32(0.9), jnp.zeros((40, 40)), jnp.ones((50, 8, 40))
    text = jax.jit(jax.grad(value, (0, 1, 2))).lower(*args).compile().as_text()
    assert text.count('custom_call_target="bs_fused_v1"') == 2 and "while(" not in text


def test_nothing_is_stored_but_what_goes_in_and_comes_out():
    xs = jnp.ones((50, 8, 40))
    value = lambda weight: recurrent(fuse.feedback, 0.9, weight, xs).sum()
    saved = jax.eval_shape(lambda weight: jax.vjp(value, weight)[1], jnp.zeros((40, 40)))
    assert sum(leaf.size for leaf in jax.tree.leaves(saved)) <= 2 * xs.size + 3 * 8 * 40 + 40 * 40


def test_a_row_alone_gives_what_it_gives_among_others():
    rng = np.random.default_rng(0)
    xs, weight = jnp.asarray(rng.normal(size=(30, 64, 48)), jnp.float32), jnp.asarray(rng.normal(size=(48, 48)) / 7)
    weight = weight.astype(jnp.float32)
    together = recurrent(fuse.feedback, 0.9, weight, xs)
    alone = jnp.concatenate([recurrent(fuse.feedback, 0.9, weight, xs[:, i : i + 1]) for i in range(64)], axis=1)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    "step",
    [
        lambda v, row: (v + row[0], (jnp.cumsum(row[0], axis=-1), ())),
        lambda v, row: (v + row[0], (row[0].astype(jnp.float16), ())),
        lambda v, row: (v + 1, (v, ())),
    ],
    ids=["mixes elements", "another type", "hears nothing"],
)
def test_what_no_native_program_can_do_is_left_to_the_caller(step):
    xs = jnp.ones((4, 3, 20))
    assert fuse.feedback(step, jnp.matmul)(xs[0], xs[:1], jnp.eye(20), xs, ()) is None


@pytest.mark.parametrize(
    ("line", "weight", "words"),
    [
        ((1, 3, 19), (20, 20), r"`line`: expected at least one step of shape \(3, 20\), as in `x`, got \(1, 3, 19\)"),
        ((0, 3, 20), (20, 20), r"`line`: expected at least one step"),
        (
            (1, 3, 20),
            (20, 21),
            r"`weight`: expected \(20, 20\), the elements of a row of `x`, got \(20, 21\)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(line, weight, words):
    step = lambda v, row: (v + row[0], (row[0] * 2, ()))
    with pytest.raises(ValueError, match=words):
        fuse.feedback(step, jnp.matmul)(jnp.ones((3, 20)), jnp.ones(line), jnp.ones(weight), jnp.ones((4, 3, 20)), ())


def test_parameters_of_neurons_and_of_trials():
    rng = np.random.default_rng(0)
    xs, weight = jnp.asarray(rng.normal(size=(9, 5, 70)), jnp.float32), jnp.asarray(rng.normal(size=(70, 70)) / 20)

    def value(over, own, trial, each):
        step = lambda v, row: (jnp.tanh(v * own + row[0] * trial), (v + each, ()))
        out = over(step, jnp.matmul)(jnp.zeros((5, 70)), xs[:1], weight.astype(xs.dtype), xs, ())[1][0]
        return (out * jnp.arange(70, dtype=out.dtype)).mean()

    given = jnp.full(70, 0.5), jnp.ones((5, 1)), jnp.full((5, 70), 0.1)
    close(*(jax.value_and_grad(functools.partial(value, over), (0, 1, 2))(*given) for over in BOTH), rtol=2e-5)


def test_a_layer_runs_natively_and_says_so_in_its_program():
    model = bs.Sequential(bs.Recurrent(bs.LIF(10.0), 40), dt=1.0)
    xs = jnp.ones((20, 6, 40))
    slope = eqx.filter_jit(eqx.filter_grad(lambda m: bs.run(m, xs).out.sum()))
    text = slope.lower(model).compile().compiled.as_text()
    assert text.count('custom_call_target="bs_fused_v1"') == 2 and "while(" not in text
