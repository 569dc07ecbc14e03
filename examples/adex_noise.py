"""A neuron of one's own: adaptive exponential integrate-and-fire (AdEx) with membrane noise, in a balanced network.

    python examples/adex_noise.py --out adex_noise

    C dv/dt = -g (v - E) + g D exp((v - V_T) / D) - w + I + noise,    tau_w dw/dt = a (v - E) - w
    spike where v >= v_th;  then v <- v_reset,  w <- w + b

The class is all that brainsim is told of the model: units, random numbers, refractory time, gradients and the native
loop come from it. Values are those of Brette & Gerstner, J. Neurophysiol. 94 (2005) 3637; the upswing of a spike is cut
at V_T + 5 D, so that the exponential never exceeds e^5. `sigma` is the standard deviation of the voltage that the noise
alone would cause in a passive membrane. Units: mV, ms, pF, nS, pA.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
from jax import Array

import brainsim as bs
from brainsim import param
from brainsim.units import ms, mV, nS, pA, pF


class AdEx(bs.Neuron):
    """Adaptive exponential integrate-and-fire neuron with white membrane noise."""

    c_mem: Array = param(281 * pF, positive=True)
    g_leak: Array = param(30 * nS, positive=True)
    e_leak: Array = param(-70.6 * mV)
    v_t: Array = param(-50.4 * mV)
    delta: Array = param(2 * mV, positive=True)
    v_th: Array = param(-40.4 * mV)
    v_reset: Array = param(-70.6 * mV)
    tau_w: Array = param(144 * ms, positive=True)
    a: Array = param(4 * nS)
    b: Array = param(80.5 * pA)
    sigma: Array = param(5 * mV, low=0)
    states = {"v": "e_leak", "w": 0 * pA}

    def drift(self, s, i):
        """The two equations; `i(v)` is bias, inputs and synapses."""
        upswing = self.g_leak * self.delta * jnp.exp((s.v - self.v_t) / self.delta)
        leak = self.g_leak * (self.e_leak - s.v)
        dw = (self.a * (s.v - self.e_leak) - s.w) / self.tau_w
        return dict(v=(leak + upswing - s.w + i(s.v)) / self.c_mem, w=dw)

    def diffusion(self, s):
        """Of v, mV per sqrt(ms)."""
        return dict(v=self.sigma * jnp.sqrt(2 * self.g_leak / self.c_mem))

    def overdrive(self, s):
        """Distance to the cut of the upswing."""
        return (s.v - self.v_th) / (self.v_th - self.v_reset)

    def reset(self, s):
        """What a spike changes."""
        return dict(v=self.v_reset, w=s.w + self.b)


def network(n: int = 1000, seed: int = 1) -> bs.Network:
    """`n` neurons, 80 % excitatory, each with about 80 synapses; the bias alone, 500 pA, does not make them fire."""
    cell = dict(neuron=AdEx(i_bias=500 * pA, t_ref=2 * ms), init={"v": bs.Normal(-65 * mV, 4 * mV)})
    exc, inh = bs.Exponential(5 * ms, e_rev=0 * mV), bs.Exponential(10 * ms, e_rev=-80 * mV)
    excitatory, rule = 4 * n // 5, bs.FixedProbability(min(1.0, 80 / n))
    wiring = [
        bs.Projection(pre, post, rule, weight, synapse)
        for pre, weight, synapse in (("E", 1 * nS, exc), ("I", 8 * nS, inh))
        for post in ("E", "I")
    ]
    cells = {"E": bs.Population(excitatory, **cell), "I": bs.Population(n - excitatory, **cell)}
    return bs.Network(cells, wiring, dt=0.1 * ms, seed=seed)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, print the figures, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=1000)
    parser.add_argument("--duration", type=float, default=1000.0, help="biological time (ms)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("adex_noise"), help="folder for the picture")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    net = network(options.neurons, options.seed)
    result = bs.simulate(net, options.duration * ms, record=["E.spikes", "I.spikes", "E.v[:3]", "E.w[:3]"])
    skip = options.duration / 5
    print(result.summary(skip=skip))
    voltage = result["E"].v
    print(f"voltage   {voltage.min():.1f} to {voltage.max():.1f} mV; adaptation up to {result['E'].w.max():.0f} pA")
    result.plot(options.out / "adex_noise.png", skip=skip)
    print(f"saved     {options.out / 'adex_noise.png'}")


if __name__ == "__main__":
    main()
