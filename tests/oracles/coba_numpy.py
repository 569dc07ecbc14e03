"""The COBA network once more, in float64 NumPy, from the equations and without a line of the package.

    tau dv/dt = (v_rest - v) + g_E (e_E - v) + g_I (e_I - v) + 20 mV     (exponential Euler: g held over a step)
    dg_k/dt = -g_k / tau_k;    g_k += w_k at each spike, felt from the next step on

Parameters: Vogels and Abbott, J. Neurosci. 25 (2005) 10786, in the form of BrainPy's benchmark.
"""

import numpy as np

V_REST, V_TH, V_RESET, DRIVE = -60.0, -50.0, -60.0, 20.0  # mV
TAU, TAU_E, TAU_I, REFRACTORY = 20.0, 5.0, 10.0, 5.0  # ms
E_E, E_I = 0.0, -80.0  # mV
W_E, W_I = 0.6, 6.7  # of the leak conductance


def draw(seed: int, n: int = 4000) -> tuple[list[np.ndarray], np.ndarray]:
    """Targets of each neuron, Bernoulli with p = 80 / n, and initial voltages N(-55, 2) mV."""
    rng = np.random.default_rng(seed)
    targets = [np.flatnonzero(rng.random(n) < 80.0 / n) for _ in range(n)]
    return [row[row != i] for i, row in enumerate(targets)], rng.normal(-55.0, 2.0, n)


def simulate(
    targets: list[np.ndarray], v: np.ndarray, duration: float = 1000.0, dt: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Run the network; the first 80 % of the neurons excite.

    Returns:
        Step and neuron of each spike.
    """
    n = v.size
    excitatory = 4 * n // 5
    g_e, g_i = np.zeros(n), np.zeros(n)
    asleep_until = np.full(n, -1)
    rest = round(REFRACTORY / dt)
    steps, neurons = [], []
    for k in range(round(duration / dt)):
        slope = -(1.0 + g_e + g_i) / TAU
        pull = (V_REST + DRIVE + g_e * E_E + g_i * E_I) / TAU
        grown = np.exp(slope * dt)
        awake = asleep_until < k
        v = np.where(awake, v * grown + pull * (grown - 1.0) / slope, v)
        fired = np.flatnonzero(awake & (v >= V_TH))
        v[fired] = V_RESET
        asleep_until[fired] = k + rest
        g_e *= np.exp(-dt / TAU_E)
        g_i *= np.exp(-dt / TAU_I)
        for i in fired:
            if i < excitatory:
                g_e[targets[i]] += W_E
            else:
                g_i[targets[i]] += W_I
        steps.append(np.full(fired.size, k))
        neurons.append(fired)
    return np.concatenate(steps), np.concatenate(neurons)
