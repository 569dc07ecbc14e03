"""Delay rings are updated in place: the compiled loop of a network copies none, recorded or under a gradient."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import brainsim as bs
from brainsim.operators import WHY_XLA
from brainsim.units import ms, mV, nS, pA

SLOTS, N = 16, 53  # a shape that nothing else in the program has


def network():
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-60 * mV, v_reset=-60 * mV, i_bias=20 * pA)
    late = bs.Uniform(0.1 * ms, SLOTS * 0.1 * ms)
    syn = bs.Exponential(5 * ms, e_rev=0 * mV)
    return bs.Network(
        {"E": bs.Population(N, cell)},
        [bs.Projection("E", "E", bs.FixedProbability(0.2), 0.6 * nS, syn, delay=late)],
        dt=0.1,
    )


def copies_in_loops(function, *args):
    """Copies of a ring anywhere but in the entry computation, where a state that the caller keeps is copied once."""
    text = jax.jit(function).lower(*args).compile().as_text()
    assert "while(" in text or "bs_fused_v1" in text
    loops = text[: text.index("\nENTRY")]
    return re.findall(rf"= f32\[(?:1,)?{SLOTS},{N}\]\S* copy\(.*", loops)


@pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
@pytest.mark.parametrize("record", [(), ("E.spikes", "E.v", "E->E.g")], ids=["silent", "recorded"])
def test_forward_loop_copies_no_ring(record):
    net = network()
    assert net["E->E"].max_steps == SLOTS
    arrays, static = eqx.partition(net, eqx.is_array)

    def final(arrays, state):
        return bs.run(eqx.combine(arrays, static), steps=20, state=state, record=record)[1:]

    assert copies_in_loops(final, arrays, net.init_state()) == []


@pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
def test_loops_of_a_gradient_copy_no_ring():
    net = network()
    params, static = eqx.partition(net, eqx.is_inexact_array)

    def loss(params, state):
        result = bs.run(eqx.combine(params, static), steps=20, state=state, record=("E.v",))
        return jnp.mean(result.records["E.v"])

    assert copies_in_loops(jax.grad(loss), params, net.init_state()) == []
