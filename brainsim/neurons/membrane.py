"""The leaky membrane over one step, exactly: what LIF, AdaptiveLIF and LI share.

    tau dv/dt = -(v - v_rest) + R (I + sum_j (i_j + r_j t) exp(-t / tau_j) + sum_k g_k (e_k - v)),  I and g_k held

With load = 1 + R g and v_inf = (v_rest + R (I + sum g e)) / load:

    v(dt) = v_inf + (v - v_inf) exp(-dt load / tau) + (R / tau) sum_j (i_j P + r_j Q)(load / tau, 1 / tau_j)
    P(a, b) = integral over the step of exp(-a (dt - s)) exp(-b s) ds = (exp(-b dt) - exp(-a dt)) / (a - b)
    Q(a, b) = integral over the step of exp(-a (dt - s)) s exp(-b s) ds = -dP/db

P and Q are smooth at a = b. With conductances this is the exponential Euler method. Units: ms, mV, pA, nS, GOhm. Rotter
and Diesmann, Biol. Cybern. 81 (1999) 381.
"""

import math

import jax
import jax.numpy as jnp

from .._types import Array, Drive, Value


def relax(v: Array, drive: Drive, dt: float, *, tau_mem: Array, v_rest: Array, r_mem: Array, i_bias: Array) -> Array:
    """The voltage after `dt`, before jumps.

    Args:
        v: Voltage, `([batch], n)` (mV).
        drive: What reaches the membrane; `jump` is left to the caller.
        dt: Step (ms).
        tau_mem: Membrane time constant, `()` or `(n,)` (ms).
        v_rest: Resting voltage (mV).
        r_mem: Membrane resistance (GOhm).
        i_bias: Constant current (pA).
    """
    current = i_bias
    for part in (drive.current, drive.reversal):
        current = current if part is None else current + part
    rate = 1 / tau_mem
    if drive.conductance is None:
        gain = -jnp.expm1(-dt * rate)
        later = (v - v_rest) * jnp.exp(-dt * rate) + (v_rest + r_mem * current * gain)
    else:
        load = 1 + r_mem * drive.conductance
        target = (v_rest + r_mem * current) / load
        later = target + (v - target) * jnp.exp(-dt * rate * load)
        rate = rate * load
    for start, tau_syn in drive.decaying:
        later = later + start * ((r_mem / tau_mem) * propagator(rate, 1 / tau_syn, dt))
    for slope, tau_syn in drive.ramping:
        later = later + slope * ((r_mem / tau_mem) * ramp_propagator(rate, 1 / tau_syn, dt))
    return later


def resistance(tau_mem: Array, r_mem: Value, c_mem: Value) -> Array:
    """R (GOhm): given, or tau_mem / c_mem."""
    return tau_mem / c_mem if r_mem is None else r_mem


def default_resistance(r_mem: Value, c_mem: Value) -> Value:
    """`r_mem` as it is stored: 1 GOhm where neither it nor `c_mem` is given, None where `c_mem` stands for it.

    Raises:
        ValueError: Both are given.
    """
    if r_mem is not None and c_mem is not None:
        raise ValueError("`c_mem`: expected `r_mem` or `c_mem`, got both; r_mem = tau_mem / c_mem.")
    return 1.0 if r_mem is None and c_mem is None else r_mem


def propagator(a: Array, b: Array, dt: float) -> Array:
    """P(a, b) in ms: a current decaying at rate `b` through a membrane decaying at rate `a` (1/ms), after `dt`."""
    slow, fast = jnp.minimum(a, b), jnp.maximum(a, b)
    return dt * jnp.exp(-dt * slow) * exprel(-dt * (fast - slow))


def ramp_propagator(a: Array, b: Array, dt: float) -> Array:
    """Q(a, b) in ms^2: a current t exp(-b t) through a membrane decaying at rate `a` (1/ms), after `dt`."""
    gap = dt * (b - a)
    near = -jnp.abs(gap)
    slope = exprel_slope(near)
    slower = jnp.exp(-dt * b) * (exprel(near) - slope)
    return dt**2 * jnp.where(gap > 0, jnp.exp(-dt * a) * slope, slower)


@jax.custom_jvp
def exprel(z: Array) -> Array:
    """(exp(z) - 1) / z, which is 1 at z = 0; value and gradients accurate to rounding for every z."""
    safe = jnp.where(z == 0, 1, z)
    return jnp.where(z == 0, 1, jnp.expm1(safe) / safe)


@exprel.defjvp
def _exprel_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (z,), (dz,) = primals, tangents
    return exprel(z), dz * exprel_slope(z)


def exprel_slope(z: Array) -> Array:
    """The derivative of `exprel`, (exp(z) - exprel(z)) / z; near 0 its series, the sum of n z^(n - 1) / (n + 1)!."""
    near = jnp.abs(z) < 0.5
    small, safe = jnp.where(near, z, 0), jnp.where(near, 1, z)
    series = jnp.full_like(z, 15 / math.factorial(16))
    for n in range(14, 0, -1):
        series = n / math.factorial(n + 1) + series * small
    return jnp.where(near, series, (jnp.exp(safe) - exprel(safe)) / safe)
