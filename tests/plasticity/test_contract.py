"""What every rule keeps: its path, its bounds, batch = loop, resume, both paths, absorb and inference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim._native import WHY_XLA
from brainsim._types import Array
from brainsim.bench.harness import lines_logged
from brainsim.plasticity import (
    AstrocyteSTDP,
    Clopath,
    RewardSTDP,
    SynapticScaling,
    Triplet,
    VogelsSprekeler,
)
from brainsim.units import Hz, ms
from tests.plasticity.trains import learn, network, spikes, weights


class Mine(bs.Plasticity):
    """A rule of a user's own."""

    eta: Array = bs.param(0.0625)
    tau: Array = bs.param(20 * ms, positive=True)
    pre, post = {"x": "tau"}, {"y": "tau"}

    def on_pre(self, w, pre, post):
        return w - self.eta * post.y

    def on_post(self, w, pre, post):
        return w + self.eta * pre.x


CLOPATH = Clopath(0.02, 0.01, theta_minus=0.0, theta_plus=0.5, v_spike=2.0, w_max=1.0)
RULES = {
    "STDP hard": bs.STDP(0.2, 0.21, w_max=1.0),
    "STDP soft": bs.STDP(0.2, 0.21, w_max=1.0, bound="soft"),
    "STDP power": bs.STDP(0.2, 0.21, w_max=1.0, bound="power", mu=0.5),
    "STDP nearest": bs.STDP(0.2, 0.21, w_max=1.0, pairing="nearest"),
    "Triplet": Triplet(0.02, 0.01, 0.04, 0.02, w_max=1.0),
    "Vogels": VogelsSprekeler(0.1, 20 * Hz, w_max=1.0),
    "Clopath": CLOPATH,
    "RewardSTDP": RewardSTDP(tau_c=100.0, w_max=1.0),
    "AstrocyteSTDP": AstrocyteSTDP(w_max=1.0),
    "NALSM": AstrocyteSTDP(0.3, tau_fade=90 * ms, rates="absolute", inhibitory=True, coincident=False, w_max=1.0),
    "SynapticScaling": SynapticScaling(40 * Hz, 200 * ms, 100 * ms, every=5 * ms, w_max=1.0),
    "Mine": Mine(w_max=1.0),
    "two": (bs.STDP(0.2, 0.21, w_max=1.0), SynapticScaling(40 * Hz, 200 * ms, every=5 * ms, w_max=1.0)),
}
MODULATED = {"RewardSTDP": "reward", "AstrocyteSTDP": "astrocyte", "NALSM": "astrocyte"}


def told(name, steps, batch=()):
    """What the modulator of a rule says, the same to all trials."""
    if name not in MODULATED:
        return {}
    said = np.random.default_rng(7).random((steps, *[1] * len(batch), 1)).astype(np.float32)
    return {"more": {f"pre->post.{MODULATED[name]}": jnp.broadcast_to(said, (steps, *batch, 1))}}


FEW = ("STDP power", "Clopath", "RewardSTDP", "NALSM", "SynapticScaling", "two")
"""Rules between them with everything that a state may hold."""


class TestContract:
    @pytest.mark.parametrize("name", RULES)
    def test_native_in_bounds_and_as_xla(self, name, monkeypatch):
        """All goes in one native call, what it learns is what XLA learns, and no weight leaves its bounds."""
        net = network(RULES[name], wiring=bs.FixedProbability(0.7))
        pre, post = spikes(1, 400)
        with lines_logged() as lines:
            result = learn(net, pre, post, **told(name, 400), record=(bs.Trace("pre->post.weight"), "post.spikes"))
        assert WHY_XLA is not None or lines == []
        np.testing.assert_array_equal(result.records["post.spikes"], post)
        found = np.asarray(result.records["pre->post.weight"])
        assert found.min() >= 0 and found.max() <= 1 and np.ptp(found) > 0.1
        np.testing.assert_array_equal(found[-1], weights(result))
        monkeypatch.setattr(_native, "WHY_XLA", "switched off")
        xla = learn(net, pre, post, **told(name, 400), record=(bs.Trace("pre->post.weight"),))
        np.testing.assert_allclose(found, xla.records["pre->post.weight"], atol=2e-5)

    @pytest.mark.parametrize("name", FEW)
    def test_batch_is_a_loop_and_a_run_can_go_on(self, name):
        net = network(RULES[name])
        trials = [spikes(seed, 60) for seed in (1, 2)]
        pre, post = (np.stack(side, axis=1) for side in zip(*trials, strict=True))
        together = learn(net, pre, post, **told(name, 60, (2,)))
        apart = [learn(net, *trial, **told(name, 60)) for trial in trials]
        np.testing.assert_array_equal(weights(together), [weights(one) for one in apart])
        given = told(name, 60)
        halves = [
            {"more": {k: v[at] for k, v in given["more"].items()}} if given else {}
            for at in (slice(0, 30), slice(30, 60))
        ]
        first = learn(net, *(side[:30] for side in trials[0]), **halves[0])
        second = learn(net, *(side[30:] for side in trials[0]), **halves[1], state=first.state)
        for a, b in zip(jax.tree.leaves(second.state), jax.tree.leaves(apart[0].state), strict=True):
            assert jnp.issubdtype(a.dtype, jax.dtypes.prng_key) or np.array_equal(a, b)

    @pytest.mark.parametrize("name", ["RewardSTDP", "two"])
    def test_what_was_learnt_can_be_absorbed_and_frozen(self, name):
        net = network(RULES[name])
        pre, post = spikes(1, 60)
        state = learn(net, pre, post, **told(name, 60)).state
        later = bs.absorb(net, state)
        np.testing.assert_array_equal(later["pre->post"].edges.weight, state.projections["pre->post"].weight)
        frozen = bs.inference_mode(later)
        np.testing.assert_array_equal(weights(learn(frozen, pre, post, **told(name, 60))), later["pre->post"].weight)
        assert (weights(learn(later, pre, post, **told(name, 60))) != later["pre->post"].weight).any()


def test_weights_learn_in_float64_too(x64):
    pre, post = (side.astype(float) for side in spikes(1, 60))
    found = weights(learn(network(RULES["STDP soft"]), pre, post))
    assert found.dtype == np.float64 and np.ptp(found) > 0.01


@pytest.mark.slow
def test_a_gradient_goes_through_what_is_learnt(x64):
    """From the weights at the end to those at the start, against finite differences."""
    net = network(bs.STDP(0.2, 0.21, w_max=1.0, bound="soft"))
    pre, post = (side.astype(float) for side in spikes(1, 15, p=0.3))

    def final(weight):
        state = net.init_state()
        edges = state.projections["pre->post"]
        state = state.replace(projections={"pre->post": edges.replace(weight=weight)})
        return learn(net, pre, post, state=state, record=()).state.projections["pre->post"].weight.sum()

    start = jnp.full(24, 0.5)
    slope = jax.grad(final)(start)
    ahead = np.random.default_rng(5).normal(size=24)
    moved = final(start + 1e-6 * ahead) - final(start - 1e-6 * ahead)
    np.testing.assert_allclose(slope @ ahead, moved / 2e-6, rtol=1e-5)
    assert np.ptp(slope) > 0.01
