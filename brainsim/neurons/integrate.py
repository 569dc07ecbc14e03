"""Integrators of dx = f(x, t) dt + g(x) dW over one step, for models that give `drift` and perhaps `diffusion`.

                                                                    order   strong, weak order with noise
    euler       x + f dt                                              1
    exp_euler   x + f dt (exp(z) - 1) / z,   z = dt df_j/dx_j         1       1/2 (1 where g is constant), 1: Ito
    rk2         midpoint                                              2
    rk4         classical Runge-Kutta                                 4
    heun        mean of f and g at x and at x + f dt + g dW           2       1, 1: Stratonovich

A model's own "exact" step, where there is one, has no error but rounding for currents that are held or decay as
exponentials. exp_euler is exact for a linear, uncoupled f; its z is held at 30, which no step resolves, so that the
upswing of a spike stays finite. Noise dW = sqrt(dt) N(0, 1) is one number for each state that has noise, and g_j a
function of x_j (diagonal noise), for which Heun's strong order is 1. Hairer, Norsett and Wanner, "Solving Ordinary
Differential Equations I" (1993); Hochbruck and Ostermann, Acta Numerica 19 (2010) 209; Kloeden and Platen, "Numerical
Solution of Stochastic Differential Equations" (1992); Ruemelin, SIAM J. Numer. Anal. 19 (1982) 604.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .._types import Array, Drive, State
from .membrane import exprel, exprel_slope

Field = Callable[[State, float | None], State]
"""f(x, t) with t in ms from the start of the step; t = None asks for the mean over the step."""
Kick = Callable[[State], State]
"""g(x) dW, with the same dW at every call of one step."""
STEEPEST = 30.0
"""Largest growth exponent of one step of exponential Euler."""


def synaptic_current(i_bias: Array, drive: Drive, dt: float, time: float | None) -> Callable[[Array], Array]:
    """The current at v: i(v) = i_bias + I + sum_j (i_j + r_j t) exp(-t / tau_j) + sum_k g_k (e_k - v).

    Args:
        i_bias: Constant current (pA).
        drive: What reaches the neuron.
        dt: Step (ms).
        time: Time from the start of the step (ms), or None for the mean over the step.
    """
    held = i_bias
    for part in (drive.current, drive.reversal):
        held = held if part is None else held + part
    for start, tau in drive.decaying:
        held = held + start * (exprel(-dt / tau) if time is None else jnp.exp(-time / tau))
    for slope, tau in drive.ramping:
        held = held + slope * (dt * exprel_slope(-dt / tau) if time is None else time * jnp.exp(-time / tau))
    conductance = drive.conductance
    return (lambda v: held) if conductance is None else (lambda v: held - conductance * v)


def euler(field: Field, x: State, dt: float, kick: Kick | None = None) -> State:
    """Forward Euler; a decaying current by its value at the start of the step."""
    return _add(x, dt, field(x, 0.0))


def exp_euler(field: Field, x: State, dt: float, kick: Kick | None = None) -> State:
    """Exponential Euler; the linear coefficient of each state is the derivative of its own drift."""
    slope, push = jax.linearize(lambda s: field(s, None), x)
    later = {}
    for name in x:
        one = State(**{k: (jnp.ones_like if k == name else jnp.zeros_like)(getattr(x, k)) for k in x})
        linear = getattr(push(one), name)
        later[name] = getattr(x, name) + dt * getattr(slope, name) * exprel(jnp.minimum(dt * linear, STEEPEST))
    return State(**later) if kick is None else _add(State(**later), 1.0, kick(x))


def rk2(field: Field, x: State, dt: float, kick: Kick | None = None) -> State:
    """The midpoint method."""
    return _add(x, dt, field(_add(x, dt / 2, field(x, 0.0)), dt / 2))


def rk4(field: Field, x: State, dt: float, kick: Kick | None = None) -> State:
    """The classical Runge-Kutta method."""
    k1 = field(x, 0.0)
    k2 = field(_add(x, dt / 2, k1), dt / 2)
    k3 = field(_add(x, dt / 2, k2), dt / 2)
    k4 = field(_add(x, dt, k3), dt)
    return jax.tree.map(lambda v, a, b, c, d: v + dt / 6 * (a + 2 * (b + c) + d), x, k1, k2, k3, k4)


def heun(field: Field, x: State, dt: float, kick: Kick | None = None) -> State:
    """Heun's predictor and corrector."""
    first = field(x, 0.0)
    guess = _add(x, dt, first)
    if kick is None:
        return _add(x, dt / 2, _add(first, 1.0, field(guess, dt)))
    push = kick(x)
    guess = _add(guess, 1.0, push)
    return _add(_add(x, dt / 2, _add(first, 1.0, field(guess, dt))), 0.5, _add(push, 1.0, kick(guess)))


INTEGRATORS: dict[str, Callable[..., State]] = {
    "exp_euler": exp_euler,
    "rk2": rk2,
    "rk4": rk4,
    "heun": heun,
    "euler": euler,
}
STOCHASTIC = ("exp_euler", "heun")


def _add(x: State, factor: float, change: State) -> State:
    return jax.tree.map(lambda value, step: value + factor * step, x, change)
