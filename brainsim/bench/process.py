"""Processes that measure: their cores and threads are fixed before JAX starts, and their peak memory is their own."""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .harness import affinity


class WorkerFailed(RuntimeError):
    """The child process ended without a result; its own message is on stderr."""


def answer(
    command: list[str],
    *,
    threads: int | None = None,
    precision: str = "f32",
    platform: str | None = None,
    extra: Mapping[str, str] = MappingProxyType({}),
    log: Path | None = None,
) -> dict[str, Any]:
    """The JSON object that a pinned child process prints on stdout.

    Args:
        command: The child.
        threads: Cores to pin it to, and as many threads.
        precision: "f32" or "f64".
        platform: JAX platform.
        extra: Environment variables besides.
        log: File for what it says on stderr; None shows it.

    Raises:
        ValueError: More threads than this process has cores.
        WorkerFailed: The child ended with another code than 0; the message has the reason, from its log.
    """
    environment = {**_environment(threads, precision, platform), **extra}
    with pinned(threads), log.open("w") if log else contextlib.nullcontext() as errors:
        child = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True, check=False)
    if child.returncode:
        ended = f"{' '.join(command[1:4])}: the child process ended with code {child.returncode}"
        raise WorkerFailed(f"{ended}: {_reason(log.read_text())}" if log else f"{ended}.")
    return json.loads(child.stdout)


def _reason(said: str) -> str:
    """The line of a log that names the exception, or its last one."""
    lines = [line for line in said.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Failed|Interrupt)\b", line)]
    return (named or lines or ["it said nothing"])[-1].strip()


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
