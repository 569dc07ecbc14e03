"""The rate of a leaky integrate-and-fire neuron that white noise drives, the theory of asynchronous networks.

    1 / nu = t_ref + tau sqrt(pi) integral from a to b of exp(u^2) (1 + erf(u)) du
    a = (v_reset - mu) / sigma,    b = (v_th - mu) / sigma

for tau dv/dt = -v + mu + sigma sqrt(tau) eta(t). Siegert, Phys. Rev. 81 (1951) 617; Brunel, J. Comput. Neurosci. 8
(2000) 183, equation 21. Units: mV, ms; rates in Hz.
"""

from typing import Any

import numpy as np
from scipy import integrate, optimize, special

from .. import _checks


def siegert_rate(mu: float, sigma: float, *, tau_mem: float, v_th: float, v_reset: float, t_ref: float = 0.0) -> float:
    """The stationary rate (Hz).

    Args:
        mu: Mean drive (mV).
        sigma: Standard deviation of the drive (mV), > 0; the free membrane varies by sigma / sqrt(2).
        tau_mem: Membrane time constant (ms).
        v_th: Threshold (mV).
        v_reset: Voltage after a spike (mV).
        t_ref: Refractory time (ms).

    Raises:
        ValueError: `sigma` or `tau_mem` is not positive, `t_ref` is negative, or `v_reset` is not below `v_th`.
    """
    _checks.positive("sigma", sigma, "mV")
    _checks.positive("tau_mem", tau_mem, "ms")
    _checks.within("t_ref", t_ref, "ms", low=0.0)
    if not v_reset < v_th:
        raise ValueError(f"`v_reset`: expected < `v_th` = {v_th:g} mV, got {v_reset:g} mV.")
    low, high = (v_reset - mu) / sigma, (v_th - mu) / sigma
    # exp(u^2) (1 + erf(u)) = erfcx(-u); its growth above 0 is taken out of the integral so that it cannot overflow
    peak = max(high, 0.0) ** 2
    area = integrate.quad(lambda u: special.erfcx(-u) * np.exp(-peak) if u < 0 else _above(u, peak), low, high)[0]
    if area == 0.0:
        return 0.0
    log_mean = np.log(tau_mem * np.sqrt(np.pi) * area) + peak
    return float(1000 / (t_ref + np.exp(log_mean))) if log_mean < 700 else 0.0


def brunel_rate(g: float, eta: float, *, indegree: int = 1000, weight: float = 0.1, v_reset: float = 10.0) -> float:
    """The rate (Hz) at which Brunel's network is consistent with itself in its asynchronous state.

    Args:
        g: Strength of inhibition relative to excitation.
        eta: Rate from outside relative to the one that would just reach the threshold.
        indegree: Excitatory partners of each neuron; inhibitory ones are a quarter of it.
        weight: Excitatory postsynaptic potential (mV).
        v_reset: Voltage after a spike (mV).

    Raises:
        ValueError: An argument that is not positive, or no `v_reset` below the threshold of 20 mV.
    """
    for name, value in (("g", g), ("eta", eta), ("indegree", indegree), ("weight", weight)):
        _checks.positive(name, value, "mV" if name == "weight" else "")
    tau, v_th, t_ref, ratio = 20.0, 20.0, 2.0, 0.25
    outside = eta * v_th

    def surplus(nu: float) -> float:
        inside = indegree * weight * tau * nu / 1000
        mu = outside + inside * (1 - ratio * g)
        sigma = np.sqrt(weight * (outside + inside * (1 + ratio * g**2)))
        return siegert_rate(mu, sigma, tau_mem=tau, v_th=v_th, v_reset=v_reset, t_ref=t_ref) - nu

    root: Any = optimize.brentq(surplus, 0.0, 1000 / t_ref)
    return float(root)


def _above(u: float, peak: float) -> float:
    """exp(u^2 - peak) (1 + erf(u)) for u >= 0."""
    return np.exp(u * u - peak) * (1 + special.erf(u))
