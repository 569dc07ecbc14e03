"""Delay rings and plastic weights are updated in place: the compiled loop copies none, recorded or under a gradient."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import brainsim as bs
from brainsim.fuse.loop import choose, loop_p
from brainsim.fuse.plan import Plan
from brainsim.fuse.program import Opcode
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


@pytest.mark.skipif(WHY_XLA is not None, reason=f"needs the native kernels: {WHY_XLA}")
@pytest.mark.parametrize("delay", [0.1, 0.7])
def test_plastic_weights_are_changed_where_they_are(delay):
    """No instruction of the native loop is over all synapses: none copies them."""
    cell = bs.LIF(20 * ms, v_th=-50 * mV, v_rest=-60 * mV, v_reset=-60 * mV, i_bias=20 * pA)
    syn, rule = bs.Exponential(5 * ms, e_rev=0 * mV), bs.STDP(w_max=1 * nS)
    edge = bs.Projection("E", "E", bs.FixedProbability(0.2), 0.6 * nS, syn, delay=delay, plasticity=rule)
    net = bs.Network({"E": bs.Population(N, cell)}, [edge], dt=0.1)

    def final(state):
        return bs.run(net, steps=20, state=state, record=("E.spikes",)).state

    (eqn,) = [eqn for eqn in jax.make_jaxpr(final)(net.init_state()).eqns if eqn.primitive is loop_p]
    plan = choose(**eqn.params).way
    assert isinstance(plan, Plan)
    n, program = net["E->E"].n_synapses, plan.layout.program
    assert max(program.temps) < 4 * n
    sizes = [
        i.sizes
        for loop in program.loops
        for stage in loop.stages
        for i in stage
        if i.opcode in (Opcode.KERNEL, Opcode.COPY)
    ]
    assert all(max(each) < n for each in sizes)
    assert sum(i.opcode is Opcode.STDP for loop in program.loops for stage in loop.stages for i in stage) == 2
