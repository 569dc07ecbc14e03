"""Leaky integrate-and-fire neuron that fires by chance, the likelier the nearer v is to the threshold (escape noise).

    tau_mem dv/dt = -(v - v_rest) + R i(v)
    h(v) = rate_th exp((v - v_th) / width),     a spike within dt with probability 1 - exp(-h dt); then v is reset

At a constant v, spikes are a Poisson process of rate h(v). Units: ms, mV, pA, GOhm, Hz. Gerstner and van Hemmen,
Network 3 (1992) 139; Jolivet, Rauch, Luescher and Gerstner, J. Comput. Neurosci. 21 (2006) 35, which fits the form to
pyramidal cells.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp

from .._params import param
from .._types import Array, State
from ..units import Hz, mV
from .lif import LIF
from .surrogate import Surrogate


class EscapeLIF(LIF):
    """Leaky integrate-and-fire neuron with an exponential escape rate.

    Args:
        tau_mem, v_th, v_reset, v_rest: As in `LIF`; v_th is where the rate is `rate_th`.
        rate_th: Rate of spikes at v = v_th (Hz), > 0; default 100.
        width: Rise of v that multiplies the rate by e (mV), > 0; default 0.1, a tenth of the default threshold.
        surrogate: Derivative of a spike by its chance; the default 1, "straight_through", is that of the mean spike.
        t_ref, r_mem, c_mem, i_bias, reset, detach_reset, integrator, trainable: As in `LIF`.
    """

    rate_th: Array = param(100 * Hz, positive=True)
    width: Array = param(0.1 * mV, positive=True)
    _: dataclasses.KW_ONLY
    surrogate: Surrogate = eqx.field(static=True, default="straight_through")

    def hazard(self, s: State) -> Array:
        """rate_th exp((v - v_th) / width), per ms."""
        return self.rate_th * 1e-3 * jnp.exp((s.v - self.v_th) / self.width)
