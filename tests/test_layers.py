"""The house rules by machine: which room may import which, how long code may be, what is never written."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "brainsim"
FILES = sorted(PACKAGE.rglob("*.py"))
NATIVE = sorted(path for suffix in ("*.h", "*.cc") for path in (ROOT / "kernels").rglob(suffix))

FOUNDATION = {
    "units",
    "values",
    "_types",
    "_params",
    "_checks",
    "_streams",
    "_paths",
    "_exact",
    "_native",
    "_allocator",
}
MAY_IMPORT = {
    "connectivity": set(),
    "operators": set(),
    "fuse": set(),
    "synapses": {"connectivity", "operators", "fuse"},
    "neurons": {"fuse"},
    "plasticity": {"synapses", "connectivity", "operators", "fuse"},
    "networks": {"synapses", "plasticity", "neurons", "connectivity", "operators", "fuse"},
    "recording": set(),
    "analysis": {"recording"},
    "simulate": {"networks", "recording", "analysis", "fuse"},
    "train": {"simulate", "networks", "neurons", "recording", "analysis", "operators", "fuse"},
    "datasets": set(),
    "interop": {"networks", "neurons", "synapses", "connectivity", "simulate", "recording"},
}
EVERYTHING = {"bench", "__main__", "__init__"}
"""Rooms on top of the house, which import what they like; nobody below imports them."""

MAX_FILE, MAX_FUNCTION = 400, 60
NAMELESS = re.compile(r"^(utils?|misc|common|helpers?)$")


def where(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def room_of(path: Path) -> str:
    """The room of a file: its folder below the package, or its own name at the top."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def rooms_imported(tree: ast.Module, module: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """(room, line) of every import of this package, those inside functions included.

    Args:
        tree: The parsed file.
        module: Dotted path of the file's package, such as `("brainsim", "neurons")`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = module[: len(module) - node.level + 1] if node.level else ()
            stem = (*base, *(node.module.split(".") if node.module else ()))
            targets = [(*stem, alias.name) for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] == "brainsim":
                yield (target[1] if len(target) > 1 else "__init__"), node.lineno


def forbidden_imports(source: str, path: Path) -> list[str]:
    """One sentence for each import that the table does not allow."""
    room = room_of(path)
    if room in EVERYTHING:
        return []
    module = ("brainsim", *path.relative_to(PACKAGE).parts[:-1])
    allowed = FOUNDATION | MAY_IMPORT.get(room, set()) | {room}
    return [
        f"{where(path, line)}: {room} may not import {target} (may: {', '.join(sorted(allowed - {room}))})"
        for target, line in dict.fromkeys(rooms_imported(ast.parse(source), module))
        if target not in allowed
    ]


@pytest.mark.parametrize("path", FILES, ids=where)
def test_imports_obey_the_table(path):
    assert (room := room_of(path)) in FOUNDATION | EVERYTHING | set(MAY_IMPORT), f"{where(path)}: no room `{room}`"
    faults = forbidden_imports(path.read_text(), path)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("path", FILES + NATIVE, ids=where)
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_FILE, f"{where(path, MAX_FILE + 1)}: {lines} lines, at most {MAX_FILE}; split by concept"


def long_functions(source: str, path: Path) -> list[str]:
    """One sentence for each function over the cap, decorators and docstring counted."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = (node.end_lineno or first) - first + 1
        if lines > MAX_FUNCTION:
            faults.append(f"{where(path, first)}: `{node.name}` has {lines} lines, at most {MAX_FUNCTION}")
    return faults


@pytest.mark.parametrize("path", FILES, ids=where)
def test_functions_are_short(path):
    faults = long_functions(path.read_text(), path)
    assert not faults, "\n" + "\n".join(faults)


def never_written(source: str, path: Path) -> list[str]:
    """Private JAX, pickle, eval and exec, a bare or catch-all except: one sentence each."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 1)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module else []
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        else:
            names = []
        for name in names:
            if name.startswith("jax._src"):
                faults.append(f"{where(path, line)}: `jax._src` is private")
            if name.split(".")[0] in ("pickle", "cloudpickle", "dill"):
                faults.append(f"{where(path, line)}: files are read without pickle")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            faults.append(f"{where(path, line)}: `{node.func.id}` runs text as code")
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception"):
            faults.append(f"{where(path, line)}: name the exception that is expected")
    return faults


@pytest.mark.parametrize("path", FILES, ids=where)
def test_never_written(path):
    faults = never_written(path.read_text(), path)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("path", FILES + NATIVE, ids=where)
def test_the_name_says_what_is_inside(path):
    for part in (*path.relative_to(ROOT).parts[:-1], path.stem):
        assert not NAMELESS.match(part), f"{where(path)}: `{part}` says nothing about what is inside"


def test_every_public_module_has_a_docstring():
    missing = [where(path) for path in FILES if ast.get_docstring(ast.parse(path.read_text())) is None]
    assert not missing, "\n" + "\n".join(missing)


class TestTheRulesCanFail:
    """Planted faults: each rule finds what it is for, and nothing in the same line written well."""

    @pytest.mark.parametrize(
        ("room", "line", "target"),
        [
            ("neurons", "from ..synapses import Delta", "synapses"),
            ("neurons", "from .. import train", "train"),
            ("neurons", "import brainsim.simulate.run", "simulate"),
            ("connectivity", "def f():\n    from brainsim.operators import csr", "operators"),
            ("recording", "from ..analysis.result import Result", "analysis"),
            ("simulate", "from ..bench import harness", "bench"),
        ],
    )
    def test_a_forbidden_import_is_found(self, room, line, target):
        (fault,) = forbidden_imports(line, PACKAGE / room / "planted.py")
        assert f"{room} may not import {target}" in fault and f"{room}/planted.py:" in fault

    @pytest.mark.parametrize("line", ["from .lif import LIF", "from .. import units", "from ..fuse import pointwise"])
    def test_an_allowed_import_is_not(self, line):
        assert forbidden_imports(line, PACKAGE / "neurons" / "planted.py") == []

    def test_a_long_function_is_found_with_its_decorator(self):
        body = "@cache\ndef f():\n" + "    x = 1\n" * (MAX_FUNCTION - 2)
        assert long_functions(body, PACKAGE / "planted.py") == []
        (fault,) = long_functions(body + "    x = 2\n", PACKAGE / "planted.py")
        assert "planted.py:1" in fault and f"{MAX_FUNCTION + 1} lines" in fault

    @pytest.mark.parametrize(
        "line",
        [
            "from jax._src import core",
            "import jax\njax._src.core",
            "import pickle",
            "eval('1')",
            "try:\n    f()\nexcept Exception:\n    pass",
        ],
    )
    def test_what_is_never_written_is_found(self, line):
        assert never_written(line, PACKAGE / "planted.py")
