"""The harness: what is timed, how the samples are summarised, what the card says."""

import json
import os

import jax
import pytest

from brainsim.bench import harness


def test_first_and_warm_up_calls_are_not_samples():
    calls = []
    timing = harness.time_calls(lambda: calls.append(None) or len(calls), repeats=4, warmup=2)
    assert len(calls) == 1 + 2 + 4 and len(timing.samples) == 4 and timing.last == 7


def test_summary_of_samples():
    timing = harness.Timing(10.0, [4.0, 1.0, 2.0, 3.0])
    fields = timing.fields()
    assert fields == {"samples": [4.0, 1.0, 2.0, 3.0], "median": 2.5, "min": 1.0, "iqr": 1.5, "compile_s": 7.5}


@pytest.mark.parametrize(("value", "ok"), [(18.0, True), (26.0, True), (17.9, False), (float("nan"), False)])
def test_check_includes_its_bounds_and_refuses_nan(value, ok):
    assert harness.check(value, 18.0, 26.0)["ok"] is ok


def test_result_is_json_with_the_whole_card():
    timing = harness.Timing(1.0, [1.0, 1.0, 1.0])
    outcome = harness.result("none", {"n": 1}, timing, checks={"a": harness.check(1, 0, 2)}, figure=3.0)
    loaded = json.loads(json.dumps(outcome))
    assert loaded["schema"] == harness.SCHEMA and loaded["figure"] == 3.0 and harness.passed(loaded)
    assert loaded["kernels"] in ("ffi", "xla") and (loaded["kernels_why"] is None) == (loaded["kernels"] == "ffi")
    assert loaded["versions"]["jax"] == jax.__version__ and loaded["cpu_model"]
    assert len(loaded["load_average"]) == 3 and loaded["peak_rss_mb"] > 10
    assert set(loaded["affinity"]) <= set(range(os.cpu_count() or 1))


def test_one_failed_check_fails_the_result():
    checks = {"good": harness.check(1, 0, 2), "bad": harness.check(3, 0, 2)}
    assert not harness.passed({"checks": checks})
