"""SE-adLIF and EF-adLIF: the published recursions, their damping, what trains and where it may go."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim._native import WHY_XLA
from brainsim._types import Drive
from brainsim.neurons import EFAdLIF, SEAdLIF
from brainsim.units import ms

RANGES = dict(tau_mem_range=(5 * ms, 25 * ms), tau_adapt_range=(60 * ms, 300 * ms))


def published(x, *, alpha, beta, a, b, q, symplectic):
    """The recursion as it is printed, unit by unit in NumPy: voltages, adaptations, spikes."""
    u, w, z = np.zeros((3, x.shape[1]))
    rows = []
    for row in x:
        reached = alpha * u + (1 - alpha) * (row - w)
        fires = (reached >= 1).astype(float)
        after = reached * (1 - fires)
        pull = (a * after + b * fires) if symplectic else (a * u + b * z)
        u, w, z = after, beta * w + (1 - beta) * q * pull, fires
        rows.append((u, w, z))
    return np.array(rows).swapaxes(0, 1)


@pytest.mark.parametrize("kind", [SEAdLIF, EFAdLIF])
def test_the_published_recursion(kind, sim, x64):
    rng = np.random.default_rng(0)
    mixes = rng.random((2, 8))
    a, b = rng.random(8), 2 * rng.random(8)
    neuron = kind(**RANGES, mix_mem=mixes[0], mix_adapt=mixes[1], a=a, b=b)
    built = sim.build(neuron, 8, dt=1.0, dtype=jnp.float64)
    x = 40 * rng.random((60, 8))
    _, (states, spikes) = sim.run(built, sim.start(built, 8, dtype=jnp.float64), Drive(current=jnp.asarray(x)), dt=1.0)
    parts = dict(alpha=np.exp(-1 / (5 + 20 * mixes[0])), beta=np.exp(-1 / (60 + 240 * mixes[1])))
    u, w, z = published(x, **parts, a=a, b=b, q=120.0, symplectic=kind is SEAdLIF)
    assert 20 < z.sum() < 300
    np.testing.assert_array_equal(spikes, z)
    np.testing.assert_allclose(states.v, u, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(states.w, w, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kind", "grows"), [(SEAdLIF, False), (EFAdLIF, True)])
def test_damping_of_the_free_oscillation(kind, grows, sim, x64):
    """det of the linear map: alpha beta, as exp(trace dt) of the ODE, or that + (1 - alpha)(1 - beta) q a."""
    neuron = kind(mix_mem=0.0, mix_adapt=0.0, a=1.0, b=0.0, v_th=1e30)
    built = sim.build(neuron, 2, dt=1.0, dtype=jnp.float64)
    start = dict(v=np.array([1.0, 0.0]), w=np.array([0.0, 1.0]))
    state, _ = built.step(sim.start(built, 2, dtype=jnp.float64, init=start), Drive(), 1.0)
    map_ = np.array([state.v, state.w])
    alpha, beta = np.exp(-1 / 5), np.exp(-1 / 60)
    expected = alpha * beta + ((1 - alpha) * (1 - beta) * 120 if grows else 0)
    np.testing.assert_allclose(np.linalg.det(map_), expected, rtol=1e-12)
    values = np.linalg.eigvals(map_)
    assert np.abs(values.imag).min() > 0.1 and (np.abs(values).max() > 1) == grows


def test_a_jump_is_added_whole_and_a_layer_feeds_current(sim):
    """v <- v + x for a jump; a layer's output enters as (1 - alpha) x, as in the equation."""
    built = sim.build(SEAdLIF(mix_mem=0.0), 1, dt=1.0)
    state = sim.start(built, 1)
    x = jnp.full(1, 0.5)
    np.testing.assert_allclose(built.step(state, Drive(jump=x), 1.0)[0].v, 0.5)
    np.testing.assert_allclose(built.step(state, built.fed(x), 1.0)[0].v, 0.5 * (1 - np.exp(-1 / 5)), rtol=1e-6)
    cell = bs.layers.Cell(SEAdLIF(mix_mem=0.0)).build("0", (1,), dt=1.0, key=jax.random.key(0), dtype=jnp.float32)[0]
    np.testing.assert_allclose(cell.step(state, x, 1.0, None)[0].v, 0.5 * (1 - np.exp(-1 / 5)), rtol=1e-6)


