"""One contract, every neuron: a new one is one line in `NEURONS` and inherits the whole battery."""

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim import _native
from brainsim._streams import Stream
from brainsim._types import Drive
from brainsim.fuse.loop import loop
from brainsim.neurons import (
    AMSU,
    BRF,
    EIF,
    GIF,
    GLIF,
    IF,
    LI,
    LIF,
    MAT2,
    QIF,
    AdaptiveLIF,
    AdEx,
    Astrocyte,
    CubaLI,
    CubaLIF,
    EFAdLIF,
    EscapeLIF,
    HodgkinHuxley,
    Integrator,
    Izhikevich,
    Izhikevich2007,
    LeakyAstrocyte,
    Neuron,
    PinskyRinzel,
    RateUnit,
    ResonateAndFire,
    SEAdLIF,
    TraubHH,
    UltraDLIF,
    UltraLIF,
    param,
)
from brainsim.units import Hz, ms, mV, nS, pA, pF

N, BATCH, DT, STEPS = 3, 2, 0.1, 40


class Own(Neuron):
    """dv/dt = 0.04 v^2 + 5 v + 140 - u + i, du/dt = a (b v - u): a user's class, with no closed form."""

    a: jax.Array = param(0.02)
    b: jax.Array = param(0.2)
    v_th: jax.Array = param(30 * mV)
    v_reset: jax.Array = param(-65 * mV)
    states = {"v": -70 * mV, "u": -14.0}

    def drift(self, s, i):
        return dict(v=0.04 * s.v**2 + 5 * s.v + 140 - s.u + i(s.v), u=self.a * (self.b * s.v - s.u))

    def overdrive(self, s):
        return (s.v - self.v_th) / (self.v_th - self.v_reset)

    def reset(self, s):
        return dict(v=self.v_reset, u=s.u + 8)


class Noisy(Own):
    """The same with noise on the voltage."""

    def diffusion(self, s):
        return dict(v=jnp.full_like(s.v, 0.5))


PHYSICAL = dict(v_th=-50 * mV, v_reset=-60 * mV, v_rest=-65 * mV, c_mem=200 * pF)
NEURONS = {
    "LIF": LIF(),
    "LIF physical": LIF(v_th=-50 * mV, v_reset=-60 * mV, v_rest=-65 * mV, c_mem=200 * pF, t_ref=0.5 * ms),
    "LIF subtract": LIF(reset="subtract", surrogate="fast_sigmoid", detach_reset=False),
    "LIF heterogeneous": LIF(tau_mem=np.array([5.0, 20.0, 50.0]) * ms, t_ref=np.array([0.0, 0.1, 1.0]) * ms),
    "LIF rk4": LIF(integrator="rk4"),
    "AdaptiveLIF": AdaptiveLIF(tau_adapt=5 * ms, t_ref=0.2 * ms),
    "CubaLIF": CubaLIF(t_ref=0.2 * ms),
    "CubaLIF held": CubaLIF(port="held", w_in=100.0, reset="subtract"),
    "IF": IF(t_ref=0.2 * ms, gain=np.array([1.0, 2.0, 3.0])),
    "SEAdLIF": SEAdLIF(),
    "EFAdLIF": EFAdLIF(detach_reset=False),
    "AMSU": AMSU(tau_astro=5 * ms, modulation="gain"),
    "LI": LI(),
    "LI cuba": CubaLI(port="held", w_in=3.0),
    "Integrator": Integrator(),
    "UltraLIF": UltraLIF(),
    "UltraDLIF": UltraDLIF(20 * ms, leak="paper"),
    "Astrocyte": Astrocyte(),
    "LeakyAstrocyte": LeakyAstrocyte(tau_fade=99.5 * ms),
    "Own": Own(t_ref=0.5 * ms),
    "Noisy": Noisy(integrator="heun"),
}
BOTH = tuple(NEURONS)
"""What runs on both paths here; the others' XLA path is tested with kernels off, and in `test_fused_accuracy`."""
NEURONS |= {
    "LIF precise": LIF(precise_times=True, t_ref=np.array([0.0, 0.1, 1.0]) * ms),
    "QIF": QIF(),
    "EIF": EIF(t_ref=0.2 * ms),
    "AdEx": AdEx(),
    "Izhikevich": Izhikevich(t_ref=0.5 * ms),
    "Izhikevich2007": Izhikevich2007(),
    "EscapeLIF": EscapeLIF(t_ref=0.2 * ms),
    "GIF": GIF(tau_stc_1=10 * ms, q_stc_1=5 * pA, tau_sfa_1=20 * ms, q_sfa_1=1 * mV, t_ref=0.5 * ms),
    "GLIF": GLIF(t_ref=0.5 * ms),
    "MAT2": MAT2(t_ref=0.5 * ms, alpha_1=1 * mV),
    "HodgkinHuxley": HodgkinHuxley(v_th=-20 * mV),
    "TraubHH": TraubHH(),
    "PinskyRinzel": PinskyRinzel(),
    "ResonateAndFire": ResonateAndFire(t_ref=0.2 * ms),
    "BRF": BRF(),
    "RateUnit": RateUnit(),
}
DRAWN = ("EscapeLIF", "GIF")
GATED = ("HodgkinHuxley", "TraubHH", "PinskyRinzel")
SPIKING = [name for name, neuron in NEURONS.items() if neuron.emits == "spikes" and "Ultra" not in name]
QUIET = [
    name
    for name in NEURONS
    if "Ultra" not in name and name not in ("Noisy", "LeakyAstrocyte", "BRF", "TraubHH", *DRAWN)
]
MILLIVOLTS = ("physical", "Own", "Noisy", "QIF", "EIF", "AdEx", "Izh", "GIF", "GLIF", "MAT2")


