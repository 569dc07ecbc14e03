"""NIR: read against a brute-force interpreter, written and read again bit for bit, refused by name, run by others."""

import os
import subprocess
import sys
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


def ours(**options) -> bs.Sequential:
    """A model of our own whose parameters are not those that its nodes alone would give."""
    layers = [
        ("conv", bs.Conv2d(1, 2, 3)),
        ("if", IF(1.5 * mV, gain=0.7)),
        ("flat", bs.layers.Flatten()),
        ("in", bs.Linear(32, 6)),
        ("lif", bs.LIF(7.3 * ms, v_th=0.8 * mV)),
        ("chain", bs.layers.Chain(bs.Linear(6, 6), bs.LIF(bs.Uniform(3 * ms, 9 * ms), c_mem=30 * pF))),
        ("rec", bs.Recurrent(bs.LIF(9.1 * ms, port="current", r_mem=3.0), 6, delay=3 * ms)),
        ("cuba", CubaLIF(6 * ms, tau_syn=2.3 * ms, port="held", w_in=40.0)),
        ("late", bs.layers.Delay(6, 2 * ms)),
        ("scale", bs.layers.Scale(1.7)),
        ("cubali", CubaLI(6 * ms, tau_syn=2.3 * ms, port="held")),
        ("step", bs.layers.Threshold(0.05)),
        ("drop", bs.layers.Dropout(0.5)),
        ("out", bs.Linear(6, 3, bias=True)),
        ("sum", Integrator(gain=0.1)),
        ("read", bs.LI(11 * ms)),
    ]
    return bs.inference_mode(bs.Sequential(*layers, dt=1 * ms, input_shape=(1, 4, 4), **options))


def test_our_model_comes_back_bit_for_bit_with_the_same_spikes(tmp_path):
    model = ours(seed=4)
    bs.to_nir(model, tmp_path / "ours.nir")
    again = bs.from_nir(tmp_path / "ours.nir", dt=1 * ms)
    assert_same_parameters(model, again)
    xs = 3 * events(40, 2, 1, 4, 4)
    record = ("if.spikes", "lif.spikes", "chain.1.spikes", "rec.spikes", "cuba.spikes", "step.spikes")
    first, second = (bs.run(m, xs, record=record) for m in (model, again))
    for path in record:
        assert first.records[path].any(), path
        np.testing.assert_array_equal(first.records[path], second.records[path], err_msg=path)
    np.testing.assert_array_equal(first.out, second.out)
    bs.save(tmp_path / "saved", again)
    assert_bits(fields(bs.to_nir(again)), fields(bs.to_nir(bs.load(tmp_path / "saved").model)))


def test_seconds_come_back_though_milliseconds_would_round_them():
    """Two float32 times in s may be one in ms: what was read is not computed back, unless it was changed."""
    f = numbers(5)
    graph = nir.NIRGraph.from_list(lif(f, 500))
    tau = graph.nodes["lif"].tau
    assert np.any(np.float32(np.float32(tau * np.float64(1000)) / np.float64(1000)) != tau)
    model = bs.from_nir(graph, dt=1 * ms)
    assert_bits(fields(graph), fields(bs.to_nir(model)))
    slower = eqx.tree_at(lambda m: m["lif"].tau_mem, model, 2 * model["lif"].tau_mem)
    np.testing.assert_allclose(bs.to_nir(slower).nodes["lif"].tau, 2 * tau, rtol=1e-6)


def test_a_jump_is_a_current_that_adds_as_much(tmp_path):
    """What another tool reads, without our notes: the same voltages at the same dt."""
    model = bs.Sequential(bs.Linear(3, 4), bs.LIF(7 * ms, v_rest=0.1, v_th=0.9 * mV), dt=1 * ms)
    xs = 2 * events(50, 3)
    for scheme in ("exact", "euler"):
        graph = bs.to_nir(model, scheme=scheme)
        for node in graph.nodes.values():
            node.metadata = {}
        again = bs.from_nir(graph, dt=1 * ms, scheme=scheme)
        assert again["1"].port == "current" and again["1"].r_mem.shape == (4,)
        one, two = (bs.run(m, xs, record="1.v").records["1.v"] for m in (model, again))
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    euler = graph.nodes["1"]
    np.testing.assert_allclose(1 - 0.001 / euler.tau, np.exp(-1 / 7), rtol=1e-6)


