"""What neurons with ion channels share: a spike is a passage of the voltage upward through a level; nothing is reset.

    C dv/dt = -g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_leak (v - e_leak) + i(v)
    dx/dt = alpha_x(v) (1 - x) - beta_x(v) x        for every gate x

Units: ms, mV, pA, nS, pF; rates in 1/ms. Hodgkin and Huxley, J. Physiol. 117 (1952) 500.
"""

from typing import Any, ClassVar

from .._params import param
from .._types import Array, State
from ..units import mV, nS, pF
from .base import Neuron
from .membrane import exprel


class GatedNeuron(Neuron):
    """A neuron whose spikes come from its channels: `overdrive` passes 0 from below; refractory by itself."""

    upward: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.uses_refractory:
            raise ValueError(f"`t_ref`: {type(self).__name__} is refractory by its channels; nothing is held or reset.")

    def reset(self, s: State) -> dict[str, Array]:
        """Nothing."""
        return {}


class SodiumPotassiumNeuron(GatedNeuron):
    """One compartment with sodium, potassium and leak; a subclass defines `rates`. See `HodgkinHuxley`."""

    c_mem: Array = param(100 * pF, positive=True)
    g_na: Array = param(12000 * nS, low=0)
    g_k: Array = param(3600 * nS, low=0)
    g_leak: Array = param(30 * nS, low=0)
    e_na: Array = param(50 * mV)
    e_k: Array = param(-77 * mV)
    e_leak: Array = param(-54.387 * mV)
    v_th: Array = param(0 * mV, kind="threshold")

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """alpha and beta of the gates m, h and n (1/ms)."""
        raise TypeError(f"{type(self).__name__} does not define `rates`.")

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation and the three gates."""
        sodium = self.g_na * (s.m * s.m * s.m * s.h) * (s.v - self.e_na)
        squared = s.n * s.n
        potassium = self.g_k * (squared * squared) * (s.v - self.e_k)
        leak = self.g_leak * (s.v - self.e_leak)
        gates = {name: gate(getattr(s, name), *rates) for name, rates in self.rates(s.v).items()}
        return {"v": (i(s.v) - sodium - potassium - leak) / self.c_mem} | gates

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - e_k)."""
        return (s.v - self.v_th) / (self.v_th - self.e_k)


def linoid(x: Array, width: float) -> Array:
    """x / (1 - exp(-x / width)), which is `width` at x = 0: a rate in most channel models."""
    return width / exprel(-x / width)


def gate(x: Array, alpha: Array, beta: Array) -> Array:
    """alpha (1 - x) - beta x, the slope of a gate (1/ms)."""
    return alpha - (alpha + beta) * x
