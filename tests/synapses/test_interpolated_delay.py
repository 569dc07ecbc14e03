"""Delays between steps: shares of two steps, gradients by finite differences, bounds, agreement on the grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainsim as bs
from brainsim.synapses import Relay
from brainsim.units import ms, mV, pA

DT = 0.5
PRE, POST = [0, 0, 1, 2, 2], [0, 1, 1, 0, 1]
WEIGHTS = np.array([1.0, -2.0, 0.5, 1.5, 3.0])
DELAYS = np.array([0.5, 1.2, 2.0, 1.74, 3.1])


def network(delays=DELAYS, dt=DT, delay_mode="interpolate", post=None, outputs="R.v", **options):
    """Three inputs onto two integrators without leak."""
    post = bs.LI(1e9 * ms) if post is None else post
    projection = bs.Projection(
        "in", "R", bs.EdgeList(PRE, POST), WEIGHTS * mV, delay=delays * ms, delay_mode=delay_mode, **options
    )
    return bs.Network(
        {"in": bs.Input(3), "R": bs.Population(2, post)}, [projection], dt=dt * ms, seed=1, outputs=outputs
    )


def events(steps=14, batch=2, dtype=np.float32):
    rng = np.random.default_rng(0)
    return (rng.random((steps, batch, 3)) < 0.3).astype(dtype)


def received(xs, delays, dt=DT):
    """The jumps of every step in float64, synapse by synapse: each event is shared by two steps."""
    jumps = np.zeros((*xs.shape[:-1], 2))
    for i, j, w, d in zip(PRE, POST, WEIGHTS, np.asarray(delays, np.float64), strict=True):
        n = int(np.floor(d / dt + 1e-9))
        share = d / dt - n
        for late, part in ((n, 1 - share), (n + 1, share)):
            jumps[late:, :, j] += part * w * xs[: len(xs) - late, :, i]
    return jumps


def test_an_event_is_shared_by_the_two_steps_around_its_delay():
    xs = events()
    out = bs.run(network(), {"in": xs}).out
    np.testing.assert_allclose(out, np.cumsum(received(xs, DELAYS), axis=0), rtol=1e-4, atol=1e-5)


def test_on_the_grid_it_is_the_network_on_the_grid():
    delays, lif = np.array([0.5, 1.0, 2.0, 1.5, 3.0]), bs.LIF(10 * ms)
    runs = [
        bs.run(network(delays, delay_mode=mode, post=lif), {"in": events()}, record=["R.spikes"])
        for mode in ("grid", "interpolate")
    ]
    np.testing.assert_array_equal(*(run.records["R.spikes"] for run in runs))
    np.testing.assert_allclose(*(run.out for run in runs), rtol=1e-5, atol=1e-6)
    assert np.asarray(runs[0].records["R.spikes"]).sum() > 3


def test_simulating_in_chunks_is_one_run():
    net, xs = network(), events(batch=1)[:, 0]
    whole = bs.run(net, {"in": xs}, record=["R.v"]).records["R.v"]
    first = bs.run(net, {"in": xs[:5]}, record=["R.v"])
    second = bs.run(net, {"in": xs[5:]}, state=first.state, record=["R.v"])
    np.testing.assert_allclose(
        np.concatenate([first.records["R.v"], second.records["R.v"]]), whole, rtol=1e-5, atol=1e-6
    )
    result = bs.simulate(net, len(xs) * DT * ms, inputs={"in": xs}, record=["R.v"], progress=False)
    np.testing.assert_allclose(result["R"].v, whole, rtol=1e-5, atol=1e-6)


def test_gradients_to_weight_and_delay_are_those_of_finite_differences(x64):
    """Leaky integrators that feed each other through currents with delays on a cycle, and a smooth readout."""
    edges = bs.EdgeList([0, 1, 1, 2, 0], [1, 0, 2, 0, 2])
    delays = np.array([0.7, 1.3, 2.2, 0.9, 3.4])
    net = bs.Network(
        {"R": bs.Population(3, bs.LI(5 * ms))},
        [
            bs.Projection(
                "R", "R", edges, bs.Normal(0 * pA, 2 * pA), Relay(), delay=delays * ms, delay_mode="interpolate"
            )
        ],
        dt=DT * ms,
        outputs="R",
    )
    drive = np.random.default_rng(0).normal(size=(16, 3))
    ct = np.random.default_rng(1).normal(size=(16, 3))

    @eqx.filter_jit
    def value(net):
        return jnp.sum(ct * jnp.tanh(bs.run(net, {"R": drive}).out))

    gradient = eqx.filter_grad(value)(net)
    for where in (lambda m: m["R->R"].delays, lambda m: m["R->R"].weight):
        leaf = where(net)
        slopes = []
        for entry in range(len(delays)):
            ends = [value(eqx.tree_at(where, net, leaf.at[entry].add(h))) for h in (1e-6, -1e-6)]
            slopes.append(float(ends[0] - ends[1]) / 2e-6)
        assert min(map(abs, slopes)) > 1e-6
        np.testing.assert_allclose(where(gradient), slopes, rtol=1e-6)
    np.testing.assert_array_equal(gradient["R->R"].delay, gradient["R->R"].delays)


def test_the_parameter_has_a_path_a_kind_and_bounds():
    net = network(max_delay=5 * ms, trainable="delay")
    info = net.parameters()["in->R.delay"]
    assert (info.kind, info.unit, info.low, info.high, info.trainable) == ("delay", "ms", 0.5, 5.0, True)
    assert not network().parameters()["in->R.delay"].trainable
    assert network().parameters()["in->R.delay"].high == pytest.approx(3.1)
    assert "in->R.delay" not in network(np.full(5, 1.0), delay_mode="grid").parameters()
    np.testing.assert_allclose(net["in->R"].edges.delay, DELAYS, rtol=1e-6)
    moved = eqx.tree_at(info.where, net, jnp.array([0.1, 9.0, 1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(info.where(bs.constrain(moved)), [0.5, 5.0, 1.0, 2.0, 3.0])
    finer = bs.replace(net, dt=0.25 * ms)
    assert (net["in->R"].max_steps, finer["in->R"].max_steps) == (10, 20)
    np.testing.assert_array_equal(info.where(finer), info.where(net))


def test_draws_and_single_values():
    net = bs.Network(
        {"a": bs.Input(20), "R": bs.Population(20, bs.LI(5 * ms))},
        [
            bs.Projection("a", "R", bs.AllToAll(), 1 * mV, delay=bs.Uniform(0 * ms, 4 * ms), delay_mode="interpolate"),
            bs.Projection("a", "R", bs.OneToOne(), 1 * mV, delay=1.3 * ms, delay_mode="interpolate", name="one"),
            bs.Projection("a", "R", bs.OneToOne(), 1 * mV, delay_mode="interpolate", name="dt"),
        ],
        dt=DT * ms,
    )
    drawn = np.asarray(net["a->R"].delays)
    assert drawn.shape == (400,) and drawn.min() == DT and len(np.unique(drawn)) > 300
    assert [float(net[f"a->R#{name}"].delays) for name in ("one", "dt")] == pytest.approx([1.3, 0.5])
    assert bs.run(net, {"a": np.ones((3, 20))}, record=["R.v"]).records["R.v"].shape == (3, 20)


def test_what_cannot_be_is_refused():
    for options, words in (
        (dict(delays=np.array([0.2, 1, 1, 1, 1])), "`in->R.delay` must be >= 0.5 ms, got min 0.2"),
        (dict(max_delay=2 * ms), "`in->R.delay` must be <= 2 ms, got max 3.1"),
        (dict(delay_mode="linear"), '`delay_mode`: expected one of "grid", "interpolate"'),
        (dict(delay_mode="grid"), "`delay` of `in->R` = 1.2 ms is not a multiple"),
        (dict(delay_mode="grid", max_delay=5 * ms), '`max_delay` of in->R: only for `delay_mode="interpolate"`'),
        (dict(delay_mode="grid", trainable="delay"), "`trainable` of in->R: no parameter `delay`"),
        (dict(storage="dense"), '`storage` of in->R: "dense" keeps delays on the grid'),
    ):
        with pytest.raises(ValueError, match=words):
            network(**options)


def test_delays_are_learnt_in_a_network():
    """From the voltage that two delays make, one of which is 3.3 ms at first and should be 6 ms."""

    def two(delays):
        return bs.Network(
            {"in": bs.Input(2), "R": bs.Population(1, bs.LI(20 * ms))},
            [
                bs.Projection(
                    "in", "R", bs.EdgeList([0, 1], [0, 0]), [1.0, 0.7] * mV, delay=np.array(delays) * ms,
                    delay_mode="interpolate", max_delay=9 * ms, trainable="delay",
                )
            ],
            dt=1 * ms,
            outputs="R",
        )  # fmt: skip

    xs = np.zeros((14, 1, 2), np.float32)
    xs[0, 0, 0] = xs[8, 0, 1] = 1
    target = np.asarray(bs.run(two([6.0, 2.4]), {"in": xs}).out)[:, :, 0].T
    distance = lambda out, y, mask=None: jnp.square(out[..., 0].T - y).sum()
    trained, _, _ = bs.fit(
        two([3.3, 2.0]), [({"in": xs}, target)] * 120, loss=distance, optimizer=optax.adam(0.1), epochs=1, metrics=(),
        trainable=["in->R.delay"], progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(trained["in->R"].delays, [6.0, 2.4], atol=0.1)


@pytest.mark.slow
def test_gradients_cross_a_batch_by_vmap():
    net, xs = network(), jnp.asarray(events())
    value = lambda net, x: jnp.square(bs.run(net, {"in": x}).out).sum()
    together = eqx.filter_grad(value)(net, xs)["in->R"].delays
    each = jax.vmap(lambda x: eqx.filter_grad(value)(net, x)["in->R"].delays, in_axes=1)(xs)
    np.testing.assert_allclose(each.sum(0), together, rtol=1e-4)
