"""A layer of LIF neurons through time, forward and with its gradient: `fuse.scan`, `jax.lax.scan`, and C by hand.

    python benchmarks/scan.py --threads 1 --json scan.json

128 x 256 neurons, 100 steps, trainable decay beta, arctan surrogate, reset by subtraction:

    u = beta v + x,    s = [u >= 1],    v <- u - 1 where s, which no gradient of s crosses

All three run in turns in one process, after their spikes and gradients were compared.
"""

import argparse
import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from brainsim.bench import limit, script
from brainsim.bench.harness import check, lines_logged, result
from brainsim.bench.pairs import alternate, ratio, share_that_differs
from brainsim.fuse.scan import scan
from brainsim.neurons import Arctan

BATCH, NEURONS, STEPS, BETA = 128, 256, 100, 0.95

FLIPPED = 1e-4
"""Allowed share of spikes, and of gradients, that differ: where u is a rounding away from the threshold."""
TOLERANCE = 1e-4
"""Allowed difference of gradients, as a part of the largest."""

Results = dict[str, np.ndarray]


def layer(scan: Callable[..., Any], beta: jax.Array, x: jax.Array) -> jax.Array:
    """Spikes (time, batch, neurons) of the currents `x`."""
    spike = Arctan()

    def step(v: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        u = beta * v + x
        s = spike(u - 1)
        return jnp.where(s > 0, u - 1, u), s

    return scan(step, jnp.zeros(x.shape[1:], x.dtype), x)[1]


def by_scan(scan: Callable[..., Any], data: Results) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The forward pass, and the forward pass with the gradient, as calls."""
    beta, x, ct = (jnp.asarray(data[name]) for name in ("beta", "x", "ct"))

    @jax.jit
    def forward(beta, x):
        return {"s": layer(scan, beta, x)}

    @jax.jit
    def gradient(beta, x, ct):
        s, back = jax.vjp(lambda beta, x: layer(scan, beta, x), beta, x)
        dbeta, dx = back(ct)
        return {"s": s, "dx": dx, "dbeta": dbeta}

    return lambda: forward(beta, x), lambda: gradient(beta, x, ct)


def by_hand(data: Results) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The same in C; results are written over by the next call."""
    library, point = limit.library("lif_scan"), limit.pointer
    x, ct, beta = data["x"], data["ct"], ctypes.c_float(float(data["beta"]))
    steps, n = len(x), x[0].size
    out = {"s": np.zeros_like(x), "dx": np.zeros_like(x), "dbeta": np.zeros((), np.float32)}

    def forward() -> Results:
        library.lif_forward(n, steps, beta, point(x), point(out["s"]))
        return {"s": out["s"]}

    def gradient() -> Results:
        written = (point(out[name]) for name in ("s", "dx", "dbeta"))
        if library.lif_gradient(n, steps, beta, point(x), point(ct), *written):
            raise MemoryError("lif_scan.c: no memory for the kept states.")
        return out

    return forward, gradient


def fused_scan(step: Callable[..., Any], carry: Any, xs: Any) -> Any:
    """`fuse.scan` with the signature of `jax.lax.scan`."""
    return scan(step)(carry, xs)


def inputs(steps: int, batch: int, neurons: int, seed: int) -> Results:
    """Currents that make about one neuron in nine fire in a step, and cotangents of the spikes."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 0.3, (steps, batch, neurons)).astype(np.float32)
    return {"x": x, "ct": rng.normal(size=x.shape).astype(np.float32), "beta": np.float32(BETA)}


def agree(results: Mapping[str, Any]) -> None:
    """Raise unless all ways give the spikes and gradients of `jax.lax.scan`."""
    for name, found in results.items():
        share = share_that_differs(found, results["xla"], TOLERANCE)
        if share > FLIPPED:
            raise AssertionError(f"{name}: {share:.2%} of the values are not those of XLA; nothing was timed.")


def measure(*, steps: int, batch: int, neurons: int, seed: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time both passes of the three ways in turns.

    Returns:
        A result with `rows`: for "forward" and "forward and backward" milliseconds `fused_ms`, `xla_ms`, `c_ms`,
        `xla_over_fused` and `fused_over_c`; its samples are the fused forward and backward pass.
    """
    data = inputs(steps, batch, neurons, seed)
    ways = {"fused": by_scan(fused_scan, data), "xla": by_scan(jax.lax.scan, data), "c": by_hand(data)}
    rows: dict[str, dict[str, float]] = {}
    logged: list[str] = []
    for number, work in enumerate(("forward", "forward and backward")):
        calls = {name: way[number] for name, way in ways.items()}
        with lines_logged() as lines:
            times = alternate(calls, repeats=repeats, warmup=warmup, agree=agree)
        rows[work] = {f"{name}_ms": 1e3 * timing.median for name, timing in times.items()}
        rows[work]["xla_over_fused"] = ratio(times["xla"], times["fused"])
        rows[work]["fused_over_c"] = ratio(times["fused"], times["c"])
        logged += lines
    spikes = float(np.mean(times["xla"].last["s"]))
    arguments = {"steps": steps, "batch": batch, "neurons": neurons, "seed": seed, "repeats": repeats}
    checks = {"spikes_per_neuron_and_step": check(spikes, 0.05, 0.2), "lines_logged": check(len(logged), 0, 0)}
    return result("scan", arguments | {"warmup": warmup}, times["fused"], checks=checks, rows=rows, log=logged)


def options() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("steps", STEPS), ("batch", BATCH), ("neurons", NEURONS)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("seed", 1), ("repeats", 21), ("warmup", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


if __name__ == "__main__":
    script.main(measure, options())
