"""How many bytes a recording will take, and refusing one that does not fit, before anything runs.

    trace: samples * batch * neurons * itemsize,    histogram: samples * batch * (bins + 2) * 4 bytes
    spikes: neurons * batch * time * rate * (12 or 16 bytes an event)

The bytes of traces and histograms are exact; how often neurons will spike is not known before, so a mean rate of 50 Hz
is assumed.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .records import bin_edges, sample_steps
from .spec import Histogram, Spec, Spikes, Trace

ASSUMED_RATE = 50.0
"""Mean rate that the estimate for spikes assumes (Hz)."""


class Estimate(NamedTuple):
    """Bytes that one record will take.

    Attributes:
        key: Name of the record.
        bytes: Exact for traces, histograms and rates, assumed for spikes.
        how: How the number comes about, such as `"4000 x 1e+06 x float32"`.
    """

    key: str
    bytes: int
    how: str


def estimate_bytes(
    specs: Iterable[Spec],
    steps: int,
    sizes: Mapping[str, int],
    *,
    dt: float,
    batch: int | None = None,
    start: int = 0,
    dtype: np.dtype | type = np.float32,
) -> list[Estimate]:
    """Bytes of each record of a run.

    Args:
        specs: What is recorded.
        steps: Steps of the run.
        sizes: Neurons (or synapses) behind each spec's path.
        dt: Step (ms).
        batch: Number of trials, or None.
        start: Step that the run begins with.
        dtype: Dtype of the traces.
    """
    trials, item = batch or 1, np.dtype(dtype).itemsize
    estimates = []
    for spec in specs:
        if isinstance(spec, Spikes):
            chosen, event = len(spec.select(sizes[spec.path])), 12 if batch is None else 16
            expected = int(chosen * trials * steps * dt * 1e-3 * ASSUMED_RATE * event)
            how = f"{chosen} neurons at an assumed {ASSUMED_RATE:g} Hz for {steps * dt:g} ms"
        elif isinstance(spec, Trace):
            samples = len(sample_steps(start, steps, spec.steps(dt)))
            chosen = 1 if spec.reduce else len(spec.select(sizes[spec.path]))
            expected = samples * trials * chosen * item
            how = f"{chosen} x {samples:g} x {np.dtype(dtype).name}"
        elif isinstance(spec, Histogram):
            samples, counted = len(sample_steps(start, steps, spec.steps(dt))), len(spec.bins) + 1
            expected, how = samples * trials * counted * 4, f"{counted} x {samples:g} x int32"
        else:
            bins = len(bin_edges(start, steps, spec.steps(dt))) - 1
            expected, how = bins * trials * 8, f"{bins:g} x float64"
        how += f", batch of {batch}" if batch is not None else ""
        estimates.append(Estimate(spec.key, expected, how))
    return estimates


def refuse(estimates: Iterable[Estimate], limit: float, *, name: str = "simulate") -> None:
    """Raise where the records together pass `limit` bytes.

    Raises:
        MemoryError: A sentence with the largest record, its bytes, the limit, and what makes it smaller.
    """
    estimates = list(estimates)
    total = sum(estimate.bytes for estimate in estimates)
    if total <= limit:
        return
    worst = max(estimates, key=lambda estimate: estimate.bytes)
    others = f" ({in_words(total)} with the other records)" if total > worst.bytes else ""
    is_event = worst.key.endswith((".spikes", ".rate"))
    remedy = "`ids=`" if is_event else "`every=`" if worst.key.endswith("_histogram") else "`every=`, `ids=`"
    raise MemoryError(
        f'{name}: {in_words(worst.bytes)} of "{worst.key}" ({worst.how}){others}: {remedy}, or `to="file.h5"`; '
        f"limit {in_words(limit)}."
    )


def in_words(count: float) -> str:
    """A number of bytes for reading: `"4.1 GB"`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.3g} {unit}" if count < 1000 else f"{count:,.0f} {unit}"
        count /= 1000
    return ""


def available_bytes() -> int:
    """Memory that this process may still take: what the system has, less where its control group allows less."""
    free = _fields_of("/proc/meminfo").get("MemAvailable:")
    available = free * 1024 if free is not None else 4 * 10**9
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        bound, taken = _number_in(limit), _number_in(used)
        if bound is not None and taken is not None:
            available = min(available, max(bound - taken, 0))
    return available


def _fields_of(path: str) -> dict[str, int]:
    try:
        rows = [line.split() for line in Path(path).read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number_in(path: str) -> int | None:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
