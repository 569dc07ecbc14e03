"""Other simulators, each in a Python of its own: what `make peers` made, or what an environment variable names.

BRAINSIM_NEST_PYTHON=/path/to/python        with nest-simulator 3.10
BRAINSIM_BRIAN2_PYTHON=/path/to/python      with brian2 2.11
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENTS = Path(__file__).parents[2] / ".peers"


def ask(name: str, script: str, jobs: list[dict[str, Any]]) -> list[Any]:
    variable, made = f"BRAINSIM_{name.upper()}_PYTHON", ENVIRONMENTS / name
    python = os.environ.get(variable) or (made / "bin" / "python" if (made / "ready").exists() else None)
    if not python:
        pytest.skip(f"needs another simulator: `make beside`, or set {variable} to the Python that has it")
    command = [str(python), str(Path(__file__).with_name(script))]
    run = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, check=False, timeout=1800)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def nest() -> Callable[[list[dict[str, Any]]], list[Any]]:
    """`nest(jobs)`: see `nest_neurons.py`."""
    return lambda jobs: ask("nest", "nest_neurons.py", jobs)


@pytest.fixture(scope="session")
def nest_networks() -> Callable[[list[dict[str, Any]]], list[Any]]:
    """`nest_networks(jobs)`: see `nest_networks.py`."""
    return lambda jobs: ask("nest", "nest_networks.py", jobs)


@pytest.fixture(scope="session")
def brian2() -> Callable[[list[dict[str, Any]]], list[Any]]:
    """`brian2(jobs)`: see `brian2_neurons.py`."""
    return lambda jobs: ask("brian2", "brian2_neurons.py", jobs)
