"""Times one operator against its XLA path, on dyadic data so that the two results must be equal bit for bit.

    ns_per_event = 1000 us / events,    events = synapses (or weights) of the neurons that spike in one call

Calls run inside a compiled scan (two or fewer one after the other), each depending on the one before, so that dispatch
is not part of the time.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..operators import (
    csr_push,
    delay_ring_push,
    delay_ring_take,
    event_conv,
    event_conv_outer,
    event_dense,
    event_dense_outer,
    event_dense_where,
)
from ..operators._trilinear import push_events
from ..operators.delay_ring import take_definition
from ..operators.event_conv import conv_definition, outer_definition, window_of
from .harness import Timing, check, result, time_calls

Step = Callable[[Any, Any, Array], Any]

SLOTS = 16  # of the delay ring
ROWS = 12_800  # time steps times trials of a dense product: 100 x 128
IMAGES = 1_000  # of IMAGE x IMAGE pixels, convolved with KERNEL x KERNEL taps
IMAGE, KERNEL = 16, 5
PATTERNS = 8  # spike vectors that a sparse operator takes in turn
SAMPLE_S = 0.05  # a sample is as many calls as take about this long
MAX_CALLS = 2_000
WRITTEN_OUT = 2  # calls that are compiled one after the other


@dataclass(frozen=True)
class Case:
    """An operator and its XLA path, `step(data, state, call) -> (state, result)`, events a call, and calls at most."""

    operator: Step
    portable: Step
    data: Any
    state: Any
    events: int
    most: int = MAX_CALLS


def measure(
    name: str,
    n: int,
    fan_out: int,
    fraction: float,
    *,
    repeats: int = 5,
    warmup: int = 1,
    seed: int = 0,
    dtype: str | None = None,
) -> dict[str, Any]:
    """Time one operator and its baseline.

    Args:
        name: `csr` (one weight), `delay_ring` (take and push, a weight and a delay per synapse), `event_dense`,
            `event_dense_outer` or `event_dense_where` (its gradient to the spikes), 12,800 rows against XLA's dot,
            `event_conv` or `event_conv_outer` (1,000 images of 16 x 16 pixels and kernels of 5 x 5 against XLA's
            convolution).
        n: Neurons before and after the synapses; inputs of a dense product; channels of an image.
        fan_out: Synapses of each neuron; outputs of a dense product; channels after a convolution.
        fraction: Fraction of the neurons that spike in a call, or to which a gradient is wanted.
        repeats: Timed samples.
        warmup: Samples thrown away.
        seed: Of connections, weights and spikes.
        dtype: `float32` or `float64` (needs `jax_enable_x64`); None takes JAX's default.

    Returns:
        A benchmark's result with `us` and `us_baseline` (median microseconds a call), `ns_per_event` and `speedup`.
    """
    if name not in CASES:
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}, got {name!r}.")
    case = CASES[name](n, fan_out, fraction, np.random.default_rng(seed), np.dtype(dtype or jnp.zeros(()).dtype))
    wrong = _differences(case)
    if wrong:
        raise AssertionError(f"{name}: {wrong} values differ between the operator and its XLA path; nothing was timed.")
    timing, calls = _time(case.operator, case, repeats, warmup)
    baseline, baseline_calls = _time(case.portable, case, min(repeats, 3), warmup)
    us, us_baseline = 1e6 * timing.median / calls, 1e6 * baseline.median / baseline_calls
    arguments = {"name": name, "n": n, "fan_out": fan_out, "fraction": fraction, "seed": seed, "repeats": repeats}
    return result(
        "operator",
        arguments | {"warmup": warmup},
        timing,
        checks={"values_that_differ": check(wrong, 0, 0)},
        us=us,
        ns_per_event=1e3 * us / case.events if case.events else None,
        us_baseline=us_baseline,
        speedup=us_baseline / us,
        events=case.events,
        calls=calls,
        calls_baseline=baseline_calls,
        samples_baseline=baseline.samples,
    )


def _loop(step: Step, calls: int, keep: bool = False) -> Callable[[Any, Any], Any]:
    """`calls` dependent calls as one compiled function of data and state; `keep` also returns the results of each.

    So few as `WRITTEN_OUT` are no loop: inside one, XLA's convolution takes many times as long.
    """

    def run(data: Any, state: Any) -> Any:
        def body(state: Any, k: Array) -> tuple[Any, Any]:
            state, out = step(data, state, k)
            return state, out if keep else None

        if calls > WRITTEN_OUT:
            return jax.lax.scan(body, state, jnp.arange(calls))
        outs = []
        for k in range(calls):
            state, out = body(state, jnp.int32(k))
            outs.append(out)
        return state, outs

    return jax.jit(run)


def _differences(case: Case) -> int:
    """Values that differ after two calls."""
    runs = (_loop(step, 2, keep=True) for step in (case.operator, case.portable))
    found, expected = (jax.tree.leaves(run(case.data, case.state)) for run in runs)
    return int(sum(np.sum(np.asarray(a) != np.asarray(b)) for a, b in zip(found, expected, strict=True)))


def _time(step: Step, case: Case, repeats: int, warmup: int) -> tuple[Timing, int]:
    """Samples, and the number of calls in each."""
    pilot = _loop(step, 1)
    once = time_calls(lambda: pilot(case.data, case.state), repeats=1).median
    calls = min(math.ceil(SAMPLE_S / max(once, SAMPLE_S / case.most)), case.most)
    run = _loop(step, calls)
    return time_calls(lambda: run(case.data, case.state), repeats=repeats, warmup=warmup), calls


def _dyadic(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Multiples of 1/8 between -2 and 2: sums of fewer than 2^20 of them are exact in float32."""
    return jnp.asarray((rng.integers(-16, 17, shape) / 8).astype(dtype))


