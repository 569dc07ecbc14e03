"""The rules against their equations: pairs of spikes, loops over all synapses in NumPy, and where they lead."""

import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim._types import State
from brainsim.plasticity import (
    AstrocyteSTDP,
    Clopath,
    RewardSTDP,
    SynapticScaling,
    Triplet,
    VogelsSprekeler,
)
from brainsim.units import Hz, ms, mV, nS
from tests.plasticity.trains import by_hand, learn, network, spikes, weights


def pairs(rule, lags, steps=200):
    """Weight after one pair for each lag t_post - t_pre in steps."""
    net = network(rule, len(lags), len(lags), wiring=bs.OneToOne())
    pre, post = np.zeros((2, steps, len(lags)), np.float32)
    pre[100], post[100 + np.asarray(lags), np.arange(len(lags))] = 1, 1
    return weights(learn(net, pre, post))


@pytest.mark.parametrize("bound", ["hard", "soft", "power"])
def test_window_is_two_exponentials(bound):
    lags = np.array([-60, -20, -5, -1, 0, 1, 5, 20, 60])
    rule = bs.STDP(0.1, 0.05, 15 * ms, 30 * ms, w_max=1.0, bound=bound, mu=0.4 if bound == "power" else None)
    found = pairs(rule, lags) - 0.5
    mu = {"hard": 0, "soft": 1, "power": 0.4}[bound]
    expected = 0.5**mu * np.where(lags >= 0, 0.1 * np.exp(-lags / 15), -0.05 * np.exp(lags / 30))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


class Dyadic(bs.STDP):
    """Traces that halve in each step, so that all arithmetic is exact or rounded in one way only."""

    def decayed(self, traces, taus, dt):
        return State(**{name: getattr(traces, name) * 0.5 for name in traces})


@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_bits_are_those_of_a_loop_over_ten_thousand_pairs_of_trains(pairing):
    steps, n_pre, n_post = 300, 125, 80
    pre, post = spikes(4, steps, n_pre, n_post)
    rule = Dyadic(0.125, 0.25, w_max=1.0, pairing=pairing)
    found = weights(learn(network(rule, n_pre, n_post), pre, post)).reshape(n_pre, n_post)
    half, one = np.float32(0.5), np.float32(1)
    w, x, y = np.full((n_pre, n_post), half), np.zeros(n_pre, np.float32), np.zeros(n_post, np.float32)
    raised = lambda trace, s: trace + s if pairing == "all" else np.where(s > 0, one, trace)
    for s, t in zip(pre, post, strict=True):
        x, y = x * half, y * half
        w = np.where(s[:, None] > 0, np.clip(w - np.float32(0.25) * y, 0, 1), w)
        x = raised(x, s)
        w = np.where(t > 0, np.clip(w + np.float32(0.125) * x[:, None], 0, 1), w)
        y = raised(y, t)
    np.testing.assert_array_equal(found, w)
    assert found.size == 10_000 and 0.2 < ((found > 0) & (found < 1)).mean()


def test_nearest_counts_one_spike_where_all_counts_both():
    pre, post = np.zeros((2, 40, 1), np.float32)
    pre[[10, 14]], post[20] = 1, 1
    gains = []
    for pairing in ("all", "nearest"):
        rule = bs.STDP(0.1, 0.1, 10 * ms, 10 * ms, w_max=1.0, pairing=pairing)
        gains.append(weights(learn(network(rule, 1, 1), pre, post))[0] - 0.5)
    np.testing.assert_allclose(gains, [0.1 * (np.exp(-0.6) + np.exp(-1)), 0.1 * np.exp(-0.6)], rtol=1e-5)


TAUS = {"pre": {"x1": 8.0, "x2": 50.0}, "post": {"y1": 12.0, "y2": 60.0}}


def triplet(when, w, x, y):
    return w - y["y1"] * (0.02 + 0.01 * x["x2"]) if when == "pre" else w + x["x1"] * (0.01 + 0.02 * y["y2"])


def vogels(when, w, x, y):
    return w + 0.05 * (y["y"] - 2 * 0.09 * 15) if when == "pre" else w + 0.05 * x["x"]


