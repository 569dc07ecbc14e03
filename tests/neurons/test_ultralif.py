"""UltraLIF: exact recovery of the leaky integrator, the bounds that hold, and its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import expit

import brainsim as bs
from brainsim._types import Drive
from brainsim.neurons import UltraLIF
from brainsim.units import ms

BETA, DT = 0.9, 1.0
TAU = -DT / np.log(BETA)
LN2 = np.log(2)


def one_step(sim, v, jump, *, v_th=1e6, **options):
    neuron = sim.build(UltraLIF(TAU, v_th, **options), np.size(v), dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, np.size(v), dtype=jnp.float64, init={"v": np.atleast_1d(v)})
    last, out = neuron.step(state, Drive(jump=jnp.atleast_1d(jnp.asarray(jump))), DT)
    return np.asarray(last.v), np.asarray(out)


def chain(sim, x, **options):
    neuron = sim.build(UltraLIF(v_th=options.pop("v_th", 1e6), **options), x.shape[1], dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, x.shape[1], dtype=jnp.float64)
    _, (states, out) = sim.run(neuron, state, Drive(jump=jnp.asarray(x)), dt=DT)
    return np.asarray(states.v), np.asarray(out)


def hard(x, leak, v_th=np.inf):
    """The max-plus neuron: v <- max(v + T, x), reset to 0 above v_th."""
    v, rows = np.zeros(x.shape[1]), []
    for row in x:
        v = np.maximum(v + leak, row)
        v = v * ~(v > v_th)
        rows.append(v)
    return np.array(rows)


def test_exact_leak_is_the_leaky_integrator_and_the_papers_is_not(sim, x64):
    """The three figures of the worked example: v = 0.7, input -0.2, eps = 0.1."""
    v, _ = one_step(sim, 0.7, -0.2, eps=0.1, leak="exact")
    np.testing.assert_allclose(v, 0.1 * np.log(BETA * np.exp(7) + np.exp(-2)), rtol=1e-14)
    np.testing.assert_allclose(v, 0.689478, atol=5e-7)
    v, _ = one_step(sim, 0.7, -0.2, eps=0.1, leak="paper")
    np.testing.assert_allclose(v, 0.594675, atol=5e-7)
    same = [one_step(sim, 0.7, -0.2, eps=1.0, leak=leak)[0] for leak in ("exact", "paper")]
    np.testing.assert_allclose(*same, rtol=1e-14)


@pytest.mark.parametrize("eps", [0.01, 0.2, 2.0])
def test_one_step_lies_within_eps_log_2_of_the_maximum(eps, sim, x64):
    rng = np.random.default_rng(0)
    v, x = rng.normal(size=(2, 20_000))
    x[:100] = v[:100] + np.log(BETA)  # the bound is reached where both arguments are equal
    soft, _ = one_step(sim, v, x, eps=eps, leak="paper")
    excess = soft - np.maximum(v + np.log(BETA), x)
    assert excess.min() >= -1e-14 and excess.max() <= eps * LN2 * (1 + 1e-12)
    np.testing.assert_allclose(excess[:100], eps * LN2, rtol=1e-10)


@pytest.mark.parametrize("eps", [0.1, 1.0])
def test_without_reset_the_error_stays_below_eps_log_t_plus_1(eps, sim, x64):
    x = np.random.default_rng(1).normal(size=(50, 200))
    soft, _ = chain(sim, x, tau_mem=TAU, eps=eps, leak="paper")
    excess = soft - hard(x, np.log(BETA))
    bound = eps * np.log(np.arange(2, 52))[:, None]
    assert excess.min() >= -1e-13 and (excess <= bound * (1 + 1e-12)).all()


def test_that_bound_is_reached_without_leak_by_constant_input(sim, x64):
    soft, _ = chain(sim, np.zeros((30, 1)), tau_mem=1e15, eps=1.0, leak="paper")
    np.testing.assert_allclose(soft[-1], np.log(31), rtol=1e-12)


@pytest.mark.parametrize("eps", [0.05, 0.2])
def test_spike_error_of_one_step(eps, sim, x64):
    """|s_eps - s| <= exp(-(delta - e) / eps) <= 2 exp(-delta / eps), and the factor 2 is needed."""
    rng = np.random.default_rng(2)
    v, x = rng.normal(size=(2, 20_000))
    u = np.maximum(v + np.log(BETA), x)
    u_soft, _ = one_step(sim, v, x, eps=eps, leak="paper")
    _, s_soft = one_step(sim, v, x, v_th=0.5, eps=eps, leak="paper")
    np.testing.assert_allclose(s_soft, expit((u_soft - 0.5) / eps), rtol=1e-12)
    delta, error = np.abs(u - 0.5), np.abs(s_soft - (u > 0.5))
    sure = delta / eps < 20  # beyond, rounding decides
    assert (error <= np.exp(-(delta - (u_soft - u)) / eps) * (1 + 1e-6))[sure].all()
    ratio = (error / np.exp(-delta / eps))[sure]
    assert 1.5 < ratio.max() <= 2 + 1e-6


@pytest.mark.parametrize(("eps", "slope"), [(0.2, -0.125), (0.05, -2.0), (0.01, -12.0)])
def test_the_reset_is_no_contraction(eps, slope, sim, x64):
    """d(U (1 - s(U))) / dU = 1/2 - v_th / (4 eps) at U = v_th: so errors may grow through a soft reset."""
    neuron = sim.build(UltraLIF(TAU, 0.5, eps=eps), dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, dtype=jnp.float64, init={"v": -1e3})

    def after(x):
        return neuron.step(state, Drive(jump=x), DT)[0].v[0]

    np.testing.assert_allclose(jax.grad(after)(jnp.full(1, 0.5)), slope, rtol=1e-9)


def test_slope_of_the_spike_is_at_most_1_over_4_eps(sim, x64):
    neuron = sim.build(UltraLIF(TAU, 0.5, eps=0.2), 200, dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, 200, dtype=jnp.float64, init={"v": -1e3})
    slope = jax.grad(lambda x: neuron.step(state, Drive(jump=x), DT)[1].sum())(jnp.linspace(-2, 3, 200))
    assert (slope > 0).all() and slope.max() <= 1 / (4 * 0.2) * (1 + 1e-12)


@pytest.mark.parametrize("leak", ["exact", "paper"])
def test_gradients_of_everything(leak, sim, x64):
    neuron = sim.build(UltraLIF(5.0, eps=0.3, leak=leak), 2, dt=DT, dtype=jnp.float64)
    state, x = sim.start(neuron, 2, dtype=jnp.float64), jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)))

    def loss(neuron, x):
        return sim.run(neuron, state, Drive(jump=x), dt=DT)[1][1].sum()

    check_grads(loss, (neuron, x), order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_small_eps_is_the_hard_neuron(sim, x64):
    x = np.random.default_rng(3).normal(size=(20, 50))
    soft, out = chain(sim, x, tau_mem=TAU, v_th=0.5, eps=1e-4, leak="paper")
    np.testing.assert_allclose(soft, hard(x, np.log(BETA), 0.5), atol=2e-3)
    assert 0.1 < out.mean() < 0.9 and np.abs(out - out.round()).mean() < 1e-3


def test_other_ports_are_refused(sim):
    neuron = sim.build(UltraLIF())
    for port in ("current", "conductance", "reversal"):
        with pytest.raises(ValueError, match=f"`{port}`: UltraLIF takes its input on the jump port"):
            sim.run(neuron, sim.start(neuron), Drive(**{port: jnp.ones((1, 1))}))
    with pytest.raises(ValueError, match="jump port"):
        sim.run(neuron, sim.start(neuron), Drive(decaying=((jnp.ones((1, 1)), jnp.ones(1)),)))


def test_two_soft_maxima_are_a_product_and_a_sum_of_exponentials(sim, x64):
    """D(x) = eps log x turns x + y into the soft maximum and x y into D(x) + D(y) (theorem 5.7): U of beta a + b."""
    a, b = np.random.default_rng(4).uniform(0.1, 5, (2, 100))
    for eps in (0.3, 1.0, 4.0):
        u, _ = one_step(sim, eps * np.log(a), eps * np.log(b), eps=eps, leak="exact")
        np.testing.assert_allclose(u, eps * np.log(BETA * a + b), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("eps", [0.05, 1.0])
def test_the_soft_maximum_is_a_mean_of_slopes(eps, sim, x64):
    """dU/dV and dU/dJ are a softmax: positive, of sum 1, so that U moves no further than its arguments (lemma C.1)."""
    neuron = sim.build(UltraLIF(TAU, 1e6, eps=eps, leak="paper"), 300, dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, 300, dtype=jnp.float64)
    v, x = jnp.asarray(np.random.default_rng(5).normal(size=(2, 300)))
    total = lambda v, x: neuron.step(state.replace(v=v), Drive(jump=x), DT)[0].v.sum()
    slopes = np.array(jax.grad(total, argnums=(0, 1))(v, x))
    assert slopes.min() >= 0
    np.testing.assert_allclose(slopes.sum(0), 1, rtol=1e-12)
    np.testing.assert_allclose(slopes[1], expit((x - v - np.log(BETA)) / eps), rtol=1e-9)


@pytest.mark.parametrize("eps", [0.01, 0.1, 1.0])
def test_the_logistic_spike_is_exponentially_near_the_step(eps, sim, x64):
    """|S(x / eps) - H(x)| <= exp(-|x| / eps) (lemma 5.1), for x large enough for rounding not to decide."""
    x = np.random.default_rng(6).uniform(-20 * eps, 20 * eps, 5_000)
    neuron = sim.build(UltraLIF(TAU, 0.5, eps=eps), 5_000, dt=DT, dtype=jnp.float64)
    state = sim.start(neuron, 5_000, dtype=jnp.float64, init={"v": -1e6})
    _, spikes = neuron.step(state, Drive(jump=jnp.asarray(x + 0.5)), DT)
    error = np.where(x > 0, expit(-x / eps), spikes)  # 1 - S(z) is S(-z) without cancellation
    assert (error <= np.exp(-np.abs(x) / eps) * (1 + 1e-9)).all()


@pytest.mark.parametrize(("eps", "share", "worst"), [(0.2, 0.0035, 1.04), (0.05, 0.137, 3.6), (0.01, 0.178, 17.6)])
def test_the_bound_of_proposition_5_2_fails_with_the_reset(eps, share, worst, sim, x64):
    """|V_eps - v| <= t eps log 2 holds without reset only: why the bounds above are for one step and for no reset."""
    x = 0.6 * np.random.default_rng(7).normal(size=(20, 4000))
    soft, v = chain(sim, x, tau_mem=TAU, v_th=0.5, eps=eps, leak="paper")[0], np.zeros(4000)
    before = np.concatenate([np.zeros((1, 4000)), soft[:-1]])
    reached = eps * np.logaddexp((before + np.log(BETA)) / eps, x / eps)
    ratio = []
    for t, row in enumerate(x, 1):
        u = np.maximum(v + np.log(BETA), row)
        ratio.append(np.abs(reached[t - 1] - u) / (t * eps * LN2))
        v = u * (u <= 0.5)
    broken = np.max(ratio, axis=0) > 1 + 1e-9
    np.testing.assert_allclose(broken.mean(), share, rtol=0.1, atol=0.002)
    np.testing.assert_allclose(np.max(ratio), worst, rtol=0.3)


def test_leak_and_softness_train_where_they_are_named():
    """The paper's UltraPLIF (learned leak) with learned softness: both are parameters with bounds."""
    model = bs.Sequential(bs.Linear(2, 3), UltraLIF(TAU * ms, trainable=("tau_mem", "eps")), dt=DT * ms)
    assert bs.labels(model)["1"].tau_mem == "time_constant" and bs.labels(model)["1"].eps == "other"
    x = jnp.asarray(np.random.default_rng(8).normal(size=(6, 4, 2)), jnp.float32)
    grads = jax.grad(lambda model: bs.run(model, x).out.mean())(model)["1"]
    assert grads.tau_mem != 0 and grads.eps != 0 and np.isfinite(grads.tau_mem) and np.isfinite(grads.eps)
