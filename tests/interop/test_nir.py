"""NIR: read against a brute-force interpreter, written and read again bit for bit, refused by name, run by others."""

import os
import subprocess
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.interop import ApproximationWarning
from brainsim.neurons import IF, CubaLI, CubaLIF, Integrator
from brainsim.units import ms, mV, pA, pF
from tests.interop.graphs import GRAPHS, convolutional, lif, numbers
from tests.oracles import nir_numpy

nir = pytest.importorskip("nir")
RNG = np.random.default_rng(0)


def events(*shape: int) -> np.ndarray:
    return (RNG.random(shape) < 0.5).astype(np.float32)


def inputs_of(graph) -> np.ndarray:
    return events(30, 2, *graph.nodes["input"].input_type["input"])


def fields(node) -> dict:
    """Every field of a node and of those inside it, by path."""
    flat = {}

    def visit(value, path):
        for key, entry in value.items():
            if isinstance(entry, dict):
                visit(entry, f"{path}{key}/")
            elif key != "edges":
                flat[f"{path}{key}"] = entry

    visit(node.to_dict(), "")
    return flat


def assert_bits(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
        assert not isinstance(a[key], np.ndarray) or a[key].dtype == b[key].dtype, key


def assert_same_parameters(a, b) -> None:
    ours, theirs = a.parameters(), b.parameters()
    assert ours.keys() == theirs.keys()
    for path in ours:
        left, right = ours[path].where(a), theirs[path].where(b)
        assert (left is None) == (right is None), path
        if left is not None:
            assert left.dtype == right.dtype and left.shape == right.shape, path
            np.testing.assert_array_equal(left, right, err_msg=path)


@pytest.mark.parametrize("name", GRAPHS)
class TestEveryNode:
    def test_it_is_what_its_equation_says(self, name, x64):
        """Against the interpreter, in float64: the same spikes, and voltages to rounding."""
        graph = GRAPHS[name](1, np.float64)
        xs = inputs_of(graph)
        expected = nir_numpy.simulate(graph, xs, 0.001)
        model = bs.from_nir(graph, dt=1 * ms)
        paths = {path: layer for path, (layer, _) in model.places.items()}
        run = bs.run(model, xs, record=[f"{path}.{layer.emission}" for path, layer in paths.items()])
        np.testing.assert_allclose(run.out, expected["output"], rtol=1e-9, atol=1e-9)
        by_name = {node.replace(".", "_"): values for node, values in expected.items()}
        compared = 0
        for path, values in run.records.items():
            node = path.split(".")[-2]
            if node in by_name:
                np.testing.assert_allclose(values, by_name[node].reshape(values.shape), rtol=1e-9, atol=1e-9)
                compared += path.endswith("spikes") and 0.02 < float(np.mean(values)) < 0.9
        assert compared >= 1, "no node fired"

    def test_what_was_read_is_written_bit_for_bit(self, name, tmp_path):
        graph = GRAPHS[name](2)
        model = bs.from_nir(graph, dt=1 * ms)
        bs.to_nir(model, tmp_path / "again.nir")
        again = nir.read(tmp_path / "again.nir", type_check=False)
        assert_bits(fields(graph), fields(again))
        assert sorted(again.edges) == sorted(graph.edges)
        assert_same_parameters(model, bs.from_nir(tmp_path / "again.nir", dt=1 * ms))

    def test_trained_parameters_are_written_and_the_others_left_alone(self, name, tmp_path):
        graph = GRAPHS[name](3)
        model = bs.from_nir(graph, dt=1 * ms)
        path, info = next((path, info) for path, info in model.parameters().items() if path.endswith("weight"))
        trained = eqx.tree_at(info.where, model, info.where(model) * 1.5)
        before, after = fields(graph), fields(bs.to_nir(trained, tmp_path / "trained.nir"))
        changed = [key for key in before if not np.array_equal(before[key], after[key])]
        assert len(changed) == 1 and changed[0].endswith("weight"), (path, changed)
        assert_same_parameters(trained, bs.from_nir(tmp_path / "trained.nir", dt=1 * ms))
