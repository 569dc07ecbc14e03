"""UltraDLIF: neurons on a ring whose voltages diffuse, in max-plus algebra: a soft dilation with graded spikes.

    U_i = eps log(exp(V_{i-1} / eps) + exp(V_i / eps) + exp(V_{i+1} / eps)) + T + J_i
    s_i = S((U_i - v_th) / eps),    V_i <- U_i (1 - s_i) + v_reset s_i

The neighbours are those along the last axis, closed to a ring. exp(V / eps) takes an explicit Euler step of the heat
equation with D dt / dx^2 = 1/3 where T = eps log(1/3) ("exact"); the paper leaves this out, and a flat state then rises
by eps log 3 a step ("paper"). A `tau_mem` adds the leak of `UltraLIF` to T. As eps -> 0, U_i -> max of the three + J_i.
Units: ms, mV. arXiv 2602.11206, section 4; the "exact" form is derived from its section 3.
"""

import math

import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State
from .ultralif import MaxPlusNeuron

_LOG_3 = math.log(3)


class UltraDLIF(MaxPlusNeuron):
    """Max-plus integrate-and-fire neurons that diffuse into their neighbours; spikes lie in (0, 1).

    The paper's UltraDPLIF is `UltraDLIF(tau, ..., trainable=("tau_mem",))`.

    Args:
        tau_mem: Membrane time constant (ms), > 0; None, the default, for no leak.
        v_th: Threshold (mV); default 0.5.
        v_reset: Voltage that a full spike resets to (mV); default 0.
        eps: Softness (mV), > 0; default 1.
        leak: "exact" (diffusion and leak of exp(V / eps)) or "paper" (without log(1/3), leak log(beta)).
        detach_reset: Whether no gradient crosses the reset; by default it does.
        trainable: Names of the parameters that train.
    """

    tau_mem: Array | None = param(None, unit="ms", positive=True, kind="time_constant")

    @property
    def pointwise(self) -> bool:
        """No: a step reads the neighbours."""
        return False

    def gather(self, state: State) -> tuple[Array, Array]:
        """The voltages of the left and of the right neighbour, `([batch], n)`."""
        return jnp.roll(state.v, 1, axis=-1), jnp.roll(state.v, -1, axis=-1)

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the graded spikes, `([batch], n)`."""
        jump = self.jump_of(drive, state.v)
        left, right = (v / self.eps for v in self.gather(state))
        u = self.eps * jnp.logaddexp(jnp.logaddexp(left, state.v / self.eps), right) + jump
        if self.leak == "exact":
            u = u - self.eps * _LOG_3
        return self.fire(u if self.tau_mem is None else u + self.decay(dt))
