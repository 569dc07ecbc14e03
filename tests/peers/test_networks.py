"""Networks against NEST: rates, irregularity and correlations of the neurons are distributed as in NEST.

Two runs of NEST that differ in the seed differ by some distance of Kolmogorov and Smirnov. Runs of brainsim must be no
farther from runs of NEST than those are from each other: of five seeds, the mean of the 25 distances between the two is
within the largest of the ten distances in NEST.
"""

import importlib.util
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import brainsim as bs
from brainsim.networks.brunel import brunel
from brainsim.units import ms

pytestmark = pytest.mark.slow
SEEDS, DURATION, SKIP = range(1, 6), 2000.0, 200.0
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
    """{feature: (mean distance to NEST, largest distance within NEST)} of lists of features, a seed each."""
    table = {}
    for name in ours[0]:
        if min(len(found[name]) for found in (*ours, *theirs)) < 20:
            continue
        between = [distance(a[name], b[name]) for a, b in itertools.product(ours, theirs)]
        within = [distance(a[name], b[name]) for a, b in itertools.combinations(theirs, 2)]
        table[name] = (float(np.mean(between)), max(within))
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
        for key, (between, within) in table.items():
            print(f"{name} {key}: {between:.3f} to NEST, {within:.3f} within NEST; means {means[key]}")
        far = {key: pair for key, pair in table.items() if pair[0] > pair[1]}
        assert not far, f"population {name}: {far}, means {means}"


@pytest.mark.parametrize("regime", REGIMES)
def test_brunel(regime, nest_networks, tmp_path):
    g, eta = REGIMES[regime]
    theirs = theirs_of(nest_networks, tmp_path, network="brunel", n=N, g=g, eta=eta)
    check(ours_of(lambda seed: brunel(N, g=g, eta=eta, seed=seed), ("E", "I")), theirs)


def test_microcircuit(nest_networks, tmp_path):
    folder = os.environ.get("BRAINSIM_DATA")
    if not folder:
        pytest.skip("needs BRAINSIM_DATA with potjans_diesmann")
    numbers = json.loads((Path(folder) / "potjans_diesmann" / "potjans_diesmann_2014.json").read_text())["net_dict"]
    spec = importlib.util.spec_from_file_location("microcircuit", MICROCIRCUIT)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    theirs = theirs_of(nest_networks, tmp_path, network="microcircuit", numbers=numbers, scale=0.1)
    check(ours_of(lambda seed: example.network(numbers, 0.1, seed), numbers["populations"]), theirs)
