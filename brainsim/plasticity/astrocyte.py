"""STDP whose depression an astrocyte sets, which keeps a recurrent network near the edge of chaos.

    pre spikes:   w <- w - W A y,        post spikes:  w <- w + W a_plus x
    tau_a dA/dt = -A + w_a (N_liquid - N_input) + b_a        A: what the astrocyte emits, such as this integrator

Ivanov & Michmizos, NeurIPS 2021 (NALSM). Where the network fires more than its input, A grows and
depression with it.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp

from .._params import param
from .._types import Array, State
from ..units import ms
from .base import Plasticity


class AstrocyteSTDP(Plasticity):
    """STDP with a depression that the population `modulator` emits (>= 0): one astrocyte, or one for each neuron.

    Without `modulator` the depression is the input `"pre->post.astrocyte"`.

    Args:
        a_plus: Potentiation by a pair at time 0, a share of w_max - w_min.
        tau_plus: Time constant of potentiation (ms), > 0.
        tau_minus: Time constant of depression (ms), > 0.
    """

    a_plus: Array = param(0.15)
    tau_plus: Array = param(10.0 * ms, positive=True, kind="time_constant")
    tau_minus: Array = param(10.0 * ms, positive=True, kind="time_constant")
    _: dataclasses.KW_ONLY

    pre: ClassVar[Mapping[str, str | None]] = {"x": "tau_plus"}
    post: ClassVar[Mapping[str, str | None]] = {"y": "tau_minus"}
    modulated_by: ClassVar[str | None] = "astrocyte"

    def on_pre(self, w: Array, pre: State, post: State) -> Array:
        """Depression as strong as the astrocyte says."""
        return w - (self.w_max - self.w_min) * jnp.maximum(post.astrocyte, 0) * post.y

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """Potentiation of a fixed strength."""
        return w + (self.w_max - self.w_min) * self.a_plus * pre.x
