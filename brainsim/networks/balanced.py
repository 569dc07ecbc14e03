"""Balanced networks of excitatory and inhibitory neurons, the field's benchmarks, at any size.

    COBA:  tau dv/dt = (v_rest - v) + g_E (e_E - v) + g_I (e_I - v) + 20 mV;    tau_k dg_k/dt = -g_k
    COBA-HH: the same synapses on Hodgkin-Huxley neurons
    CUBA:  tau dv/dt = (v_rest - v) + i_E + i_I;                               tau_k di_k/dt = -i_k
    Brunel:  tau dv/dt = -v;    v <- v + J per excitatory or external spike, v - g J per inhibitory one

80 % of the neurons excite. In the first two every pair is connected with probability 80/n, so that a neuron has 80
synapses and weights stay what they are at every size. Conductances are relative to the leak, g_leak = 1 nS: with r_mem
= 1 GOhm, the numbers in nS, pA and mV are the same.

Vogels and Abbott, J. Neurosci. 25 (2005) 10786; Brette et al., J. Comput. Neurosci. 23 (2007) 349; Brunel, J. Comput.
Neurosci. 8 (2000) 183.
"""

from typing import Any

from .. import _checks
from .._types import Value
from ..connectivity import FixedProbability
from ..neurons import LIF, Neuron, TraubHH
from ..synapses import Exponential, Projection
from ..units import ms, mV, nS, pA, pF
from ..values import Normal, Uniform
from .network import Network
from .population import Population

SYNAPSES_PER_NEURON = 80


def coba(n: int = 4000, *, seed: int = 1, dt: Any = 0.1 * ms, storage: str = "csr") -> Network:
    """The conductance-based network, in the form of BrainPy's benchmark (Wang et al., ICLR 2024).

    Neurons: tau 20 ms, rest and reset -60 mV, threshold -50 mV, refractory 5 ms, drive 20 pA through 1 GOhm, v(0) ~
    N(-55, 2) mV. Synapses: 0.6 nS, 5 ms, 0 mV (excitatory) and 6.7 nS, 10 ms, -80 mV (inhibitory), delay dt. All fire
    asynchronously and irregularly at about 21 Hz.

    Args:
        n: Neurons; the first 80 % are the population "E", the rest "I".
        seed: Seed of wiring and initial voltages.
        dt: Step (ms).
        storage: `"csr"`, or `"procedural"`: synapses are drawn again at every event and take no memory.
    """
    lif = LIF(tau_mem=20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, t_ref=5 * ms, i_bias=20 * pA)
    exc = dict(weight=0.6 * nS, synapse=Exponential(5 * ms, e_rev=0 * mV))
    inh = dict(weight=6.7 * nS, synapse=Exponential(10 * ms, e_rev=-80 * mV))
    return _balanced(n, lif, Normal(-55 * mV, 2 * mV), exc, inh, seed=seed, dt=dt, storage=storage)


def coba_hh(n: int = 4000, *, seed: int = 1, dt: Any = 0.1 * ms, storage: str = "csr") -> Network:
    """The conductance-based network of Hodgkin-Huxley neurons, benchmark 3 of Brette et al. (2007).

    Neurons: Traub and Miles' channels, 200 pF, leak 10 nS at -60 mV, sodium 20 uS at 50 mV, potassium 6 uS at -90 mV,
    v_t -63 mV, spikes counted at -20 mV; v(0) ~ N(-65, 5) mV. Synapses: 6 nS, 5 ms, 0 mV (excitatory) and 67 nS, 10 ms,
    -80 mV (inhibitory), delay dt.

    Args:
        n: Neurons; the first 80 % are the population "E", the rest "I".
        seed: Seed of wiring and initial voltages.
        dt: Step (ms).
        storage: As in `coba`.
    """
    cell = TraubHH(
        c_mem=200 * pF, g_na=20_000 * nS, g_k=6000 * nS, g_leak=10 * nS, e_na=50 * mV, e_k=-90 * mV, e_leak=-60 * mV,
        v_t=-63 * mV, v_th=-20 * mV,
    )  # fmt: skip
    exc = dict(weight=6 * nS, synapse=Exponential(5 * ms, e_rev=0 * mV))
    inh = dict(weight=67 * nS, synapse=Exponential(10 * ms, e_rev=-80 * mV))
    return _balanced(n, cell, Normal(-65 * mV, 5 * mV), exc, inh, seed=seed, dt=dt, storage=storage)


def cuba(n: int = 4000, *, seed: int = 1, dt: Any = 0.1 * ms, storage: str = "csr") -> Network:
    """The current-based network, with the numbers of Brian2's example "CUBA".

    Neurons: tau 20 ms, rest -49 mV, reset -60 mV, threshold -50 mV, refractory 5 ms, v(0) uniform from
    reset to threshold. Synapses: 1.62 pA, 5 ms (excitatory) and -9 pA, 10 ms (inhibitory), through 1 GOhm, delay dt.

    Args:
        n: Neurons; the first 80 % are the population "E", the rest "I".
        seed: Seed of wiring and initial voltages.
        dt: Step (ms).
        storage: `"csr"`, or `"procedural"`: synapses are drawn again at every event and take no memory.
    """
    lif = LIF(tau_mem=20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-49 * mV, t_ref=5 * ms)
    exc = dict(weight=1.62 * pA, synapse=Exponential(5 * ms), sign=1)
    inh = dict(weight=-9 * pA, synapse=Exponential(10 * ms), sign=-1)
    return _balanced(n, lif, Uniform(-60 * mV, -50 * mV), exc, inh, seed=seed, dt=dt, storage=storage)


def _balanced(n: int, neuron: Neuron, v: Value, exc: dict, inh: dict, *, seed: int, dt: Any, storage: str) -> Network:
    _checks.within("n", n, low=5)
    excitatory = 4 * n // 5
    rule = FixedProbability(min(1.0, SYNAPSES_PER_NEURON / n))
    return Network(
        {"E": Population(excitatory, neuron, init={"v": v}), "I": Population(n - excitatory, neuron, init={"v": v})},
        [
            Projection(pre, post, rule, **kind, storage=storage)
            for pre, kind in (("E", exc), ("I", inh))
            for post in ("E", "I")
        ],
        dt=dt,
        seed=seed,
    )
