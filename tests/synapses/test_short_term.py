"""Short-term plasticity against the published recurrences, spike by spike, and in the native loop."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim import _native
from brainsim.networks.balanced import coba
from brainsim.synapses import NMDA, Exponential, Relay, ShortTerm
from brainsim.units import ms, nS, pA

DT = 0.1


def published(times, tau_rec, tau_fac, use):
    """(release, u before a spike's facilitation) of every spike: Tsodyks, Pawelzik & Markram (1998), in event form."""
    x, u, last, released = 1.0, 0.0, -np.inf, []
    for t in times:
        pause = t - last
        x = 1 + (x - 1) * np.exp(-pause / tau_rec)
        u = 0.0 if tau_fac is None else u * np.exp(-pause / tau_fac)
        u = u + use * (1 - u)
        released.append(u * x)
        x, last = x - u * x, t
    return np.array(released)


def crossing(times, terminal, n=1, steps=None, binary=False, **options):
    """What arrives of the given trains, (steps, n): a Relay of weight 1 lays every event open."""
    ids = np.concatenate([np.full(len(train), i) for i, train in enumerate(times)])
    source = bs.Population(n, bs.LIF(0.01 * ms)) if binary else bs.SpikeTimes(np.concatenate(times), ids, n=n)
    net = bs.Network(
        {"s": source, "t": bs.Population(n, bs.LI(20 * ms))},
        [bs.Projection("s", "t", bs.OneToOne(), 1 * pA, [terminal, Relay()], **options)],
        dt=DT,
    )
    steps = round(max(map(max, times)) / DT) + 5 if steps is None else steps
    inputs = {}
    if binary:
        jumps = np.zeros((steps, n))
        for i, train in enumerate(times):
            jumps[np.round(np.asarray(train) / DT).astype(int) - 1, i] = 5
        inputs = {"s.v": jumps}
    return np.asarray(bs.run(net, inputs, steps=steps, record=["s->t.i"]).records["s->t.i"])


@pytest.mark.parametrize("binary", [True, False], ids=["spikes", "counts"])
@pytest.mark.parametrize(
    ("tau_rec", "tau_fac", "use"), [(800.0, None, 0.5), (130.0, 530.0, 0.03), (20.0, 1000.0, 0.1), (100.0, 50.0, 1.0)]
)
def test_every_event_carries_the_published_release(tau_rec, tau_fac, use, binary, x64):
    rng = np.random.default_rng(1)
    times = [np.unique(np.round(np.cumsum(rng.exponential(15.0, 25) + 0.1), 1)) for _ in range(2)]
    terminal = ShortTerm(tau_rec * ms, None if tau_fac is None else tau_fac * ms, use)
    out = crossing(times, terminal, 2, binary=binary, delay=1 * ms)
    for i, train in enumerate(times):
        at = np.round(train / DT).astype(int) - 1 + 9  # the value after the step in which the event arrives
        at = at[at < len(out)]
        np.testing.assert_allclose(out[at, i], published(train, tau_rec, tau_fac, use)[: len(at)], rtol=1e-12)
        assert np.count_nonzero(out[:, i]) == len(at)


@pytest.mark.parametrize("tau_fac", [None, 100.0])
def test_several_spikes_in_one_step_follow_each_other(tau_fac, x64):
    """Three spikes at once are three spikes 0 ms apart, before and after which time passes."""
    times = np.array([1.0, 3.0, 3.0, 3.0, 8.0])
    out = crossing([times], ShortTerm(40 * ms, None if tau_fac is None else tau_fac * ms, 0.3))[:, 0]
    released = published(times, 40.0, tau_fac, 0.3)
    expected = [released[0], released[1:4].sum(), released[4]]
    np.testing.assert_allclose(out[np.flatnonzero(out)], expected, rtol=1e-12)


def test_a_regular_train_reaches_the_steady_state_of_the_theory(x64):
    """u = U / (1 - (1 - U) exp(-D / tau_fac)), x = (1 - e) / (1 - (1 - u) e) with e = exp(-D / tau_rec)."""
    pause, rec, fac, use = 20.0, 130.0, 530.0, 0.05
    out = crossing([np.arange(1, 120) * pause], ShortTerm(rec * ms, fac * ms, use))
    u = use / (1 - (1 - use) * np.exp(-pause / fac))
    x = (1 - np.exp(-pause / rec)) / (1 - (1 - u) * np.exp(-pause / rec))
    np.testing.assert_allclose(out[np.flatnonzero(out)][-1], u * x, rtol=1e-5)


def depressing(*terminals):
    """The COBA network, with or without terminals."""
    base = coba(400).recipe
    projections = [
        bs.Projection(p.pre, p.post, p.rule, p.weight, [*terminals, p.synapse]) for p in base.projections
    ]  # fmt: skip
    return bs.Network(base.populations, projections, dt=DT, seed=2)


@pytest.mark.kernels
def test_events_that_carry_numbers_stay_in_the_one_native_loop():
    for terminals in ((ShortTerm(800 * ms, None, 0.5),), (ShortTerm(130 * ms, 530 * ms, 0.1),)):
        found = bs.explain(depressing(*terminals))
        assert (found.loop, found.why) == ("one native call", ())
        assert [part.way for part in found.parts] == ["fused"] * 2 + ["kernel"] * 4


def test_both_paths_give_the_same_network(monkeypatch):
    net = depressing(ShortTerm(800 * ms, 100 * ms, 0.25))
    record = ["E.spikes", "E->I.x", "E->I.g", "E->I.u"]
    native = bs.run(net, steps=150, record=record).records
    monkeypatch.setattr(_native, "WHY_XLA", "a test")
    plain = bs.run(net, steps=150, record=record).records
    assert native["E.spikes"].sum() > 50
    assert native["E->I.x"].shape == (150, 320) and native["E->I.g"].shape == (150, 80)
    for name in record:
        np.testing.assert_allclose(native[name], plain[name], rtol=2e-5, atol=1e-5)


def test_the_gradient_of_every_parameter_is_that_of_finite_differences(x64):
    net = bs.Network(
        {"s": bs.SpikeTimes([0.5, 1.5, 4.0, 4.5, 9.0], [0, 1, 0, 0, 1], n=2), "t": bs.Population(2, bs.LI(20 * ms))},
        [
            bs.Projection(
                "s", "t", bs.AllToAll(), bs.Uniform(1 * nS, 2 * nS),
                [ShortTerm(30 * ms, 50 * ms, 0.3), NMDA(2 * ms, 20 * ms, e_rev=30)],
                trainable=("tau_rec", "u", "tau_rise"),
            )
        ],
        dt=0.5,
        outputs="t",
    )  # fmt: skip
    value = eqx.filter_jit(lambda net: jnp.tanh(bs.run(net, steps=40).out / 20).sum())
    gradient = eqx.filter_grad(value)(net)
    known = net.parameters()
    assert [known[f"s->t.{name}"].trainable for name in ("tau_rec", "tau_fac", "u", "tau_rise", "weight")] == [
        True, False, True, True, True,
    ]  # fmt: skip
    for name in ("tau_rec", "tau_fac", "u", "tau_rise", "tau_decay", "mg"):
        where = known[f"s->t.{name}"].where
        ends = [value(eqx.tree_at(where, net, where(net) + h)) for h in (1e-6, -1e-6)]
        np.testing.assert_allclose(where(gradient), float(ends[0] - ends[1]) / 2e-6, rtol=1e-6, err_msg=name)
        assert float(jnp.abs(where(gradient))) > 1e-7


def test_parameters_of_single_neurons_and_misuse():
    use = np.array([0.1, 0.9])
    out = crossing([[1.0], [1.0]], ShortTerm(100 * ms, None, use), 2)
    np.testing.assert_allclose(out[np.flatnonzero(out[:, 0])[0]], use, rtol=1e-6)
    with pytest.raises(ValueError, match="`u` must be <= 1"):
        ShortTerm(100 * ms, None, 1.5)
    with pytest.raises(ValueError, match="`tau_fac` must be > 0 ms"):
        ShortTerm(100 * ms, 0 * ms)
    wrong = lambda synapse: bs.Projection("a", "b", bs.AllToAll(), 1.0, synapse)
    for synapse, words in (
        ([ShortTerm()], r"expected a synapse such as .* got ShortTerm"),
        ([], r"expected a synapse such as .* got \[\]"),
        ([Exponential(), Exponential()], "only the last of the list may be a synapse"),
    ):
        with pytest.raises(TypeError, match=f"`synapse` of a->b: {words}"):
            wrong(synapse)
    with pytest.raises(ValueError, match="`synapse` of a->b: two stages have `tau_fac`"):
        wrong([ShortTerm(), ShortTerm(), Exponential()])
    with pytest.raises(ValueError, match="`trainable` of a->b: no parameter `tau_syn2`; it has weight, tau_rec"):
        bs.Projection("a", "b", bs.AllToAll(), 1.0, [ShortTerm(), Exponential()], trainable="tau_syn2")


def test_a_saved_network_with_terminals_comes_back(tmp_path):
    net = depressing(ShortTerm(800 * ms, 100 * ms, 0.25))
    bs.save(tmp_path / "net", net)
    again = bs.load(tmp_path / "net").model
    for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again["E->I"].terminals[0].tau_fac == 100.0
