"""Short-term plasticity of Tsodyks and Markram: depression by spent resources, facilitation by residual calcium.

Between spikes, exactly:     dx/dt = (1 - x) / tau_rec,       du/dt = -u / tau_fac
At a spike, in this order:   u <- u + U (1 - u),   r = u x,   x <- x - r

r is what crosses in place of the spike, so that an event acts with w r: `weight` is the absolute efficacy, and the
first spike of a rested synapse (x = 1, u = 0) releases U. Without facilitation u is U at every spike. n spikes in one
step follow each other without a pause: they leave x (1 - u)^n (1 - U)^(n (n + 1) / 2) of the resources.

This is NEST's tsodyks2_synapse. Tsodyks & Markram, PNAS 94 (1997) 719; Tsodyks, Pawelzik & Markram, Neural Comput. 10
(1998) 821, eqs. 2.1 to 2.6; Markram, Wang & Tsodyks, PNAS 95 (1998) 5323.
"""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, State
from .terminal import Terminal


class ShortTerm(Terminal):
    """Short-term depression and facilitation, before the kinetics: `synapse=[ShortTerm(800*ms), Exponential(3*ms)]`.

    One x and one u (states of the projection) for each presynaptic neuron; parameters are one number or one for each
    presynaptic neuron.

    Args:
        tau_rec: Time constant of recovery (ms), > 0.
        tau_fac: Time constant of facilitation (ms), > 0; None: no facilitation.
        u: Utilisation U, the share of the resources that a rested synapse releases, in [0, 1].
        trainable: Names of parameters that training may change.
    """

    tau_rec: Array = param(800.0, positive=True, kind="time_constant", unit="ms")
    tau_fac: Array | None = param(None, positive=True, kind="time_constant", unit="ms")
    u: Array = param(0.5, low=0, high=1)

    acts: ClassVar[bool] = True

    def terminal_units(self) -> dict[str, str]:
        """x, and u where there is facilitation: u as it is before a spike."""
        return {"x": ""} if self.tau_fac is None else {"x": "", "u": ""}

    def terminal_state(self, shape: tuple[int, ...], dtype: Any) -> dict[str, Array]:
        """Rested: all resources there, no residual calcium."""
        return super().terminal_state(shape, dtype) | {"x": jnp.ones(shape, dtype)}

    def transmit(self, state: State, emitted: Array, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """Recovery over the step, then the spikes at its end."""
        x = 1 + (state.x - 1) * jnp.exp(-dt / self.tau_rec)
        u = None if self.tau_fac is None else state.u * jnp.exp(-dt / self.tau_fac)
        released = emitted * self.used(u) * x
        if self.counts:
            left = (1 - self.u) ** (emitted if u is None else emitted * (emitted + 1) / 2)
            left = left if u is None else left * (1 - u) ** emitted
            released = jnp.where(emitted > 1, x * (1 - left), released)
        later = state.replace(x=x - released)
        if u is not None:
            kept = (1 - self.u) ** emitted if self.counts else 1 - self.u * emitted
            later = later.replace(u=1 - (1 - u) * kept)
        return later, released

    def used(self, u: Array | None) -> Array:
        """u of the first spike, of u just before it."""
        return self.u if u is None else u + self.u * (1 - u)