def _network(n: int, fan_out: int, fraction: float, rng: np.random.Generator, dtype: np.dtype) -> tuple[Any, ...]:
    """Rows of `fan_out` random targets in ascending order, spikes of a few calls, and mean events a call."""
    indices = np.sort(rng.integers(0, n, (n, fan_out), dtype=np.int32), axis=1).reshape(-1)
    indptr = np.arange(n + 1, dtype=np.int32) * np.int32(fan_out)
    spikes = rng.random((PATTERNS, n)) < fraction
    return (
        jnp.asarray(indices),
        jnp.asarray(indptr),
        jnp.asarray(spikes, dtype),
        round(fan_out * spikes.sum() / PATTERNS),
    )


def _csr(n: int, fan_out: int, fraction: float, rng: np.random.Generator, dtype: np.dtype) -> Case:
    indices, indptr, spikes, events = _network(n, fan_out, fraction, rng, dtype)
    zero = jnp.zeros(1, jnp.int32)

    def operator(data: Any, acc: Array, k: Array) -> Any:
        indices, indptr, weight, spikes = data
        return csr_push(acc, weight, indices, indptr, spikes[k % PATTERNS], is_sorted=True), None

    def portable(data: Any, acc: Array, k: Array) -> Any:
        indices, indptr, weight, spikes = data
        args = (acc, weight[None, None], indices, indptr, zero, spikes[k % PATTERNS], zero)
        return push_events(*args, is_ring=False, is_sorted=True), None

    data = (indices, indptr, jnp.asarray(0.625, dtype), spikes)
    return Case(operator, portable, data, jnp.zeros(n, dtype), events)


def _delay_ring(n: int, fan_out: int, fraction: float, rng: np.random.Generator, dtype: np.dtype) -> Case:
    indices, indptr, spikes, events = _network(n, fan_out, fraction, rng, dtype)

    def operator(data: Any, state: tuple[Array, Array], k: Array) -> Any:
        (ring, step), (indices, indptr, weight, delays, spikes) = state, data
        arrivals, ring = delay_ring_take(ring, step)
        spikes = spikes[k % PATTERNS]
        return (
            delay_ring_push(ring, weight, indices, indptr, delays, spikes, step, is_sorted=True),
            step + 1,
        ), arrivals

    def portable(data: Any, state: tuple[Array, Array], k: Array) -> Any:
        (ring, step), (indices, indptr, weight, delays, spikes) = state, data
        arrivals, ring = take_definition(ring, step[None])
        args = (ring, weight[None], indices, indptr, delays, spikes[k % PATTERNS], step[None])
        return (push_events(*args, is_ring=True, is_sorted=True), step + 1), arrivals

    delays = jnp.asarray(rng.integers(1, SLOTS + 1, indices.shape, dtype=np.int32))
    data = (indices, indptr, _dyadic(rng, indices.shape, dtype), delays, spikes)
    return Case(operator, portable, data, (jnp.zeros((SLOTS, n), dtype), jnp.int32(0)), events)


