"""Alpha, dual-exponential and NMDA synapses against their closed forms and SciPy, over many step sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import brainsim as bs
from brainsim._types import State
from brainsim.synapses import NMDA, Alpha, DualExponential, Exponential
from brainsim.units import ms, mV, nS, pA, pF

STEP_SIZES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.125, 0.2, 0.25, 0.5, 1.0, 2.0, 4.0]
W, TAU, RISE, DECAY = 3.0, 2.0, 0.7, 9.0
T_PEAK = DECAY * RISE / (DECAY - RISE) * np.log(DECAY / RISE)


def alpha(t):
    return W * t / TAU * np.exp(1 - t / TAU)


def dual(t):
    height = np.exp(-T_PEAK / DECAY) - np.exp(-T_PEAK / RISE)
    return W * (np.exp(-t / DECAY) - np.exp(-t / RISE)) / height


SHAPES = {
    "alpha current": (Alpha(TAU * ms), "i", alpha),
    "alpha conductance": (Alpha(TAU * ms, e_rev=0 * mV), "g", alpha),
    "dual current": (DualExponential(RISE * ms, DECAY * ms), "i", dual),
    "dual conductance": (DualExponential(RISE * ms, DECAY * ms, e_rev=-80 * mV), "g", dual),
    "NMDA": (NMDA(RISE * ms, DECAY * ms), "g", dual),
    "exponential": (Exponential(TAU * ms, e_rev=0 * mV), "g", lambda t: W * np.exp(-t / TAU)),
}


@functools.partial(jax.jit, static_argnames=("synapse", "steps"))
def after_one_event(synapse, dt, steps):
    part = synapse.build("a->b", (1,), dt=0.1, key=jax.random.key(0), dtype=jnp.float64)
    state = part.init_state((1,), jnp.float64)
    state = part.arrive(state, jnp.full(1, W))
    return jax.lax.scan(lambda s, _: (part.advance(s, dt),) * 2, state, length=steps)[1]


@pytest.mark.parametrize("name", SHAPES)
def test_an_event_follows_its_closed_form_at_every_step_size(name, x64):
    synapse, acting, shape = SHAPES[name]
    for dt in STEP_SIZES:
        trace = np.asarray(getattr(after_one_event(synapse, dt, 400), acting))[:, 0]
        np.testing.assert_allclose(trace, shape(dt * np.arange(1, 401)), rtol=0, atol=1e-12 * W, err_msg=f"{dt}")


def test_the_weight_is_the_peak_and_the_peak_is_where_the_formula_says(x64):
    for name, when in (("alpha current", TAU), ("dual conductance", T_PEAK), ("NMDA", T_PEAK)):
        synapse, acting, _ = SHAPES[name]
        dt = when / 1024
        trace = np.asarray(getattr(after_one_event(synapse, dt, 2048), acting))[:, 0]
        assert int(np.argmax(trace)) + 1 == 1024
        np.testing.assert_allclose(trace.max(), W, rtol=1e-12)


@pytest.mark.parametrize("integrator", ["exact", "rk4"])
@pytest.mark.parametrize("synapse", [Alpha(TAU * ms), DualExponential(RISE * ms, DECAY * ms), Alpha(10 * ms)], ids=repr)
def test_a_current_moves_a_leaky_membrane_exactly(synapse, integrator, x64):
    """As NEST's iaf_psc_alpha: v at the end of each step, from tau_syn far below tau_mem to tau_syn = tau_mem."""
    tau_mem, c_mem = 10.0, 250.0
    lif = bs.LIF(tau_mem * ms, v_th=1e3 * mV, c_mem=c_mem * pF, integrator=integrator)
    for dt in (0.1, 0.5, 2.0) if integrator == "exact" else (0.1,):
        net = bs.Network(
            {"s": bs.SpikeTimes([dt], [0]), "t": bs.Population(1, lif)},
            [bs.Projection("s", "t", bs.AllToAll(), 40 * pA, synapse, delay=dt * ms)],
            dt=dt,
        )
        v = np.asarray(bs.run(net, steps=round(20 / dt), record=["t.v"]).records["t.v"])[:, 0]
        t = dt * (np.arange(len(v)) + 1) - dt  # since the event, which comes at the end of the first step
        if isinstance(synapse, Alpha):
            expected = 40 * np.e / float(synapse.tau_syn) / c_mem * ramp_response(t, 1 / tau_mem, 1 / synapse.tau_syn)
        else:
            decay, rise = response(t, 1 / tau_mem, 1 / DECAY), response(t, 1 / tau_mem, 1 / RISE)
            expected = 40 / c_mem * (decay - rise) / (np.exp(-T_PEAK / DECAY) - np.exp(-T_PEAK / RISE))
        np.testing.assert_allclose(v, expected, rtol=0, atol=1e-12 if integrator == "exact" else 1e-6)


