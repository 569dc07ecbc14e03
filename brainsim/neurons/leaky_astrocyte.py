"""Leaky astrocyte that integrates spikes, whose output sets the rate of depression in a liquid at the edge of chaos.

    tau_a dA/dt = -A + w_a (spikes of the liquid - spikes of the input) + b_a,     A(0) = b_a
    leak "paper":  A <- A + (dt / tau_a) (b_a - A) + x w_a / tau_a      (x: the weighted count of spikes in a step)
    leak "exact":  A <- b_a + (A - b_a) exp(-dt / tau_a) + x w_a / tau_a
    fading:        A, w_a and b_a shrink together:   emitted a = f A,   f <- f exp(-dt / tau_fade)

Spikes come on the jump port: weight +1 from the liquid, -1 from the input. With delay 0 the astrocyte counts the spikes
of the step itself, as the original code does. Ivanov & Michmizos, "Increasing liquid state machine performance with
edge-of-chaos dynamics organized by astrocyte-modulated plasticity", NeurIPS 34 (2021): tau_a = 100 ms, b_a = 0.15, and
w_a = 0.015 (1000 neurons) or 0.0075 (8000); in its second phase everything fades by 0.99 per ms.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from .base import Neuron


class LeakyAstrocyte(Neuron):
    """Leaky integrator of spike counts; emits `a`, the rate of depression.

    States: `level` is A without fading, `fade` is f. A plasticity rule reads `a`; one whose potentiation fades as well
    reads `fade`.

    Args:
        tau_a: Time constant (ms), > 0; with `leak="paper"` at least dt.
        w_a: Gain per spike, so that one spike adds w_a / tau_a (1 ms is the unit of time).
        b_a: Level without spikes, where the astrocyte starts.
        tau_fade: Time constant of fading (ms); None: nothing fades. 0.99 per ms is 99.4992 ms.
        leak: "exact" or "paper" (a forward Euler step).
        trainable: Names of the parameters that train.
    """

    tau_a: Array = param(100.0, positive=True, kind="time_constant", unit="ms")
    w_a: Array = param(0.015)
    b_a: Array = param(0.15)
    tau_fade: Array | None = param(None, positive=True, kind="time_constant", unit="ms")
    _: dataclasses.KW_ONLY
    leak: str = eqx.field(static=True, default="exact")

    states: ClassVar[dict[str, Value]] = {"level": "b_a", "fade": 1.0}
    emits: ClassVar[str] = "a"

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("leak", self.leak, ("exact", "paper"))
        if self.uses_refractory:
            raise ValueError("`t_ref`: LeakyAstrocyte has no spikes and hence no refractory time.")

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and `a` at its end, `([batch], n)`."""
        used = [port for port in ("current", "conductance") if getattr(drive, port) is not None]
        if used or drive.decaying or drive.ramping:
            raise ValueError(f"`{(used or ['current'])[0]}`: LeakyAstrocyte counts spikes; use a Delta synapse.")
        gap: Any = state.level - self.b_a
        kept = jnp.exp(-dt / self.tau_a) if self.leak == "exact" else 1 - dt / self.tau_a
        level = self.b_a + gap * kept
        if drive.jump is not None:
            level = level + drive.jump * (self.w_a / self.tau_a)
        fade = state.fade if self.tau_fade is None else state.fade * jnp.exp(-dt / self.tau_fade)
        return State(level=level, fade=fade), level * fade
