"""The gradient through 500 steps of a recurrent network equals backpropagation written out by hand in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.units import ms, mV, nS, pA
from tests.oracles import bptt_numpy as hand

STEPS, DT = 500, 0.1


def network(detach_reset: bool) -> bs.Network:
    """200 neurons, a tenth of all pairs; delays dt, 1.5 ms and one a synapse; weights one a synapse and one for all."""

    def cell(tau_mem):
        return bs.LIF(
            tau_mem,
            v_th=-50 * mV,
            v_reset=-60 * mV,
            v_rest=-60 * mV,
            t_ref=2 * ms,
            i_bias=20 * pA,
            detach_reset=detach_reset,
        )

    v = {"v": bs.Normal(-55 * mV, 3 * mV)}
    exc, inh = bs.Exponential(5 * ms, e_rev=0 * mV), bs.Exponential(10 * ms, e_rev=-80 * mV)
    sparse, spread = bs.FixedProbability(0.1), bs.Uniform(0.1 * ms, 3 * ms)
    weak, strong = bs.Uniform(0.2 * nS, 1.2 * nS), bs.Uniform(10 * nS, 30 * nS)
    return bs.Network(
        {
            "E": bs.Population(160, cell(bs.Uniform(15 * ms, 25 * ms)), init=v),
            "I": bs.Population(40, cell(20 * ms), init=v),
        },
        [
            bs.Projection("E", "E", sparse, weak, exc, delay=1.5 * ms),
            bs.Projection("E", "I", sparse, weak, exc, delay=spread),
            bs.Projection("I", "E", sparse, strong, inh, delay=spread),
            bs.Projection("I", "I", sparse, 20 * nS, inh),
        ],
        dt=DT,
        seed=4,
    )


def by_hand(net: bs.Network, state, a, b) -> tuple[dict[str, hand.Cells], list[hand.Edges]]:
    """The same network as plain arrays."""
    cells = {
        name: hand.Cells(
            v=np.asarray(state.populations[name].v),
            tau=np.asarray(population.neuron.tau_mem),
            v_rest=-60.0, v_th=-50.0, v_reset=-60.0, i_bias=20.0, r_mem=1.0, hold=20,
            a=a[name], b=b[name],
        )
        for name, population in net.populations.items()
    }  # fmt: skip
    edges = []
    for c in net.projections.values():
        n = c.indices.size
        delay = c.max_steps if c.delay_steps is None else np.asarray(c.delay_steps)
        edges.append(
            hand.Edges(
                c.pre, c.post,
                pre=np.repeat(np.arange(c.n_pre), np.diff(c.indptr)),
                post=np.asarray(c.indices),
                weight=np.broadcast_to(np.asarray(c.weight), n),
                delay=np.broadcast_to(delay, n),
                tau=float(c.synapse.tau_syn), e_rev=float(c.synapse.e_rev),
            )
        )  # fmt: skip
    return cells, edges


def close(found, expected) -> None:
    """Equal to 1e-6, entry by entry; an entry a thousand times below the largest counts as that."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and np.isfinite(expected).all() and np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("detach_reset", [True, False])
def test_gradient_of_weights_time_constants_and_initial_voltages(x64, detach_reset):
    net = network(detach_reset)
    state = net.init_state()
    rng = np.random.default_rng(0)
    a, b = ({name: rng.normal(size=(STEPS, net[name].size)) for name in "EI"} for _ in range(2))

    def loss(weights, taus, v):
        model = eqx.tree_at(lambda m: [c.weight for c in m.projections.values()], net, weights)
        model = eqx.tree_at(lambda m: [m.populations[name].neuron.tau_mem for name in "EI"], model, taus)
        populations = {name: state.populations[name].replace(v=v[name]) for name in "EI"}
        records = bs.run(
            model,
            steps=STEPS,
            state=state.replace(populations=populations),
            record=[f"{p}.{x}" for p in "EI" for x in ("v", "spikes")],
        ).records
        total = sum(jnp.sum(a[p] * records[f"{p}.v"]) + jnp.sum(b[p] * records[f"{p}.spikes"]) for p in "EI")
        return total, records

    cells, edges = by_hand(net, state, a, b)
    weights = [c.weight for c in net.projections.values()]
    taus = [net[name].neuron.tau_mem for name in "EI"]
    v = {name: state.populations[name].v for name in "EI"}
    (value, records), found = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))(weights, taus, v)

    trace = hand.forward(cells, edges, STEPS, DT)
    for name in "EI":
        np.testing.assert_array_equal(records[f"{name}.spikes"], trace.s[name])
        assert 0.5 < trace.s[name].sum(0).mean() < 10
    assert value == pytest.approx(hand.loss(cells, trace), rel=1e-10)

    d_weight, d_tau, d_v = hand.backward(cells, edges, trace, DT, detach=detach_reset)
    for path, got, expected in zip(net.projections, found[0], d_weight, strict=True):
        close(got, expected.sum() if path == "I->I" else expected)
    close(found[1][0], d_tau["E"])
    close(found[1][1], d_tau["I"].sum())
    for name in "EI":
        close(found[2][name], d_v[name])


def test_the_hand_written_gradient_is_the_derivative_where_no_spike_moves():
    """The oracle against central differences: below threshold the loss is smooth and the surrogate has no part."""
    rng = np.random.default_rng(1)
    steps, n = 40, 3
    cells = {
        "E": hand.Cells(
            v=rng.uniform(-70, -60, n), tau=rng.uniform(15, 25, n), v_rest=-60.0, v_th=1e9, v_reset=-60.0, i_bias=5.0,
            r_mem=1.3, hold=3, a=rng.normal(size=(steps, n)), b=np.zeros((steps, n)),
        ),
        "S": hand.Cells(
            v=np.array([-49.0, -52.0]), tau=np.array(20.0), v_rest=-60.0, v_th=-50.0, v_reset=-60.0, i_bias=150.0,
            r_mem=1.0, hold=3, a=np.zeros((steps, 2)), b=np.zeros((steps, 2)),
        ),
    }  # fmt: skip
    pre, post = (grid.ravel() for grid in np.meshgrid([0, 1], range(n)))
    edge = hand.Edges("S", "E", pre, post, rng.uniform(0.5, 2, pre.size), rng.integers(1, 6, pre.size), 5.0, 0.0)
    trace = hand.forward(cells, [edge], steps, DT)
    assert trace.s["S"].sum() >= 3
    d_weight, d_tau, d_v = hand.backward(cells, [edge], trace, DT, detach=True)

    def slope(array: np.ndarray, at: int, width: float = 1e-5) -> float:
        middle, values = array[at], []
        for moved in (middle + width, middle - width):
            array[at] = moved
            values.append(hand.loss(cells, hand.forward(cells, [edge], steps, DT)))
        array[at] = middle
        return (values[0] - values[1]) / (2 * width)

    for array, gradient in ((edge.weight, d_weight[0]), (cells["E"].tau, d_tau["E"]), (cells["E"].v, d_v["E"])):
        for at in range(array.size):
            assert slope(array, at) == pytest.approx(gradient[at], rel=1e-6)
