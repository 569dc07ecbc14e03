"""The examples run, and what they simulate makes sense."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._native import WHY_XLA
from brainsim._streams import Stream
from brainsim._types import Drive
from brainsim.bench.harness import lines_logged
from brainsim.units import mV, pA

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def adex():
    return runpy.run_path(str(EXAMPLES / "adex_noise.py"))


def spikes_and_voltages(neuron, steps, n=50):
    built = neuron.build("x", (n,), dt=0.1, key=jax.random.key(0), dtype=jnp.float32)
    state = built.init_state((n,), key=jax.random.key(0), dtype=jnp.float32)

    @jax.jit
    def run(built, state):
        def step(state, k):
            state, spikes = built.step(state, Drive(), 0.1, Stream.of(jax.random.key(1), k))
            return state, (spikes, state.v)

        return jax.lax.scan(step, state, jnp.arange(steps, dtype=jnp.int32))[1]

    return (np.asarray(x) for x in run(built, state))


def test_adex_fires_above_its_rheobase_only(adex):
    """g (V_T - D - E) + a (V_T - D - E) is 619 pA: the least current whose steady state does not exist."""
    AdEx = adex["AdEx"]
    for current, fires in ((600, False), (640, True)):
        spikes, _ = spikes_and_voltages(AdEx(sigma=0 * mV, i_bias=current * pA), 10_000, n=1)
        assert (spikes[5000:].sum() > 0) == fires


def test_adex_noise_has_the_stated_strength(adex):
    """Far below threshold the membrane is passive: its standard deviation is sigma."""
    neuron = adex["AdEx"](sigma=2 * mV, a=0, i_bias=-300 * pA)
    _, v = spikes_and_voltages(neuron, 3000, n=400)
    assert v[1000::100].std() == pytest.approx(2, rel=0.05)


def test_adex_network_runs_fused_and_stays_finite(adex, tmp_path, capsys):
    with lines_logged() as lines:
        adex["main"](["--neurons", "200", "--duration", "300", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / "adex_noise.png").is_file() and "nan" not in printed and "voltage" in printed
    if WHY_XLA is None:
        assert lines == []
