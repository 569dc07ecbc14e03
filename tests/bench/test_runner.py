"""Suites run row by row, go on where they were killed, and end with a page that tells every row."""

import functools
import json
import re
import signal
import subprocess
import sys
import time

import pytest

from brainsim import __main__ as cli
from brainsim.bench import harness, lines, page, process, runner

SUITE = """
about = "Rows of milliseconds."
seeds = [1, 2]
repeats = 3
warmup = 0
[[task]]
label = "COBA"
workload = "coba"
neurons = [400, 800]
duration = 10.0
"""

FAKE = """
import time
from brainsim.bench import harness

def launch(workload, arguments, *, log=None, **how):
    if log:
        log.write_text("a line")
    timing = harness.Timing(2.0, [0.1 * arguments["neurons"] / 400] * 3)
    rates = {"rate_hz_E": 21.0, "rate_hz_I": 22.0}
    checks = {name: harness.check(value, 18.0, 26.0) for name, value in rates.items()}
    figures = rates | {"wall_per_bio_s": timing.median}
    return harness.result(workload, arguments | how, timing, checks=checks, **figures)
"""


@pytest.fixture
def suite_file(tmp_path):
    file = tmp_path / "fast.toml"
    file.write_text(SUITE)
    return file


@pytest.fixture
def launched(monkeypatch):
    """The rows that were run by a stand-in of milliseconds; `fail` and `rate` change what it does."""
    names, change, card = {}, {"fail": None, "rate": 21.0, "missing": {}, "asked": []}, machine()
    exec(compile(FAKE, "fake", "exec"), names)
    monkeypatch.setattr(harness, "card", lambda: card)

    def launch(workload, arguments, **how):
        change["asked"].append(arguments)
        outcome = names["launch"](workload, arguments, **how)
        if change["fail"] and change["fail"](arguments):
            raise process.WorkerFailed("coba: the child process ended with code 1: ValueError: no")
        outcome["checks"]["rate_hz_E"] = harness.check(change["rate"], 18.0, 26.0)
        return outcome | {"missing": change["missing"]}

    monkeypatch.setattr(runner, "launch", launch)
    return change


@functools.cache
def machine():
    return harness.card()


def bench(*words):
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", *map(str, words)])
    return stop.value.code


def test_every_row_is_a_file_and_a_line_of_the_page(suite_file, launched, tmp_path, capsys):
    assert bench("run", suite_file, "--out", tmp_path / "out") == 0
    files = sorted((tmp_path / "out").glob("*.json"))
    assert len(files) == 4 == len(launched["asked"])
    for file in files:
        result = json.loads(file.read_text())
        assert result["schema"] == harness.SCHEMA and len(result["samples"]) == 3 and result["row"]["task"] == "COBA"
    text = (tmp_path / "out" / "index.html").read_text()
    (table,) = re.findall("<tbody>(.*?)</tbody>", text, re.S)
    cells = [re.findall("<td.*?>(.*?)</td>", row) for row in table.split("</tr>") if "<td" in row]
    assert [row[:3] for row in cells] == [[n, s, "brainsim"] for n in ("400", "800") for s in "12"]
    assert text.count("<svg") >= 1 and result["cpu_model"] in text and str(result["commit"])[:12] in text
    assert not re.search(r'(src|href)="?http|<link|<script', text)  # it stands alone
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 5
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not list((tmp_path / "out").glob("*.log")) and "4 rows" in capsys.readouterr().err


def test_a_run_that_was_killed_goes_on(suite_file, launched, tmp_path):
    """SIGKILL in the third of four rows: two are kept, the page has them, and the other two alone are run."""
    out, reached = tmp_path / "out", tmp_path / "reached"
    program = f"""{FAKE}
from pathlib import Path
from rich.console import Console
from brainsim.bench import runner, suite
fast, rows = launch, []
def launch(workload, arguments, **how):
    rows.append(arguments)
    if len(rows) == 3:
        Path({str(reached)!r}).touch()
        time.sleep(60)
    return fast(workload, arguments, **how)
runner.launch = launch
rows_ = suite.read({str(suite_file)!r})
runner.run(rows_, Path({str(out)!r}), resume=False, environments="", console=Console(quiet=True))
"""
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        deadline = time.monotonic() + 240
        while not reached.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert reached.exists() and len(list(out.glob("*.json"))) == 2
    assert len(page.read(out)) == 2 and (out / "index.html").is_file()
    assert bench("run", suite_file, "--out", out, "--resume") == 0
    assert [asked["neurons"] for asked in launched["asked"]] == [800, 800] and len(page.read(out)) == 4