def test_adaptation_carries_the_gradient_of_the_spike(sim):
    """dw/dx through s is open though the reset of v is detached: (1 - beta) q b h(x) (1 - alpha)."""
    built = sim.build(SEAdLIF(mix_mem=0.0, mix_adapt=0.0, a=0.0, b=1.0), 1, dt=1.0)
    alpha, beta = np.exp(-1 / 5), np.exp(-1 / 60)
    x = 1 / (1 - alpha) + 1
    w = lambda x: built.step(sim.start(built, 1), Drive(current=x), 1.0)[0].w.sum()
    expected = (1 - beta) * 120 * np.exp(-5 * (1 - alpha)) * (1 - alpha)
    np.testing.assert_allclose(jax.grad(w)(jnp.full(1, x)), expected, rtol=1e-4)


def test_number_of_parameters_of_the_published_network():
    """Two recurrent layers of 360 with biases and a leaky readout: 140*360 + 360^2 + 360 + ... + 360*20 + 20."""
    linear = lambda a, b: bs.Linear(a, b, init=bs.Uniform(-(a**-0.5), a**-0.5), bias=True)
    hidden = lambda: bs.Recurrent(SEAdLIF((20 * ms, 100 * ms), (240 * ms, 1200 * ms)), 360)
    parts = (linear(140, 360), hidden(), linear(360, 360), hidden(), linear(360, 20), bs.LI(60 * ms))
    model = bs.Sequential(*parts, dt=4 * ms)
    leaves, trains = jax.tree.leaves(model), jax.tree.leaves(bs.mask(model))
    assert sum(leaf.size for leaf, on in zip(leaves, trains, strict=True) if on) == 450_020


@pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
def test_it_runs_fused_in_a_recurrent_layer_and_alone():
    model = bs.Sequential(bs.Linear(4, 360), SEAdLIF(), bs.Recurrent(EFAdLIF(), 360), dt=4 * ms)
    ways = [part.way for part in bs.explain(model, batch=4).parts]
    assert ways == ["kernel", "fused", "fused + kernel"]


def test_training_stays_inside_the_clamps():
    """A huge step throws every learned parameter against its bound, and no further; the time constants follow."""
    hidden = SEAdLIF((20 * ms, 100 * ms), (240 * ms, 1200 * ms))
    model = bs.Sequential(bs.Recurrent(hidden, 6), dt=4 * ms)
    optimizer = bs.constrain(optax.sgd(1.0), model)
    push = jax.tree.map(lambda x: jnp.full_like(x, -100.0), model)
    updates, _ = optimizer.update(push, optimizer.init(model), model)
    neuron = bs.constrain(optax.apply_updates(model, updates))["0"].neuron
    for name, high in (("mix_mem", 1), ("mix_adapt", 1), ("a", 1), ("b", 2)):
        np.testing.assert_allclose(getattr(neuron, name), high, rtol=1e-6)
    np.testing.assert_allclose(neuron.tau_mem, 100, rtol=1e-6)
    np.testing.assert_allclose(neuron.tau_adapt, 1200, rtol=1e-6)


def test_every_learned_parameter_gets_a_gradient():
    model = bs.Sequential(bs.Linear(4, 8), bs.Recurrent(SEAdLIF(), 8), dt=4 * ms)
    x = jnp.asarray(6 * np.random.default_rng(0).random((20, 2, 4)), jnp.float32)
    neuron = jax.grad(lambda model: jnp.square(bs.run(model, x).out.sum(0)).sum())(model)["1"].neuron
    for name in ("mix_mem", "mix_adapt", "a", "b"):
        leaf = getattr(neuron, name)
        assert np.isfinite(leaf).all() and (leaf != 0).any(), name
