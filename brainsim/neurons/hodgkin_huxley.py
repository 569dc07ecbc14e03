"""Hodgkin and Huxley's neuron: the squid's giant axon, with voltages as they are measured today (rest at -65 mV).

    C dv/dt = -g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_leak (v - e_leak) + i(v)
    dx/dt = alpha_x (1 - x) - beta_x x,     u = v + 65 mV

    alpha_m = 0.1 (u - 25) / (1 - exp(-(u - 25) / 10))      beta_m = 4 exp(-u / 18)
    alpha_h = 0.07 exp(-u / 20)                             beta_h = 1 / (1 + exp(-(u - 30) / 10))
    alpha_n = 0.01 (u - 10) / (1 - exp(-(u - 10) / 10))     beta_n = 0.125 exp(-u / 80)

Rates in 1/ms at 6.3 degrees. A spike is where v passes `v_th` upward. Units: ms, mV, pA, nS, pF; the default is
1e-4 cm^2 of membrane (1 uF/cm^2 is 100 pF, 10 uA/cm^2 are 1000 pA). Hodgkin and Huxley, J. Physiol. 117 (1952) 500.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._types import Array, Value
from ..units import mV
from .gated import SodiumPotassiumNeuron, linoid


class HodgkinHuxley(SodiumPotassiumNeuron):
    """Hodgkin-Huxley neuron.

    Args:
        c_mem: Capacitance (pF), > 0; default 100.
        g_na, g_k, g_leak: Largest conductances of sodium and potassium, and of the leak (nS); default 12000, 3600, 30.
        e_na, e_k, e_leak: Their reversal potentials (mV); default 50, -77, -54.387.
        v_th: Voltage whose upward passage is a spike (mV); default 0.
        i_bias, surrogate, integrator, precise_times, trainable: See `Neuron`; "exp_euler" up to a dt of about 0.05 ms,
            "rk4" for accuracy.
    """

    states: ClassVar[dict[str, Value]] = {
        "v": -65 * mV,
        "m": 0.05293248525724958,
        "h": 0.5961207535084603,
        "n": 0.3176769140606974,
    }

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """alpha and beta of m, h and n."""
        u = v + 65
        return dict(
            m=(0.1 * linoid(u - 25, 10.0), 4 * jnp.exp(-u / 18)),
            h=(0.07 * jnp.exp(-u / 20), jax.nn.sigmoid((u - 30) / 10)),
            n=(0.01 * linoid(u - 10, 10.0), 0.125 * jnp.exp(-u / 80)),
        )