def test_nir_fires_above_the_threshold_and_we_at_it():
    """v reaches 1 exactly, in dyadic steps: no spike in a graph that was read, one in a model of ours and its graph."""
    one = nir.IF(np.ones(1), np.ones(1), np.zeros(1))
    xs = np.full((2, 1), 0.5, np.float32)
    read = bs.from_nir(nir.NIRGraph.from_list(one), dt=1 * ms, time_unit="ms")
    assert bs.run(read, xs).out.sum() == 0 and bs.run(read, np.full((3, 1), 0.5)).out.sum() == 1
    model = bs.Sequential(IF(port="current"), dt=1 * ms, input_shape=(1,))
    graph = bs.to_nir(model)
    assert graph.nodes["0"].v_threshold < 1
    graph.nodes["0"].metadata = {}
    assert bs.run(model, xs).out.sum() == bs.run(bs.from_nir(graph, dt=1 * ms), xs).out.sum() == 1


def refused(*layers, dt=1 * ms, shape=(4,), message=""):
    return pytest.param(layers, dt, shape, message, id=message[:30])


@pytest.mark.parametrize(
    ("layers", "dt", "shape", "message"),
    [
        refused(bs.EILinear(4, 5), message=r"layer 0 \(EILinear.* cannot be written: NIR has no node for EILinear"),
        refused(bs.UltraLIF(), message=r"layer 0 \(UltraLIF\).*NIR has no node for UltraLIF"),
        refused(bs.LIF(t_ref=2 * ms), message=r"layer 0 \(LIF\).*no refractory time: `t_ref`"),
        refused(bs.LIF(reset="none"), message=r'layer 0 \(LIF\).*`reset="none"`; use an LI and a Threshold'),
        refused(bs.LIF(integrator="rk4"), message='no integrator "rk4"'),
        refused(IF(i_bias=1 * pA), message="no constant current in a neuron without leak: `i_bias`"),
        refused(bs.Linear(4, 2, delay=bs.Uniform(0 * ms, 3 * ms)), message="layer 0 .*no delay for every synapse"),
        refused(
            bs.Recurrent(bs.LIF(), 4, delay=bs.Uniform(1 * ms, 3 * ms)),
            message=r"layer 0 \(DelayedRecurrent.*NIR has no node for DelayedRecurrent",
        ),
        refused(bs.layers.MaxPool2d(2), shape=(1, 4, 4), message="NIR has no node for MaxPool2d"),
        refused(bs.layers.Chain(bs.layers.Count()), message=r"layer 0\.0 \(Count\(\)\)"),
        refused(bs.Conv2d(1, 1, 3, stride=2), shape=(1, 4, 4), message='`padding="same"` for a stride of 1'),
        refused(bs.LIF(reset="subtract"), message='layer 0 .*`reset="subtract"`: NIR resets .*on_approximation="warn"'),
        refused(bs.LIF(i_bias=1 * pA), message="layer 0 .*`i_bias`: NIR has none; it moves `v_leak`"),
        refused(CubaLIF(), message='layer 0 .*`port="jump"`: NIR holds an input over the step'),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(layers, dt, shape, message):
    with pytest.raises(ValueError, match=message):
        bs.to_nir(bs.Sequential(*layers, dt=dt, input_shape=shape))


def test_an_approximation_is_told_and_noted(tmp_path):
    model = bs.Sequential(bs.LIF(i_bias=1 * pA, reset="subtract"), CubaLIF(), dt=1 * ms, input_shape=(4,))
    with pytest.warns(ApproximationWarning) as told:
        bs.to_nir(model, tmp_path / "about.nir", on_approximation="warn")
    assert len(told) == 3
    again = bs.from_nir(tmp_path / "about.nir", dt=1 * ms)
    assert again["0"].reset == "subtract" and again["1"].port == "jump"
    assert_same_parameters(model, again)


def chain(*nodes) -> "nir.NIRGraph":
    return nir.NIRGraph.from_list(*nodes, type_check=False)


def graph_of(nodes: dict, *edges: tuple[str, str]) -> "nir.NIRGraph":
    return nir.NIRGraph(nodes, list(edges), type_check=False)


@pytest.mark.parametrize(
    ("graph", "options", "error", "message"),
    [
        (lambda f: chain(nir.Delay(np.array([0.0015]))), {}, ValueError, r"delay \(Delay\): `delay` = 1.5 ms is not"),
        (lambda f: chain(nir.Linear(f(2, 3, 4))), {}, ValueError, r"linear \(Linear\): `weight`: expected two axes"),
        (lambda f: chain(lif(f, 3)), {"scheme": "euler", "dt": 30 * ms}, ValueError, r"lif \(LIF\): `tau`: forward"),
        (lambda f: chain(nir.LI(-f(3), f(3), f(3))), {}, ValueError, r"li \(LI\): `tau` must be > 0 ms"),
        (lambda f: chain(lif(f, 3)), {"reset": "soft"}, ValueError, '`reset`: expected one of "value", "subtract"'),
        (lambda f: chain(nir.LI(9 * f(3), f(3), f(3))), {}, ApproximationWarning, "are they in ms"),
        (
            lambda f: graph_of({"a": nir.Input(np.array([2])), "l": nir.Scale(f(2))}, ("a", "l")),
            {}, ValueError, "expected one node of kind Output, got 0",
        ),
        (
            lambda f: graph_of({"a": nir.Input(np.array([2]))}, ("a", "b")),
            {}, ValueError, "names no node 'b'",
        ),
        (
            lambda f: chain(nir.Input(np.array([2])), nir.Scale(f(2)), nir.Output(np.array([3]))),
            {}, ValueError, r"output \(Output\): expected shape \(3,\), the nodes before it give \(2,\)",
        ),
        (
            lambda f: chain(
                nir.Input(np.array([1, 9])),
                nir.Conv1d(9, f(1, 1, 3), 2, "same", 1, 1, f(1)),
                nir.Output(np.array([1, 9])),
            ),
            {}, ValueError, r'conv1d \(Conv1d\): `padding`: "same" is defined for a stride of 1',
        ),
    ],
)  # fmt: skip
def test_a_graph_that_no_model_has_is_refused_by_node(graph, options, error, message):
    with pytest.raises(error, match=message):
        bs.from_nir(graph(numbers(0)), **({"dt": 1 * ms} | options))


def test_notes_of_another_step_or_unit_are_not_taken_unseen(tmp_path):
    bs.to_nir(bs.Sequential(bs.LIF(), dt=1 * ms, input_shape=(2,)), tmp_path / "one.nir")
    with pytest.raises(ValueError, match="written for dt = 1 ms, read with 2 ms"):
        bs.from_nir(tmp_path / "one.nir", dt=2 * ms)
    with pytest.raises(ValueError, match="`time_unit`: the graph says that its times are in s"):
        bs.from_nir(tmp_path / "one.nir", dt=1 * ms, time_unit="ms")


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(ImportError, match=r'pip install "brainsim\[nir\]"'):
        bs.to_nir(ours())


def test_what_was_imported_runs_fused():
    model = bs.from_nir(convolutional(), dt=1 * ms)
    ways = {part.name.split()[0]: part.way for part in bs.explain(model, batch=4).parts}
    assert {ways[name] for name in ("if", "lif", "li")} == {"fused"} and ways["linear"] == "kernel"


def test_the_published_lif_agrees_with_the_exact_solution(data_folder):
    """No simulator of the paper is nearer to its event-based solution, whose reset subtracts."""
    folder = data_folder("nir_reference")
    exact = np.loadtxt(folder / "lif_exact.csv", delimiter=",")
    errors = {}
    for peer, factor, shift in (
        ("lava_cpu_float", 1, 1),
        ("nengo", 0.1, 0),
        ("sinabs", 1, 0),
        ("snntorch", 0.04, 0),
        ("spyx", 1, 1),
    ):
        v = factor * np.loadtxt(folder / f"lif_{peer}.csv", delimiter=",")[shift:, 1]
        errors[peer] = np.abs(v - exact[: len(v), 1]).max()
    for reset in ("value", "subtract"):
        model = bs.from_nir(folder / "lif_norse.nir", dt=0.1 * ms, reset=reset)
        run = bs.run(model, exact[:, :1], record=("1.v", "1.spikes"))
        np.testing.assert_array_equal(run.records["1.spikes"][:, 0], exact[:, 2])
        errors[f"brainsim, reset {reset}"] = float(np.abs(run.records["1.v"][:, 0] - exact[:, 1]).max())
    print("\n".join(f"{name:24} {error:.6f}" for name, error in sorted(errors.items(), key=lambda item: item[1])))
    best = min(error for name, error in errors.items() if "brainsim" not in name)
    assert errors["brainsim, reset value"] <= best * (1 + 1e-6) and errors["brainsim, reset subtract"] <= best / 9


@pytest.mark.slow
def test_the_published_network_counts_97_of_100(data_folder):
    """The N-MNIST network of the paper: the accuracy and every spike count of an independent NumPy evaluation."""
    folder = data_folder("nir_reference")
    model = bs.from_nir(folder / "cnn_sinabs.nir", dt=1 * ms, time_unit="ms", reset="subtract")
    spiking = tuple(f"{name}.spikes" for name in ("1", "3", "6", "10", "12"))
    frames, y = millisecond_frames(folder.parent / "nmnist_small" / "nmnist_small_test.npz")
    count = jax.jit(lambda x: {path: v.sum(0) for path, v in bs.run(model, x, record=spiking).records.items()})
    parts = [count(jnp.asarray(frames[:, k : k + 20])) for k in range(0, 100, 20)]
    counts = {path: np.concatenate([part[path] for part in parts]) for path in spiking}
    assert np.sum(counts["12.spikes"].argmax(1) == y) == 97
    graph = nir.read(folder / "cnn_sinabs.nir", type_check=False)
    expected = counts_of_numpy(graph, frames[:, :3])
    for path in spiking:
        np.testing.assert_array_equal(counts[path][:3], expected[path.split(".")[0]], err_msg=path)
    assert_bits(fields(graph), fields(bs.to_nir(model)))


def millisecond_frames(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Events in 300 frames of 1 ms from the first event of each recording, `(time, batch, 2, 34, 34)`, and labels."""
    with np.load(path) as stored:
        offsets, n = stored["offsets"].astype(int), len(stored["labels"])
        frames = np.zeros((300, n, 2, 34, 34), np.float32)
        for i in range(n):
            part = slice(offsets[i], offsets[i + 1])
            t = np.cumsum(stored["dt_us"][part].astype(int))
            k = (t - t[0]) // 1000
            m = k < 300
            np.add.at(frames, (k[m], i, *(stored[axis][part][m] for axis in "pyx")), 1)
        return frames, stored["labels"].astype(int)


def counts_of_numpy(graph, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Spike counts in float32: IF with subtraction and v >= threshold, as the network was trained."""
    v, counts = {}, {}
    windows = np.lib.stride_tricks.sliding_window_view
    for x in frames:
        for name in map(str, range(13)):
            node = graph.nodes[name]
            kind = type(node).__name__
            if kind == "Conv2d":
                (s, _), (p, _), k = node.stride, node.padding, node.weight.shape[2]
                view = windows(np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)]), (k, k), (2, 3))[:, :, ::s, ::s]
                x = np.tensordot(view, node.weight, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
                x = x + node.bias[:, None, None]
            elif kind == "SumPool2d":
                x = sum(x[:, :, a::2, b::2] for a in (0, 1) for b in (0, 1))
            elif kind == "Flatten":
                x = x.reshape(len(x), -1)
            elif kind == "Affine":
                x = x @ node.weight.T + node.bias
            else:
                u = v.get(name, 0) + node.r * x
                x = (u >= node.v_threshold).astype(np.float32)
                v[name] = u - x * node.v_threshold
                counts[name] = counts.get(name, 0) + x.reshape(len(x), -1)
    return counts


def spikes_of_another(simulator: str, graph: Path, xs: np.ndarray) -> np.ndarray:
    """What another simulator makes of a file and inputs."""
    python = os.environ.get("BRAINSIM_NIR_PEER")
    if not python:
        pytest.skip("needs another simulator: set BRAINSIM_NIR_PEER to a Python with snntorch, norse and nirtorch")
    given, out = graph.with_name("x.npy"), graph.with_name("y.npy")
    np.save(given, xs)
    command = [python, str(Path(__file__).with_name("peer.py")), simulator, *map(str, (graph, given, out))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(out)


@pytest.mark.slow
@pytest.mark.parametrize(("simulator", "port"), [("snntorch", "jump"), ("snntorch", "current"), ("norse", "current")])
def test_another_simulator_gives_the_same_spikes(simulator, port, tmp_path):
    """Norse leaves `r` out, which is what makes a current of a jump, so that it takes currents only."""
    gain = 1 if port == "jump" else 20
    first, second = (bs.Normal(m * gain, 0.5 * gain) for m in (0.2, 0.1))
    model = bs.Sequential(
        bs.Linear(20, 30, init=first), bs.LIF(2 * ms, port=port),
        bs.Linear(30, 10, bias=True, init=second), bs.LIF(5 * ms, v_th=1.5 * mV, port=port), dt=0.1 * ms,
    )  # fmt: skip
    xs = (np.random.default_rng(0).random((300, 4, 20)) < 0.1).astype(np.float32)
    bs.to_nir(model, tmp_path / "model.nir", scheme="euler")
    expected = np.asarray(bs.run(model, xs).out)
    assert 500 < expected.sum() < 9000
    np.testing.assert_array_equal(spikes_of_another(simulator, tmp_path / "model.nir", xs), expected)


@pytest.mark.slow
def test_the_file_of_another_simulator_gives_its_spikes(tmp_path):
    xs = (np.random.default_rng(0).random((300, 4, 20)) < 0.1).astype(np.float32)
    expected = spikes_of_another("snntorch writes", tmp_path / "theirs.nir", xs)
    model = bs.from_nir(tmp_path / "theirs.nir", dt=0.1 * ms, scheme="euler")
    assert 500 < expected.sum() < 9000
    np.testing.assert_array_equal(bs.run(model, xs).out, expected)
