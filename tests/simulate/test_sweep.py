"""A sweep is one call of `simulate` a point: the same bits, in the order of the grid; what fails keeps its error."""

import csv
import json

import equinox as eqx
import jax
import numpy as np
import pytest

import brainsim as bs
from brainsim.networks.balanced import coba
from brainsim.simulate.simulate import _chunk
from brainsim.units import Hz, ms, mV, nS, pA

NET = coba(100)
RATE = {"rate": lambda r: bs.analysis.rates(r["E"]).mean()}
OPTIONS = {"duration": 60 * ms, "progress": False}


def rate(net, **options):
    return bs.analysis.rates(bs.simulate(net, 60 * ms, progress=False, **options)["E"]).mean()


def weighted(value):
    return eqx.tree_at(lambda m: m["I->E"].weight, NET, np.float32(value))


def test_every_point_is_a_call_of_simulate():
    table = bs.sweep(NET, {"I->E.weight": [3.0, 6.7] * nS}, measure={**RATE, "i": lambda r: r["E"].spikes.i}, **OPTIONS)
    for row, weight in zip(table.rows, (3.0, 6.7), strict=True):
        expected = bs.simulate(weighted(weight), 60 * ms, progress=False)["E"].spikes.i
        np.testing.assert_array_equal(row["i"], expected)
        assert row["I->E.weight"] == weight and row["error"] is None and row["wall_s"] > 0
    assert table["rate"][0] > table["rate"][1] and table.axes == {"I->E.weight": "nS"}


def test_seeds_and_the_order_of_a_product():
    grid = {"I->E.weight": bs.Scale([0.5, 1.0]), "*.tau_mem": [10.0, 20.0]}
    table = bs.sweep(NET, grid, measure=RATE, seeds=2, **OPTIONS)
    assert [tuple(row.values())[:3] for row in table.rows] == [
        (w, tau, seed) for w in (0.5, 1.0) for tau in (10.0, 20.0) for seed in (0, 1)
    ]
    assert table.axes == {"I->E.weight": "x", "*.tau_mem": "ms", "seed": ""}
    assert table["rate"][-1] == rate(NET, key=jax.random.key(1))
    assert len(set(table["rate"])) > 4


def test_pairs():
    table = bs.sweep(NET, {"I->E.weight": [3, 4], "E.tau_mem": [10, 20]}, measure=RATE, mode="zip", **OPTIONS)
    assert [(row["I->E.weight"], row["E.tau_mem"]) for row in table.rows] == [(3, 10), (4, 20)]


def test_arrays_of_values_and_of_factors():
    lif = bs.LIF(20 * ms, i_bias=np.asarray([1.5, 2.0]) * pA)
    net = bs.Network({"E": bs.Population(2, lif)}, dt=0.1 * ms)
    counts = {"n": lambda r: r["E"].spikes.counts}
    scaled = bs.sweep(net, {"E.i_bias": bs.Scale(np.asarray([[1.0, 1.0], [0.0, 1.0]]))}, measure=counts, **OPTIONS)
    given = bs.sweep(net, {"E.i_bias": np.asarray([[1.5, 2.0], [0.0, 2.0]]) * pA}, measure=counts, **OPTIONS)
    np.testing.assert_array_equal(np.stack(scaled["n"]), np.stack(given["n"]))
    assert given["n"][1][0] == 0 < given["n"][1][1] and given.rows[0]["E.i_bias"] == "array of (2,)"


def test_points_share_one_program():
    bs.sweep(NET, {"I->E.weight": [3.0]}, measure=RATE, **OPTIONS)
    before = _chunk._cached._cache_size()
    bs.sweep(NET, {"I->E.weight": [4.0, 5.0, 6.0], "E.i_bias": [15, 25] * pA}, measure=RATE, **OPTIONS)
    assert _chunk._cached._cache_size() == before


def make(n, tau=20 * ms, seed=0):
    lif = bs.LIF(tau, v_th=-50 * mV, v_rest=-60 * mV, v_reset=-60 * mV, i_bias=25 * pA)
    if n > 30:
        raise ValueError("too many")
    return bs.Network({"E": bs.Population(n, lif, init={"v": bs.Uniform(-60 * mV, -50 * mV)})}, dt=0.1 * ms, seed=seed)


def test_a_maker():
    table = bs.sweep(make, {"n": [10, 40, 20], "tau": [10, 20] * ms}, measure=RATE, seeds=[3, 5], **OPTIONS)
    assert len(table) == 12 and table.axes == {"n": "", "tau": "ms", "seed": ""}
    assert [row["error"] for row in table.failed] == ["ValueError: too many"] * 4
    assert table["rate"][3] == rate(make(10, 20 * ms, seed=5)) and np.isnan(table["rate"][4])


