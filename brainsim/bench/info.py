"""What is installed, which path the operators take and why, and a self-test against plain XLA.

The self-test uses weights that are multiples of 1/32: their sums and products are exact in any order, so that kernels
and XLA must agree to the last bit.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from .. import _allocator
from ..networks.balanced import coba
from ..operators import csr_push, delay_ring_push, delay_ring_take, event_dense, status
from ..simulate import run
from .harness import affinity, cpu_model, operator_path, versions

_FEATURES = ("sse4_2", "avx", "fma", "avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl", "asimd", "sve")


def report() -> dict[str, Any]:
    """Versions, kernel path, processor and the outcome of the self-test, ready for JSON."""
    start = time.perf_counter()
    checks = {name: _outcome(check) for name, check in _CHECKS.items()}
    ok = all(entry["ok"] for entry in checks.values())
    return {
        "schema": "brainsim-info-1",
        "versions": versions(),
        "kernels": status(),
        "freed_memory": _allocator.HOLDS,
        "cpu": {"model": cpu_model(), "features": cpu_features(), "threads": len(affinity()), "affinity": affinity()},
        "devices": [str(device) for device in jax.devices()],
        "self_test": {"ok": ok, "seconds": time.perf_counter() - start, "checks": checks},
    }


def show(outcome: dict[str, Any]) -> None:
    """Print a report as a table."""
    kernels, cpu, test = outcome["kernels"], outcome["cpu"], outcome["self_test"]
    table = Table(show_header=False)
    table.add_row("versions", ", ".join(f"{name} {version}" for name, version in outcome["versions"].items()))
    table.add_row("operators", operator_path())
    table.add_row("XLA FFI", f"runtime {kernels['ffi_runtime']}, kernels {kernels['ffi_built'] or 'none'}")
    kept = outcome["freed_memory"] == _allocator.KEEP
    table.add_row("freed memory", "kept for reuse" if kept else "left to the system")
    table.add_row("processor", f"{cpu['model']}, {cpu['threads']} threads")
    table.add_row("features", " ".join(cpu["features"]) or "not known on this system")
    table.add_row("devices", ", ".join(outcome["devices"]))
    for name, entry in test["checks"].items():
        table.add_row(f"self-test: {name}", ("ok: " if entry["ok"] else "FAILED: ") + entry["detail"])
    Console().print(table)


def cpu_features() -> list[str]:
    """Vector instruction sets of the processor, where Linux tells them."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return []
    lines = (line for line in cpuinfo.read_text().splitlines() if line.startswith(("flags", "Features")))
    flags = next(lines, ":").split(":", 1)[1].split()
    return [feature for feature in _FEATURES if feature in flags]


def _outcome(check: Callable[[], tuple[bool, str]]) -> dict[str, Any]:
    try:
        ok, detail = check()
    except jax.errors.JaxRuntimeError as error:
        ok, detail = False, str(error)
    return {"ok": ok, "detail": detail}


def _dyadic(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.integers(-32, 33, shape) / 32).astype(np.float32)


def _spikes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.random(shape) < 0.03).astype(np.float32)


def _edges(rng: np.random.Generator, n: int, fan_out: int) -> tuple[jax.Array, jax.Array]:
    indices = np.sort(rng.integers(0, n, (n, fan_out)), axis=1).reshape(-1)
    return jnp.asarray(indices, jnp.int32), jnp.arange(0, n * fan_out + 1, fan_out, dtype=jnp.int32)


def _equal(name: str, ours: tuple, xla: tuple) -> tuple[bool, str]:
    same = all(bool(jnp.array_equal(a, b)) for a, b in zip(ours, xla, strict=True))
    return same, f"{name} equal to plain XLA" if same else f"{name} differ from plain XLA"


def _csr() -> tuple[bool, str]:
    rng = np.random.default_rng(1)
    n, fan_out = 300, 20
    indices, indptr = _edges(rng, n, fan_out)
    pre = np.repeat(np.arange(n), fan_out)
    weight, spikes, cotangent = _dyadic(rng, n * fan_out), _spikes(rng, n), _dyadic(rng, n)

    def ours(w, s):
        return csr_push(jnp.zeros(n), w, indices, indptr, s)

    def plain(w, s):
        return jnp.zeros((n, n)).at[pre, indices].add(w * s[pre]).sum(0)

    return _same_with_gradients("push, pull and outer", ours, plain, weight, spikes, cotangent)


def _event_dense() -> tuple[bool, str]:
    rng = np.random.default_rng(2)
    weight, spikes, cotangent = _dyadic(rng, 96, 70), _spikes(rng, 32, 96), _dyadic(rng, 32, 70)
    ours, plain = lambda w, s: event_dense(s, w), lambda w, s: jnp.dot(s, w, precision="highest")
    return _same_with_gradients("product and both gradients", ours, plain, weight, spikes, cotangent)


def _same_with_gradients(name: str, ours, plain, weight, spikes, cotangent) -> tuple[bool, str]:
    def both(function):
        def value_and_gradients(w, s, ct):
            value, pullback = jax.vjp(function, w, s)
            return value, *pullback(ct)

        return jax.jit(value_and_gradients)(weight, spikes, cotangent)

    return _equal(name, both(ours), both(plain))


def _delay_ring() -> tuple[bool, str]:
    rng = np.random.default_rng(3)
    n, slots = 100, 4
    indices, indptr = _edges(rng, n, 5)
    weight = jnp.asarray(_dyadic(rng, n * 5))
    delays = jnp.asarray(rng.integers(1, slots, n * 5), jnp.int32)
    spikes = _spikes(rng, 12, n)

    @jax.jit
    def ours(spikes):
        def step(ring, now):
            k, row = now
            arrivals, ring = delay_ring_take(ring, k % slots)
            return delay_ring_push(ring, weight, indices, indptr, delays, row, k), arrivals

        return jax.lax.scan(step, jnp.zeros((slots, n)), (jnp.arange(12, dtype=jnp.int32), spikes))[1]

    expected = np.zeros((12 + slots, n), np.float32)
    pre = np.repeat(np.arange(n), 5)
    for k in range(12):
        np.add.at(expected[k:], (delays, indices), weight * spikes[k, pre])
    return _equal("arrivals over three turns", (ours(spikes),), (expected[:12],))


def _network() -> tuple[bool, str]:
    net = coba(200, seed=1)

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def drive(net):
        return run(net, steps=100, record=("E.v",)).records["E.v"].mean()

    value, gradient = drive(net)
    leaves = [leaf for leaf in jax.tree.leaves(gradient) if eqx.is_inexact_array(leaf)]
    size = float(sum(jnp.abs(leaf).sum() for leaf in leaves))
    ok = bool(np.isfinite(value)) and np.isfinite(size) and size > 0
    return ok, f"200 neurons, 100 steps: mean voltage {float(value):.2f} mV, its gradient finite and not zero"


_CHECKS = {"csr": _csr, "event_dense": _event_dense, "delay_ring": _delay_ring, "network and gradient": _network}
