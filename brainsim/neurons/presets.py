"""LIF neurons of other simulators, from their own argument names, with the same spikes.

    snntorch      Leaky: v <- beta v + x, x on the jump port. With `reset_delay` (its default) the subtraction comes one
                  step late, which is the same spike train as taking off threshold / beta at once: only the recorded v
                  differs (here after the reset, there before). Without it, mem above two thresholds is tested
                  differently there.
    spikingjelly  LIFNode: v <- v - (v - v_reset) / tau + x, x on the jump port, tau in steps; v_reset=None subtracts.
    norse         LIFBox: v <- v + dt tau_mem_inv (v_leak - v + x), x on the current port, tau_mem_inv in 1/s.
    nest          iaf_psc_delta and iaf_psc_exp: exact; weights are synapses here.

v = v_th is a spike here, in SpikingJelly and in NEST, and none in snnTorch and Norse. Forward Euler (SpikingJelly,
Norse) becomes the time constant of the same decay per step. snnTorch as of 0.9.4, SpikingJelly's activation_based
neurons, Norse's lif_box, NEST's model documentation.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import _checks
from .._types import Array, Context, Value
from .surrogate import FastSigmoid, OfVoltage, Sigmoid, surrogate_of

_STEEPNESS_4 = Sigmoid(4.0)


def time_constant(beta: Any, dt: Any) -> Any:
    """The time constant (ms) of a decay by `beta` per `dt`: -dt / ln(beta).

    Raises:
        ValueError: `beta` is not in (0, 1).
    """
    beta = np.asarray(beta, dtype=float)
    inside = (beta > 0) & (beta < 1)
    if not inside.all():
        raise ValueError(f"`beta`: expected a decay per step in (0, 1), got {beta[~inside].flat[0]:g}.")
    return -_checks.time_step(dt) / np.log(beta)


def preset(simulator: str, names: Mapping[str, Any]) -> dict[str, Value]:
    """Arguments of `LIF` from those of another simulator's neuron.

    Raises:
        ValueError: An unknown simulator, or an argument that this neuron has no counterpart of.
    """
    _checks.choice("simulator", simulator, _PRESETS)
    build = _PRESETS[simulator]
    known = inspect.signature(build).parameters
    for name in names:
        if name not in known:
            raise ValueError(f'`{name}`: LIF.like("{simulator}") takes {", ".join(known)}.')
    missing = [name for name, argument in known.items() if argument.default is argument.empty and name not in names]
    if missing:
        raise ValueError(f'`{missing[0]}`: LIF.like("{simulator}") needs it.')
    return build(**names)


def _decay_per_step(beta: Callable[[float], Any]) -> Callable[[Array, Context], Any]:
    return lambda key, context: time_constant(beta(context.dt), context.dt)


def _snntorch(
    beta: Any,
    threshold: float = 1.0,
    spike_grad: Any = "atan",
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
) -> dict[str, Value]:
    _checks.choice("reset_mechanism", reset_mechanism, ("subtract", "zero", "none"))
    time_constant(beta, 1.0)
    late = reset_mechanism == "subtract" and reset_delay
    if late and np.ndim(beta):
        raise ValueError("`beta`: expected one number with `reset_delay=True`, got an array: pass `reset_delay=False`.")
    v_reset = threshold * (1 - 1 / beta) if late else 0.0
    return dict(
        tau_mem=_decay_per_step(lambda dt: beta),
        v_th=threshold,
        v_reset=v_reset,
        reset={"subtract": "subtract", "zero": "value", "none": "none"}[reset_mechanism],
        surrogate=OfVoltage(surrogate_of(spike_grad), float(threshold - v_reset)),
    )


def _spikingjelly(
    tau: float = 2.0,
    decay_input: bool = True,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    surrogate_function: Any = _STEEPNESS_4,
    detach_reset: bool = False,
) -> dict[str, Value]:
    if decay_input:
        raise ValueError(
            "`decay_input`: True divides the input by `tau`, which a jump never does: pass `decay_input=False` and "
            "divide the weights by `tau`, or feed the current port."
        )
    if not tau > 1:
        raise ValueError(f"`tau`: expected a number of steps > 1, got {tau}.")
    rest = 0.0 if v_reset is None else v_reset
    return dict(
        tau_mem=_decay_per_step(lambda dt: 1 - 1 / tau),
        v_th=v_threshold,
        v_reset=rest,
        v_rest=rest,
        reset="subtract" if v_reset is None else "value",
        surrogate=OfVoltage(surrogate_of(surrogate_function), float(v_threshold - rest)),
        detach_reset=detach_reset,
    )


def _norse(
    tau_mem_inv: float = 100.0,
    v_leak: float = 0.0,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    method: str = "super",
    alpha: float = 100.0,
    reset_method: str = "value",
) -> dict[str, Value]:
    _checks.choice("method", method, ("super",))
    _checks.choice("reset_method", reset_method, ("value", "subtract"))
    v_reset = v_reset if reset_method == "value" else 0.0
    return dict(
        tau_mem=_decay_per_step(lambda dt: 1 - 1e-3 * dt * tau_mem_inv),
        v_th=v_th,
        v_reset=v_reset,
        v_rest=v_leak,
        reset=reset_method,
        surrogate=OfVoltage(FastSigmoid(alpha), float(v_th - v_reset)),
        detach_reset=False,
    )


def _nest(
    tau_m: Value = 10.0,
    C_m: Value = 250.0,
    E_L: Value = -70.0,
    V_th: Value = -55.0,
    V_reset: Value = -70.0,
    t_ref: Value = 2.0,
    I_e: Value = 0.0,
) -> dict[str, Value]:
    return dict(tau_mem=tau_m, c_mem=C_m, v_rest=E_L, v_th=V_th, v_reset=V_reset, t_ref=t_ref, i_bias=I_e)


_PRESETS: dict[str, Callable[..., dict[str, Value]]] = {
    "snntorch": _snntorch,
    "spikingjelly": _spikingjelly,
    "norse": _norse,
    "nest": _nest,
}
