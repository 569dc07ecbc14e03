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


class UltraLIF(Neuron):
    """Max-plus leaky integrate-and-fire neuron: differentiable throughout, its spikes lie in (0, 1).

    Args:
        tau_mem: Membrane time constant (ms), > 0; default 20. The paper's leak 0.9 a step is -dt / ln 0.9 = 9.49 dt.
        v_th: Threshold (mV); default 0.5.
        v_reset: Voltage that a full spike resets to (mV); default 0.
        eps: Softness (mV), > 0: 0 is the hard maximum and threshold; default 1.
        leak: "exact" or "paper".
        detach_reset: Whether no gradient crosses the reset; by default it does.
        trainable: Names of the parameters that train.
    """

    tau_mem: Array = param(20 * ms, positive=True, kind="time_constant")
    v_th: Array = param(0.5 * mV, kind="threshold")
    v_reset: Array = param(0 * mV)
    _: dataclasses.KW_ONLY
    eps: Array = param(1 * mV, positive=True)
    leak: str = eqx.field(static=True, default="exact")
    detach_reset: bool = eqx.field(static=True, default=False)

    states: ClassVar[dict[str, Value]] = {"v": 0 * mV}
    graded: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("leak", self.leak, ("exact", "paper"))
        if self.uses_refractory or not is_zero(self.i_bias):
            raise ValueError("`t_ref` and `i_bias`: UltraLIF has neither; its input arrives on the jump port.")

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the graded spikes, `([batch], n)`."""
        for port in ("current", "conductance", "reversal"):
            if getattr(drive, port) is not None:
                raise ValueError(f"`{port}`: UltraLIF takes its input on the jump port (a Delta synapse or a layer).")
        if drive.decaying:
            raise ValueError("`current`: UltraLIF takes its input on the jump port (a Delta synapse or a layer).")
        leak = -dt / self.tau_mem * (self.eps if self.leak == "exact" else 1)
        jump = jnp.zeros_like(state.v) if drive.jump is None else drive.jump
        u = self.eps * jnp.logaddexp((state.v + leak) / self.eps, jump / self.eps)
        x = (u - self.v_th) / self.eps
        spikes, rest = jax.nn.sigmoid(x), jax.nn.sigmoid(-x)
        if self.detach_reset:
            return State(v=u * jax.lax.stop_gradient(rest) + self.v_reset * jax.lax.stop_gradient(spikes)), spikes
        return State(v=u * rest + self.v_reset * spikes), spikes
