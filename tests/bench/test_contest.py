"""Programs that run in turns, with stand-ins for the peers; and the comparison that comes before their times."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainsim.bench import page, peers, simulating, training
from brainsim.bench.contest import contest
from brainsim.bench.harness import passed
from brainsim.bench.lines import lines
from brainsim.bench.process import WorkerFailed

SERVE = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"


def program(name, seconds, spikes):
    """A contestant that does nothing, and chats on stdout as libraries do."""
    code = f"import sys; sys.path.insert(0, {str(SERVE)!r}); from serve import serve\n"
    code += f"def sample():\n    print('building')\n    return {seconds}, {spikes}\n"
    return [sys.executable, "-c", code + f"serve({name!r}, ('jax',), sample)"]


ALL = {**peers.TRAINERS, **peers.SIMULATORS["coba"]}
DEAD = [sys.executable, "-c", "raise SystemExit(3)"]


def test_each_runs_once_a_round():
    outcomes, failed = contest({"a": program("A", 2.0, (3, 4)), "b": program("B", 1.0, (3, 5))}, rounds=2)
    assert failed == {}
    assert outcomes["a"].about["first"] == [3, 4] and outcomes["a"].peak_mb > 5
    assert outcomes["a"].about["name"] == "A" and set(outcomes["a"].about["versions"]) == {"jax"}
    assert outcomes["a"].seconds == [2.0, 2.0] and outcomes["b"].figures == [[3, 5], [3, 5]]


def test_a_contestant_that_dies_is_told_and_the_others_go_on():
    outcomes, failed = contest({"a": program("A", 1.0, (1, 1)), "b": DEAD}, rounds=1)
    assert set(outcomes) == {"a"} and failed == {"b": "b ended without an answer; its own message is on stderr."}
    with pytest.raises(WorkerFailed, match="a ended"):
        peers.require_ours({}, {"brainsim": "a ended"})


@pytest.fixture
def stand_ins(monkeypatch, tmp_path):
    """`stand_ins({"brian2": command})`: these in the place of the peers, and environments for them."""

    def use(work, programs, ours):
        known = getattr(peers, work)
        known = known["coba"] if work == "SIMULATORS" else known
        found = {id(known[name]): program for name, program in programs.items()}
        monkeypatch.setattr(peers, "command", lambda peer, *_, **__: ours if peer is None else found[id(peer)])
        monkeypatch.setattr(peers, "lay_down", lambda *_: None)
        for name in programs:
            folder = tmp_path / str(known[name].environment)
            folder.mkdir(exist_ok=True)
            (folder / "ready").touch()
        return str(tmp_path)

    return use


ASKED = dict(network="coba", neurons=200, duration=20.0, seed=1, rounds=3)


def test_a_network_in_turns_with_peers(stand_ins, tmp_path):
    """One that agrees, one that fires otherwise, one that dies, and one that is not there."""
    programs = {"brian2": program("Brian2", 3.0, (104, 50)), "brainevent": program("B", 2.0, (120, 50)), "nest": DEAD}
    programs |= {"brian2": program("Brian2", 3.0, (100, 50)), "c": program("C", 0.5, (100, 50))}
    folder = stand_ins("SIMULATORS", programs, program("brainsim, float32", 1.0, (100, 50)))
    (tmp_path / "brainevent" / "ready").rename(tmp_path / "brainevent" / "failed")
    (tmp_path / "brainevent" / "failed").write_text("ERROR: no such package")
    outcome = simulating.measure(**ASKED, peers="brian2,brainevent,nest,c", environments=folder)
    row = outcome["rows"]["brian2"]
    assert (
        row["over_brainsim"] == 3.0
        and row["wall_per_bio_s"] == 150.0
        and set(outcome["rows"]) == {"brainsim", "brian2", "c"}
    )
    assert set(outcome["missing"]) == {"brainevent", "nest"} and passed(outcome)
    assert outcome["missing"]["brainevent"].endswith("brainevent: ERROR: no such package")
    told = {line.tool: line for line in lines(json.loads(json.dumps(outcome, allow_nan=False)))}
    assert told["Brian2"].ratio == 3.0 and told["nest"].note.startswith("not measured: nest ended without")
    text = page.document([outcome])
    assert text.count("<svg") == 1 and all(name in text for name in ("Brian2", "ERROR: no such package"))


def test_who_fires_otherwise_is_not_timed(stand_ins):
    folder = stand_ins("SIMULATORS", {"brian2": program("Brian2", 3.0, (104, 50))}, program("brainsim", 1.0, (100, 50)))
    outcome = simulating.measure(**ASKED, peers="brian2", environments=folder)
    assert set(outcome["rows"]) == {"brainsim"} and not passed(outcome)
    assert outcome["checks"]["early spikes of brian2"]["value"] == pytest.approx(0.04)
    assert "spikes of brian2" not in outcome["checks"]  # it was not in the long run
    ours, theirs = lines(outcome)
    assert "early spikes of brian2 is 0.04" in ours.note and theirs == theirs._replace(
        tool="brian2", value=None, ok=False
    )


def test_environments_that_cannot_be_made_are_told_and_the_others_tried(tmp_path):
    """With interpreters that fail, one of which is not there."""
    made = subprocess.run(
        ["sh", str(SERVE / "make_env.sh"), "nothing-of-that-name", str(tmp_path), "false"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stderr.count("could not be made") == len({p.environment for p in ALL.values() if p.environment})
    absent = peers.missing(ALL, ["nest", "norse"], tmp_path)
    assert "not found" in absent["nest"] and absent["norse"].endswith(f"see {tmp_path}/torch.log")


def test_unknown_peers_and_networks_are_refused():
    with pytest.raises(ValueError, match="`peers`: expected names out of brian2, .* got genn"):
        simulating.measure(**ASKED, peers="genn")
    with pytest.raises(ValueError, match="`network`"):
        simulating.measure(**ASKED | {"network": "other"}, peers="nest")


def test_what_simulators_take_is_laid_down(tmp_path):
    """brainsim's own script writes synapses and voltages, and runs on them."""
    given = (tmp_path, 20.0, 1, "brunel")
    peers.lay_down(simulating.SCRIPT, tmp_path, 200, 1, "brunel")
    outcomes, failed = contest({"brainsim": peers.command(None, Path(), *given, ours=simulating.SCRIPT)}, rounds=1)
    assert failed == {} and len(np.load(tmp_path / "indices.npy")) == 200 * 20
    assert np.diff(np.load(tmp_path / "indptr.npy")).sum() == 200 * 20 and sum(outcomes["brainsim"].figures[0]) > 0


