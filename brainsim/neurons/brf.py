"""Balanced resonate-and-fire neuron (BRF): a resonator that a refractory variable damps, for training.

    p = (-1 + sqrt(1 - (dt omega)^2)) / dt,        b = p - b_offset - q,       theta = v_th + q
    u <- u + dt (b u - omega v + x),               v <- v + dt (omega u + b v)       (both from the old u and v)
    s = H(u - theta),                              q <- gamma q + s

p is the largest b at which the Euler step does not grow. x is the jump plus the current. There is no reset. Units: ms;
omega in rad per second, dt in seconds in these equations, as in the paper. Higuchi, Kairat, Bohte and Otte, ICML 2024
(arXiv 2402.14603).
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._params import concrete, param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..values import Uniform
from .base import Neuron


class BRF(Neuron):
    """Balanced resonate-and-fire neuron; emits spikes 0 and 1.

    Args:
        omega: Angular frequency (rad/s), below 1/dt; drawn in 5..10 by default.
        b_offset: Damping beyond the border of growth (1/s), >= 0; drawn in 0..1 by default.
        gamma: Part of the refractory variable q that is left after a step, 0..1; default 0.9.
        v_th: Threshold at rest; default 1.
        i_bias, surrogate, trainable: See `Neuron`; omega and b_offset train by default.

    Raises:
        ValueError: At build, where omega dt > 1: the step cannot be balanced.
    """

    omega: Array = param(Uniform(5.0, 10.0), low=0)
    b_offset: Array = param(Uniform(0.0, 1.0), low=0)
    gamma: Array = param(0.9, low=0, high=1)
    v_th: Array = param(1.0, positive=True, kind="threshold")
    trainable: tuple[str, ...] = eqx.field(static=True, default=("omega", "b_offset"), kw_only=True)

    states: ClassVar[dict[str, Value]] = {"u": 0.0, "v": 0.0, "q": 0.0}
    emits_surrogate: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.uses_refractory:
            raise ValueError("`t_ref`: BRF is refractory by its variable q.")

    def validate(self, dt: float) -> None:
        """Raise where omega dt > 1."""
        omega = concrete(self.omega)
        if omega is not None and np.max(omega, initial=0.0) * dt * 1e-3 > 1:
            raise ValueError(f"`omega` must be <= 1/dt = {1e3 / dt:g} rad/s, got max {np.max(omega):g}.")

    def fed(self, x: Array) -> Drive:
        """What the output `x` of a layer is to this neuron: a current, as in the model's equation."""
        return Drive(current=x)

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the spikes 0. or 1., `([batch], n)`."""
        if drive.conductance is not None or drive.decaying or drive.ramping:
            raise ValueError("`conductance`: BRF takes jumps and held currents only.")
        seconds, x = 1e-3 * dt, self.i_bias
        for part in (drive.jump, drive.current):
            x = x if part is None else x + part
        border = (jnp.sqrt(1 - jnp.square(seconds * self.omega)) - 1) / seconds
        b = border - self.b_offset - state.q
        u = state.u + seconds * (b * state.u - self.omega * state.v + x)
        v = state.v + seconds * (self.omega * state.u + b * state.v)
        spikes = self.surrogate((u - (self.v_th + state.q)) / self.v_th)
        return State(u=u, v=v, q=self.gamma * state.q + spikes), spikes
