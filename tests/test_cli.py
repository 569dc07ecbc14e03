"""The command line: JSON alone on stdout, progress on stderr, and the exit codes that scripts rely on."""

import functools
import json
import subprocess
import sys

import pytest

from brainsim import __main__ as cli
from brainsim.bench import commands, demo, harness, info, process, worker


def call(*arguments):
    """Exit code of a command run in this process."""
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return stop.value.code


@pytest.fixture
def measured(monkeypatch):
    """Replace the child process: records what was asked of it, and answers with one sample and one check."""
    asked = {}

    def launch(workload, arguments, **options):
        asked.update(workload=workload, arguments=arguments, options=options)
        return {
            "schema": harness.SCHEMA,
            "workload": workload,
            "arguments": arguments,
            "median": 1.0,
            "checks": {"rate_hz_E": harness.check(asked.get("rate", 22.0), 18.0, 26.0)},
        }

    monkeypatch.setattr(commands, "launch", launch)
    return asked


class TestBench:
    def test_json_is_all_there_is_on_stdout(self, measured, capsys):
        assert call("bench", "coba", "--neurons", "400", "--threads", "1", "--json") == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["workload"] == "coba" and "bench coba" in err
        assert measured["arguments"] == {"neurons": 400, "duration": 1000.0, "seed": 1, "repeats": 5, "warmup": 1}
        assert measured["options"]["threads"] == 1

    @pytest.mark.parametrize("position", [0, 2])
    def test_json_may_stand_before_other_options(self, measured, capsys, position):
        words = ["--net", "rec256", "--seed", "3"]
        words.insert(position, "--json")
        assert call("bench", "train", *words) == 0
        assert json.loads(capsys.readouterr().out)["arguments"]["net"] == "rec256"

    def test_json_into_a_file(self, measured, capsys, tmp_path):
        assert call("bench", "coba", "--json", str(tmp_path / "a.json")) == 0
        assert capsys.readouterr().out == "" and json.loads((tmp_path / "a.json").read_text())["median"] == 1.0

    def test_without_json_a_table(self, measured, capsys):
        assert call("bench", "coba") == 0
        assert "median" in capsys.readouterr().out

    def test_a_failed_check_is_exit_code_1_and_still_prints_the_result(self, measured, capsys):
        measured["rate"] = 3.0
        assert call("bench", "coba", "--json") == 1
        out, err = capsys.readouterr()
        assert json.loads(out)["checks"]["rate_hz_E"]["ok"] is False and "check failed" in err

    def test_a_child_that_fails_is_exit_code_1(self, monkeypatch):
        def launch(*_, **__):
            raise process.WorkerFailed("coba: the child process ended with code 1.")

        monkeypatch.setattr(commands, "launch", launch)
        assert call("bench", "coba", "--json") == 1

    @pytest.mark.parametrize(
        "words",
        [
            ("coba", "--neurons", "0"),
            ("coba", "--repeats", "2"),
            ("coba", "--threads", "100000"),
            ("train", "--net", "ff257"),
            ("operator", "nothing"),
            ("compare", "gone", "gone"),
            ("nothing",),
        ],
    )
    def test_wrong_usage_is_exit_code_2(self, words):
        assert call("bench", *words) == 2

    def test_list(self, capsys):
        assert call("bench", "list", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert set(found["workloads"]) == {*worker.WORKLOADS, *worker.SCRIPTS} and "datasets" in found["suites"]

    @pytest.mark.parametrize(("new", "code"), [(1.0, 0), (1.04, 0), (1.2, 1)])
    def test_compare_finds_a_regression(self, tmp_path, capsys, new, code):
        for name, median in (("old", 1.0), ("new", new)):
            result = {"schema": harness.SCHEMA, "workload": "coba", "arguments": {"neurons": 4}, "median": median}
            (tmp_path / f"{name}.json").write_text(json.dumps(result))
        assert call("bench", "compare", str(tmp_path / "old.json"), str(tmp_path / "new.json"), "--json") == code
        assert json.loads(capsys.readouterr().out)[0]["ratio"] == pytest.approx(1 / new)


class TestInfo:
    def test_json_tells_the_path_and_why(self, capsys):
        assert call("info", "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert report["kernels"]["path"] in ("ffi", "xla") and report["self_test"]["ok"]
        assert all(entry["ok"] for entry in report["self_test"]["checks"].values())

    def test_a_failed_self_test_is_exit_code_1(self, capsys, monkeypatch):
        monkeypatch.setattr(info, "_CHECKS", {"csr": lambda: (False, "push differs from plain XLA")})
        assert call("info") == 1
        assert "FAILED" in capsys.readouterr().out


class TestDemo:
    @pytest.mark.slow
    def test_draws_and_prints_figures(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(demo.digits, "train", functools.partial(demo.digits.train, 1))
        assert call("demo", "--out", str(tmp_path / "new")) == 0
        figures = json.loads((tmp_path / "new" / "figures.json").read_text())
        assert 18 < figures["simulate"]["rate_hz_E"] < 26 and figures["simulate"]["isi_cv_E"] > 0.7
        assert 0.3 < figures["train"]["test_accuracy"] <= 1
        out = capsys.readouterr().out
        for picture in ("ei_raster.png", "training.png"):
            assert (tmp_path / "new" / picture).stat().st_size > 10_000 and picture in out

    def test_without_scikit_learn_is_exit_code_3_and_says_what_to_install(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
        monkeypatch.setattr(demo, "_simulate", lambda *_: {})
        assert call("demo", "--out", str(tmp_path)) == 3
        assert "brainsim[examples]" in capsys.readouterr().err


NETWORK = """
import brainsim as bs
from brainsim.units import mV, ms

def make():
    cell = bs.LIF(20*ms, v_th=-50*mV, v_rest=-65*mV, v_reset=-65*mV, i_bias=20.0)
    return bs.Network({"E": bs.Population(3, cell)}, dt=0.1*ms)

net = make()
"""


class TestRun:
    @pytest.fixture
    def file(self, tmp_path):
        (tmp_path / "net.py").write_text(NETWORK)
        return tmp_path / "net.py"

    @pytest.mark.parametrize("name", ["net", "make"])
    def test_simulates_a_network_or_its_maker_and_saves(self, file, name, tmp_path, capsys):
        out = tmp_path / "r.h5"
        assert call("run", f"{file}:{name}", "--duration", "50", "--record", "E.spikes", "--out", str(out)) == 0
        assert "E" in capsys.readouterr().out and out.stat().st_size > 0

    @pytest.mark.parametrize("target", ["net.py", "gone.py:net", "{file}:other", "{file}:bs"])
    def test_a_target_that_is_no_network_is_exit_code_2(self, file, target):
        assert call("run", target.format(file=file)) == 2


@pytest.mark.slow
def test_every_workload_runs_in_its_own_process(tmp_path):
    """The real thing, as a script would call it: the shortest useful run of each workload."""
    for words in (
        ["coba", "--neurons", "2000", "--duration", "400"],
        ["train", "--net", "ff256"],
        ["operator", "csr", "--n", "1000"],
    ):
        command = [sys.executable, "-m", "brainsim", "bench", *words, "--threads", "1", "--repeats", "3", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout)
        assert len(outcome["samples"]) == 3 and outcome["arguments"]["threads"] == 1 and len(outcome["affinity"]) == 1
