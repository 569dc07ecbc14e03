"""UltraDLIF: diffusion on a ring in max-plus algebra: its exact form, its limit, the bounds, and the ring itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import expit, logsumexp

import brainsim as bs
from brainsim._types import Drive
from brainsim.neurons import UltraDLIF
from brainsim.units import ms

DT = 1.0


def chain(sim, x, *, v=0.0, v_th=1e6, batch=None, **options):
    n = x.shape[-1]
    neuron = sim.build(UltraDLIF(v_th=v_th, **options), n, dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, n, batch=batch, dtype=jnp.float64, init={"v": v})
    _, (states, out) = sim.run(neuron, state, Drive(jump=jnp.asarray(x)), dt=DT)
    return np.asarray(states.v), np.asarray(out)


def ring(n):
    """The explicit Euler step of the heat equation with D dt / dx^2 = 1/3, as a matrix."""
    return (np.eye(n) + np.roll(np.eye(n), 1, 0) + np.roll(np.eye(n), -1, 0)) / 3


@pytest.mark.parametrize(("leak", "rise"), [("paper", 10.986123), ("exact", 0.0)])
def test_a_flat_state_rises_by_eps_log_3_a_step_in_the_papers_form_only(leak, rise, sim, x64):
    v, _ = chain(sim, np.zeros((10, 16)), eps=1.0, leak=leak)
    np.testing.assert_allclose(v[-1], rise, atol=5e-7)


@pytest.mark.parametrize("eps", [0.2, 1.0])
def test_the_exact_form_is_the_heat_equation(eps, sim, x64):
    """exp(V / eps) is multiplied by the diffusion matrix and by exp(J / eps), leak included; the heat is conserved."""
    rng = np.random.default_rng(0)
    start, x = eps * rng.normal(size=12), eps * rng.normal(size=(7, 12))
    heat = np.exp(start / eps)
    for row in x:
        heat = 0.9 * np.exp(row / eps) * (ring(12) @ heat)
    v, _ = chain(sim, x, v=start, eps=eps, tau_mem=-DT / np.log(0.9))
    np.testing.assert_allclose(v[-1], eps * np.log(heat), rtol=1e-10, atol=1e-12)
    free, _ = chain(sim, np.zeros((7, 12)), v=start, eps=eps)
    np.testing.assert_allclose(np.exp(free / eps).sum(1), np.exp(start / eps).sum(), rtol=1e-12)


def test_the_papers_leak_is_log_beta_at_every_eps(sim, x64):
    for eps in (0.1, 3.0):
        bare, leaky = (
            chain(sim, np.zeros((1, 5)), eps=eps, leak="paper", tau_mem=tau)[0] for tau in (None, -DT / np.log(0.9))
        )
        np.testing.assert_allclose(leaky - bare, np.log(0.9), rtol=1e-12)


@pytest.mark.parametrize("eps", [0.01, 0.2, 2.0])
def test_one_step_lies_within_eps_log_3_of_the_dilation(eps, sim, x64):
    rng = np.random.default_rng(1)
    start, x = rng.normal(size=(2, 3000))
    start[:30] = 0.7  # the bound is reached where the three are equal
    v, _ = chain(sim, x[None], v=start, eps=eps, leak="paper")
    widest = np.maximum(np.maximum(np.roll(start, 1), start), np.roll(start, -1))
    excess = v[0] - x - widest
    assert excess.min() >= -1e-14 and excess.max() <= eps * np.log(3) * (1 + 1e-12)
    np.testing.assert_allclose(excess[1:29], eps * np.log(3), rtol=1e-9)


def test_without_reset_the_error_stays_below_t_eps_log_3(sim, x64):
    """Corollary 5.3, reached by a flat state."""
    rng, eps = np.random.default_rng(2), 0.5
    x = rng.normal(size=(20, 40))
    v, _ = chain(sim, x, eps=eps, leak="paper")
    hard = np.zeros(40)
    for t, row in enumerate(x, 1):
        hard = np.maximum(np.maximum(np.roll(hard, 1), hard), np.roll(hard, -1)) + row
        assert (v[t - 1] - hard).min() >= -1e-12 and (v[t - 1] - hard).max() <= t * eps * np.log(3)


def test_small_eps_is_a_dilation_by_one_neighbour_a_step(sim, x64):
    start = np.full(11, -50.0)
    start[4] = 0.0
    v, _ = chain(sim, np.zeros((3, 11)), v=start, eps=1e-3, leak="paper")
    for t in range(3):
        expected = np.where(np.abs(np.arange(11) - 4) <= t + 1, 0.0, -50.0)
        np.testing.assert_allclose(v[t], expected, atol=5e-3)


def test_spike_and_reset(sim, x64):
    rng, eps = np.random.default_rng(3), 0.4
    start, x = rng.normal(size=(2, 50))
    v, s = chain(sim, x[None], v=start, v_th=0.3, v_reset=-0.2, eps=eps)
    u = eps * (logsumexp([np.roll(start, k) / eps for k in (-1, 0, 1)], axis=0) - np.log(3)) + x
    np.testing.assert_allclose(s[0], expit((u - 0.3) / eps), rtol=1e-12)
    np.testing.assert_allclose(v[0], u * (1 - s[0]) - 0.2 * s[0], rtol=1e-10, atol=1e-12)


def test_the_ring_closes_and_turns(sim, x64):
    """Turning inputs and state round the ring turns the result; trials of a batch do not see each other."""
    rng = np.random.default_rng(4)
    start, x = rng.normal(size=8), rng.normal(size=(5, 8))
    v, s = chain(sim, x, v=start, v_th=0.5)
    turned = chain(sim, np.roll(x, 3, -1), v=np.roll(start, 3), v_th=0.5)
    np.testing.assert_allclose(turned, (np.roll(v, 3, -1), np.roll(s, 3, -1)), rtol=1e-12)
    both = chain(sim, np.stack([x, 2 * x], 1), v=np.stack([start, -start]), v_th=0.5, batch=2)
    np.testing.assert_allclose(both[0][:, 0], v, rtol=1e-12)


@pytest.mark.parametrize("leak", ["exact", "paper"])
def test_gradients_of_everything(leak, sim, x64):
    neuron = sim.build(UltraDLIF(5.0, eps=0.3, leak=leak), 4, dt=DT, dtype=jnp.float64)
    state, x = sim.start(neuron, 4, dtype=jnp.float64), jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)))

    def loss(neuron, x):
        return (sim.run(neuron, state, Drive(jump=x), dt=DT)[1][1] * jnp.arange(4.0)).sum()

    check_grads(loss, (neuron, x), order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_in_a_chain_and_in_a_network_it_is_the_same_neuron():
    """No element-by-element loop takes it: a layer, a recurrent layer and a population see the neighbours."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)), jnp.float32)
    chained = bs.Sequential(bs.Linear(5, 5, init=np.eye(5)), UltraDLIF(), dt=1 * ms)
    looped = bs.Sequential(bs.Recurrent(UltraDLIF(), 5, weight=0.0), dt=1 * ms)
    joined = bs.Network({"x": bs.Population(5, UltraDLIF())}, [], dt=1 * ms, outputs="x")
    first = bs.run(chained, x).out
    np.testing.assert_allclose(bs.run(looped, x).out, first, rtol=1e-5)
    np.testing.assert_allclose(bs.run(joined, {"x.v": x}).out, first, rtol=1e-5)
    apart = jax.vmap(lambda x: bs.run(chained, x).out)(jnp.stack([x, x]))
    np.testing.assert_allclose(apart[1], first, rtol=1e-5)
