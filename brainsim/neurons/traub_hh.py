"""Hodgkin-Huxley neuron of hippocampal type, the one of the COBA-HH benchmark (Traub and Miles).

    C dv/dt = -g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_leak (v - e_leak) + i(v)
    dx/dt = alpha_x (1 - x) - beta_x x,     u = v - v_t

    alpha_m = 0.32 (u - 13) / (1 - exp(-(u - 13) / 4))      beta_m = 0.28 (u - 40) / (exp((u - 40) / 5) - 1)
    alpha_h = 0.128 exp((17 - u) / 18)                      beta_h = 4 / (1 + exp((40 - u) / 5))
    alpha_n = 0.032 (u - 15) / (1 - exp(-(u - 15) / 5))     beta_n = 0.5 exp((10 - u) / 40)

Rates in 1/ms. A spike is where v passes `v_th` upward. Units: ms, mV, pA, nS, pF; the default is 2e-4 cm^2 of membrane.
Traub and Miles, "Neuronal Networks of the Hippocampus" (1991); as in Brette et al., J. Comput. Neurosci. 23 (2007) 349,
appendix 2.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._params import param
from .._types import Array, Value
from ..units import mV, nS, pF
from .gated import SodiumPotassiumNeuron, linoid


class TraubHH(SodiumPotassiumNeuron):
    """Hodgkin-Huxley neuron with Traub and Miles' channels.

    Args:
        c_mem: Capacitance (pF), > 0; default 200.
        g_na, g_k, g_leak: Largest conductances of sodium and potassium, and of the leak (nS); default 20000, 6000, 10.
        e_na, e_k, e_leak: Their reversal potentials (mV); default 50, -90, -60.
        v_th: Voltage whose upward passage is a spike (mV); default -20.
        v_t: Shift of the rates along the voltage (mV); default -63.
        i_bias, surrogate, integrator, precise_times, trainable: See `Neuron`.
    """

    c_mem: Array = param(200 * pF, positive=True)
    g_na: Array = param(20000 * nS, low=0)
    g_k: Array = param(6000 * nS, low=0)
    g_leak: Array = param(10 * nS, low=0)
    e_na: Array = param(50 * mV)
    e_k: Array = param(-90 * mV)
    e_leak: Array = param(-60 * mV)
    v_th: Array = param(-20 * mV, kind="threshold")
    v_t: Array = param(-63 * mV)

    states: ClassVar[dict[str, Value]] = {
        "v": -60 * mV,
        "m": 0.026863329798445447,
        "h": 0.9913058218943975,
        "n": 0.06043403467863595,
    }

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """alpha and beta of m, h and n."""
        u = v - self.v_t
        return dict(
            m=(0.32 * linoid(u - 13, 4.0), 0.28 * linoid(40 - u, 5.0)),
            h=(0.128 * jnp.exp((17 - u) / 18), 4 * jax.nn.sigmoid((u - 40) / 5)),
            n=(0.032 * linoid(u - 15, 5.0), 0.5 * jnp.exp((10 - u) / 40)),
        )
