"""Brunel's sparse network of excitatory and inhibitory neurons, driven by Poisson spikes from outside.

    tau dv/dt = -v,    v <- v + J for an excitatory spike,  v <- v - g J for an inhibitory one,  both D ms late

Each neuron has `indegree` excitatory and a quarter as many inhibitory partners, and receives spikes of weight J at the
rate eta nu_th outside, where nu_th = v_th / (J tau) would just make the mean of v reach the threshold. Four regimes
(figure 8 of the paper):

| regime | g | eta |
|---|---|---|
| SR: synchronous, regular | 3 | 2 |
| SI, fast: synchronous, irregular, a fast global oscillation | 6 | 4 |
| AI: asynchronous, irregular | 5 | 2 |
| SI, slow: the same with a slow oscillation | 4.5 | 0.9 |

Brunel, J. Comput. Neurosci. 8 (2000) 183, model A; `analysis.siegert_rate` is its theory of the asynchronous regime.
"""

from typing import Any

from .. import _checks, units
from ..connectivity import FixedIndegree, OneToOne
from ..neurons import LIF, Poisson
from ..synapses import Delta, Projection
from ..units import Hz, ms, mV
from ..values import Uniform
from .network import Network
from .population import Population


def brunel(
    g: float = 5.0,
    eta: float = 2.0,
    *,
    n: int = 12_500,
    indegree: int = 1000,
    weight: Any = 0.1 * mV,
    delay: Any = 1.5 * ms,
    v_reset: Any = 10 * mV,
    seed: int = 1,
    dt: Any = 0.1 * ms,
) -> Network:
    """The network, with the paper's numbers: tau 20 ms, threshold 20 mV, refractory 2 ms.

    Args:
        g: Strength of inhibition relative to excitation, > 0.
        eta: Rate from outside relative to the one at which the mean voltage reaches the threshold.
        n: Neurons; the first 80 % are the population "E", the rest "I".
        indegree: Excitatory partners of each neuron; inhibitory ones are a quarter of it.
        weight: Size J of an excitatory postsynaptic potential (mV).
        delay: Transmission delay (ms).
        v_reset: Voltage after a spike (mV); 10 in the paper, 0 where simulators are compared.
        seed: Seed of wiring, initial voltages and spikes from outside.
        dt: Step (ms).

    Raises:
        ValueError: Fewer neurons than partners, or a number out of its range.
    """
    _checks.within("g", g, low=0.0)
    _checks.within("eta", eta, low=0.0)
    _checks.within("n", n, low=5)
    excitatory, inhibitory = 4 * n // 5, n - 4 * n // 5
    _checks.within("indegree", indegree, low=4, high=excitatory)
    jump = float(units.strip("weight", weight, "mV"))
    lif = LIF(tau_mem=20 * ms, v_th=20 * mV, v_reset=v_reset, t_ref=2 * ms)
    populations: dict[str, Any] = {
        name: Population(size, lif, init={"v": Uniform(0 * mV, 20 * mV)})
        for name, size in (("E", excitatory), ("I", inhibitory))
    }
    rate = eta * threshold_rate(jump)
    outside = {f"outside_{name}": Poisson(population.size, rate * Hz) for name, population in populations.items()}
    wiring = [
        Projection(pre, post, FixedIndegree(k), strength * mV, Delta(), delay=delay, sign=sign)
        for pre, k, strength, sign in (("E", indegree, jump, 1), ("I", indegree // 4, -g * jump, -1))
        for post in ("E", "I")
    ]
    driven = [Projection(f"outside_{name}", name, OneToOne(), weight, Delta()) for name in ("E", "I")]
    return Network(populations | outside, [*wiring, *driven], dt=dt, seed=seed)


def threshold_rate(weight: float, *, tau_mem: float = 20.0, v_th: float = 20.0) -> float:
    """The rate nu_th of spikes (Hz) of `weight` mV that makes the mean of v reach `v_th` mV."""
    return 1000 * v_th / (weight * tau_mem)