def _chained(product: Callable[[Any, Array], Array]) -> Step:
    """A product whose second factor depends on the call before."""

    def step(data: Any, factor: Array, k: Array) -> Any:
        out = product(data, factor)
        first = out[(0,) * out.ndim]
        return factor.at[(0,) * factor.ndim].set(jnp.where(first > 0, 0.125, 0.25)), out

    return step


def _product(
    operator: Callable[[Array, Array], Array], dot: Callable[[Array, Array], Array], outer: bool
) -> Callable[..., Case]:
    """A dense product against XLA's dot; its second factor is the weight, or the cotangent for the weight gradient."""

    def case(n: int, fan_out: int, fraction: float, rng: np.random.Generator, dtype: np.dtype) -> Case:
        spikes = jnp.asarray(rng.random((ROWS, n)) < fraction, dtype)
        factor = _dyadic(rng, (ROWS if outer else n, fan_out), dtype)
        return Case(_chained(operator), _chained(dot), spikes, factor, round(fan_out * float(spikes.sum())))

    return case


def _where(n: int, fan_out: int, fraction: float, rng: np.random.Generator, dtype: np.dtype) -> Case:
    """The gradient to spikes at a few places against XLA's whole product."""

    def operator(data: Any, ct: Array) -> Array:
        wanted, weight = data
        spikes = jnp.zeros(wanted.shape, dtype)
        return jax.vjp(lambda spikes: event_dense_where(spikes, weight, None, wanted), spikes)[1](ct)[0]

    def portable(data: Any, ct: Array) -> Array:
        wanted, weight = data
        return jnp.where(wanted, ct @ weight.T, 0)

    wanted = jnp.asarray(rng.random((ROWS, n)) < fraction)
    data, ct = (wanted, _dyadic(rng, (n, fan_out), dtype)), _dyadic(rng, (ROWS, fan_out), dtype)
    return Case(_chained(operator), _chained(portable), data, ct, round(fan_out * float(wanted.sum())))


def _convolution(outer: bool) -> Callable[..., Case]:
    """A convolution against XLA's; its second factor is the weight, or the cotangent for the weight gradient."""

    def case(n: int, fan_out: int, fraction: float, rng: np.random.Generator, dtype: np.dtype) -> Case:
        images = jnp.asarray(rng.random((IMAGES, n, IMAGE, IMAGE)) < fraction, dtype)
        kernel = (KERNEL, KERNEL)
        factor = _dyadic(rng, (IMAGES, fan_out, IMAGE, IMAGE) if outer else (n, fan_out, *kernel), dtype)
        window = window_of(images.shape, kernel, 1, "same", 1, 1)

        def operator(images: Array, factor: Array) -> Array:
            return event_conv_outer(images, factor, kernel) if outer else event_conv(images, factor)

        def portable(images: Array, factor: Array) -> Array:
            if outer:
                return outer_definition(images, factor, window=window, groups=1)[0]
            return conv_definition(images, factor[None], window=window)

        events = round(fan_out * math.prod(kernel) * float(images.sum()))
        return Case(_chained(operator), _chained(portable), images, factor, events, most=WRITTEN_OUT)

    return case


CASES = {
    "csr": _csr,
    "delay_ring": _delay_ring,
    "event_dense": _product(event_dense, jnp.matmul, outer=False),
    "event_dense_outer": _product(event_dense_outer, lambda spikes, ct: spikes.T @ ct, outer=True),
    "event_dense_where": _where,
    "event_conv": _convolution(outer=False),
    "event_conv_outer": _convolution(outer=True),
}
NAMES = tuple(CASES)
