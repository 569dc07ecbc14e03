"""COBA and CUBA: built as published, spike for spike the oracle's, with the published statistics on every path."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.balanced import coba, coba_hh, cuba
from tests.oracles import coba_numpy

SEEDS = range(1, 6)
N, SKIP, DURATION, DT = 4000, 200.0, 1000.0, 0.1


def statistics(steps: np.ndarray, neurons: np.ndarray, n: int = N) -> dict[str, float]:
    """Rates (Hz), active fraction and mean ISI CV (neurons with three spikes or more) after the transient."""
    late = steps * DT >= SKIP
    steps, neurons = steps[late], neurons[late]
    counts = np.bincount(neurons, minlength=n)
    rate = 1000.0 * counts / (DURATION - SKIP)
    by_neuron = np.lexsort((steps, neurons))
    trains = np.split(steps[by_neuron], np.cumsum(counts)[:-1])
    cv = [np.std(isi) / np.mean(isi) for isi in map(np.diff, trains) if isi.size >= 2]
    return {
        "E": rate[: 4 * n // 5].mean(),
        "I": rate[4 * n // 5 :].mean(),
        "active": (counts > 0).mean(),
        "cv": np.mean(cv),
    }


def spikes_of(net: bs.Network, duration: float = DURATION) -> tuple[np.ndarray, np.ndarray]:
    """Step and neuron (E, then I) of each spike."""
    result = bs.simulate(net, duration, record=["E.spikes", "I.spikes"], progress=False)
    times = np.concatenate([result[name].spikes.t for name in "EI"])
    neurons = np.concatenate([result["E"].spikes.i, result["I"].spikes.i + net["E"].size])
    return np.rint(times / net.dt).astype(int) - 1, neurons


def coba_statistics(seeds=SEEDS) -> dict[str, list[float]]:
    """Statistics by name, one entry a seed."""
    runs = [statistics(*spikes_of(coba(N, seed=seed))) for seed in seeds]
    return {name: [float(run[name]) for run in runs] for name in runs[0]}


@pytest.fixture(scope="module")
def measured() -> dict[str, list[float]]:
    return coba_statistics()


@pytest.mark.parametrize("make", [coba, coba_hh, cuba])
@pytest.mark.parametrize("n", [400, 4003])
def test_eighty_synapses_a_neuron_at_every_size(make, n):
    net = make(n, seed=2)
    assert set(net.populations) == {"E", "I"} and set(net.projections) == {"E->E", "E->I", "I->E", "I->I"}
    assert net["E"].size == int(0.8 * n) and net["E"].size + net["I"].size == n
    total = sum(connection.n_synapses for connection in net.projections.values())
    assert abs(total - 80 * n) < 80 + 5 * np.sqrt(80 * n)
    strong = {name: float(connection.weight) for name, connection in net.projections.items()}
    e, i = {coba: (0.6, 6.7), coba_hh: (6.0, 67.0), cuba: (1.62, -9.0)}[make]
    assert strong == pytest.approx({"E->E": e, "E->I": e, "I->E": i, "I->I": i})


def test_tiny_networks_are_complete():
    net = coba(10)
    assert net["E->E"].n_synapses == 8 * 7 and net["I->E"].n_synapses == 2 * 8
    with pytest.raises(ValueError, match="`n` must be >= 5"):
        coba(4)


def test_seed_and_step():
    first, again, other = coba(100, seed=1), coba(100, seed=1), coba(100, seed=2, dt=0.05)
    np.testing.assert_array_equal(first.init_state().populations["E"].v, again.init_state().populations["E"].v)
    assert (first.init_state().populations["E"].v != other.init_state().populations["E"].v).all()
    assert other.dt == 0.05


def test_spike_for_spike_the_oracle(x64):
    """The same wiring and voltages give the same spikes for 300 ms in float64, although the network is chaotic."""
    net = coba(500, seed=3)
    rows = {
        pre: [np.split(np.asarray(c.indices), np.asarray(c.indptr)[1:-1]) for c in (net[f"{pre}->E"], net[f"{pre}->I"])]
        for pre in "EI"
    }
    targets = [
        np.concatenate([to_e, to_i + net["E"].size]) for pre in "EI" for to_e, to_i in zip(*rows[pre], strict=True)
    ]
    start = net.init_state().populations
    v = np.concatenate([start["E"].v, start["I"].v])
    assert v.dtype == np.float64
    expected = set(zip(*coba_numpy.simulate(targets, v, duration=300.0), strict=True))
    steps, neurons = spikes_of(net, 300.0)
    assert len(expected) > 1000
    assert set(zip(steps, neurons, strict=True)) == expected


def test_published_statistics(measured):
    """Vogels and Abbott's network in BrainPy's form; single seeds differ by 1 to 2 Hz, in the oracle as well."""
    for name in "EI":
        assert 20 < np.mean(measured[name]) < 24
        assert 18 < min(measured[name]) and max(measured[name]) < 26
    assert 0.8 < np.mean(measured["active"]) < 0.9
    assert min(measured["cv"]) > 0.7


def agree(a: list[float], b: list[float]) -> bool:
    """Whether two means differ by less than three standard errors."""
    return abs(np.mean(a) - np.mean(b)) < 3 * np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))


@pytest.mark.slow
def test_the_oracle_has_the_same_statistics(measured):
    runs = [statistics(*coba_numpy.simulate(*coba_numpy.draw(seed))) for seed in SEEDS]
    for name, values in measured.items():
        assert agree(values, [run[name] for run in runs]), name


@pytest.mark.slow
def test_the_other_path_has_the_same_statistics(measured):
    """Operators choose their path when they are imported, so the XLA definitions run in a process of their own."""
    script = (
        "import json; from tests.networks import test_balanced as t; print(json.dumps(t.coba_statistics(range(1, 4))))"
    )
    environment = {
        **os.environ,
        "BRAINSIM_KERNELS": "off",
        "BRAINSIM_REQUIRE_KERNELS": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    for name, values in json.loads(done.stdout).items():
        assert agree(values, measured[name]), name


def test_cuba_is_asynchronous_and_slow():
    """Brette et al.'s benchmark 2 with Brian2's numbers fires irregularly at some 6 Hz."""
    found = statistics(*spikes_of(cuba(N, seed=1)))
    assert 4 < found["E"] < 8 and 4 < found["I"] < 8
    assert 0.3 < found["cv"] < 0.7 and 0.7 < found["active"] < 0.9


def test_hodgkin_huxley_neurons_fire_irregularly():
    """Some 35 Hz, as at 4,000 neurons; a part of the neurons is silent, and intervals are irregular."""
    result = bs.simulate(coba_hh(2000, seed=2), 300 * bs.units.ms, record=["E.spikes", "E.rate"], progress=False)
    assert 20 < np.asarray(result["E"].rate)[100:].mean() < 50
    assert np.nanmean(bs.analysis.isi_cv(result["E"], skip=100)) > 0.6
