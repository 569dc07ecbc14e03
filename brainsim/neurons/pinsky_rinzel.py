"""Pinsky and Rinzel's neuron: a pyramidal cell of CA3 in two compartments, which bursts by the current between them.

    C dv/dt   = -I_leak(v) - g_na m_inf^2 h (v - e_na) - g_kdr n (v - e_k) + (g_c / p) (v_d - v) + I_s / p
    C dv_d/dt = -I_leak(v_d) - g_ca s^2 (v_d - e_ca) - (g_kc c chi + g_ahp q) (v_d - e_k)
                + (g_c / (1 - p)) (v - v_d) + I_d / (1 - p)
    d ca/dt   = -0.13 I_ca - 0.075 ca,     chi = min(ca / 250, 1)      I_ca in uA/cm^2, ca in units of its own

with the gates h, n (soma), s, c, q (dendrite), u = v + 60 mV, u_d = v_d + 60 mV and rates in 1/ms:

    gate   alpha                                              beta
    m      0.32 (13.1 - u) / (exp((13.1 - u) / 4) - 1)        0.28 (u - 40.1) / (exp((u - 40.1) / 5) - 1)
    h      0.128 exp((17 - u) / 18)                           4 / (1 + exp((40 - u) / 5))
    n      0.016 (35.1 - u) / (exp((35.1 - u) / 5) - 1)       0.25 exp(0.5 - 0.025 u)
    s      1.6 / (1 + exp(-0.072 (u_d - 65)))                 0.02 (u_d - 51.1) / (exp((u_d - 51.1) / 5) - 1)
    c      exp((u_d - 10) / 11 - (u_d - 6.5) / 27) / 18.975   2 exp((6.5 - u_d) / 27) - alpha       (u_d <= 50)
           2 exp((6.5 - u_d) / 27)                            0                                     (u_d > 50)
    q      min(2e-5 ca, 0.01)                                 0.001

A spike is where v passes `v_th` upward. Units: ms, mV, pA, nS, pF; the default is 1e-4 cm^2 of membrane in all, so that
1 mS/cm^2 is 100 nS and 1 uA/cm^2 is 100 pA. Pinsky and Rinzel, J. Comput. Neurosci. 1 (1994) 39, with the values of
their table 1 and the erratum 2 (1995) 275.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._params import param
from .._types import Array, State, Value
from ..units import mV, nS, pA, pF
from .gated import GatedNeuron, gate, linoid


class PinskyRinzel(GatedNeuron):
    """Two-compartment pyramidal cell.

    Args:
        c_mem: Capacitance of the membrane, both compartments' (pF), > 0; default 300.
        g_leak, g_na, g_kdr: Conductances of leak, sodium, delayed rectifier (nS); default 10, 3000, 1500.
        g_ca, g_kc, g_ahp: Calcium, potassium by calcium and voltage, afterhyperpolarisation (nS); default 1000,
            1500, 80.
        g_c: Coupling of the compartments (nS); default 210.
        part: Part p of the membrane that is soma, in (0, 1); default 0.5.
        e_leak, e_na, e_ca, e_k: Reversal potentials (mV); default -60, 60, 80, -75.
        v_th: Voltage of the soma whose upward passage is a spike (mV); default -30.
        i_dendrite: Constant current into the dendrite (pA); `i_bias` is that into the soma.
        into: "soma" or "dendrite": where what reaches the neuron flows in. Conductances see the voltage there; a jump
            is of the soma's.
        surrogate, integrator, precise_times, trainable: See `Neuron`.
    """

    c_mem: Array = param(300 * pF, positive=True)
    g_leak: Array = param(10 * nS, low=0)
    g_na: Array = param(3000 * nS, low=0)
    g_kdr: Array = param(1500 * nS, low=0)
    g_ca: Array = param(1000 * nS, low=0)
    g_kc: Array = param(1500 * nS, low=0)
    g_ahp: Array = param(80 * nS, low=0)
    g_c: Array = param(210 * nS, low=0)
    part: Array = param(0.5, positive=True, high=0.999)
    e_leak: Array = param(-60 * mV)
    e_na: Array = param(60 * mV)
    e_ca: Array = param(80 * mV)
    e_k: Array = param(-75 * mV)
    v_th: Array = param(-30 * mV, kind="threshold")
    i_dendrite: Array = param(0 * pA, kind="bias")
    _: dataclasses.KW_ONLY
    into: str = eqx.field(static=True, default="soma")

    states: ClassVar[dict[str, Value]] = {
        **{"v": -64.6 * mV, "v_d": -64.5 * mV, "ca": 0.2},
        **{"h": 0.999, "n": 0.001, "s": 0.009, "c": 0.007, "q": 0.010},
    }

    def __post_init__(self):
        super().__post_init__()
        _checks.choice("into", self.into, ("soma", "dendrite"))

    def drift(self, s: State, i: Any) -> dict[str, Array]:
        """The membrane equations of both compartments, five gates and calcium."""
        at_soma = self.into == "soma"
        soma = i(s.v) if at_soma else self.i_bias
        dendrite = self.i_dendrite if at_soma else self.i_dendrite + (i(s.v_d) - self.i_bias)
        u, u_d = s.v + 60, s.v_d + 60
        m = _m_inf(u)
        sodium = self.g_na * (m * m * s.h) * (s.v - self.e_na)
        rectifier = self.g_kdr * s.n * (s.v - self.e_k)
        calcium = self.g_ca * (s.s * s.s) * (s.v_d - self.e_ca)
        potassium = (self.g_kc * s.c * jnp.where(s.ca < 250, s.ca / 250, 1) + self.g_ahp * s.q) * (s.v_d - self.e_k)
        across = self.g_c * (s.v_d - s.v)
        leak = lambda v: self.g_leak * (v - self.e_leak)
        per_area = 3 / self.c_mem  # pA to uA/cm^2, for 3 uF/cm^2
        gates = {name: gate(getattr(s, name), *rates) for name, rates in _rates(u, u_d, s.ca).items()}
        return {
            "v": ((soma + across) / self.part - leak(s.v) - sodium - rectifier) / self.c_mem,
            "v_d": ((dendrite - across) / (1 - self.part) - leak(s.v_d) - calcium - potassium) / self.c_mem,
            "ca": -0.13 * per_area * calcium - 0.075 * s.ca,
        } | gates

    def overdrive(self, s: State) -> Array:
        """(v - v_th) / (v_th - e_k)."""
        return (s.v - self.v_th) / (self.v_th - self.e_k)


def _m_inf(u: Array) -> Array:
    alpha, beta = 0.32 * linoid(u - 13.1, 4.0), 0.28 * linoid(40.1 - u, 5.0)
    return alpha / (alpha + beta)


def _rates(u: Array, u_d: Array, ca: Array) -> dict[str, tuple[Array, Array]]:
    """alpha and beta of each gate (1/ms)."""
    slow = 2 * jnp.exp((6.5 - u_d) / 27)
    low = u_d <= 50
    lower = jnp.where(low, u_d, 50)
    fast = jnp.exp((lower - 10) / 11 - (lower - 6.5) / 27) / 18.975
    return dict(
        h=(0.128 * jnp.exp((17 - u) / 18), 4 * jax.nn.sigmoid((u - 40) / 5)),
        n=(0.016 * linoid(u - 35.1, 5.0), 0.25 * jnp.exp(0.5 - 0.025 * u)),
        s=(1.6 * jax.nn.sigmoid(0.072 * (u_d - 65)), 0.02 * linoid(51.1 - u_d, 5.0)),
        c=(jnp.where(low, fast, slow), jnp.where(low, slow - fast, 0)),
        q=(jnp.where(ca < 500, 2e-5 * ca, 0.01), jnp.full_like(ca, 0.001)),
    )
