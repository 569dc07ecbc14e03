"""The conductance-based E-I network in brainpy.state with its own event-driven wiring, float32: a contestant.

`EventFixedProb` draws its synapses itself, as many from every neuron: the same statistics, but not the same synapses.
Every run goes on where the one before it ended.
"""

import time

import brainpy
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from serve import given, serve

DT = 0.1


class Network(brainstate.nn.Module):
    """LIF neurons with a conductance for either population; R = 1 Ohm makes mS of siemens what it is of the leak."""

    def __init__(self, v: np.ndarray):
        super().__init__()
        n, self.excitatory = v.size, v.size * 4 // 5
        self.cells = brainpy.state.LIFRef(
            n,
            R=1.0 * u.ohm,
            tau=20.0 * u.ms,
            tau_ref=5.0 * u.ms,
            V_th=-50.0 * u.mV,
            V_rest=-60.0 * u.mV,
            V_reset=-60.0 * u.mV,
            V_initializer=lambda *_, **__: jnp.asarray(v) * u.mV,
            spk_reset="hard",
        )
        self.from_e = self.projection(self.excitatory, n, 0.6, 5.0, 0.0)
        self.from_i = self.projection(n - self.excitatory, n, 6.7, 10.0, -80.0)

    def projection(self, n_pre: int, n: int, weight: float, tau: float, reversal: float):
        """All synapses of a population."""
        return brainpy.state.AlignPostProj(
            comm=brainstate.nn.EventFixedProb(n_pre, n, 80 / n, weight * u.siemens),
            syn=brainpy.state.Expon(
                n, tau=tau * u.ms, g_initializer=lambda *_, **__: jnp.zeros(n, jnp.float32) * u.siemens
            ),
            out=brainpy.state.COBA(E=reversal * u.mV),
            post=self.cells,
        )

    def update(self, k):
        """One step; returns the spikes of both populations."""
        with brainstate.environ.context(t=k * DT * u.ms, i=k):
            fired = self.cells.get_spike() != 0
            self.from_e(fired[: self.excitatory])
            self.from_i(fired[self.excitatory :])
            fired = self.cells(20.0 * u.mA) != 0
            return fired[: self.excitatory].sum(), fired[self.excitatory :].sum()


def main() -> None:
    """Compile once, run once a line."""
    folder, duration, _, _ = given()
    brainstate.environ.set(dt=DT * u.ms)
    net = Network(np.load(folder / "v.npy"))
    brainstate.nn.init_all_states(net)
    steps, done = round(duration / DT), 0

    @brainstate.transform.jit
    def run(steps):
        counts = brainstate.transform.for_loop(net.update, steps)
        return jax.tree.map(jnp.sum, counts)

    def sample() -> tuple[float, tuple[int, int]]:
        nonlocal done
        begin = time.perf_counter()
        counts = jax.block_until_ready(run(jnp.arange(done, done + steps)))
        done += steps
        return time.perf_counter() - begin, (int(counts[0]), int(counts[1]))

    serve("brainpy.state with EventFixedProb, float32", ("brainpy", "brainstate", "brainevent", "jax"), sample)


if __name__ == "__main__":
    main()
