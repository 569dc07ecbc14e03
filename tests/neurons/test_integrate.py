"""Integrators: orders of convergence against SciPy, exactness where it is promised, and the laws of noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from brainsim._types import Drive, State
from brainsim.neurons import LIF, Neuron, param
from brainsim.neurons.integrate import INTEGRATORS
from brainsim.units import ms, mV

T, TAU_SYN = 8.0, 3.0


class Pair(Neuron):
    """A smooth, coupled, nonlinear model that never fires."""

    tau: jax.Array = param(4 * ms)
    states = {"v": -0.5 * mV, "u": 0.2}

    def drift(self, s, i):
        return dict(v=(s.v - s.v**3 / 3 - s.u + i(s.v)) / self.tau, u=0.3 * (s.v + 0.7 - 0.8 * s.u) / self.tau)

    def overdrive(self, s):
        return s.v - 100.0

    def reset(self, s):
        return dict(v=0.0)


def driven(dt):
    """A decaying current, and a conductance that is held."""
    steps = round(T / dt)
    start = 1.5 * np.exp(-dt * np.arange(steps) / TAU_SYN)[:, None]
    return Drive(
        decaying=((jnp.asarray(start), jnp.full(steps, TAU_SYN)),),
        conductance=jnp.full((steps, 1), 0.4),
        reversal=jnp.full((steps, 1), 0.2),
    )


@pytest.fixture(scope="module")
def truth():
    def slope(t, y):
        v, u = y
        current = 1.5 * np.exp(-t / TAU_SYN) + 0.2 - 0.4 * v
        return [(v - v**3 / 3 - u + current) / 4, 0.3 * (v + 0.7 - 0.8 * u) / 4]

    return solve_ivp(slope, (0, T), [-0.5, 0.2], method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]


@pytest.mark.parametrize(("integrator", "order"), [("euler", 1), ("exp_euler", 1), ("rk2", 2), ("heun", 2), ("rk4", 4)])
def test_order_of_convergence(integrator, order, truth, sim, x64):
    sizes = np.array([0.1, 0.05, 0.025]) if order < 4 else np.array([0.4, 0.2, 0.1])
    errors = []
    for dt in sizes:
        neuron = sim.build(Pair(integrator=integrator), dt=dt, dtype=jnp.float64)
        last, _ = sim.run(neuron, sim.start(neuron, dtype=jnp.float64), driven(dt), dt=dt)
        errors.append(np.hypot(last.v[0] - truth[0], last.u[0] - truth[1]))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(slope - order) < 0.15, (slope, errors)


@pytest.mark.parametrize("integrator", ["exp_euler", "rk4", "heun"])
def test_lif_by_another_integrator_comes_to_the_exact_step(integrator, sim, x64):
    voltages = []
    for name in ("exact", integrator):
        neuron = sim.build(LIF(v_th=1e3, integrator=name), dt=0.05, dtype=jnp.float64)
        voltages.append(sim.run(neuron, sim.start(neuron, dtype=jnp.float64), driven(0.05), dt=0.05)[0].v[0])
    # exp_euler takes the decaying current by its mean over the step; with a held drive it is exact
    np.testing.assert_allclose(*voltages, rtol={"exp_euler": 1e-4, "heun": 1e-5, "rk4": 1e-10}[integrator])


def test_exp_euler_is_exact_for_a_linear_equation(sim, x64):
    for dt in (0.1, 8.0):
        steps = round(T / dt)
        drive = Drive(conductance=jnp.full((steps, 1), 2.0), reversal=jnp.full((steps, 1), 3.0))
        ends = [
            sim.run(n, sim.start(n, dtype=jnp.float64), drive, dt=dt)[0].v[0]
            for n in (sim.build(LIF(v_th=1e3, integrator=i), dt=dt, dtype=jnp.float64) for i in ("exact", "exp_euler"))
        ]
        np.testing.assert_allclose(*ends, rtol=1e-13)


class Additive(Pair):
    """Ornstein-Uhlenbeck: dv = -v / tau dt + sigma dW."""

    states = {"v": 0 * mV}

    def drift(self, s, i):
        return dict(v=-s.v / self.tau)

    def diffusion(self, s):
        return dict(v=jnp.full_like(s.v, 0.5))


class Multiplicative(Additive):
    """dv = sigma v dW: the mean stays (Ito) or grows as exp(sigma^2 t / 2) (Stratonovich)."""

    states = {"v": 1 * mV}

    def drift(self, s, i):
        return dict(v=jnp.zeros_like(s.v))

    def diffusion(self, s):
        return dict(v=0.3 * s.v)


@pytest.mark.parametrize(("integrator", "strong"), [("exp_euler", 0.5), ("heun", 1.0)])
def test_order_of_convergence_with_noise(integrator, strong, x64):
    """dv = mu v dt + sigma v dW for 1 ms, where one step multiplies v by a function of its dW only.

    Its moments with the multiplier of the exact solution, by Gauss-Hermite quadrature, give the distance in the mean
    square (strong) and the error of the second moment (weak, order 1) without any sampling.
    """
    mu, sigma = -0.4, 0.5
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    mean = lambda values: float(weights @ np.asarray(values) / weights.sum())
    sizes, far, off = 2.0 ** -np.arange(4, 9), [], []
    for dt in sizes:
        dw = np.sqrt(dt) * nodes
        field = lambda s, time: State(v=mu * s.v)
        kick = lambda s, dw=dw: State(v=sigma * s.v * dw)
        ours = np.asarray(INTEGRATORS[integrator](field, State(v=jnp.ones(nodes.size)), dt, kick).v)
        drift = mu if integrator == "heun" else mu - sigma**2 / 2
        exact, steps = np.exp(drift * dt + sigma * dw), round(1 / dt)
        both = mean(ours**2) ** steps, mean(ours * exact) ** steps, mean(exact**2) ** steps
        far.append(np.sqrt(both[0] - 2 * both[1] + both[2]))
        off.append(abs(both[0] - both[2]))
    orders = [np.polyfit(np.log(sizes), np.log(errors), 1)[0] for errors in (far, off)]
    assert abs(orders[0] - strong) < 0.15, (orders, far)
    assert abs(orders[1] - 1) < 0.15, (orders, off)


@pytest.mark.parametrize("integrator", ["exp_euler", "heun"])
def test_variance_of_an_ornstein_uhlenbeck_process(integrator, sim):
    n = 20_000
    neuron = sim.build(Additive(integrator=integrator), n)
    last, _ = sim.run(neuron, sim.start(neuron, n), steps=300)
    variance = 0.5**2 * 4 / 2 * (1 - np.exp(-2 * 30 / 4))
    assert abs(float(last.v.mean())) < 4 * np.sqrt(variance / n)
    assert abs(float(last.v.var()) / variance - 1) < 4 * np.sqrt(2 / n) + 0.1 / 4  # plus the step's own error dt / tau


@pytest.mark.parametrize(("integrator", "growth"), [("exp_euler", 0.0), ("heun", 0.3**2 / 2)])
def test_ito_or_stratonovich(integrator, growth, sim):
    n, t = 40_000, 10.0
    neuron = sim.build(Multiplicative(integrator=integrator), n, dt=0.1)
    last, _ = sim.run(neuron, sim.start(neuron, n), steps=round(t / 0.1))
    mean = np.exp(growth * t)
    spread = mean * np.sqrt((np.exp(0.3**2 * t) - 1) / n)
    assert abs(float(last.v.mean()) - mean) < 4 * spread


def test_noise_is_new_in_each_step_and_the_same_for_one_seed(sim):
    neuron = sim.build(Additive(), 50)
    runs = [sim.run(neuron, sim.start(neuron, 50), steps=20, seed=seed)[1][0].v for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).all()
    kicks = np.diff(np.asarray(runs[0]), axis=0)
    assert abs(np.corrcoef(kicks[0], kicks[1])[0, 1]) < 0.6
