"""Reward-modulated STDP: pairs of spikes leave a trace at the synapse, and reward turns it into a change of the weight.

    pre spikes:    c <- c - W a_minus y,        post spikes: c <- c + W a_plus x      (c: eligibility)
    dc/dt = -c / tau_c,     dw/dt = c d,        dd/dt = -d / tau_d + reward

d is the concentration of dopamine; a reward of 1 in a step adds 1/s to it, hence what a pair changes in the end is
in proportion to reward. Izhikevich, Cereb. Cortex 17 (2007) 2443; Florian, Neural Comput. 19 (2007) 1468, the
limit of a short tau_d.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp

from .._params import param
from .._types import Array, State
from ..units import ms
from .base import Plasticity, Seen


class RewardSTDP(Plasticity):
    """Dopamine-modulated STDP with eligibility traces; amplitudes are shares of w_max - w_min.

    The reward comes as the input `"pre->post.reward"` (one number a step, negative for punishment), or from the
    population named by `modulator`, of one neuron. Weights and eligibilities change in every step: a step costs as
    much as there are synapses.

    Args:
        a_plus: Eligibility by a pair, pre before post, at time 0.
        a_minus: The same, post before pre.
        tau_plus: Time constant of pre before post (ms), > 0.
        tau_minus: Time constant of post before pre (ms), > 0.
        tau_c: Time constant of the eligibility (ms), > 0.
        tau_d: Time constant of dopamine (ms), > 0.
    """

    a_plus: Array = param(0.1)
    a_minus: Array = param(0.15)
    tau_plus: Array = param(20.0 * ms, positive=True, kind="time_constant")
    tau_minus: Array = param(20.0 * ms, positive=True, kind="time_constant")
    tau_c: Array = param(1000.0 * ms, positive=True, kind="time_constant")
    tau_d: Array = param(200.0 * ms, positive=True, kind="time_constant")
    _: dataclasses.KW_ONLY

    pre: ClassVar[Mapping[str, str | None]] = {"x": "tau_plus"}
    post: ClassVar[Mapping[str, str | None]] = {"y": "tau_minus"}
    edges: ClassVar[tuple[str, ...]] = ("eligibility",)
    target: ClassVar[str] = "eligibility"
    modulated_by: ClassVar[str | None] = "reward"

    def sense_signal(self, signal: Array, seen: Seen) -> Array:
        """The concentration of dopamine."""
        assert seen.modulator is not None
        return signal * jnp.exp(-seen.dt / self.tau_d) + seen.modulator

    def every_step(self, edges: State, signal: Array, dt: float) -> State:
        """The weight follows eligibility times dopamine, and the eligibility decays."""
        changed = edges.weight + dt / 1000 * edges.eligibility * signal
        return State(
            weight=jnp.clip(changed, self.w_min, self.w_max), eligibility=edges.eligibility * jnp.exp(-dt / self.tau_c)
        )

    def on_pre(self, c: Array, pre: State, post: State) -> Array:
        """Post before pre makes the eligibility fall."""
        return c - (self.w_max - self.w_min) * self.a_minus * post.y

    def on_post(self, c: Array, pre: State, post: State) -> Array:
        """Pre before post makes the eligibility rise."""
        return c + (self.w_max - self.w_min) * self.a_plus * pre.x