def test_a_folder_that_has_results_is_not_written_over(suite_file, launched, tmp_path, capsys):
    assert bench("run", suite_file, "--out", tmp_path / "out") == 0
    assert bench("run", suite_file, "--out", tmp_path / "out") == 2
    assert "--resume" in capsys.readouterr().err and len(launched["asked"]) == 4
    suite_file.write_text(SUITE.replace("duration = 10.0", "duration = 20.0"))
    assert bench("run", suite_file, "--out", tmp_path / "out", "--resume") == 2
    assert "other arguments" in capsys.readouterr().err.replace("\n", " ")


def test_a_row_that_fails_is_told_and_run_again_when_resumed(suite_file, launched, tmp_path):
    launched["fail"] = lambda arguments: arguments == launched["asked"][0]
    assert bench("run", suite_file, "--out", tmp_path / "out") == 1
    assert len(list((tmp_path / "out").glob("*.log"))) == 1
    text = (tmp_path / "out" / "index.html").read_text()
    assert "ValueError: no" in text and "1 without a result" in text
    launched["fail"] = None
    assert bench("run", suite_file, "--out", tmp_path / "out", "--resume") == 0
    assert len(launched["asked"]) == 5 and "without a result" not in (tmp_path / "out" / "index.html").read_text()


def test_exit_codes_of_a_failed_check_and_of_a_missing_peer(suite_file, launched, tmp_path):
    launched["missing"] = {"nest": "no environment"}
    assert bench("run", suite_file, "--out", tmp_path / "a") == 3
    assert "not measured here: nest" in (tmp_path / "a" / "index.html").read_text()
    launched["rate"] = 3.0
    assert bench("run", suite_file, "--out", tmp_path / "b") == 1
    assert "rate_hz_E is 3, not within 18 to 26" in (tmp_path / "b" / "index.html").read_text()


def test_usage_errors_name_what_is_wrong(suite_file, tmp_path, capsys):
    suite_file.write_text(SUITE.replace("neurons", "neuron"))
    for words, told in (
        ((suite_file, "--out", tmp_path), "no key `neuron`"),
        (("nothing", "--out", tmp_path), "got nothing"),
        ((suite_file,), "--out"),
        (("networks", "--out", tmp_path, "--peers", "genn"), "got genn"),
    ):
        assert bench("run", *words) == 2
        assert told in " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())


@pytest.mark.parametrize(("factor", "code"), [(1.04, 0), (1.2, 1)])
def test_compare_finds_a_regression_between_folders(suite_file, launched, tmp_path, factor, code):
    for name in ("a", "b"):
        assert bench("run", suite_file, "--out", tmp_path / name) == 0
    (file, *_) = sorted((tmp_path / "b").glob("*.json"))
    result = json.loads(file.read_text())
    file.write_text(json.dumps(result | {"median": factor * result["median"]}))
    assert bench("compare", tmp_path / "a", tmp_path / "b", "--min-ratio", "0.95") == code


def test_markdown_and_pictures_of_data_sets(tmp_path, script, capsys):
    timing = harness.Timing(3.0, [1.0, 1.1, 1.2])
    figures = dict(parameters=10, train_s=9.0, train_cpu_s=8.0, test_s=1.0, n_train=5, n_test=2)
    results = []
    for seed, accuracy in enumerate((0.9, 0.8)):
        arguments = {"data": "mnist", "hidden": None, "epochs": 3, "seed": seed, "threads": 1}
        more = figures | {"accuracy": accuracy, "rates_hz": {"hidden.spikes": 12.0}}
        results.append(harness.result("dataset", arguments, timing, checks={}, **more))
    text = page.markdown(results)
    assert "mnist: 85.0 % (80.0 to 90.0, 2 seeds)" in text and text.count("| brainsim |") == 2
    assert "| 90.0% | hidden 12.0 Hz |" in text and page.document(results).count("<svg") == 1
    (tmp_path / "a.json").write_text(json.dumps(results[0]))
    script("results").main([str(tmp_path)], tmp_path / "RESULTS.md")
    assert (
        page.markdown(results[:1]) in (tmp_path / "RESULTS.md").read_text() and "1 results" in capsys.readouterr().out
    )
    with pytest.raises(SystemExit, match="gone: not a readable JSON file"):
        script("results").main([str(tmp_path / "gone")])


def test_figures_for_reading():
    assert [lines.number(x) for x in (0.0356, 52.349, 0.0, 45826.2)] == ["0.0356", "52.3", "0", "45,826"]
    assert lines.spread([1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.6) and lines.spread([1.0, 2.0]) is None
