"""Networks against NEST: rates, irregularity and correlations of the neurons are distributed as in NEST.

Eight seeds of each. Two runs of one simulator that differ in the seed alone have some distance of Kolmogorov and
Smirnov between them. If runs of brainsim and of NEST were exchangeable, the mean distance between the two groups would
be that between any eight of the sixteen runs and the rest: it must not be among the largest thousandth of all
divisions. A network without repeated synapses in NEST, 4 % slower, fails.
"""

import itertools
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import brainsim as bs
from brainsim.networks.brunel import brunel
from brainsim.units import ms

pytestmark = pytest.mark.slow
SEEDS, DURATION, SKIP = range(1, 9), 2000.0, 200.0
MICROCIRCUIT = Path(__file__).parents[2] / "examples" / "microcircuit.py"
REGIMES = {"regular": (3.0, 2.0), "fast": (6.0, 4.0), "asynchronous": (5.0, 2.0), "slow": (4.5, 0.9)}
N = 2500


def features(times, neurons, size, chosen=150, bin_width=5.0):
    """Rates (Hz), CV of the intervals, and correlations of counts in bins between some neurons: one sample each."""
    late = times > SKIP
    times, neurons = times[late], neurons[late]
    rates = np.bincount(neurons, minlength=size) / (DURATION - SKIP) * 1000
    trains = [np.diff(times[neurons == i]) for i in range(min(size, 500))]
    cv = np.array([gaps.std() / gaps.mean() for gaps in trains if len(gaps) > 3])
    among = neurons < chosen
    edges = (np.arange(0, chosen + 1), np.arange(SKIP, DURATION + bin_width / 2, bin_width))
    counts = np.histogram2d(neurons[among], times[among], bins=edges)[0]
    counts = counts[counts.std(1) > 0]
    pairs = np.corrcoef(counts)[np.triu_indices(len(counts), 1)] if len(counts) > 1 else np.empty(0)
    return {"rate": rates, "cv": cv, "correlation": pairs}


def compare(ours, theirs):
    """{feature: (mean distance between the two groups, within NEST, share of divisions with a larger one)}."""
    table, n = {}, len(SEEDS)
    chosen = [(0, *rest) for rest in itertools.combinations(range(1, 2 * n), n - 1)]
    group = np.zeros((len(chosen), 2 * n))
    np.put_along_axis(group, np.array(chosen), 1.0, axis=1)
    for name in ours[0]:
        samples = [found[name] for found in (*ours, *theirs)]
        if min(map(len, samples)) < 20:
            continue
        matrix = np.array([[distance(a, b) for b in samples] for a in samples])
        between = np.einsum("di,ij,dj->d", group, matrix, 1 - group) / n**2
        within = matrix[n:, n:].sum() / (n * (n - 1))
        table[name] = (between[0], within, np.mean(between >= between[0] - 1e-12))
    return table


def distance(a, b):
    return float(stats.ks_2samp(a, b, method="asymp").statistic)


def ours_of(make, names):
    """Features of every population for every seed."""
    runs = []
    for seed in SEEDS:
        net = make(seed)
        result = bs.simulate(net, DURATION * ms, record=[f"{name}.spikes" for name in names])
        runs.append(
            {
                name: features(
                    np.asarray(result[name].spikes.t), np.asarray(result[name].spikes.i), net.populations[name].size
                )
                for name in names
            }
        )
    return runs


def theirs_of(nest_networks, folder, **job):
    """The same of NEST."""
    files = [folder / f"{seed}.npz" for seed in SEEDS]
    nest_networks(
        [dict(job, seed=seed, duration=DURATION, out=str(file)) for seed, file in zip(SEEDS, files, strict=True)]
    )
    runs = []
    for file in files:
        with np.load(file) as found:
            names = dict.fromkeys(key.rpartition(".")[0] for key in found)
            runs.append({n: features(found[f"{n}.t"], found[f"{n}.i"], int(found[f"{n}.n"])) for n in names})
    return runs


def check(ours, theirs):
    for name in theirs[0]:
        table = compare([run[name] for run in ours], [run[name] for run in theirs])
        assert "rate" in table
        means = {key: [float(np.mean([r[name][key].mean() for r in runs])) for runs in (ours, theirs)] for key in table}
        for key, (between, within, share) in table.items():
            print(f"{name} {key}: {between:.3f} to NEST, {within:.3f} within NEST, p {share:.4f}; means {means[key]}")
        far = {key: row for key, row in table.items() if row[2] < 0.001}
        assert not far, f"population {name}: {far}, means {means}"


@pytest.mark.parametrize("regime", REGIMES)
def test_brunel(regime, nest_networks, tmp_path):
    g, eta = REGIMES[regime]
    theirs = theirs_of(nest_networks, tmp_path, network="brunel", n=N, g=g, eta=eta)
    check(ours_of(lambda seed: brunel(N, g=g, eta=eta, seed=seed), ("E", "I")), theirs)


def test_microcircuit(nest_networks, data_folder, tmp_path):
    file = data_folder("potjans_diesmann") / "potjans_diesmann_2014.json"
    numbers, network = json.loads(file.read_text())["net_dict"], runpy.run_path(str(MICROCIRCUIT))["network"]
    theirs = theirs_of(nest_networks, tmp_path, network="microcircuit", numbers=numbers, scale=0.1)
    check(ours_of(lambda seed: network(numbers, 0.1, seed), numbers["populations"]), theirs)
