"""Other simulators, each in a Python of its own that an environment variable names; skipped where it is not set.

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


def ask(variable: str, script: str, jobs: list[dict[str, Any]]) -> list[Any]:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"needs another simulator: set {variable} to the Python that has it")
    command = [python, str(Path(__file__).with_name(script))]
    run = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def nest() -> Callable[[list[dict[str, Any]]], list[Any]]:
    """`nest(jobs)`: see `nest_neurons.py`."""
    return lambda jobs: ask("BRAINSIM_NEST_PYTHON", "nest_neurons.py", jobs)


@pytest.fixture(scope="session")
def nest_networks() -> Callable[[list[dict[str, Any]]], list[Any]]:
    """`nest_networks(jobs)`: see `nest_networks.py`."""
    return lambda jobs: ask("BRAINSIM_NEST_PYTHON", "nest_networks.py", jobs)


@pytest.fixture(scope="session")
def brian2() -> Callable[[list[dict[str, Any]]], list[Any]]:
    """`brian2(jobs)`: see `brian2_neurons.py`."""
    return lambda jobs: ask("BRAINSIM_BRIAN2_PYTHON", "brian2_neurons.py", jobs)