@pytest.mark.parametrize(
    ("rule", "hand", "taus"),
    [
        (Triplet(0.01, 0.02, 0.02, 0.01, 8 * ms, 12 * ms, 50 * ms, 60 * ms, w_max=1.0), triplet, TAUS),
        (VogelsSprekeler(0.05, 90 * Hz, 15 * ms, w_max=1.0), vogels, {"pre": {"x": 15.0}, "post": {"y": 15.0}}),
    ],
    ids=["Triplet", "Vogels"],
)
def test_rule_is_its_equations(rule, hand, taus):
    pre, post = spikes(2, 150)
    expected = by_hand(hand, pre, post, np.full((6, 4), 0.5), taus)
    np.testing.assert_allclose(weights(learn(network(rule), pre, post)), expected.ravel(), atol=1e-5)
    assert 0.1 < ((expected > 0) & (expected < 1)).mean()


def test_clopath_is_its_equations():
    """Against a loop over all steps and synapses, with the voltage that the run itself recorded."""
    rule = Clopath(0.01, 0.02, -2.0, 0.2, 10 * ms, 7 * ms, 15 * ms, v_spike=3.0, w_max=1.0)
    pre, post = spikes(2, 150)
    net = network(rule)
    drive = np.random.default_rng(0).normal(0, 0.15, post.shape).astype(np.float32)
    inputs = {"pre": jnp.asarray(pre), "post.v": jnp.asarray(2 * post + drive * (1 - post))}
    result = bs.run(net, inputs, record=("post.v", "post.spikes"))
    v, fired = (np.asarray(result.records[f"post.{name}"], float) for name in ("v", "spikes"))
    w, x, low, high = np.full((6, 4), 0.5), np.zeros(6), np.zeros(4), np.zeros(4)
    for s, u in zip(pre, np.where(fired > 0, 3.0, v), strict=True):
        x, low, high = x * np.exp(-1 / 15), u + (low - u) * np.exp(-1 / 10), u + (high - u) * np.exp(-1 / 7)
        w[s > 0] = np.clip(w[s > 0] - 0.01 * np.maximum(low + 2.0, 0), 0, 1)
        x = x + s / 15
        w = np.clip(w + 0.02 * x[:, None] * np.maximum(u - 0.2, 0) * np.maximum(high + 2.0, 0), 0, 1)
    np.testing.assert_allclose(weights(result), w.ravel(), atol=2e-5)
    assert 0.2 < ((w > 0) & (w < 1)).mean()


def test_inhibition_brings_neurons_to_their_target_rate():
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-60 * mV, v_reset=-60 * mV, t_ref=5 * ms, i_bias=14.0)
    rule = VogelsSprekeler(0.005 * nS, 10 * Hz, w_max=5 * nS)
    inhibition = bs.Exponential(10 * ms, e_rev=-80 * mV)
    net = bs.Network(
        {"I": bs.Poisson(100, 20 * Hz, binary=True), "E": bs.Population(50, cell)},
        [bs.Projection("I", "E", bs.AllToAll(), 0 * nS, inhibition, plasticity=rule)],
        dt=0.5,
    )
    rates = np.asarray(bs.run(net, steps=40_000, record=(bs.Rate("E", bin=200 * ms),)).records["E.rate"])
    assert rates[0] > 15 and rates[-25:].mean() == pytest.approx(10, abs=1)


def test_reward_sets_the_sign_and_comes_late():
    """Pre before post with reward a second later grows, with punishment shrinks, without either stays."""
    pre, post = np.zeros((2, 1500, 1), np.float32)
    pre[10], post[15] = 1, 1
    changes = []
    for reward in (0.5, -0.5, 0.0):
        told = np.zeros((1500, 1), np.float32)
        told[500] = reward
        result = learn(network(RewardSTDP(w_max=1.0), 1, 1), pre, post, more={"pre->post.reward": jnp.asarray(told)})
        changes.append(weights(result)[0] - 0.5)
    k, d, c = np.arange(1000), np.exp(-1 / 200), np.exp(-1 / 1000)
    size = 0.1 * np.exp(-5 / 20) * 0.5 / 1000 * (d**k * c ** (500 - 16 + k)).sum()
    np.testing.assert_allclose(changes, [size, -size, 0], rtol=1e-3, atol=1e-9)


