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


def rows_of(header: str) -> list[tuple[str, str]]:
    """What and command of every row of the table with this header."""
    table = README.partition(header)[2].partition("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [(first, last) for first, _, last in cells]


def is_told_missing(words: str, text: str = README) -> bool:
    """Whether a sentence says that the sizes or nets of a command were not measured."""
    what = [f"{int(n):,}" for n in re.findall(r"--neurons (\d+)", words)] + re.findall(r"--net (\w+)", words)
    sentences = re.findall(r"[^.;]*not measured[^.;]*", text)
    return bool(what) and any(all(part in sentence for part in what) for sentence in sentences)


def test_every_ratio_has_its_row_or_is_told_missing():
    """Which peers have a row depends on what is installed; all other rows are known beforehand."""
    figures, neurons = (runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py")) for name in ("figures", "neurons"))
    found = rows_of("| what | ratio | `python ...` |")
    commands = {command for _, command in found}
    missing = [words for words in figures["RATIOS"] if f"`{words}`" not in commands]
    assert all(map(is_told_missing, missing)), missing
    assert commands - {f"`{words}`" for words in figures["RATIOS"]} == {"the rows with C"}
    of = lambda part: [what for what, command in found if part in command]
    assert of("neurons.py") == list(neurons["cases"]())
    assert len(of("scan.py")) == 2 and len(of("rows with C")) == len(figures["SIZES"])
    for words in figures["RATIOS"]:
        if "--limit" in words and words not in missing:
            assert len(of(f"`{words}`")) == 1


def test_a_command_that_nobody_mentions_is_not_told_missing():
    text = "Peers at 40,000 neurons were not measured; those at 5,000 were."
    assert is_told_missing("benchmarks/against_peers.py --neurons 40000 --threads 1", text)
    assert not is_told_missing("benchmarks/against_peers.py --neurons 5000 --threads 1", text)
    assert not is_told_missing("benchmarks/training.py --net ff9 --threads 1", text)
    assert not is_told_missing("benchmarks/scan.py --threads 1", text)


def test_pictures_are_there_and_small():
    pictures = [ROOT / name for name in re.findall(r"!\[.*?\]\((.*?)\)", README)]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 100_000, picture
