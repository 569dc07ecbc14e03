"""Voltage-based plasticity: what the postsynaptic membrane does decides, not its spikes alone.

    pre spikes:       w <- w - a_ltd [u_minus - theta_minus]+
    at all times:     dw/dt = a_ltp x [u - theta_plus]+ [u_plus - theta_minus]+
    tau_minus du_minus/dt = u - u_minus,  tau_plus du_plus/dt = u - u_plus,  tau_x dx/dt = -x + sum_k delta(t - t_k)

u is the postsynaptic voltage, `v_spike` in a step with a spike (threshold models have no upswing of their own).
The second line is not 0 only while u is above theta_plus, around spikes: such a step is this rule's postsynaptic event.
Clopath, Buesing, Vasilaki & Gerstner, Nat. Neurosci. 13 (2010) 344, with a constant a_ltd.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp

from .._params import param
from .._types import Array, State
from ..units import ms, mV
from .base import Plasticity, Seen


class Clopath(Plasticity):
    """Voltage-based STDP.

    Args:
        a_ltd: Depression by a presynaptic spike for each mV (unit of the weight / mV).
        a_ltp: Rate of potentiation (unit of the weight / mV^2).
        theta_minus: Above it the filtered voltage counts (mV).
        theta_plus: Above it the voltage potentiates (mV).
        tau_minus: Filter of the voltage for depression (ms), > 0.
        tau_plus: Filter of the voltage for potentiation (ms), > 0.
        tau_x: Time constant of the presynaptic trace (ms), > 0.
        v_spike: Voltage in a step with a spike (mV).
    """

    a_ltd: Array = param(1.4e-4, low=0)
    a_ltp: Array = param(8e-5, low=0)
    theta_minus: Array = param(-70.6 * mV)
    theta_plus: Array = param(-45.3 * mV)
    tau_minus: Array = param(10.0 * ms, positive=True, kind="time_constant")
    tau_plus: Array = param(7.0 * ms, positive=True, kind="time_constant")
    tau_x: Array = param(15.0 * ms, positive=True, kind="time_constant")
    v_spike: Array = param(33.0 * mV)
    _: dataclasses.KW_ONLY

    pre: ClassVar[Mapping[str, str | None]] = {"x": "tau_x"}
    post: ClassVar[Mapping[str, str | None]] = {"u_minus": None, "u_plus": None, "ltp": None}
    needs_voltage: ClassVar[bool] = True

    def raised(self, traces: State, spikes: Array) -> State:
        """The presynaptic trace has the unit 1/ms; the postsynaptic filters follow the voltage instead of spikes."""
        return traces.replace(x=traces.x + spikes / self.tau_x) if "x" in traces else traces

    def sense(self, post: State, seen: Seen) -> State:
        """The filtered voltages, and how much the synapses of each neuron gain in this step for x = 1."""
        assert seen.voltage is not None
        u = jnp.where(seen.spikes != 0, self.v_spike, seen.voltage)
        follow = lambda old, tau: u + (old - u) * jnp.exp(-seen.dt / tau)
        plus = follow(post.u_plus, self.tau_plus)
        gain = jnp.maximum(u - self.theta_plus, 0) * jnp.maximum(plus - self.theta_minus, 0)
        return State(u_minus=follow(post.u_minus, self.tau_minus), u_plus=plus, ltp=seen.dt * self.a_ltp * gain)

    def events(self, post: State, seen: Seen) -> Array:
        """Where the voltage potentiates."""
        return (post.ltp > 0).astype(post.ltp.dtype)

    def on_pre(self, w: Array, pre: State, post: State) -> Array:
        """Depression where the filtered voltage is high."""
        return w - self.a_ltd * jnp.maximum(post.u_minus - self.theta_minus, 0)

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """Potentiation during this step."""
        return w + post.ltp * pre.x