def test_an_astrocyte_sets_the_depression():
    """One that integrates the liquid's spikes, as a population, and the same as an input."""
    pre, post = spikes(3, 120, p=0.2)
    said = np.zeros((120, 1), np.float32)
    said[:] = np.linspace(0, 0.3, 120)[:, None]
    by_input = learn(network(AstrocyteSTDP(w_max=1.0)), pre, post, more={"pre->post.astrocyte": jnp.asarray(said)})

    def hand(when, w, x, y):
        return w + 0.15 * x["x"] if when == "post" else w - level[0] * y["y"]

    level, w = [0.0], np.full((6, 4), 0.5)
    x, y = np.zeros(6), np.zeros(4)
    for s, t, level[0] in zip(pre, post, said[:, 0], strict=True):
        x, y = x * np.exp(-0.1), y * np.exp(-0.1)
        w = np.where(s[:, None] > 0, np.clip(hand("pre", w, {"x": x[:, None]}, {"y": y}), 0, 1), w)
        x = x + s
        w = np.where(t > 0, np.clip(hand("post", w, {"x": x[:, None]}, {"y": y}), 0, 1), w)
        y = y + t
    np.testing.assert_allclose(weights(by_input), w.ravel(), atol=1e-5)
    cell = bs.LIF(20 * ms, v_th=1, v_reset=0, r_mem=1e-12)
    rule = AstrocyteSTDP(w_max=1.0, modulator="A")
    net = bs.Network(
        {"pre": bs.Input(6), "post": bs.Population(4, cell), "A": bs.Population(1, bs.LI(100 * ms))},
        [
            bs.Projection("pre", "post", bs.AllToAll(), 0.5, bs.Exponential(5 * ms), plasticity=rule),
            bs.Projection("post", "A", bs.AllToAll(), 0.05),
        ],
        dt=1.0,
    )
    result = bs.run(net, {"pre": jnp.asarray(pre), "post.v": 2 * jnp.asarray(post)}, record=("A.v",))
    assert np.asarray(result.records["A.v"]).max() > 0.1 and np.ptp(weights(result)) > 0.1


@pytest.mark.parametrize("coincident", [True, False])
@pytest.mark.parametrize("inhibitory", [True, False])
@pytest.mark.parametrize("rates", ["relative", "absolute"])
def test_an_astrocyte_steers_as_in_nalsm(rates, inhibitory, coincident):
    """Absolute rates, the swapped form, fading, and pairs in one step, against a loop in NumPy; bounds of width 2."""
    pre, post = spikes(3, 120, p=0.2)
    said = np.random.default_rng(1).uniform(-0.1, 0.3, (120, 1)).astype(np.float32)
    rule = AstrocyteSTDP(
        0.2, rise=0.25, tau_fade=80 * ms, rates=rates, inhibitory=inhibitory, coincident=coincident, w_max=2.0
    )
    found = weights(learn(network(rule), pre, post, more={"pre->post.astrocyte": jnp.asarray(said)}))
    w, x, y, c = np.full((6, 4), 0.5), np.zeros(6), np.zeros(4), 0.25 * (2 if rates == "relative" else 1)
    for k, (s, t) in enumerate(zip(pre, post, strict=True)):
        fixed, told = c * 0.2 * np.exp(-k / 80), c * max(said[k, 0], 0)
        up, down = (told, fixed) if inhibitory else (fixed, told)
        if coincident:
            x, y = x * np.exp(-0.1), y * np.exp(-0.1)
        w = np.clip(w - down * s[:, None] * y, 0, 2)
        x = x + s * coincident
        w = np.clip(w + up * x[:, None] * t, 0, 2)
        y = y + t * coincident
        if not coincident:
            x, y = (x + s) * np.exp(-0.1), (y + t) * np.exp(-0.1)
    np.testing.assert_allclose(found, w.ravel(), atol=1e-5)
    assert np.ptp(found) > 0.05