def response(t, a, b):
    """Of a membrane of rate a to exp(-b t)."""
    return t * np.exp(-a * t) if a == b else (np.exp(-b * t) - np.exp(-a * t)) / (a - b)


def ramp_response(t, a, b):
    """To t exp(-b t)."""
    if a == b:
        return t**2 / 2 * np.exp(-a * t)
    return (t * np.exp(-b * t) - response(t, a, b)) / (a - b)


class TestNMDA:
    def test_the_block_is_that_of_jahr_and_stevens(self, x64):
        part = NMDA(mg=1.2).build("a->b", (3,), dt=0.1, key=jax.random.key(0), dtype=jnp.float64)
        v = np.array([-70.0, -20.0, 40.0])
        drive = part.drive(State(rise=jnp.zeros(3), g=jnp.full(3, 2.0)), jnp.asarray(v))
        block = 1 / (1 + np.exp(-0.062 * v) * 1.2 / 3.57)
        np.testing.assert_allclose(drive.conductance, 2 * block, rtol=1e-14)
        np.testing.assert_array_equal(drive.reversal, 0.0)

    @staticmethod
    def network(dt, times, delay=None, post=None):
        """Two neurons with gates, which reach one postsynaptic neuron with 3 and 5 nS."""
        ids = [i for i, train in enumerate(times) for _ in train]
        return bs.Network(
            {
                "s": bs.SpikeTimes(np.concatenate(times), ids),
                "t": bs.Population(1, post or bs.LI(20 * ms)),
            },
            [
                bs.Projection(
                    "s", "t", bs.EdgeList([0, 1], [0, 0]), np.array([3.0, 5.0]), NMDA(alpha=0.5),
                    delay=(dt if delay is None else delay) * ms,
                )
            ],
            dt=dt,
        )  # fmt: skip

    TIMES = (np.array([2.0, 6.0, 9.2, 60.0, 61.2]), np.array([4.0]))

    def gates(self, duration):
        """s of both neurons at every 0.1 ms, by SciPy."""

        def slope(t, y):
            return [-y[0] / 2.0, -y[1] / 100.0 + 0.5 * y[0] * (1 - y[1])]

        traces = []
        for train in self.TIMES:
            y, t, out = np.zeros(2), 0.0, []
            for stop in [*train, duration]:
                grid = np.round(np.arange(round(t * 10) + 1, round(stop * 10) + 1) / 10, 6)
                found = solve_ivp(slope, (t, stop), y, t_eval=grid, rtol=1e-11, atol=1e-13, method="DOP853")
                out.append(found.y[1])
                y, t = found.y[:, -1] + [1.0, 0.0], stop
            traces.append(np.concatenate(out))
        return np.array(traces)

    def test_gates_saturate_as_scipy_says_with_order_two(self, x64):
        truth, errors = self.gates(120.0), []
        for dt in (0.4, 0.2, 0.1):
            path = "s->t"
            run = bs.run(self.network(dt, self.TIMES), steps=round(120 / dt), record=[f"{path}.gate", f"{path}.g"])
            every = round(dt / 0.1)
            gate, g = run.records[f"{path}.gate"].T, run.records[f"{path}.g"][:, 0]
            errors.append(np.abs(gate - truth[:, every - 1 :: every]).max())
            np.testing.assert_allclose(g, np.array([3.0, 5.0]) @ np.asarray(gate), rtol=1e-12)
        assert 0.9 < truth.max() < 1 and errors[-1] < 2e-4
        np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2.0, atol=0.1)

    def test_a_delay_shifts_what_the_gates_give(self):
        runs = [
            bs.run(self.network(0.1, self.TIMES, delay), steps=400, record=["s->t.g"]).records["s->t.g"]
            for delay in (0.1, 1.5)
        ]
        np.testing.assert_allclose(runs[1][14:], runs[0][:-14], rtol=1e-5)
        assert not runs[1][:14].any() and runs[0].max() > 3

    def test_a_silent_gate_costs_no_event(self):
        part = NMDA(alpha=0.5).build("a->b", (1,), dt=0.1, key=jax.random.key(0), dtype=jnp.float32)
        state = State(**part.terminal_state((1,), jnp.float32)).replace(gate=jnp.ones(1) * 0.5)
        later, opened = part.transmit(state.replace(gate_rise=jnp.full(1, 1e-7)), jnp.zeros(1), 0.1)
        assert float(later.gate_rise[0]) == 0.0
        assert float(part.transmit(later, jnp.zeros(1), 0.1)[1][0]) == 0.0

    def test_voltage_of_the_neuron_at_the_start_of_the_step(self, x64):
        """One step of a membrane that starts at -20 mV and has g = 2 nS: the block is that of -20 mV."""
        lif = bs.LIF(10 * ms, v_th=0 * mV, v_rest=-70 * mV, v_reset=-70 * mV, c_mem=200 * pF)
        net = bs.Network(
            {"s": bs.Input(1), "t": bs.Population(1, lif, init={"v": -20 * mV})},
            [bs.Projection("s", "t", bs.AllToAll(), 2 * nS, NMDA())],
            dt=0.5,
        )
        state = net.init_state()
        state.projections["s->t"] = state.projections["s->t"].replace(g=jnp.full(1, 2.0))
        v = float(bs.run(net, {"s": np.zeros((1, 1))}, state=state).state.populations["t"].v[0])
        g = 2 / (1 + np.exp(0.062 * 20) / 3.57)
        rate = (20 + g) / 200
        target = (20 * -70 + g * 0) / (20 + g)
        np.testing.assert_allclose(v, target + (-20 - target) * np.exp(-0.5 * rate), rtol=1e-13)

    def test_what_cannot_be_is_refused(self):
        with pytest.raises(ValueError, match="`tau_rise` must be < `tau_decay`, got 5 and 5 ms"):
            DualExponential(5 * ms, 5 * ms)
        with pytest.raises(ValueError, match="`tau_decay`: expected one number, for a gate belongs"):
            NMDA(tau_decay=np.array([50.0, 100.0]) * ms, alpha=0.5)
        astrocyte = {"s": bs.Input(1), "a": bs.Population(1, bs.Astrocyte())}
        with pytest.raises(ValueError, match="s->a: NMDA needs a voltage, 'a' has no `v`"):
            bs.Network(astrocyte, [bs.Projection("s", "a", bs.AllToAll(), 1 * nS, NMDA())], dt=0.1)
        with pytest.raises(ValueError, match="a->t: NMDA needs spikes, 'a' emits `sic`"):
            bs.Network(
                astrocyte | {"t": bs.Population(1, bs.LIF())},
                [bs.Projection("a", "t", bs.AllToAll(), 1 * nS, NMDA(alpha=0.5))],
                dt=0.1,
            )
