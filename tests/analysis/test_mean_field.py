"""The stationary rate against the noiseless limit, a simulation, and what must not be asked."""

import numpy as np
import pytest

import brainsim as bs
from brainsim.analysis import brunel_rate, siegert_rate
from brainsim.networks.brunel import brunel
from brainsim.units import ms, mV

CELL = dict(tau_mem=20.0, v_th=20.0, v_reset=10.0, t_ref=2.0)


def test_without_noise_it_is_the_rate_of_the_regular_neuron():
    assert siegert_rate(30, 1e-3, **CELL) == pytest.approx(1000 / (2 + 20 * np.log(2)), rel=1e-5)


def test_far_below_threshold_nothing_fires_and_nothing_overflows():
    assert siegert_rate(-300, 0.5, **CELL) == 0.0
    assert 0 < siegert_rate(10, 0.5, **CELL) < 1e-100


def test_neurons_driven_by_many_small_jumps_fire_at_that_rate():
    """1,000 neurons, jumps of 0.1 mV at 10 kHz: mu = 20, sigma^2 = 2; steps of 0.02 ms miss few crossings."""
    lif = bs.LIF(20 * ms, v_th=20 * mV, v_reset=10 * mV, t_ref=2 * ms)
    net = bs.Network(
        {"x": bs.Population(1000, lif, init={"v": bs.Uniform(10 * mV, 20 * mV)}), "in": bs.Poisson(1000, 10_000)},
        [bs.Projection("in", "x", bs.OneToOne(), 0.1 * mV)],
        dt=0.02 * ms,
    )
    rate = np.asarray(bs.simulate(net, 1200 * ms, record=["x.rate"], progress=False)["x"].rate)[200:].mean()
    assert rate == pytest.approx(siegert_rate(20, np.sqrt(2), **CELL), rel=0.03)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sigma": 0}, "`sigma` must be > 0 mV, got min 0"),
        ({"tau_mem": -20.0}, "`tau_mem` must be > 0 ms, got min -20"),
        ({"t_ref": -1.0}, "`t_ref` must be >= 0 ms, got min -1"),
        ({"v_reset": 20.0}, "`v_reset`: expected < `v_th` = 20 mV, got 20 mV"),
        ({"sigma": np.nan}, "`sigma`: expected a voltage .*, got nan"),
    ],
)
def test_what_is_no_neuron_is_an_error(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        siegert_rate(**{"mu": 20.0, "sigma": 1.0, **CELL, **changes})


def test_what_is_no_network_is_an_error():
    with pytest.raises(ValueError, match="`g` must be > 0, got min -1"):
        brunel_rate(-1, 2)
    with pytest.raises(TypeError, match="`n`: expected a number without unit, got '10'"):
        brunel("10")