def on_paths(names, **how):
    """Tests of neurons, on one path or on both."""
    pairs = [(name, path) for name in names for path in (("xla", "fused") if name in BOTH else ("fused",))]
    return pytest.mark.parametrize(("name", "sim"), pairs, indirect=["sim"], **how)


def stimulus(name: str, steps: int, lead: tuple[int, ...] = (), dtype=jnp.float32) -> Drive:
    """Jumps (and currents where there is such a port) that make every spiking neuron fire several times."""
    scale = 15.0 if any(part in name for part in MILLIVOLTS) else 0.6
    rng = np.random.default_rng(0)
    jump = jnp.asarray(scale * rng.random((steps, *lead, N)), dtype)
    if "Ultra" in name or "Astrocyte" in name:
        return Drive(jump=jump)
    if name == "BRF":
        return Drive(jump=3000 * jump)
    if name in GATED:  # there and back again: nothing else makes them fire several times in a few ms
        push = np.where(np.arange(steps) % 10 == 2, 80.0, np.where(np.arange(steps) % 10 == 7, -80.0, 0.0))
        jump = jnp.asarray(push.reshape(steps, *(1 for _ in (*lead, N))), dtype) + jump
    current = jnp.asarray(scale * rng.random((steps, *lead, N)), dtype)
    decaying = ((jnp.asarray(rng.random((steps, *lead, N)), dtype), jnp.full((steps,), 5.0, dtype)),)
    return Drive(jump=jump, current=current, decaying=decaying)


@pytest.fixture
def sim(request, sim):
    """XLA's loop or the fused one, as `on_paths` says."""
    fused = getattr(request, "param", "fused") == "fused"
    sim.run = functools.partial(sim.run, over=loop if fused else jax.lax.scan)
    return sim


@pytest.mark.skipif(_native.WHY_XLA is not None, reason=f"needs the native kernels: {_native.WHY_XLA}")
@pytest.mark.parametrize("batch", [None, BATCH])
@pytest.mark.parametrize("name", [name for name, neuron in NEURONS.items() if neuron.pointwise])
def test_every_neuron_is_fused(name, batch, caplog):
    neuron = NEURONS[name].build("x", (N,), dt=DT, key=jax.random.key(0), dtype=jnp.float32)
    state = neuron.init_state((N,), batch=batch, key=jax.random.key(0), dtype=jnp.float32)
    drive = stimulus(name, 3, () if batch is None else (batch,))

    def step(carry, x):
        return neuron.step(carry, x[1], DT, Stream.of(jax.random.key(1), x[0]))

    with caplog.at_level(logging.INFO, "brainsim"):
        jax.jit(lambda s, d: loop(step, s, (jnp.arange(3, dtype=jnp.int32), d))).lower(state, drive)
    assert caplog.text == ""


