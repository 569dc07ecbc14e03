"""SONATA files, written here by hand: what is read, and that every fault names its file."""

import json

import h5py
import numpy as np
import pytest

from brainsim.connectivity.sonata import read_circuit, read_config
from brainsim.interop import load_sonata, simulate_sonata

NODE_TYPES = """node_type_id model_type model_template dynamics_params tag
7 point_process nest:iaf_psc_exp fast.json A
9 point_process nest:iaf_psc_exp slow.json "B C"
"""
EDGE_TYPES = """edge_type_id delay syn_weight
1 2.0 NULL
2 1.5 30
"""


@pytest.fixture
def circuit(tmp_path):
    """Two types of three cells, a virtual population of two, and input spikes."""
    (tmp_path / "models").mkdir()
    for name, tau in (("fast", 10.0), ("slow", 20.0)):
        cell = {"tau_m": tau, "C_m": 200.0, "E_L": -70.0, "V_th": -55.0, "V_reset": -70.0, "t_ref": 2.0, "I_e": 0.0}
        (tmp_path / f"models/{name}.json").write_text(json.dumps(cell))
    (tmp_path / "edge_types.csv").write_text(EDGE_TYPES)
    with h5py.File(tmp_path / "nodes.h5", "w") as file:
        file["nodes/cells/node_type_id"] = np.array([7, 9, 7], np.uint32)
        file["nodes/cells/node_group_id"], file["nodes/cells/node_group_index"] = [0, 0, 0], [2, 1, 0]
        file["nodes/cells/0/dynamics_params/I_e"] = [1.0, 2.0, 3.0]
        for axis in "xyz":
            file[f"nodes/cells/0/{axis}"] = [0.0, 10.0, 20.0]
        file["nodes/in/node_type_id"] = np.array([1, 1], np.uint32)
    with h5py.File(tmp_path / "edges.h5", "w") as file:
        for name, ends, pairs, kinds in (
            ("rec", ("cells", "cells"), [(0, 1), (1, 2), (1, 2)], [2, 2, 1]),
            ("ext", ("in", "cells"), [(1, 0)], [1]),
        ):
            group = file.create_group(f"edges/{name}")
            for at, end in enumerate(("source", "target")):
                group[f"{end}_node_id"] = np.array(pairs, np.uint64)[:, at]
                group[f"{end}_node_id"].attrs["node_population"] = ends[at]
            group["edge_type_id"] = np.array(kinds, np.uint32)
            group["edge_group_id"], group["edge_group_index"] = np.zeros(len(kinds), int), np.arange(len(kinds))
            group["0/syn_weight"] = np.arange(len(kinds)) * 100.0 + 500
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        file["spikes/in/timestamps"], file["spikes/in/node_ids"] = [5.0, 5.0, 20.0], [1, 0, 1]
    networks = {
        "nodes": [{"nodes_file": "$HERE/nodes.h5", "node_types_file": "all_types.csv"}],
        "edges": [{"edges_file": "$HERE/edges.h5", "edge_types_file": "$HERE/edge_types.csv"}],
    }
    (tmp_path / "all_types.csv").write_text(NODE_TYPES + "1 virtual NULL NULL NULL\n")
    manifest = {"$BASE": ".", "$HERE": "$BASE"}
    parts = {"point_neuron_models_dir": "$HERE/models"}
    (tmp_path / "circuit.json").write_text(
        json.dumps({"manifest": manifest, "components": parts, "networks": networks})
    )
    simulation = {
        "manifest": manifest,
        "network": "$HERE/circuit.json",
        "run": {"tstop": 40.0, "dt": 0.1},
        "conditions": {"v_init": -65.0},
        "inputs": {"a": {"input_type": "spikes", "input_file": "$HERE/spikes.h5", "node_set": "in"}},
    }
    (tmp_path / "simulation.json").write_text(json.dumps(simulation))
    return tmp_path


def test_own_properties_overwrite_those_of_the_type(circuit):
    found = read_circuit(read_config(circuit / "circuit.json"), circuit)
    cells, rec = found.nodes["cells"], found.edges["rec"]
    np.testing.assert_array_equal(cells.columns["tau_m"], [10, 20, 10])
    np.testing.assert_array_equal(cells.columns["I_e"], [3, 2, 1])
    assert cells.columns["tag"].tolist() == ["A", "B C", "A"]
    np.testing.assert_array_equal(rec.columns["syn_weight"], [500, 600, 700])
    np.testing.assert_array_equal(rec.columns["delay"], [1.5, 1.5, 2])
    assert (rec.pre, rec.post, rec.rule.pre.tolist()) == ("cells", "cells", [0, 1, 1])


