"""`kernels/` alone, without XLA or Python, on random and hostile input: loops, then programs; slow under sanitizers."""

import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
COMPILER = shutil.which("g++") or shutil.which("clang++")
NEEDS = {"loops": [], "programs": ["executor", "decode", "registry", "table", "isa"]}


def build(folder: Path, driver: str, sanitizers: str) -> Path:
    """A driver under `sanitizers` ("": none); skipped where the compiler has no such run-time library."""
    if COMPILER is None:
        pytest.skip("needs a C++ compiler")
    program = folder / driver
    flags = ["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Wno-psabi", "-ffp-contract=off", "-pthread"]
    sanitize = [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"] if sanitizers else []
    probe = subprocess.run(
        [COMPILER, *sanitize, "-x", "c++", "-", "-o", program], input="int main() {}", text=True, capture_output=True
    )
    if probe.returncode != 0:
        pytest.skip(f"{COMPILER} cannot link -fsanitize={sanitizers}")
    sources = [Path(__file__).with_name(f"{driver}.cc"), *(KERNELS / f"{name}.cc" for name in NEEDS[driver])]
    command = [COMPILER, *flags, *sanitize, f"-I{KERNELS}", *sources, "-o", program]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "warning" not in built.stderr
    return program


@pytest.mark.parametrize(
    "sanitizers", ["", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("address,undefined", "thread"))]
)
@pytest.mark.parametrize("driver", sorted(NEEDS))
def test_drivers(tmp_path, driver, sanitizers):
    run = subprocess.run([build(tmp_path, driver, sanitizers)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout == f"all {driver} agree\n"
