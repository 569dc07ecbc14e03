"""STDP whose depression an astrocyte sets, which keeps a recurrent network near the edge of chaos.

    pre spikes:   w <- w - c A y,        post spikes:  w <- w + c a_plus f x
    x <- x exp(-dt / tau_plus),  then x <- x + s;      y likewise with tau_minus
    c = rise (w_max - w_min)     rates "relative" to the bounds;      c = rise     rates "absolute"
    f = exp(-t / tau_fade),  t since step 0            1 without `tau_fade`
    A: what the astrocyte emits, such as  tau_a dA/dt = -A + w_a (N_liquid - N_input) + b_a;  below 0 it acts as 0

Where the network fires more than its input, A grows and depression with it. NALSM itself has absolute rates, traces
that a spike enters after the weights have changed, so that pairs in one step do not count (`coincident=False`),

    dw = a_plus x_pre s_post - A x_post s_pre,    x <- exp(-dt / tau) (x + 0.1 s)    (here: rise = 0.1)

and for inhibitory synapses (`inhibitory=True`) signs and rates swapped, dw = -A x_pre s_post + a_plus x_post s_pre:
with `sign=-1` a magnitude grows by A and shrinks by a_plus. While a sample is shown a_plus fades by 0.99 per ms
(`tau_fade` = 99.4992 ms), and A with it: `LeakyAstrocyte` fades by itself.

Ivanov & Michmizos, NeurIPS 34 (2021) 21703 (NALSM).
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._params import param
from .._types import Array, State
from ..units import ms
from .base import Plasticity, Seen


class AstrocyteSTDP(Plasticity):
    """STDP with a depression that the population `modulator` emits (>= 0): one astrocyte, or one for each neuron.

    Without `modulator` the depression is the input `"pre->post.astrocyte"`.

    Args:
        a_plus: Potentiation by a pair at time 0: a share of w_max - w_min, or with `rates="absolute"` a number in the
            unit of the weight; the astrocyte's depression likewise.
        tau_plus: Time constant of potentiation (ms), > 0.
        tau_minus: Time constant of depression (ms), > 0.
        rise: Factor of both rates: by how much a spike raises a trace.
        tau_fade: Time constant (ms) with which potentiation fades from step 0 on; None: it does not.
        rates: "relative" to w_max - w_min, or "absolute".
        inhibitory: Whether the rates are swapped: postsynaptic spikes then raise a weight by the astrocyte's rate,
            presynaptic ones lower it by a_plus.
        coincident: Whether a pair in one step counts, as pre before post; without it spikes act from the next step on.
    """

    a_plus: Array = param(0.15)
    tau_plus: Array = param(10.0 * ms, positive=True, kind="time_constant")
    tau_minus: Array = param(10.0 * ms, positive=True, kind="time_constant")
    rise: Array = param(1.0)
    tau_fade: Array | None = param(None, positive=True, kind="time_constant", unit="ms")
    _: dataclasses.KW_ONLY
    rates: str = eqx.field(static=True, default="relative")
    inhibitory: bool = eqx.field(static=True, default=False)
    coincident: bool = eqx.field(static=True, default=True)

    modulated_by: ClassVar[str | None] = "astrocyte"

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("rates", self.rates, ("relative", "absolute"))
        for name in ("inhibitory", "coincident"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"`{name}`: expected True or False, got {getattr(self, name)!r}.")

    @property
    def pre(self) -> Mapping[str, str | None]:
        """The trace x, and spikes that enter it a step later."""
        return {"x": "tau_plus"} | self._entering

    @property
    def post(self) -> Mapping[str, str | None]:
        """The trace y, and spikes that enter it a step later."""
        return {"y": "tau_minus"} | self._entering

    @property
    def _entering(self) -> dict[str, str | None]:
        return {} if self.coincident else {"new": None}

    def decayed(self, traces: State, taus: Mapping[str, str | None], dt: float) -> State:
        """Traces one step of `dt` ms later, with the spikes of the step before where these had not entered yet."""
        if self.coincident:
            return super().decayed(traces, taus, dt)
        (name, _), *_ = taus.items()
        return super().decayed(traces.replace(**{name: getattr(traces, name) + traces.new}), taus, dt)

    def raised(self, traces: State, spikes: Array) -> State:
        """Traces with the spikes of this step, which enter at once or in the next step."""
        return super().raised(traces, spikes) if self.coincident else traces.replace(new=spikes)

    def sense(self, post: State, seen: Seen) -> State:
        """How far potentiation has faded, a number for each postsynaptic neuron."""
        if self.tau_fade is None:
            return post
        elapsed = seen.step.astype(post.y.dtype) * seen.dt
        fade = jnp.broadcast_to(jnp.exp(-elapsed / self.tau_fade), post.y.shape)
        return State(**{name: getattr(post, name) for name in post}, fade=fade)

    def on_pre(self, w: Array, pre: State, post: State) -> Array:
        """Depression as strong as the astrocyte says; of an inhibitory synapse at the fixed rate."""
        return w - (self._fixed(post) if self.inhibitory else self._said(post)) * post.y

    def on_post(self, w: Array, pre: State, post: State) -> Array:
        """Potentiation at the fixed rate; of an inhibitory synapse as strong as the astrocyte says."""
        return w + (self._said(post) if self.inhibitory else self._fixed(post)) * pre.x

    @property
    def _unit(self) -> Array:
        return self.rise if self.rates == "absolute" else (self.w_max - self.w_min) * self.rise

    def _said(self, post: State) -> Array:
        return self._unit * jnp.maximum(post.astrocyte, 0)

    def _fixed(self, post: State) -> Array:
        rate = self._unit * self.a_plus
        return rate if self.tau_fade is None else rate * post.fade
