"""Tables of synapses: what is read, and that every fault names the file, the row and what was expected."""

import builtins

import numpy as np
import pytest

import brainsim as bs
from brainsim.connectivity import read_edges, read_table
from brainsim.units import ms, nS

TEXT = "pre,post,weight\na,b,1.5\n\nb,c,2\na,a,0.25\n"


@pytest.fixture
def file(tmp_path):
    def write(text, name="edges.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_names_become_numbers_and_columns_keep_the_order(file):
    edges = read_edges(file(TEXT), nodes=["c", "b", "a"])
    np.testing.assert_array_equal(edges.rule.pre, [2, 1, 2])
    np.testing.assert_array_equal(edges.rule.post, [1, 0, 2])
    np.testing.assert_array_equal(edges["weight"], [1.5, 2, 0.25])
    cells = bs.Population(3, bs.LIF(20 * ms))
    synapse = bs.Exponential(5 * ms, e_rev=0)
    net = bs.Network({"N": cells}, [bs.Projection("N", "N", edges.rule, edges["weight"] * nS, synapse)], dt=0.1 * ms)
    found = {(int(i), int(j)): float(w) for i, j, w, _ in zip(*net["N->N"].edges, strict=True)}
    assert found == {(2, 1): 1.5, (1, 0): 2.0, (2, 2): 0.25}


def test_two_populations_other_columns_and_parts_of_a_table(file):
    path = file("to\tfrom\n3\t0\n0\t1\n", "edges.tsv")
    edges = read_edges(path, pre="from", post="to", nodes=(2, 4))
    assert edges.rule.shape == (2, 4) and edges.rule.post.tolist() == [3, 0]
    part = edges.table.where(edges["from"] == 1)
    assert part["to"].tolist() == [0] and read_table(path).words("to").tolist() == ["3", "0"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TEXT, dict(pre="source"), r"edges.csv: expected a column `source`, got pre, post, weight"),
        (TEXT, dict(nodes=["a", "b"]), r"edges.csv, row 2: expected one of 2 names in `post`, got 'c'"),
        (TEXT, dict(nodes=["a", "b", "c", "a"]), "`nodes`: expected each name once"),
        (TEXT, dict(), r"edges.csv, row 1: expected a number in `pre`, got 'a'"),
        ("pre,post\n0,1\n1,7\n", dict(nodes=3), r"edges.csv, row 2: .* >= 0 and < 3 in `post`, got '7'"),
        ("pre,post\n0,1\n-1,1\n", dict(), r"row 2: expected a whole number >= 0 in `pre`, got '-1'"),
        ("pre,post\n0,1.5\n", dict(), r"row 1: expected a whole number >= 0 in `post`, got '1.5'"),
        ("pre,post\n0,1\n\n1\n", dict(), r"row 2 \(line 4\): expected 2 columns, got 1"),
        ("pre,pre\n0,1\n", dict(), "different column names"),
        ("", dict(), "expected a first line"),
    ],
)
def test_faults_are_named(file, text, options, message):
    with pytest.raises(ValueError, match=message):
        read_edges(file(text), **options)


def test_a_word_among_numbers_is_named(file):
    table = read_table(file("pre,post,weight\n0,1,2\n1,0,heavy\n"))
    with pytest.raises(ValueError, match=r"edges.csv, row 2: expected a number in `weight`, got 'heavy'"):
        table["weight"]


def test_parquet(tmp_path):
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / "edges.parquet"
    parquet.write_table(arrow.table({"pre": [0, 2], "post": [1, 1], "weight": [0.5, None]}), path)
    assert read_edges(path).rule.pre.tolist() == [0, 2]
    with pytest.raises(ValueError, match=r"edges.parquet, row 2: expected a number in `weight`"):
        read_edges(path)["weight"]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    found = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return found(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"edges.pq: Parquet files need pyarrow: pip install 'brainsim\[tables\]'"):
        read_table(tmp_path / "edges.pq")
