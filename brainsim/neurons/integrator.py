"""Perfect integrator without leak and spikes; it emits its voltage.

    dv/dt = gain (i_bias + I + sum g (e_rev - v))

Units: ms, mV, pA, nS; the gain, 1 / C, in mV per pA ms (1/pF). Pedersen et al., Nat. Commun. 15 (2024) 8122 (NIR's
`I`).
"""

from typing import Any, ClassVar

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from .base import Neuron


class Integrator(Neuron):
    """Perfect integrator, `dv/dt = gain i(v)`; emits v, which starts at 0.

    Args:
        gain: Rise of the voltage (mV per pA ms), the reciprocal of a capacitance; default 1.
        i_bias: Constant current (pA); default 0.
        port: See `Neuron`.
        trainable: Names of the parameters that train.
    """

    gain: Array = param(1.0)

    states: ClassVar[dict[str, Value]] = {"v": 0.0}
    emits: ClassVar[str] = "v"

    def __post_init__(self):
        super().__post_init__()
        if self.uses_refractory:
            raise ValueError("`t_ref`: Integrator has no spikes and hence no refractory time.")

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The equation of the voltage."""
        return dict(v=self.gain * i(s.v))

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state, and v after it, `([batch], n)`."""
        v = self.integrate(state, drive, dt, key)["v"]
        v = v if drive.jump is None else v + drive.jump
        return State(v=v), v