def test_what_fails_stays():
    measure = {**RATE, "first": lambda r: r["E"].spikes.t[0]}
    table = bs.sweep(NET, {"E.i_bias": [0.0, 20.0]}, measure=measure, **OPTIONS)
    silent, well = table.rows
    (burst,) = bs.sweep(NET, {"E->E.weight": [3e38]}, measure=measure, **OPTIONS).rows
    assert 'measure "first": IndexError' in silent["error"] and silent["rate"] == 0 and silent["first"] is None
    assert well["error"] is None and well["first"] > 0
    assert burst["error"].startswith("FloatingPointError: non-finite v in E") and burst["rate"] is None
    assert np.isnan(table["first"][0]) and "IndexError" in str(table)
    with pytest.raises(NameError):
        bs.sweep(NET, {"E.i_bias": [20.0]}, measure={"x": lambda r: undefined}, **OPTIONS)  # noqa: F821


def test_inputs_and_records():
    table = bs.sweep(
        NET, {"E.i_bias": [0.0]}, inputs={"E": bs.OU(20 * pA, 5 * pA, 5 * ms)}, record=["E.v[:2]"],
        measure={"v": lambda r: r["E"].v.std(0)}, **OPTIONS,
    )  # fmt: skip
    assert table.rows[0]["v"].shape == (2,) and table["v"].dtype == object


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_files(tmp_path, kind):
    measure = {**RATE, "none": lambda r: [][0], "two": lambda r: np.arange(2)}
    table = bs.sweep(NET, {"I->E.weight": [3.0, 6.0]}, measure=measure, **OPTIONS)
    table.save(tmp_path / f"t.{kind}")
    if kind == "csv":
        rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
        assert float(rows[1]["rate"]) == table["rate"][1] and rows[0]["none"] == "" and rows[0]["two"] == "[0, 1]"
    else:
        content = json.loads((tmp_path / "t.json").read_text())
        assert content["axes"] == {"I->E.weight": "nS"} and content["rows"][1]["rate"] == table["rate"][1]
    assert table.to_dict()["two"] == [[0, 1], [0, 1]]
    with pytest.raises(ValueError, match='expected one of "csv", "json"'):
        table.save(tmp_path / "t.xlsx")


def test_a_figure_has_a_line_for_each_value_of_the_second_axis():
    table = bs.sweep(NET, {"I->E.weight": [3.0, 6.0], "E.tau_mem": [10.0, 20.0]}, measure=RATE, seeds=2, **OPTIONS)
    (axes,) = table.plot().axes
    assert axes.get_xlabel() == "I->E.weight (nS)" and len(axes.containers) == 2
    at = axes.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(at, [table["rate"][:2].mean(), table["rate"][4:6].mean()])


@pytest.mark.parametrize(
    ("model", "grid", "options", "message"),
    [
        (NET, {"E.tau": [1]}, {}, '`grid`: "E.tau" matches nothing'),
        (NET, {"E.tau_mem": [1 * mV]}, {}, r'`grid\["E.tau_mem"\]`: expected a time'),
        (NET, {"E.tau_mem": [-1.0]}, {}, r'`grid\["E.tau_mem"\]` must be >= '),
        (NET, {"E.tau_mem": [np.ones(3)]}, {}, r"expected one value or an array of \(\), got \(3,\)"),
        (NET, {"E.tau_mem": 3.0}, {}, r'`grid\["E.tau_mem"\]`: expected a list'),
        (NET, {"E.t_ref": [0.25]}, {}, "is not a multiple of dt"),
        (make(3), {"E.t_ref": [2.0]}, {}, "was made without a refractory time"),
        (NET, {"E.tau_mem": [1, 2], "E.v_th": [-50]}, {"mode": "zip"}, r"lists of one length, got \[2, 1\]"),
        (NET, {"E.tau_mem": [9]}, {"mode": "grid"}, "`mode`: expected one of"),
        (NET, {"E.tau_mem": [9]}, {"measure": {}}, "at least one entry each"),
        (NET, {"E.tau_mem": [9]}, {"seeds": 0}, "`seeds` must be >= 1"),
        (make, {"m": [9]}, {}, '`grid`: "m" is no argument of `model`, which has n, tau, seed'),
    ],
)
def test_wrong_arguments_are_named_before_anything_runs(model, grid, options, message):
    with pytest.raises(ValueError, match=message):
        bs.sweep(model, grid, **{"measure": RATE, **OPTIONS, **options})
    with pytest.raises(TypeError, match="`model`: expected a Network or a function"):
        bs.sweep(3, {"x": [1 * Hz]}, measure=RATE, **OPTIONS)
