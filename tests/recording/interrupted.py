"""A simulation that a test kills: `python interrupted.py FILE`; it commits after every chunk."""

import functools
import sys

import brainsim as bs
from brainsim.simulate import simulate as driver
from brainsim.units import ms, mV, nS, pA


@functools.cache
def network() -> bs.Network:
    """Delays of many steps, a refractory time, noise and a source with several spikes in a step."""
    lif = bs.LIF(20 * ms, v_th=-50 * mV, v_reset=-60 * mV, v_rest=-60 * mV, t_ref=2 * ms, i_bias=15 * pA)
    exc = bs.Exponential(5 * ms, e_rev=0 * mV)
    return bs.Network(
        {"E": bs.Population(40, lif, init={"v": bs.Normal(-55 * mV, 2 * mV)}), "ext": bs.Poisson(20, 8000.0)},
        [
            bs.Projection("E", "E", bs.FixedProbability(0.2), 0.6 * nS, exc, delay=1.6 * ms),
            bs.Projection("ext", "E", bs.FixedProbability(0.2), 0.01 * nS, exc),
        ],
        dt=0.1 * ms,
        seed=7,
    )


RECORD = [
    *("E.spikes", "ext.spikes"), bs.Trace("E.v", ids=[3, 1], every=0.7 * ms), bs.Rate("E", bin=3.3 * ms),
    bs.Histogram("E.v", [-60, -57.5, -55, -50] * mV, every=1.1 * ms),
]  # fmt: skip
DURATION = 420.0


def run(path: str | None, duration: float = DURATION, **options) -> bs.Result:
    """The run, in chunks that cut the bins of the rate."""
    return bs.simulate(
        network(), duration * ms, inputs={"E": bs.OU(0 * pA, 5 * pA, 5 * ms)}, record=RECORD, to=path, chunk=70,
        progress=False, **options,
    )  # fmt: skip


if __name__ == "__main__":
    sys.modules[driver.__module__]._COMMIT_SECONDS = 0.0
    print("ready", flush=True)
    run(sys.argv[1])
