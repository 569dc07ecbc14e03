"""UltraLIF: a leaky integrate-and-fire neuron in max-plus algebra, smooth and with graded spikes.

    U = eps log(exp((V + T) / eps) + exp(J / eps)),    s = S((U - v_th) / eps),    V <- U (1 - s) + v_reset s

J is the input (jump port, 0 where nothing arrives) and S the logistic function. The leak T is eps log(beta) with
beta = exp(-dt / tau_mem), for which exp(U / eps) is the leaky integrator beta exp(V / eps) + exp(J / eps) ("exact"), or
the paper's log(beta), whose physical decay is beta^(1 / eps) ("paper"). As eps -> 0, U -> max(V + T, J). Units: ms, mV.
arXiv 2602.11206, section 4.
"""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._params import is_zero, param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import ms, mV
from .base import Neuron


class MaxPlusNeuron(Neuron):
    """What the neurons of the family share: softness, a logistic spike, a soft reset; the input is on the jump port."""

    tau_mem: Array = param(20 * ms, positive=True, kind="time_constant")
    v_th: Array = param(0.5 * mV, kind="threshold")
    v_reset: Array = param(0 * mV)
    _: dataclasses.KW_ONLY
    eps: Array = param(1 * mV, positive=True)
    leak: str = eqx.field(static=True, default="exact")
    detach_reset: bool = eqx.field(static=True, default=False)

    states: ClassVar[dict[str, Value]] = {"v": 0 * mV}
    ports: ClassVar[tuple[str, ...]] = ("jump",)
    graded: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("leak", self.leak, ("exact", "paper"))
        if self.uses_refractory or not is_zero(self.i_bias):
            raise ValueError(
                f"`t_ref` and `i_bias`: {type(self).__name__} has neither; its input arrives on the jump port."
            )

    def jump_of(self, drive: Drive, like: Array) -> Array:
        """The input J (mV), 0 where nothing arrives.

        Raises:
            ValueError: The drive has another port.
        """
        others = {"current": drive.current, "conductance": drive.conductance, "reversal": drive.reversal}
        used = [port for port, value in others.items() if value is not None] + ["current"] * bool(
            drive.decaying or drive.ramping
        )
        if used:
            raise ValueError(
                f"`{used[0]}`: {type(self).__name__} takes its input on the jump port (a Delta synapse or a layer)."
            )
        return jnp.zeros_like(like) if drive.jump is None else drive.jump

    def fire(self, u: Array) -> tuple[State, Array]:
        """The state after the soft reset, and the graded spikes, of the potential U (mV)."""
        x = (u - self.v_th) / self.eps
        spikes, rest = jax.nn.sigmoid(x), jax.nn.sigmoid(-x)
        if self.detach_reset:
            return State(v=u * jax.lax.stop_gradient(rest) + self.v_reset * jax.lax.stop_gradient(spikes)), spikes
        return State(v=u * rest + self.v_reset * spikes), spikes

    def decay(self, dt: float) -> Array:
        """T (mV), which is added to V in a step: eps log(beta), or log(beta)."""
        return -dt / self.tau_mem * (self.eps if self.leak == "exact" else 1)


class UltraLIF(MaxPlusNeuron):
    """Max-plus leaky integrate-and-fire neuron: differentiable throughout, its spikes lie in (0, 1).

    The paper's UltraPLIF is `UltraLIF(..., trainable=("tau_mem",))`; its learned softness is `trainable=("eps",)`.

    Args:
        tau_mem: Membrane time constant (ms), > 0; default 20. The paper's leak 0.9 a step is -dt / ln 0.9 = 9.49 dt.
        v_th: Threshold (mV); default 0.5.
        v_reset: Voltage that a full spike resets to (mV); default 0.
        eps: Softness (mV), > 0: 0 is the hard maximum and threshold; default 1.
        leak: "exact" or "paper".
        detach_reset: Whether no gradient crosses the reset; by default it does.
        trainable: Names of the parameters that train.
    """

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the graded spikes, `([batch], n)`."""
        jump = self.jump_of(drive, state.v)
        kept = state.v + self.decay(dt)
        return self.fire(self.eps * jnp.logaddexp(kept / self.eps, jump / self.eps))
