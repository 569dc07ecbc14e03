"""One workload in a process of its own: cores and threads are fixed before JAX starts, peak memory is its own.

The parent calls `launch`; the child (`python -m brainsim.bench.worker NAME ARGUMENTS`) prints one JSON object on
stdout, and what goes wrong on stderr.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from . import coba, operator, train
from .harness import affinity

WORKLOADS = {"coba": coba.measure, "train": train.measure, "operator": operator.measure}


class WorkerFailed(RuntimeError):
    """The child process ended without a result; its own message is on stderr."""


def launch(
    workload: str,
    arguments: dict[str, Any],
    *,
    threads: int | None = None,
    precision: str = "f32",
    platform: str | None = None,
) -> dict[str, Any]:
    """Run a workload in a fresh process and return its result.

    Args:
        workload: Name in `WORKLOADS`.
        arguments: Keyword arguments of the workload's `measure`.
        threads: Cores to pin the process to, and as many threads; None leaves both as they are.
        precision: "f32" or "f64".
        platform: JAX platform, such as "cpu"; None lets JAX choose.

    Raises:
        ValueError: More threads than this process has cores.
        WorkerFailed: The child raised.
    """
    command = [sys.executable, "-m", "brainsim.bench.worker", workload, json.dumps(arguments)]
    outcome = answer(command, threads=threads, precision=precision, platform=platform)
    options = {"threads": threads, "precision": precision, "platform": platform}
    return outcome | {"arguments": outcome["arguments"] | options}


def answer(
    command: list[str],
    *,
    threads: int | None = None,
    precision: str = "f32",
    platform: str | None = None,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The JSON object that a pinned child process prints on stdout; see `launch`.

    Args:
        command: The child.
        threads: Cores to pin it to, and as many threads.
        precision: "f32" or "f64".
        platform: JAX platform.
        extra: Environment variables besides.
    """
    environment = {**_environment(threads, precision, platform), **extra}
    with pinned(threads):
        child = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=False)
    if child.returncode:
        raise WorkerFailed(f"{' '.join(command[1:4])}: the child process ended with code {child.returncode}.")
    return json.loads(child.stdout)


def thread_environment(threads: int | None) -> dict[str, str]:
    """Variables that tell numerical libraries how many threads they have."""
    if threads is None:
        return {}
    counts = dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))  # XLA's pool reads NPROC
    flags = os.environ.get("XLA_FLAGS", "")
    single = {"XLA_FLAGS": f"{flags} --xla_cpu_multi_thread_eigen=false".strip()} if threads == 1 else {}
    return counts | single


def _environment(threads: int | None, precision: str, platform: str | None) -> dict[str, str]:
    environment = dict(os.environ, JAX_ENABLE_X64=str(precision == "f64")) | thread_environment(threads)
    if platform is not None:
        environment["JAX_PLATFORMS"] = platform
    return environment


@contextlib.contextmanager
def pinned(threads: int | None) -> Iterator[None]:
    """Let children inherit the first `threads` cores of this process; its own cores are given back afterwards."""
    cores = affinity()
    if threads is not None and threads > len(cores):
        raise ValueError(f"`threads`: this process may use {len(cores)} cores, got {threads}.")
    if threads is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    os.sched_setaffinity(0, cores[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def main() -> None:
    """Entry of the child process."""
    workload, arguments = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(WORKLOADS[workload](**arguments)))


if __name__ == "__main__":
    main()
