"""The scripts of `benchmarks/` at tiny sizes: equal results first, then figures in a result like any other."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import brainsim.neurons as room
from brainsim._native import WHY_XLA
from brainsim.bench.harness import SCHEMA, lines_logged

ROOT = Path(__file__).resolve().parents[2]
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@needs_compiler
def test_scan(script):
    outcome = script("scan").measure(steps=20, batch=8, neurons=128, seed=1, repeats=3, warmup=0)
    assert outcome["schema"] == SCHEMA and list(outcome["rows"]) == ["forward", "forward and backward"]
    assert set(outcome["rows"]["forward"]) == {"fused_ms", "xla_ms", "c_ms", "xla_over_fused", "fused_over_c"}
    assert all(entry["ok"] for entry in outcome["checks"].values()), outcome["checks"]
    json.dumps(outcome, allow_nan=False)


def test_scan_notices_a_wrong_gradient(script):
    module = script("scan")
    right = {"s": np.zeros((3, 4)), "dx": np.ones((3, 4)), "dbeta": np.ones(())}
    wrong = right | {"dbeta": np.float64(1.01)}
    module.agree({"fused": right, "xla": right})
    with pytest.raises(AssertionError, match="fused: 100.00%"):
        module.agree({"fused": wrong, "xla": right})


@needs_compiler
@pytest.mark.parametrize("name", ["LIF", "LIF, conductances", "AdEx with noise (user's)"])
def test_neurons(script, monkeypatch, name):
    module = script("neurons")
    case = module.cases()[name]
    monkeypatch.setattr(module, "cases", lambda: {name: case})
    outcome = module.measure(neurons=1000, steps=300, seed=1, repeats=3, warmup=0)
    (figures,) = outcome["rows"].values()
    assert set(figures) >= {"fused_ns", "xla_ns", "xla_over_fused"} and ("c_ns" in figures) == (
        case.by_hand is not None
    )
    assert outcome["checks"][f"lines_logged: {name}"]["ok"], outcome["log"]


def test_memory(script):
    module = script("memory")
    outcome = module.measure(steps=60, seed=1, repeats=2, warmup=0)
    rows = outcome["rows"]
    assert list(rows) == ["brainsim", "brainsim, remat=60", "brainsim, remat=None", module.BY_HAND]
    every, bits, numbers = (rows[name]["memory_of_scan"] for name in list(rows)[:3])
    assert 0.5 < every == bits <= numbers and (bits < numbers or WHY_XLA is not None)
    assert outcome["checks"]["memory_of_scan"]["ok"] is False  # of few steps every one is stored
    with pytest.raises(AssertionError, match="the loss by hand is 2, not {'brainsim': 2.1}"):
        module.agree({"brainsim": (2.1, None), module.BY_HAND: (2.0, None)})
    json.dumps(outcome, allow_nan=False)


def test_every_pointwise_model_of_the_package_is_in_the_zoo(script):
    models = {value for value in vars(room).values() if isinstance(value, type) and issubclass(value, room.Neuron)}
    pointwise = {model for model in models - {room.Neuron} if model().pointwise}
    assert pointwise <= {type(case.neuron) for case in script("neurons").cases().values()}


def test_every_spiking_case_of_the_zoo_fires(script):
    module = script("neurons")
    for name, case in module.cases().items():
        draws = np.random.default_rng(0).random(64)
        drive = module.Drive(**{port: np.float32(x) for port, x in case.drive(draws).items()})
        _, sums = module.by_scan(module.SCANS["xla"], case, drive, 64, 1000)()
        if case.neuron.emits == "spikes":
            rate = float(np.mean(sums)) / 64
            assert 0.0005 < rate < 0.1 or (case.neuron.graded and 0 < rate < 1), f"{name}: {rate} spikes a step"


def test_a_script_runs_itself_in_a_pinned_child(tmp_path):
    file = tmp_path / "tiny.py"
    file.write_text(
        "import argparse, os\n"
        "from brainsim.bench import script\n"
        "def measure(*, size):\n"
        "    checks = {'size': {'value': size, 'low': 0, 'high': 3, 'ok': size <= 3}}\n"
        "    cores = len(os.sched_getaffinity(0))\n"
        "    return {'workload': 'tiny', 'arguments': {'size': size}, 'cores': cores, 'checks': checks}\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--size', type=int)\n"
        "script.main(measure, parser)\n"
    )
    command = [sys.executable, str(file), "--threads", "1", "--json", "-", "--size"]
    run = subprocess.run([*command, "2"], cwd=ROOT, env=_with_package(), capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["cores"] == 1 and json.loads(run.stdout)["arguments"] == {"size": 2, "threads": 1}
    run = subprocess.run([*command, "4"], cwd=ROOT, env=_with_package(), capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "check failed: ['size']" in run.stderr


def _with_package():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_lines_of_the_log_are_collected_and_the_level_given_back():
    logger = logging.getLogger("brainsim")
    level = logger.level
    with lines_logged() as lines:
        logger.info("a %s", "loop")
    logger.info("later")
    assert lines == ["a loop"] and logger.level == level


@pytest.mark.slow
def test_loading(script, data_folder):
    """Drawing is timed beside training; whether it is fast enough is the check of a real run."""
    data_folder("fsdd_cochlea140")
    outcome = script("loading").measure(sets=["fsdd_cochlea140"], seed=0, repeats=3, warmup=0)
    (row,) = outcome["rows"].values()
    assert outcome["schema"] == SCHEMA and row["events"] == 2_574_346 and row["load_per_s"] > 0
    json.dumps(outcome, allow_nan=False)
