"""Loops written by hand in C, the measure of what the machine can do, compiled when a benchmark asks for them.

    cc -O3 -march=native -ffast-math benchmarks/limits/NAME.c

They belong to the checkout, not to an installed package; each says in its first lines what it computes.
"""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
"""The checkout's folder of scripts and limits; an installed package has none."""

SOURCES = BENCHMARKS / "limits"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")


def library(name: str) -> ctypes.CDLL:
    """The functions of `benchmarks/limits/<name>.c`.

    Raises:
        FileNotFoundError: No such source (brainsim does not run from a checkout), or no C compiler.
        subprocess.CalledProcessError: The compiler refuses the source; its message is on stderr.
    """
    source = SOURCES / f"{name}.c"
    if not source.is_file():
        raise FileNotFoundError(f"{source} is missing: limits in C are measured from a checkout of brainsim.")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise FileNotFoundError("no C compiler: install `cc` or `gcc` to measure limits in C.")
    with tempfile.TemporaryDirectory() as folder:
        made, target = Path(folder) / f"{name}.o", Path(folder) / f"{name}.so"
        subprocess.run([compiler, *FLAGS, "-c", str(source), "-o", str(made)], check=True)
        # linked without -ffast-math, with which loading it would flush subnormal numbers in the whole process
        subprocess.run([compiler, "-shared", str(made), "-o", str(target), "-lm"], check=True)
        return ctypes.CDLL(str(target))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Address of a contiguous array, which the caller keeps alive."""
    if not array.flags.c_contiguous:
        raise ValueError("`array`: expected a contiguous one.")
    return ctypes.c_void_p(array.ctypes.data)
