"""NeuroBench's metrics: by brute force over every synapse, and against the package where there is one."""

import json
import os
import subprocess
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.layers import Chain, Flatten, Graph
from brainsim.units import ms

RNG = np.random.default_rng(0)


def pruned(model: bs.Sequential) -> bs.Sequential:
    """The model with every third weight 0."""
    for info in model.parameters().values():
        if info.kind == "weight":
            weight = np.array(info.where(model))
            weight.reshape(-1)[::3] = 0
            model = eqx.tree_at(info.where, model, jnp.asarray(weight))
    return model


def batches(*shape: int, graded: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    x = (RNG.random((12, 8, *shape)) < 0.4).astype(np.float32)
    x = x * RNG.integers(1, 3, x.shape).astype(np.float32) if graded else x
    y = RNG.integers(0, 3, 8)
    return [(x[:, :4], y[:4]), (x[:, 4:], y[4:])]


def crossed(x: np.ndarray, weight: np.ndarray) -> int:
    """Synaptic operations of events (..., n_in) on a weight (n_in, n_out), one synapse at a time."""
    return sum(int((weight[i] != 0).sum()) for row in x.reshape(-1, x.shape[-1]) for i in np.flatnonzero(row))


def test_every_operation_and_update_is_counted():
    """A recurrent layer, a graph with a cycle and a chain: each synapse and each voltage by itself."""
    graph = Graph(
        {"lin": bs.Linear(6, 6), "lif": bs.LIF(5 * ms)},
        [("input", "lin"), ("lin", "lif"), ("lif", "lin"), ("lif", "output")],
    )
    layers = [bs.Linear(5, 6, bias=True), bs.Recurrent(bs.LIF(5 * ms), 6, delay=2 * ms), graph]
    layers += [Chain(bs.Linear(6, 3), bs.LI(5 * ms))]
    model = pruned(bs.Sequential(*layers, dt=1 * ms, seed=2))
    data = batches(5)
    found = bs.metrics.evaluate(model, data)
    acs = macs = dense = spikes = outputs = hits = 0
    updates = 0
    for x, y in data:
        run = bs.run(model, x, record=["1.spikes", "2.lif.spikes", "1.v", "2.lif.v", "3.1.v"])
        first, second = (np.asarray(run.records[path]) for path in ("1.spikes", "2.lif.spikes"))
        late = lambda s, d: np.concatenate([np.zeros_like(s[:d]), s])[: len(s)]
        sent = [(x, model["0"].weight), (late(first, 2), model["1"].weight)]
        sent += [(first + late(second, 1), model["2.lin"].weight), (second, model["3.0"].weight)]
        for values, weight in sent:
            for step in np.asarray(values):
                operations = crossed(step, np.asarray(weight))
                acs, macs = (acs, macs + operations) if (step > 1).any() else (acs + operations, macs)
        dense += sum(len(values) * values.shape[1] * weight.size for values, weight in sent)
        spikes, outputs = spikes + first.sum() + second.sum(), outputs + first.size + second.size
        for path in ("1.v", "2.lif.v", "3.1.v"):
            v = np.asarray(run.records[path])
            updates += v[0].size + int((v[1:] != v[:-1]).sum())
        hits += int((np.asarray(run.out).sum(0).argmax(-1) == y).sum())
    assert spikes > 20 and macs > 0
    assert found["SynapticOperations"] == {"Effective_MACs": macs / 8, "Effective_ACs": acs / 8, "Dense": dense / 8}
    assert found["MembraneUpdates"] == updates / 8 and found["ClassificationAccuracy"] == hits / 8
    assert found["ActivationSparsity"] == pytest.approx(1 - spikes / outputs, rel=1e-12)
    weights = [info.where(model) for info in model.parameters().values() if info.kind == "weight"]
    zero = sum(int((weight == 0).sum()) for weight in weights) / sum(weight.size for weight in weights)
    assert found["ConnectionSparsity"] == round(zero, 4) > 0.3
    assert found["ParameterCount"] == sum(weight.size for weight in weights) + 6
    assert found["Footprint"] == sum(leaf.nbytes for leaf in jax.tree.leaves(model))


def test_graded_inputs_are_multiplied():
    model = bs.Sequential(bs.Linear(5, 3), bs.LIF(5 * ms), dt=1 * ms)
    (x, y), _ = batches(5, graded=True)
    x[3:] = 1.0
    found = bs.metrics.evaluate(model, [(x, y)])["SynapticOperations"]
    assert found["Effective_MACs"] == np.count_nonzero(x[:3]) * 3 / 4 and found["Effective_ACs"] == 9 * 5 * 3
    energy = bs.metrics.energy({"SynapticOperations": found})
    nano = (4.6 * found["Effective_MACs"] + 0.9 * found["Effective_ACs"]) / 1000
    assert energy.effective == pytest.approx(nano) and energy.dense == pytest.approx(4.6 * found["Dense"] / 1000)
    assert "45 nm" in str(energy) and "Horowitz" in str(energy) and "left out" in str(energy)


def test_what_the_definitions_do_not_cover_is_refused():
    data = batches(5)
    with pytest.raises(ValueError, match=r"layer 0 \(EILinear.*do not cover its synapses"):
        bs.metrics.evaluate(bs.Sequential(bs.EILinear(5, 8), bs.LIF(), dt=1 * ms), data)
    model = bs.Sequential(bs.Linear(5, 3), bs.LIF(), dt=1 * ms)
    with pytest.raises(ValueError, match="NeuroBench has no lengths"):
        bs.metrics.evaluate(model, [(*data[0], np.full(4, 12))])
    with pytest.raises(ValueError, match="expected at least one batch"):
        bs.metrics.evaluate(model, [])
    with pytest.raises(TypeError, match="expected a Sequential, got Network"):
        bs.metrics.evaluate(bs.Network({"x": bs.Population(2, bs.LIF())}, dt=1 * ms), data)
    with pytest.raises(ValueError, match="expected layers with weights"):
        bs.metrics.connection_sparsity(bs.Sequential(bs.LIF(), dt=1 * ms, input_shape=(3,)))


@pytest.mark.slow
def test_the_package_finds_the_same(tmp_path):
    """Set BRAINSIM_NEUROBENCH_PEER to a Python that has neurobench."""
    python = os.environ.get("BRAINSIM_NEUROBENCH_PEER")
    if not python:
        pytest.skip("needs neurobench: set BRAINSIM_NEUROBENCH_PEER to a Python with neurobench and snntorch")
    model = pruned(
        bs.Sequential(
            bs.Conv2d(2, 3, 3, stride=2, padding=1, init=bs.Normal(0.2, 0.5)), bs.LIF(5 * ms), Flatten(),
            bs.Linear(48, 3, bias=True, init=bs.Normal(0.1, 0.5)), bs.LIF(8 * ms), dt=1 * ms, input_shape=(2, 8, 8),
        )
    )  # fmt: skip
    data = batches(2, 8, 8)
    data[0][0][5] *= 2  # one step with graded input
    x, y = np.concatenate([x for x, _ in data], 1), np.concatenate([y for _, y in data])
    np.savez(
        tmp_path / "given.npz", x=x, y=y, conv=np.swapaxes(model["0"].weight, 0, 1), linear=model["3"].weight.T,
        bias=model["3"].bias, beta=np.exp(-1 / np.array([5.0, 8.0])),
    )  # fmt: skip
    script = Path(__file__).with_name("neurobench_peer.py")
    command = [python, str(script), str(tmp_path / "given.npz"), str(tmp_path / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    theirs, ours = json.loads((tmp_path / "found.json").read_text()), bs.metrics.evaluate(model, data)
    assert ours.keys() == theirs.keys()
    trained = {path: info.where(model) for path, info in model.parameters().items() if info.trainable}
    ours["Footprint"] = bs.metrics.footprint(trained)  # torch's buffers and our membrane constants are not the same
    for name in ours:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-6), name
    assert ours["SynapticOperations"]["Effective_MACs"] > 0 and 0.02 < 1 - ours["ActivationSparsity"] < 0.98
