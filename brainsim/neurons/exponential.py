"""Exponential integrate-and-fire neuron (EIF), and with adaptation (AdEx).

    C dv/dt = -g (v - E) + g D exp((v - v_t) / D) - w + i(v),     tau_w dw/dt = a (v - E) - w      (EIF: w = 0)
    spike where v >= v_th; then v <- v_reset, w <- w + b, and v stays there for t_ref

v_t is where the upswing begins; v_th only where it is cut off: from v_t + 5 D to infinity it takes about
(C / g) exp(-5), 1 % of the membrane time constant. Within a step the exponential is that of v <= v_th. Units: ms, mV,
pA, nS, pF. EIF: Fourcaud-Trocme, Hansel, van Vreeswijk and Brunel, J. Neurosci. 23 (2003) 11628. AdEx: Brette and
Gerstner, J. Neurophysiol. 94 (2005) 3637, whose values are the defaults; firing patterns: Naud, Marcille, Clopath and
Gerstner, Biol. Cybern. 99 (2008) 335.
"""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._params import param
from .._types import Array, State, Value
from ..units import ms, mV, nS, pA, pF
from .base import Neuron


class EIF(Neuron):
    """Exponential integrate-and-fire neuron.

    Args:
        c_mem: Capacitance (pF), > 0; default 281.
        g_leak: Leak conductance (nS), > 0; default 30.
        e_leak: Reversal potential of the leak (mV), where the neuron starts; default -70.6.
        v_t: Voltage at which the slope of the current is 0 (mV), where the upswing begins; default -50.4.
        delta: Sharpness D of the upswing (mV), > 0; default 2.
        v_th: Voltage at which the upswing is cut off and is a spike (mV); default -40.4, which is v_t + 5 D.
        v_reset: Voltage after a spike (mV); default -70.6.
        t_ref: Absolute refractory time (ms), a multiple of dt; default 0.
        i_bias, surrogate, detach_reset, integrator, precise_times, trainable: See `Neuron`.
    """

    c_mem: Array = param(281 * pF, positive=True)
    g_leak: Array = param(30 * nS, positive=True)
    e_leak: Array = param(-70.6 * mV)
    v_t: Array = param(-50.4 * mV, kind="threshold")
    delta: Array = param(2 * mV, positive=True)
    v_th: Array = param(-40.4 * mV, kind="threshold")
    v_reset: Array = param(-70.6 * mV)

    states: ClassVar[dict[str, Value]] = {"v": "e_leak"}

    def membrane_current(self, v: Array) -> Array:
        """-g (v - E) + g D exp((v - v_t) / D) (pA)."""
        upswing = self.delta * jnp.exp((jnp.minimum(v, self.v_th) - self.v_t) / self.delta)
        return self.g_leak * (self.e_leak - v + upswing)

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation."""
        return dict(v=(self.membrane_current(s.v) + i(s.v)) / self.c_mem)

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - v_reset)."""
        return (s.v - self.v_th) / (self.v_th - self.v_reset)

    def reset(self, s: State) -> dict[str, Array]:
        """v after a spike."""
        return dict(v=self.v_reset)


class AdEx(EIF):
    """Adaptive exponential integrate-and-fire neuron.

    Args:
        c_mem, g_leak, e_leak, v_t, delta, v_th, v_reset, t_ref: As in `EIF`.
        a: Coupling of the voltage to the adaptation (nS); default 4.
        b: Rise of the adaptation at a spike (pA); default 80.5.
        tau_w: Time constant of the adaptation (ms), > 0; default 144.
        i_bias, surrogate, detach_reset, integrator, precise_times, trainable: See `Neuron`.
    """

    a: Array = param(4 * nS)
    b: Array = param(80.5 * pA)
    tau_w: Array = param(144 * ms, positive=True, kind="time_constant")

    states: ClassVar[dict[str, Value]] = {"v": "e_leak", "w": 0 * pA}

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equation and that of the adaptation."""
        dw = (self.a * (s.v - self.e_leak) - s.w) / self.tau_w
        return dict(v=(self.membrane_current(s.v) - s.w + i(s.v)) / self.c_mem, w=dw)

    def reset(self, s: State) -> dict[str, Array]:
        """v after a spike, and w + b."""
        return dict(v=self.v_reset, w=s.w + self.b)