@on_paths(NEURONS)
class TestContract:
    def test_state_keeps_shape_and_dtype_in_float32_and_float64(self, name, sim, x64):
        for dtype in (jnp.float32, jnp.float64):
            neuron = sim.build(NEURONS[name], N, dtype=dtype)
            state = sim.start(neuron, N, batch=BATCH, dtype=dtype)
            last, (_, out) = sim.run(neuron, state, stimulus(name, 4, (BATCH,), dtype))
            assert set(last) == set(state) == set(neuron.state_units())
            for field in state:
                before, after = getattr(state, field), getattr(last, field)
                assert after.shape == before.shape == (BATCH, N)
                assert after.dtype == before.dtype == (jnp.int32 if field == "refractory" else dtype)
            assert out.shape == (4, BATCH, N) and out.dtype == dtype
            assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((last, out)))

    def test_two_halves_are_the_whole_bitwise(self, name, sim):
        neuron = sim.build(NEURONS[name], N)
        state, drive = sim.start(neuron, N), stimulus(name, STEPS)
        whole, (_, out) = sim.run(neuron, state, drive)
        middle, (_, first) = sim.run(neuron, state, jax.tree.map(lambda x: x[: STEPS // 2], drive))
        last, (_, second) = sim.run(neuron, middle, jax.tree.map(lambda x: x[STEPS // 2 :], drive), first=STEPS // 2)
        np.testing.assert_array_equal(out, jnp.concatenate([first, second]))
        jax.tree.map(np.testing.assert_array_equal, last, whole)

    def test_batch_and_vmap_are_loops_over_trials(self, name, sim):
        neuron = sim.build(NEURONS[name], N)
        drive = stimulus(name, STEPS, (BATCH,))
        trials = [jax.tree.map(lambda x, i=i: x[:, i] if x.ndim > 1 else x, drive) for i in range(BATCH)]
        alone = [sim.run(neuron, sim.start(neuron, N), trial)[1][1] for trial in trials]
        mapped = jax.vmap(lambda d: sim.run(neuron, sim.start(neuron, N), d)[1][1])(
            jax.tree.map(lambda *x: jnp.stack(x), *trials)
        )
        np.testing.assert_allclose(mapped, jnp.stack(alone), rtol=1e-5, atol=1e-5)
        if name not in ("Noisy", *DRAWN):  # every trial of a batch has noise of its own
            _, (_, batch) = sim.run(neuron, sim.start(neuron, N, batch=BATCH), drive)
            np.testing.assert_allclose(batch.swapaxes(0, 1), mapped, rtol=1e-5, atol=1e-5)

    def test_gradients_are_finite_at_threshold_and_beyond(self, name, sim):
        neuron = sim.build(NEURONS[name], N)
        state, drive = sim.start(neuron, N), stimulus(name, STEPS)
        at = {"Astrocyte": "ca", "LeakyAstrocyte": "level", "RateUnit": "x"}.get(name, "v")
        threshold = neuron.sic_th if name == "Astrocyte" else neuron.v_th if "v_th" in neuron.params else 1.0
        start = jnp.broadcast_to(jnp.asarray(threshold), (N,))

        def loss(neuron, start, drive):
            return (sim.run(neuron, state.replace(**{at: start}), drive)[1][1] ** 2).sum()

        grads = jax.grad(loss, argnums=(0, 1, 2))(neuron, start, drive)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(grads))
        assert any(bool((leaf != 0).any()) for leaf in jax.tree.leaves(grads[2]))

    def test_a_wrong_port_or_value_is_refused_by_name(self, name, sim):
        kind = type(NEURONS[name])
        with pytest.raises(ValueError, match=f"`trainable`: {kind.__name__} has no parameter `nothing`"):
            kind(trainable=("nothing",))
        built = sim.build(NEURONS[name], N)
        with pytest.raises(ValueError, match=f"`init`: {kind.__name__} has no state `nothing`"):
            sim.start(built, N, init={"nothing": 1.0})

    def test_building_twice_changes_nothing(self, name, sim):
        built = sim.build(NEURONS[name], N)
        again = sim.build(built, N)
        assert jax.tree.structure(built) == jax.tree.structure(again)
        jax.tree.map(np.testing.assert_array_equal, built, again)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(built))


@on_paths(QUIET)
def test_no_input_no_output(name, sim):
    neuron = sim.build(NEURONS[name], N)
    state = sim.start(neuron, N)
    last, (_, out) = sim.run(neuron, state, steps=200)
    assert not out.any()
    if name.startswith("LI") or name == "AdaptiveLIF":
        jax.tree.map(np.testing.assert_array_equal, last, state)


@on_paths(SPIKING)
class TestSpiking:
    def test_it_fires_and_rests(self, name, sim):
        neuron = sim.build(NEURONS[name], N)
        _, (_, out) = sim.run(neuron, sim.start(neuron, N), stimulus(name, 100))
        assert set(np.unique(out)) == {0.0, 1.0}
        assert (out.sum(0) > 2).all()

    def test_a_spike_at_exactly_the_threshold(self, name, sim):
        """The test of a step is v >= v_th, after the jump: one ulp below there is no spike."""
        if name in ("BRF", *DRAWN):
            return
        neuron = sim.build(NEURONS[name], N)
        state = sim.start(neuron, N)
        reached = {s: jnp.broadcast_to(getattr(state, s), (N,)) for s in neuron.states}
        for v, expected in (
            (neuron.v_th, 1.0),
            (jnp.nextafter(neuron.v_th, jnp.float32(-np.inf)), 0.0),
        ):
            at = state.replace(**(reached | {"v": jnp.broadcast_to(v, (N,))}))
            np.testing.assert_array_equal(neuron.surrogate(neuron.overdrive(at)), expected)

    def test_refractory_lasts_exactly_t_ref(self, name, sim):
        """After a spike in step k, v is held and nothing fires in steps k+1 .. k+t_ref/dt, whatever arrives."""
        neuron = sim.build(NEURONS[name], N)
        if not neuron.uses_refractory:
            assert "refractory" not in sim.start(neuron, N)
            return
        big = Drive(jump=jnp.full((60, N), 300.0), current=jnp.full((60, N), 300.0))
        _, (states, out) = sim.run(neuron, sim.start(neuron, N), big)
        hold = np.broadcast_to(np.round(np.asarray(neuron.t_ref) / DT).astype(int), (N,))
        for i in range(N):
            times = np.flatnonzero(out[:, i])
            if neuron.precise_times:  # they wake inside a step
                exact = times * DT - np.asarray(states.spike_offset)[times, i]
                assert (np.diff(exact) > hold[i] * DT - 1e-5).all() and len(times) > 3
                continue
            np.testing.assert_array_equal(np.diff(times), hold[i] + 1)
            held = np.asarray(states.v[times[0] : times[0] + hold[i] + 1, i])
            if "v" in neuron.holds:
                np.testing.assert_array_equal(held, held[0])


def test_t_ref_off_the_grid_is_refused(sim):
    with pytest.raises(ValueError, match=r"`t_ref` = 5 ms is not a multiple of dt = 4 ms: 4 or 8\."):
        sim.build(LIF(t_ref=5 * ms), dt=4.0)
    with pytest.raises(ValueError, match=r"`t_ref` = 0.25 ms is not a multiple of dt = 0.1 ms"):
        sim.build(LIF(t_ref=np.array([0.2, 0.25]) * ms), 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF(-60 * mV), r"`tau_mem`: expected a time \(ms\), got -60 mV\."),
        (lambda: LIF(0 * ms), r"`tau_mem` must be > 0 ms"),
        (lambda: LIF(np.array([1, -3.1]) * ms), r"`tau_mem` must be > 0 ms, got min -3.1 at neuron 1\."),
        (
            lambda: LIF(v_rest=-60 * mV),
            r"`v_th` is 1 mV \(its default for .* models\) but `v_rest` is -60 mV: give `v_th`",
        ),
        (lambda: LIF(v_reset=-60 * mV), r"`v_th` is 1 mV .* but `v_reset` is -60 mV: give `v_th`"),
        (lambda: LIF(r_mem=1.0, c_mem=1 * pF), r"`c_mem`: expected `r_mem` or `c_mem`, got both"),
        (lambda: LIF(t_ref=-1 * ms), r"`t_ref` must be >= 0 ms"),
        (lambda: LIF(t_ref=5 * mV), r"`t_ref`: expected a time \(ms\), got 5 mV"),
        (lambda: LIF(i_bias=5 * nS), r"`i_bias`: expected a current \(pA\), got 5 nS"),
        (lambda: LIF(float("nan")), r"`tau_mem`: expected a time \(ms\), got nan"),
        (lambda: LIF(reset="hard"), r'`reset`: expected one of "value", "subtract", "none", got \'hard\''),
        (lambda: LIF(integrator="rk5"), r'`integrator`: expected one of "exact", "exp_euler", "rk2", "rk4", "heun"'),
        (lambda: Own(integrator="exact"), r'`integrator`: expected one of "exp_euler"'),
        (lambda: Noisy(integrator="rk4"), r'`integrator`: expected one of "exp_euler", "heun", got'),
        (lambda: LI(t_ref=1 * ms), r"`t_ref`: LI has no spikes"),
        (lambda: Astrocyte(t_ref=1 * ms), r"`t_ref`: Astrocyte has no spikes"),
        (lambda: LeakyAstrocyte(t_ref=1 * ms), r"`t_ref`: LeakyAstrocyte has no spikes"),
        (lambda: LeakyAstrocyte(leak="euler"), r'`leak`: expected one of "exact", "paper"'),
        (lambda: Astrocyte(ca_tot=2 * mV), r"`ca_tot`: expected a concentration \(uM\), got 2 mV"),
        (lambda: UltraLIF(leak="none"), r'`leak`: expected one of "exact", "paper"'),
        (lambda: UltraLIF(i_bias=1 * pA), r"`t_ref` and `i_bias`: UltraLIF has neither"),
        (lambda: UltraDLIF(t_ref=1 * ms), r"`t_ref` and `i_bias`: UltraDLIF has neither"),
        (lambda: AdaptiveLIF(tau_adapt=5 * Hz), r"`tau_adapt`: expected a time \(ms\)"),
        (lambda: AMSU(modulation="none"), r'`modulation`: expected one of "current", "gain", "threshold"'),
        (lambda: AMSU(t_ref=1 * ms), r"`t_ref`: AMSU has no refractory time"),
        (lambda: SEAdLIF(5 * ms), r"`tau_mem_range`: expected two times \(low, high\) in ms, got"),
        (lambda: SEAdLIF((5 * ms, 3 * ms)), r"`tau_mem_range`: expected low <= high, got 5 and 3 ms"),
        (lambda: SEAdLIF((5 * mV, 9 * mV)), r"`tau_mem_range`: expected a time \(ms\), got 5 mV"),
        (lambda: EFAdLIF(t_ref=1 * ms), r"`t_ref`: EFAdLIF has no refractory time"),
        (lambda: EFAdLIF(b=2.5), r"`b` must be <= 2"),
        (lambda: Noisy(precise_times=True), r"`precise_times`: Noisy has no smooth path to a threshold"),
        (lambda: EscapeLIF(precise_times=True), r"`precise_times`: EscapeLIF has no smooth path"),
        (lambda: AMSU(precise_times=True), r"`precise_times`: AMSU has no smooth path"),
        (lambda: GIF(tau_stc_2=1 * ms), r"`q_stc_2`: expected with `tau_stc_2`, got None"),
        (lambda: GIF(q_sfa_1=1 * mV), r"`tau_sfa_1`: expected with `q_sfa_1`, got None"),
        (lambda: GLIF(6), r"`level`: expected 1, 2, 3, 4 or 5, got 6"),
        (lambda: GLIF(1, th_s_add=1 * mV), r"`th_s_add`: GLIF of level 1 has no use for it"),
        (lambda: GLIF(5, v_reset=-70 * mV), r"`v_reset`: GLIF of level 5 has no use for it"),
        (lambda: HodgkinHuxley(t_ref=1 * ms), r"`t_ref`: HodgkinHuxley is refractory by its channels"),
        (lambda: PinskyRinzel(into="axon"), r'`into`: expected one of "soma", "dendrite", got \'axon\''),
        (lambda: RateUnit(activation="relu"), r'`activation`: expected one of "linear", "threshold_linear", "tanh"'),
        (lambda: RateUnit(t_ref=1 * ms), r"`t_ref`: RateUnit has no spikes"),
        (lambda: BRF(t_ref=1 * ms), r"`t_ref`: BRF is refractory by its variable q"),
        (lambda: Izhikevich(integrator="exact"), r'`integrator`: expected one of "published", "exp_euler"'),
        (lambda: Izhikevich2007(c_mem=1 * mV), r"`c_mem`: expected a capacitance \(pF\), got 1 mV"),
    ],
)
def test_misuse_is_refused_by_name(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