@pytest.mark.parametrize("net", ["ff256", "rec256"])
def test_the_scan_by_hand_trains_the_same_classifier(net):
    """The first loss and the hidden rates are those of the scan, to 0.1 %."""
    outcome = training.measure(net=net, seed=1, rounds=1, peers="jax_scan,snntorch", environments="gone")
    ours, theirs = outcome["rows"]["brainsim"], outcome["rows"]["jax_scan"]
    assert passed(outcome) and theirs["first"][0] == pytest.approx(ours["first"][0], rel=1e-3)
    assert theirs["hidden_rates"] == pytest.approx(ours["hidden_rates"], rel=1e-3)
    assert (
        outcome["missing"] == {"snntorch": "no environment gone/torch: `make peers` makes it"} and ours["peak_mb"] > 100
    )
    json.dumps(outcome, allow_nan=False)


def test_who_begins_with_another_loss_is_not_timed(stand_ins):
    programs = {"snntorch": program("s", 2.0, [3.2]), "norse": program("n", 2.0, [3.2])}
    folder = stand_ins("TRAINERS", programs, program("brainsim", 1.0, [3.0]))
    outcome = training.measure(net="ff256", seed=1, rounds=1, peers="snntorch,norse", environments=folder)
    assert set(outcome["rows"]) == {"brainsim", "snntorch"}  # whose tolerance is larger
    assert not passed(outcome) and outcome["checks"]["first loss of norse"]["value"] == pytest.approx(0.2 / 3)