def test_a_circuit_becomes_a_network_and_runs_with_its_input(circuit, monkeypatch):
    monkeypatch.chdir(circuit.parent)
    assert load_sonata(f"{circuit.name}/simulation.json")["cells"].size == 3
    net = load_sonata(circuit / "simulation.json")
    edges = net["cells->cells#rec"].edges
    assert (edges.pre.tolist(), edges.post.tolist(), edges.weight.tolist()) == ([0, 1, 1], [1, 2, 2], [500, 600, 700])
    np.testing.assert_allclose(edges.delay, [1.5, 1.5, 2.0])
    np.testing.assert_allclose(net["cells"].positions.coordinates[:, 0], [20, 10, 0])
    result = simulate_sonata(circuit / "simulation.json", record=["cells.v"], progress=False)
    v = result["cells"].v
    assert v.shape == (400, 3) and result.t[-1] == pytest.approx(40)
    assert v[0, 0] == pytest.approx(-65, abs=0.1) and v[68, 0] < v[0, 0] and v[85, 0] > v[68, 0] + 0.2
    assert load_sonata(circuit / "circuit.json", dt=0.1).takes()["in"].required


def rewritten(path, change):
    text = path.read_text()
    path.write_text(change(text))


def replaced(path, name, data, **attributes):
    with h5py.File(path, "a") as file:
        del file[name]
        if data is not None:
            file[name] = data
            file[name].attrs.update(attributes)


POPULATION = dict(node_population="cells")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: replaced(d / "edges.h5", "edges/rec/target_node_id", None),
            r"edges.h5: expected `target_node_id` in",
        ),
        (
            lambda d: replaced(d / "edges.h5", "edges/rec/target_node_id", [0, 3, 1], **POPULATION),
            r"edges.h5: `/edges/rec/target_node_id`: expected nodes 0 to 2, got 3 at edge 1",
        ),
        (
            lambda d: replaced(d / "edges.h5", "edges/rec/target_node_id", [0.5, 1, 1], **POPULATION),
            r"edges.h5: .* expected 3 integers, got float64",
        ),
        (
            lambda d: replaced(d / "edges.h5", "edges/rec/source_node_id", [0, 1, 1], node_population="cell"),
            r"source_node_id` is of population 'cell'; there are cells, in",
        ),
        (lambda d: replaced(d / "edges.h5", "edges/rec/0/syn_weight", [1.0]), r"edges.h5: .* has shape \(1,\)"),
        (
            lambda d: replaced(d / "nodes.h5", "nodes/cells/node_type_id", [7, 8, 7]),
            r"node 1 is of type 8, which .*all_types",
        ),
        (
            lambda d: rewritten(d / "edge_types.csv", lambda t: t.replace("1 2.0 NULL", "1 2.0")),
            r"edge_types.csv, line 2",
        ),
        (
            lambda d: rewritten(d / "edge_types.csv", lambda t: t.replace("edge_type_id", "id")),
            "expected a column `edge_type",
        ),
        (lambda d: (d / "models/slow.json").unlink(), r"all_types.csv: `dynamics_params` names .*slow.json"),
        (
            lambda d: rewritten(d / "all_types.csv", lambda t: t.replace("iaf_psc_exp", "hh")),
            "`model_template` 'nest:hh'",
        ),
        (
            lambda d: rewritten(d / "circuit.json", lambda t: t.replace("$HERE/models", "$THERE")),
            "does not say what .THERE",
        ),
        (lambda d: rewritten(d / "circuit.json", lambda t: t[:-3]), r"circuit.json: expected a SONATA configuration"),
        (lambda d: rewritten(d / "simulation.json", lambda t: t.replace('"dt"', '"step"')), "no `run: dt`; give `dt`"),
        (
            lambda d: rewritten(d / "simulation.json", lambda t: t.replace('"spikes"', '"noise"')),
            "spikes alone are read",
        ),
    ],
)
def test_faults_name_their_file(circuit, damage, message):
    damage(circuit)
    with pytest.raises(ValueError, match=message):
        load_sonata(circuit / "simulation.json")


def test_the_published_example_of_300_point_neurons(data_folder):
    """240 + 60 neurons of iaf_psc_alpha; a NumPy loop of NEST's equations has the same 18,773 spikes in 1.5 s."""
    path = data_folder("sonata_300") / "300_pointneurons" / "config.json"
    net = load_sonata(path)
    assert (net["internal"].size, net["external"].size) == (300, 100)
    assert [edge.n_synapses for edge in net.projections.values()] == [27_588, 20_844]
    spikes = simulate_sonata(path, duration=200, dt=0.1, progress=False, record=["internal.spikes"])["internal"].spikes
    assert 25 < spikes.t.size / 300 / 0.2 < 60
