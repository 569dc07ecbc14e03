"""Loops in C: they compile, they compute what brainsim computes, and what is missing is said."""

import shutil

import numpy as np
import pytest

from brainsim.__main__ import main
from brainsim.bench import coba, commands, limit
from brainsim.networks import balanced

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def test_wiring_has_every_synapse_of_every_projection():
    net = balanced.coba(200, seed=3)
    indptr, targets = coba.wiring(net)
    expected = np.zeros((200, 200), int)
    for edge in net.projections.values():
        edges = edge.edges
        start = {"E": 0, "I": 160}
        np.add.at(expected, (start[edge.pre] + edges.pre, start[edge.post] + edges.post), 1)
    found = np.zeros_like(expected)
    np.add.at(found, (np.repeat(np.arange(200), np.diff(indptr)), targets), 1)
    np.testing.assert_array_equal(found, expected)


@needs_compiler
def test_coba_in_c_fires_like_brainsim():
    outcome = coba.measure(neurons=1000, duration=100.0, seed=2, repeats=3, warmup=0, limit=True)
    assert outcome["c_difference_early"] <= coba.EARLY_TOLERANCE and outcome["ratio_to_c"] > 0
    assert len(outcome["c_samples"]) == 3 and outcome["arguments"]["limit"] is True


@needs_compiler
def test_another_network_in_c_is_noticed(monkeypatch):
    voltages = coba.voltages
    monkeypatch.setattr(coba, "voltages", lambda state: voltages(state) - 2)
    with pytest.raises(AssertionError, match="nothing was timed"):
        coba.measure(neurons=1000, duration=50.0, seed=2, repeats=3, warmup=0, limit=True)


def test_without_a_compiler_or_the_source(monkeypatch, tmp_path):
    monkeypatch.setattr(limit.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="no C compiler"):
        limit.library("coba")
    monkeypatch.setattr(limit, "SOURCES", tmp_path)
    with pytest.raises(FileNotFoundError, match="from a checkout"):
        limit.library("coba")


def test_only_contiguous_arrays_have_a_pointer():
    with pytest.raises(ValueError, match="`array`"):
        limit.pointer(np.zeros((4, 4))[:, 1])


@pytest.mark.parametrize(("words", "asked"), [((), None), (("--limit",), True)])
def test_the_command_asks_for_it_only_when_told(monkeypatch, capsys, words, asked):
    seen = {}

    def launch(workload, arguments, **options):
        seen.update(arguments)
        return {"workload": workload, "checks": {}}

    monkeypatch.setattr(commands, "launch", launch)
    with pytest.raises(SystemExit) as stop:
        main(("bench", "coba", *words, "--json"))
    assert stop.value.code == 0 and seen.get("limit") is asked


@needs_compiler
def test_loading_changes_no_floating_point_mode():
    for name in ("coba", "lif", "lif_scan"):
        limit.library(name)
        assert np.float32(1e-40) * np.float32(0.5) > 0
