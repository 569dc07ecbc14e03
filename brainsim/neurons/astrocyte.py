"""Astrocyte with the calcium dynamics of Li and Rinzel, IP3 from synaptic input, and a slow inward current out.

    d ip3/dt = (ip3_0 - ip3) / tau_ip3,          ip3 <- ip3 + delta_ip3 x      for input x on the jump port
    d ca/dt  = J_channel - J_pump + J_leak + I,  I the current port
    d h/dt   = k_ip3r kd_inh (ip3 + kd_ip3_1) / (ip3 + kd_ip3_2) (1 - h) - k_ip3r ca h
    J_channel = ratio_er_cyt rate_ip3r (m n h)^3 (ca_er - ca),    m = ip3 / (ip3 + kd_ip3_1),    n = ca / (ca + kd_act)
    J_leak    = ratio_er_cyt rate_l (ca_er - ca),                 ca_er = ca_tot + (ca_tot - ca) / ratio_er_cyt
    J_pump    = rate_serca ca^2 / (km_serca^2 + ca^2)
    sic = sic_scale log(y) where y > 1, else 0,                   y = 1000 (ca - sic_th)

Units: ms; ca, ip3 and half-saturations in uM; y in nM; sic in pA; 1 pA on the current port is 1 uM/ms, as in NEST. Li
and Rinzel, J. Theor. Biol. 166 (1994) 461; Nadkarni and Jung, Phys. Rev. Lett. 91 (2003) 268101. Model, order of a step
and default values are those of NEST's astrocyte_lr_1994.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .._params import param
from .._streams import Stream
from .._types import Array, Drive, State, Value
from ..units import ms, pA, uM
from .base import Neuron


class Astrocyte(Neuron):
    """Li-Rinzel astrocyte; emits the slow inward current `sic` (pA, >= 0).

    Spikes reach it through the jump port, each counting as much as its weight: a weight of 1 adds `delta_ip3` to IP3.

    Args:
        ca_tot: Free calcium of cytosol and endoplasmic reticulum, referred to the cytosol (uM).
        ip3_0: Resting IP3 (uM).
        kd_ip3_1: First dissociation constant of IP3 at its receptor (uM).
        kd_ip3_2: Second dissociation constant of IP3 (uM).
        kd_act: Dissociation constant of activating calcium (uM).
        kd_inh: Dissociation constant of inhibiting calcium (uM).
        km_serca: Half-activation of the pump (uM).
        delta_ip3: Rise of IP3 per unit of input (uM).
        k_ip3r: Rate constant of inhibition by calcium (1/(uM ms)).
        rate_ip3r: Largest rate of release through the receptor (1/ms).
        rate_l: Rate of the leak (1/ms).
        rate_serca: Largest rate of the pump (uM/ms).
        ratio_er_cyt: Volume of the endoplasmic reticulum over that of the cytosol.
        tau_ip3: Time constant of IP3 (ms).
        sic_th: Calcium at which the slow inward current begins (uM).
        sic_scale: Scale of the slow inward current (pA).
        integrator: "rk4", "rk2", "heun" or "exp_euler".
        trainable: Names of the parameters that train.
    """

    ca_tot: Array = param(2.0 * uM, positive=True)
    ip3_0: Array = param(0.16 * uM, low=0)
    kd_ip3_1: Array = param(0.13 * uM, positive=True)
    kd_ip3_2: Array = param(0.9434 * uM, positive=True)
    kd_act: Array = param(0.08234 * uM, positive=True)
    kd_inh: Array = param(1.049 * uM, low=0)
    km_serca: Array = param(0.1 * uM, positive=True)
    delta_ip3: Array = param(5.0 * uM, low=0)
    k_ip3r: Array = param(0.0002, unit="1/(uM*ms)", low=0)
    rate_ip3r: Array = param(0.006, unit="1/ms", low=0)
    rate_l: Array = param(0.00011, unit="1/ms", low=0)
    rate_serca: Array = param(0.0009, unit="uM/ms", low=0)
    ratio_er_cyt: Array = param(0.185, positive=True)
    tau_ip3: Array = param(7142.0 * ms, positive=True, kind="time_constant")
    sic_th: Array = param(0.19669 * uM, low=0, kind="threshold")
    sic_scale: Array = param(1.0 * pA, positive=True)
    _: dataclasses.KW_ONLY
    integrator: str = eqx.field(static=True, default="rk4")

    states: ClassVar[dict[str, Value]] = {"ip3": "ip3_0", "ca": 0.073 * uM, "h": 0.793}
    emits: ClassVar[str] = "sic"

    def __post_init__(self):
        super().__post_init__()
        if self.uses_refractory:
            raise ValueError("`t_ref`: Astrocyte has no spikes and hence no refractory time.")

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """Rates of change of IP3, calcium and the receptor's open fraction."""
        ca = jnp.clip(s.ca, 0, self.ca_tot * (1 + self.ratio_er_cyt))
        gradient = self.ca_tot + (self.ca_tot - ca) / self.ratio_er_cyt - ca
        opening = s.ip3 / (s.ip3 + self.kd_ip3_1) * ca / (ca + self.kd_act) * s.h
        channel = self.rate_ip3r * opening**3
        pump = self.rate_serca * ca**2 / (self.km_serca**2 + ca**2)
        recovery = self.k_ip3r * self.kd_inh * (s.ip3 + self.kd_ip3_1) / (s.ip3 + self.kd_ip3_2)
        return dict(
            ip3=(self.ip3_0 - s.ip3) / self.tau_ip3,
            ca=self.ratio_er_cyt * (channel + self.rate_l) * gradient - pump + i(s.ca),
            h=recovery * (1 - s.h) - self.k_ip3r * ca * s.h,
        )

    def step(self, state: State, drive: Drive, dt: float, key: Stream | None = None) -> tuple[State, Array]:
        """One step of `dt` ms: the new state and the slow inward current (pA) at its end, `([batch], n)`."""
        if drive.conductance is not None:
            raise ValueError("`conductance`: Astrocyte has no voltage; use a synapse without `e_rev`.")
        later = self.integrate(state, drive._replace(jump=None), dt, key)
        if drive.jump is not None:
            later["ip3"] = later["ip3"] + self.delta_ip3 * drive.jump
        return State(**later), self.sic_scale * jnp.log(jnp.maximum(1000 * (later["ca"] - self.sic_th), 1))
