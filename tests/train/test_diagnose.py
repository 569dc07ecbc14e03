"""`diagnose` finds planted faults and names them, says nothing of a healthy model, and measures what NumPy measures."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import brainsim as bs
from brainsim.neurons import FastSigmoid, Triangle
from brainsim.units import ms

RNG = np.random.default_rng(0)
STEPS, BATCH = 40, 8
X = (RNG.random((STEPS, BATCH, 10)) < 0.3).astype(np.float32)
Y = RNG.integers(0, 3, BATCH)


def model(neuron: bs.Neuron | None = None, first: float = 0.2, last: float = 0.002) -> bs.Sequential:
    neuron = bs.LIF(10 * ms) if neuron is None else neuron
    weights = [bs.Uniform(-scale, 2 * scale) for scale in (first, last)]
    return bs.Sequential(
        bs.Linear(10, 20, init=weights[0]), ("hid", neuron), bs.Linear(20, 3, init=weights[1]), bs.LI(8 * ms), dt=1 * ms
    )


def test_a_healthy_model_is_ok():
    report = bs.diagnose(model(), (X, Y))
    assert report.ok and report.problems == (), report
    assert [part.name for part in report.parts] == ["0", "hid", "2", "3"]
    assert report.chance == pytest.approx(np.log(3), rel=1e-5) and report.steps == STEPS
    spikes = np.asarray(bs.run(model(), X, record=["hid.spikes"]).records["hid.spikes"])
    part = report["hid"]
    assert part.rate == pytest.approx(1000 * spikes.mean(), rel=1e-5)
    assert part.dead == pytest.approx((spikes.sum((0, 1)) == 0).mean(), abs=1e-6)
    assert part.saturated == pytest.approx((spikes.mean((0, 1)) >= 0.9).mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("faulty", "part", "words"),
    [
        (
            dict(neuron=bs.LIF(10 * ms, v_th=1000)),
            "hid",
            "100% of its neurons never spike; raise the scale of the weights",
        ),
        (
            dict(neuron=bs.LIF(10 * ms, i_bias=1000)),
            "hid",
            "of its neurons spike in nearly every step; lower the scale of the weights into it",
        ),
        (dict(neuron=bs.LIF(10 * ms, surrogate=lambda x: 0 * x)), "0", "its gradient is 0, nothing it does changes"),
        (dict(neuron=bs.LIF(10 * ms, surrogate=FastSigmoid(1e4))), "hid", "its voltage is near the threshold in 0."),
    ],
    ids=["dead", "saturated", "frozen", "narrow"],
)
def test_a_planted_fault_is_found(faulty, part, words):
    report = bs.diagnose(model(**faulty), (X, Y))
    assert not report.ok
    assert any(problem.startswith(f"{part}: ") and words in problem for problem in report.problems), report


def test_an_exploding_layer_is_found():
    neuron, weight = bs.LIF(10 * ms, surrogate="straight_through"), bs.Uniform(-1.5, 1.5)
    net = bs.Sequential(bs.Linear(10, 20), ("rec", bs.Recurrent(neuron, 20, weight=weight)), dt=1 * ms)
    report = bs.diagnose(net, (X, Y), loss=bs.losses.ce_count)
    (problem,) = (problem for problem in report.problems if "explodes" in problem)
    assert problem.startswith("rec: a small change of its state grows by") and report["rec"].growth > 2


def test_faults_of_the_batch_are_found():
    report = bs.diagnose(model(), (X, Y + 1))
    assert "y goes from 1 to 3, but the model has 3 outputs, classes 0 to 2; subtract the first class" in str(report)
    assert "x is 0 everywhere" in str(bs.diagnose(model(), (0 * X, Y)))
    bad = X.copy()
    bad[3, 2, 1] = np.nan
    report = bs.diagnose(model(), (bad, Y))
    assert "x holds values that are not finite" in str(report) and "0: its gradient is nan." in report.problems
    assert "lower the scale of the last layer's weights" in str(bs.diagnose(model(last=30.0), (X, Y)))


def test_growth_is_that_of_a_linear_system():
    net = bs.Sequential(
        ("rec", bs.Recurrent(bs.LI(8 * ms), 10, weight=0.3 * np.eye(10, dtype=np.float32))), ("out", bs.LI(5 * ms)),
        dt=1 * ms,
    )  # fmt: skip
    x = np.zeros((200, 2, 10), np.float32)
    report = bs.diagnose(net, (x, x[0]))
    assert report["out"].growth == pytest.approx(np.exp(-1 / 5), rel=1e-4)
    assert report["rec"].growth == pytest.approx(np.exp(-1 / 8) + 0.3, rel=0.01)


def test_hits_are_those_of_numpy():
    net = model(bs.LIF(10 * ms, surrogate=Triangle()))
    weight, v, near = np.asarray(net["0"].weight, np.float64), 0.0, []
    for x in X.astype(np.float64) @ weight:
        v = v * np.exp(-1 / 10) + x
        near.append(abs(v - 1) <= 0.9)
        v = np.where(v >= 1, 0, v)
    assert bs.diagnose(net, (X, Y))["hid"].hits == pytest.approx(np.mean(near), abs=1e-3)


def test_a_network_has_rows_for_populations_and_projections(network):
    y = Y % 3
    report = bs.diagnose(network, (X[..., :4], y, np.full(BATCH, 20)), loss=bs.losses.ce_sum)
    names = [part.name for part in report.parts]
    assert set(names) >= {"E", "I", "in->E", "E->out", "network"}
    assert 0 < report["E"].hits <= 1 and 0 < report["network"].growth < 2
    record = bs.run(network, X[:20, :, :4], record=["E.spikes"]).records["E.spikes"]
    assert report["E"].rate == pytest.approx(1000 * float(np.mean(record)), rel=1e-5)
    params = {path: info for path, info in network.parameters().items() if path.startswith("E->out")}
    assert params and report["E->out"].gradient > 0 and report["in->E"].rate is None


def test_layers_inside_others_have_the_rows_that_they_have_alone():
    first, last = (RNG.uniform(-scale, 2 * scale, shape) for scale, shape in ((0.2, (10, 20)), (0.002, (20, 3))))
    chain = bs.layers.Chain(bs.Linear(10, 20, init=first), ("hid", bs.LIF(10 * ms)))
    last = bs.Linear(20, 3, init=last)
    block = bs.layers.Residual(last, shortcut=bs.Linear(20, 3, init=0.0))
    nested = bs.diagnose(bs.Sequential(chain, block, bs.LI(8 * ms), dt=1 * ms), (X, Y))
    flat = bs.diagnose(bs.Sequential(*chain.row.items(), last, bs.LI(8 * ms), dt=1 * ms), (X, Y))
    assert [part.name for part in nested.parts] == ["0.0", "0.hid", "1.0", "1.shortcut", "2"]
    known = lambda part: {name: value for name, value in dataclasses.asdict(part).items() if isinstance(value, float)}
    for inside, alone in {"0.0": "0", "0.hid": "hid", "1.0": "2", "2": "3"}.items():
        assert known(nested[inside]) == pytest.approx(known(flat[alone]), rel=1e-5)


def test_a_fault_on_the_way_around_is_found():
    around = bs.layers.Chain(bs.Linear(10, 20), ("far", bs.LIF(10 * ms, v_th=1000)))
    block = bs.layers.Residual(bs.Linear(10, 20), bs.LIF(10 * ms), shortcut=around)
    report = bs.diagnose(bs.Sequential(("block", block), dt=1 * ms), (X, Y), loss=bs.losses.ce_count)
    assert [part.name for part in report.parts] == ["block.0", "block.1", "block.shortcut.0", "block.shortcut.far"]
    assert any(problem.startswith("block.shortcut.far: 100% of its neurons never spike") for problem in report.problems)


@pytest.mark.slow
def test_layers_for_training_only_and_nested_layers_are_taken():
    net = bs.Sequential(
        bs.Linear(10, 20), bs.layers.BatchNorm(), bs.LIF(10 * ms), bs.layers.Dropout(0.2),
        bs.layers.Residual(bs.Linear(20, 20), bs.LIF(10 * ms)), bs.Linear(20, 3), bs.LI(8 * ms), dt=1 * ms,
    )  # fmt: skip
    report = bs.diagnose(net, (X, Y))
    assert {"0", "1", "2", "4.1", "5"} <= {part.name for part in report.parts}
    assert report["1"].gradient > 0 and report["4.1"].rate >= 0


def test_a_report_is_text_and_plain_numbers():
    report = bs.diagnose(model(bs.LIF(10 * ms, v_th=1000)), (X, Y))
    table = str(report).splitlines()
    assert table[0].split() == ["part", "rate", "dead", "saturated", "hits", "growth/step", "gradient"]
    assert table[2].startswith("hid   0.0 Hz  100%")
    assert table[-1].startswith("- ")
    again = json.loads(json.dumps(report.to_dict()))
    assert again["ok"] is False and again["parts"][1]["name"] == "hid" and again["parts"][1]["dead"] == 1.0
    with pytest.raises(KeyError, match="no part 'hidden'; there are 0, hid, 2, 3"):
        report["hidden"]
    same = bs.diagnose(model(bs.LIF(10 * ms, v_th=1000)), (X, Y), key=jax.random.key(0))
    assert same == report
