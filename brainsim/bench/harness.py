"""How every benchmark measures: samples after the compiling call, a card of the machine, one JSON object.

    result = {schema, workload, arguments, <figures>, samples, median, min, iqr, compile_s, checks, <machine's card>}

`samples` are wall seconds of single calls, in order; nothing is thrown away. A check that fails makes the exit code 1.
"""

import contextlib
import logging
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax

from .. import _allocator
from ..operators import status
from ..recording.provenance import commit

SCHEMA = "brainsim-bench-1"
_PACKAGES = ("brainsim", "jax", "jaxlib", "numpy", "equinox", "optax")


class Timing(NamedTuple):
    """Wall seconds of repeated calls.

    Attributes:
        first_s: The first call, which traces and compiles.
        samples: The timed calls, in order.
        last: What the last call returned.
    """

    first_s: float
    samples: list[float]
    last: Any = None

    @property
    def median(self) -> float:
        """Median of the samples (s)."""
        return statistics.median(self.samples)

    @property
    def iqr(self) -> float:
        """Distance between the quartiles of the samples (s)."""
        if len(self.samples) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return high - low

    def fields(self) -> dict[str, Any]:
        """The timing as fields of a result; `compile_s` is the first call less one typical call."""
        return {
            "samples": self.samples,
            "median": self.median,
            "min": min(self.samples),
            "iqr": self.iqr,
            "compile_s": max(0.0, self.first_s - self.median),
        }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of a call, and its result, which is waited for."""
    start = time.perf_counter()
    value = jax.block_until_ready(call())
    return time.perf_counter() - start, value


def time_calls(call: Callable[[], Any], *, repeats: int = 5, warmup: int = 1) -> Timing:
    """Time a call that compiles on its first use.

    Args:
        call: Work without arguments; its result is waited for.
        repeats: Timed calls.
        warmup: Calls between the first and the timed ones.
    """
    first, value = timed(call)
    samples = []
    for number in range(warmup + repeats):
        seconds, value = timed(call)
        if number >= warmup:
            samples.append(seconds)
    return Timing(first, samples, value)


@contextlib.contextmanager
def lines_logged() -> Iterator[list[str]]:
    """What brainsim writes in its log meanwhile, such as why something runs on XLA."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("brainsim")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def check(value: float, low: float, high: float) -> dict[str, Any]:
    """A figure with the range it must lie in, as an entry of `checks`."""
    return {"value": value, "low": low, "high": high, "ok": bool(low <= value <= high)}


def result(workload: str, arguments: dict[str, Any], timing: Timing, *, checks: dict[str, Any], **figures: Any) -> dict:
    """One benchmark's JSON object: figures of the workload, its timing, its checks and the machine's card."""
    return {
        "schema": SCHEMA,
        "workload": workload,
        "arguments": arguments,
        **figures,
        **timing.fields(),
        "checks": checks,
        **card(),
    }


def passed(outcome: dict[str, Any]) -> bool:
    """Whether every check of a result holds."""
    return all(entry["ok"] for entry in outcome["checks"].values())


def card() -> dict[str, Any]:
    """The machine and the software that a figure was measured with."""
    kernels = status()
    return {
        "kernels": kernels["path"],
        "kernels_why": kernels["why"],
        "isa": kernels["isa"],
        "freed_memory": _allocator.HOLDS,
        "peak_rss_mb": peak_rss_mb(),
        "cpu_model": cpu_model(),
        "cpu_count": os.cpu_count(),
        "affinity": affinity(),
        "load_average": list(os.getloadavg()),
        "platform": platform.platform(),
        "device": str(jax.devices()[0]),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "versions": versions(),
        **commit(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def operator_path() -> str:
    """Which path the operators take, and why where it is XLA, in words."""
    kernels = status()
    return f"native kernels, {kernels['isa']}" if kernels["path"] == "ffi" else f"XLA: {kernels['why']}"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a figure."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}


def cpu_model() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def affinity() -> list[int]:
    """Cores that this process may run on (all of them where the system has no affinity)."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far (MB)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