def test_scaling_brings_a_neuron_to_its_rate_and_keeps_ratios():
    cell = bs.LIF(20 * ms, v_th=10 * mV, v_rest=0 * mV, v_reset=0 * mV)
    rule = SynapticScaling(15 * Hz, 2000 * ms, 500 * ms, every=10 * ms, w_max=20 * mV)
    weight = np.tile([1.0, 2.0], 1000)
    net = bs.Network(
        {"in": bs.Poisson(100, 20 * Hz, binary=True), "E": bs.Population(20, cell)},
        [bs.Projection("in", "E", bs.EdgeList(*np.divmod(np.arange(2000), 20)), weight * 0.05 * mV, plasticity=rule)],
        dt=1.0,
    )
    result = bs.run(net, steps=30_000, record=(bs.Rate("E", bin=1000 * ms),))
    rates, w = np.asarray(result.records["E.rate"]), weights(result, "in->E").reshape(100, 20)
    assert rates[0] < 5 and rates[-5:].mean() == pytest.approx(15, rel=0.1)
    np.testing.assert_allclose(w / w[0], 1, rtol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_dales_law_holds_and_a_rule_sees_magnitudes(sign):
    pre, post = spikes(5, 60)
    rule = bs.STDP(0.2, 0.21, w_max=1.0)
    found = weights(learn(network(rule, weight=0.5 * sign, sign=sign), pre, post))
    plain = weights(learn(network(rule), pre, post))
    np.testing.assert_array_equal(found, sign * plain)


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_a_delay_is_axonal(delay):
    """A presynaptic spike is transmitted and seen when it arrives; d = dt is no delay, as in Brian2."""
    lag = 7
    pre, post = np.zeros((2, 40, 1), np.float32)
    pre[10], post[10 + lag] = 1, 1
    net = network(bs.STDP(0.1, 0.1, 10 * ms, 10 * ms, w_max=1.0), 1, 1, delay=delay * ms)
    result = learn(net, pre, post, record=("pre->post.i", "pre->post.weight"))
    gained = weights(result)[0] - 0.5
    assert gained == pytest.approx(0.1 * np.exp(-(lag - delay + 1) / 10), rel=1e-5)
    current = np.asarray(result.records["pre->post.i"])[:, 0]
    assert np.flatnonzero(current)[0] == 10 + delay - 1 and current.max() == 0.5


def test_a_spike_carries_the_weight_at_its_arrival():
    pre, post = np.zeros((2, 40, 1), np.float32)
    pre[[10, 20]], post[22] = 1, 1  # the second is on its way when the post spike raises the weight
    net = network(bs.STDP(0.25, 0.0, 10 * ms, 10 * ms, w_max=1.0), 1, 1, delay=5 * ms)
    result = learn(net, pre, post, record=("pre->post.i",))
    current = np.asarray(result.records["pre->post.i"])[:, 0]
    before = current[23] * np.exp(-1 / 5)
    assert current[24] - before == pytest.approx(0.5 + 0.25 * np.exp(-0.8), rel=1e-4)


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"weight": 1.5}, r"`weight` of pre->post: expected weights in \[0, 1\]"),
            ({"storage": "dense"}, "`storage` of pre->post: plastic synapses are sparse"),
            ({"delay": 2.5, "delay_mode": "interpolate"}, "`delay_mode` of pre->post: plastic synapses have delays on"),
            ({"rule": bs.STDP(w_max=1 * nS)}, r"`w_max` of pre->post: Exponential takes a current \(pA\)"),
            ({"rule": bs.STDP(w_max=1.0, w_min=-1.0), "sign": 1}, "`w_min` of pre->post: expected a magnitude"),
            ({"rule": AstrocyteSTDP(w_max=1.0, modulator="X")}, "`modulator` of pre->post: no population 'X'"),
            ({"rule": RewardSTDP(w_max=1.0, modulator="post")}, "`modulator` of pre->post: expected a population of 1"),
        ],
    )
    def test_projection(self, changes, words):
        rule = changes.pop("rule", bs.STDP(w_max=1.0))
        with pytest.raises(ValueError, match=words):
            network(rule, **changes)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"w_max": 0.0}, "`w_max`: expected more than `w_min` = 0"),
            ({"w_max": 1 * nS, "w_min": 0 * mV}, "`w_max`: weights of one rule in mV and nS"),
            ({"w_max": 1.0, "bound": "sharp"}, "`bound`"),
            ({"w_max": 1.0, "pairing": "some"}, "`pairing`"),
            ({"w_max": 1.0, "mu": 0.5}, '`mu`: the exponent of `bound="power"`'),
            ({"w_max": 1.0, "bound": "power", "mu": -1.0}, "`mu`: expected an exponent >= 0"),
            ({"w_max": 1.0, "modulator": "A"}, "`modulator`: STDP has none"),
            ({"w_max": 1.0, "tau_plus": 0.0}, "`tau_plus` must be > 0"),
        ],
    )
    def test_rule(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            bs.STDP(**arguments)

    def test_populations_that_do_not_spike(self):
        edge = bs.Projection("pre", "A", bs.AllToAll(), 0.5, plasticity=bs.STDP(w_max=1.0))
        with pytest.raises(ValueError, match="`plasticity` of pre->A: 'A' emits v"):
            bs.Network({"pre": bs.Input(3), "A": bs.Population(1, bs.LI(20 * ms))}, [edge], dt=1.0)

    def test_weights_of_a_batch_are_not_absorbed(self):
        net = network(bs.STDP(w_max=1.0))
        with pytest.raises(ValueError, match="`state`: has a batch"):
            bs.absorb(net, net.init_state(2))
