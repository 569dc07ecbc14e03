"""Programs that run in turns, with stand-ins for the peers; and the comparison that comes before their times."""

import json
import sys
from pathlib import Path

import pytest

from brainsim.bench.contest import Outcome, contest
from brainsim.bench.worker import WorkerFailed

SERVE = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"


def program(name, seconds, spikes):
    """A contestant that does nothing, and chats on stdout as libraries do."""
    code = f"import sys; sys.path.insert(0, {str(SERVE)!r}); from serve import serve\n"
    code += f"def sample():\n    print('building')\n    return {seconds}, {spikes}\n"
    return [sys.executable, "-c", code + f"serve({name!r}, ('jax',), sample)"]


def test_each_runs_once_a_round():
    outcomes = contest({"a": program("A", 2.0, (3, 4)), "b": program("B", 1.0, (3, 5))}, threads=1, rounds=2)
    assert outcomes["a"].about["first"] == [3, 4] and outcomes["a"].peak_mb > 5
    assert outcomes["a"].about["name"] == "A" and set(outcomes["a"].about["versions"]) == {"jax"}
    assert outcomes["a"].seconds == [2.0, 2.0] and outcomes["b"].figures == [[3, 5], [3, 5]]


def test_a_contestant_that_dies_is_named():
    with pytest.raises(WorkerFailed, match="b ended without an answer"):
        contest(
            {"a": program("A", 1.0, (1, 1)), "b": [sys.executable, "-c", "raise SystemExit(3)"]}, threads=None, rounds=1
        )


@pytest.fixture
def against(script):
    return script("against_peers")


def test_rates_are_compared_before_times(against):
    outcomes = {"brainsim": Outcome({}, [1.0], [[100, 50]]), "peer": Outcome({}, [4.0], [[104, 50]])}
    assert against.differences(outcomes) == pytest.approx({"brainsim": 0.0, "peer": 0.04})
    against.require(against.differences(outcomes), 0.05)
    with pytest.raises(AssertionError, match="differs by more than 1%: {'peer'"):
        against.require(against.differences(outcomes), 0.01)


def test_the_same_work_is_measured_on_a_network_of_one_s_own(against, monkeypatch, tmp_path):
    """All of the script but the peers, for which brainsim itself and a stand-in stand in."""
    scripts = {name: against.command(name, Path(), Path("net"), 20.0, 1) for name in ("brainsim",)}
    assert scripts["brainsim"][1].endswith("coba_brainsim.py")

    def command(name, environments, network, duration, threads):
        assert (network / "indices.npy").is_file() and (network / "v.npy").is_file()
        return program(name, {"brainsim": 1.0, "brian2": 3.0}[name], (10, 5))

    monkeypatch.setattr(against, "command", command)
    options = against.parsed(["--neurons", "200", "--rounds", "3", "--peers", "brian2", "--duration", "20"])
    monkeypatch.setenv("PYTHONPATH", str(SERVE.parents[1]))
    outcome = against.measure(options)
    assert outcome["rows"]["brian2"]["over_brainsim"] == 3.0 and outcome["rows"]["brian2"]["wall_per_bio_s"] == 150.0
    json.dumps(outcome, allow_nan=False)


def test_unknown_peers_are_refused(against, capsys):
    with pytest.raises(SystemExit):
        against.parsed(["--peers", "nest"])
    assert "expected names out of brian2" in capsys.readouterr().err


@pytest.fixture
def training(script):
    return script("training")


@pytest.mark.parametrize("net", ["ff256", "rec256"])
def test_the_scan_by_hand_trains_the_same_classifier(training, monkeypatch, net):
    """The first loss and the hidden rates are those of the scan, to 0.1 %."""
    monkeypatch.setenv("PYTHONPATH", str(SERVE.parents[1]))
    outcome = training.measure(training.parsed(["--net", net, "--peers", "jax_scan,snntorch", "--rounds", "1"]))
    ours, theirs = outcome["rows"]["brainsim"], outcome["rows"]["jax_scan"]
    assert theirs["first"][0] == pytest.approx(ours["first"][0], rel=1e-3)
    assert theirs["hidden_rates"] == pytest.approx(ours["hidden_rates"], rel=1e-3)
    assert outcome["missing"] == ["snntorch"] and ours["peak_mb"] > 100
    json.dumps(outcome, allow_nan=False)


def test_another_loss_is_refused(training):
    outcomes = {
        "brainsim": Outcome({"first": [3.0]}, [1.0], [[3.0]]),
        "snntorch": Outcome({"first": [3.2]}, [1.0], [[3.2]]),
    }
    assert training.require_equal_losses(outcomes)["snntorch"] == pytest.approx(0.2 / 3)
    with pytest.raises(AssertionError, match="the first loss is not brainsim's, 3; relative differences: {'jax_scan'"):
        training.require_equal_losses(outcomes | {"jax_scan": Outcome({"first": [3.01]}, [1.0], [[3.01]])})
