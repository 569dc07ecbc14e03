"""Comparison of benchmark results: pairing, ratio, and files that are not ours."""

import json

import pytest

from brainsim.bench.compare import compare, read
from brainsim.bench.harness import SCHEMA


def write(path, median, **arguments):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"schema": SCHEMA, "workload": "coba", "arguments": arguments, "median": median}))
    return path


def test_same_arguments_are_paired_whatever_their_order(tmp_path):
    write(tmp_path / "old" / "a.json", 2.0, neurons=400, seed=1)
    write(tmp_path / "old" / "b.json", 9.0, neurons=800, seed=1)
    write(tmp_path / "new" / "z.json", 0.5, seed=1, neurons=400)
    (row,), alone = compare(tmp_path / "old", tmp_path / "new")
    assert alone == [f"{tmp_path / 'old'}: coba neurons=800 seed=1"]
    assert (row.workload, row.old, row.new, row.ratio) == ("coba", 2.0, 0.5, 4.0)


def test_a_row_without_a_result_is_told_not_compared(tmp_path):
    for side, median in (("old", 2.0), ("new", 1.0)):
        write(tmp_path / side / "a.json", median, neurons=400)
    file = write(tmp_path / "new" / "b.json", None, neurons=800)
    file.write_text(file.read_text().replace('"median": null', '"error": "gone"'))
    rows, alone = compare(tmp_path / "old", tmp_path / "new")
    assert [row.ratio for row in rows] == [2.0] and alone == [f"{tmp_path / 'new'}: coba neurons=800 failed"]


def test_nothing_in_common_is_an_error(tmp_path):
    old, new = write(tmp_path / "a.json", 1.0, neurons=1), write(tmp_path / "b.json", 1.0, neurons=2)
    with pytest.raises(ValueError, match="no workload with the same arguments"):
        compare(old, new)


@pytest.mark.parametrize("text", ["not json", "[]", '{"schema": "another"}'])
def test_a_foreign_file_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="x.json"):
        read(tmp_path)


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(ValueError, match="gone.json"):
        read(tmp_path / "gone.json")
    with pytest.raises(ValueError, match="no \\*.json file"):
        read(tmp_path)
