"""The child process: cores and threads set before JAX starts, and the parent's own left alone."""

import os
import sys

import pytest

from brainsim.bench import process, worker
from brainsim.bench.harness import affinity


def test_one_thread_is_one_core_and_a_pool_of_one():
    environment = process._environment(1, "f32", None)
    assert environment["NPROC"] == "1" and "--xla_cpu_multi_thread_eigen=false" in environment["XLA_FLAGS"]


def test_no_threads_asked_leaves_the_environment(monkeypatch):
    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    environment = process._environment(None, "f32", None)
    assert "NPROC" not in environment and environment["XLA_FLAGS"] == "--xla_dump_to=x"


@pytest.mark.parametrize(("precision", "x64"), [("f32", "False"), ("f64", "True")])
def test_precision_and_platform_reach_jax(precision, x64):
    environment = process._environment(None, precision, "cpu")
    assert environment["JAX_ENABLE_X64"] == x64 and environment["JAX_PLATFORMS"] == "cpu"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no processor affinity")
def test_pinning_lasts_only_while_the_child_starts():
    before = affinity()
    with process.pinned(1):
        assert affinity() == before[:1]
    assert affinity() == before


def test_more_threads_than_cores_are_refused():
    with pytest.raises(ValueError, match="`threads`"):
        worker.launch("coba", {}, threads=len(affinity()) + 1)


def test_the_reason_of_a_child_that_failed_is_told(tmp_path):
    code = "print('noise'); raise ValueError('`size`: too large')"
    with pytest.raises(process.WorkerFailed, match="ended with code 1: ValueError: `size`: too large"):
        process.answer([sys.executable, "-c", code], log=tmp_path / "log")
    assert "Traceback" in (tmp_path / "log").read_text()
