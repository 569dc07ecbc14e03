"""One workload in a process of its own, by name.

The parent calls `launch`; the child (`python -m brainsim.bench.worker NAME ARGUMENTS`) prints one JSON object on
stdout, and what goes wrong on stderr.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import brunel, coba, cuba, dataset, operator, simulating, train, training
from .limit import BENCHMARKS
from .process import answer

WORKLOADS: dict[str, Callable[..., dict[str, Any]]] = {
    "coba": coba.measure,
    "cuba": cuba.measure,
    "brunel": brunel.measure,
    "train": train.measure,
    "operator": operator.measure,
    "dataset": dataset.measure,
    "peers": simulating.measure,
    "training": training.measure,
}
SCRIPTS = ("memory", "neurons", "scan")
"""Workloads that are scripts of the checkout's `benchmarks/`."""

CHILD = "BRAINSIM_BENCH_CHILD"
"""Set in the environment of a script that is to measure, not to start itself once more."""


def launch(
    workload: str,
    arguments: dict[str, Any],
    *,
    threads: int | None = None,
    precision: str = "f32",
    platform: str | None = None,
    kernels: str = "on",
    log: Path | None = None,
) -> dict[str, Any]:
    """Run a workload in a fresh process and return its result.

    Args:
        workload: Name in `WORKLOADS` or `SCRIPTS`.
        arguments: Keyword arguments of the workload's `measure`.
        threads: Cores to pin the process to, and as many threads; None leaves both as they are.
        precision: "f32" or "f64".
        platform: JAX platform, such as "cpu"; None lets JAX choose.
        kernels: "off" leaves everything to XLA.
        log: File for what the process says on stderr; None shows it.

    Raises:
        ValueError: More threads than this process has cores.
        WorkerFailed: The child raised.
    """
    command, extra = [sys.executable, "-m", "brainsim.bench.worker", workload, json.dumps(arguments)], {}
    if workload in SCRIPTS:
        words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        command, extra = [sys.executable, str(BENCHMARKS / f"{workload}.py"), *words], {CHILD: "1"}
    if kernels == "off":
        extra["BRAINSIM_KERNELS"] = "off"
    outcome = answer(command, threads=threads, precision=precision, platform=platform, extra=extra, log=log)
    options: dict[str, Any] = {"threads": threads, "precision": precision, "platform": platform}
    if kernels == "off":
        options["kernels"] = "off"
    return outcome | {"arguments": outcome["arguments"] | options}


def main() -> None:
    """Entry of the child process."""
    workload, arguments = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(WORKLOADS[workload](**arguments)))


if __name__ == "__main__":
    main()
