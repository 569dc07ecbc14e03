"""The README's code runs as it stands, and stays as short as it says."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
CODE = dict(zip(("simulate", "train"), re.findall(r"```python\n(.*?)```", README, re.S), strict=True))


@pytest.mark.parametrize(("name", "most"), [("simulate", 15), ("train", 25)])
def test_code_is_short(name, most):
    assert len([line for line in CODE[name].splitlines() if line.strip()]) <= most


@pytest.mark.parametrize("name", CODE)
def test_code_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(CODE[name], f"README.md: {name}", "exec"), {"__name__": "readme"})
    assert list(tmp_path.iterdir()), "the script writes what it shows"


def test_every_figure_has_its_row():
    assert "FIGURES_ROWS" not in README
    for words in runpy.run_path(str(ROOT / "benchmarks" / "figures.py"))["ROWS"].values():
        assert f"| `{' '.join(words)}` |" in README


def test_pictures_are_there_and_small():
    pictures = [ROOT / name for name in re.findall(r"!\[.*?\]\((.*?)\)", README)]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 100_000, picture
