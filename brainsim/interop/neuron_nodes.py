"""Neurons as NIR nodes, and back: one pair of functions for each kind of node.

    LIF      tau v' = (v_leak - v) + r I          LI       the same without threshold
    IF       v' = r I                             I        the same without threshold
    CubaLIF  tau_syn i' = -i + w_in S,  tau_mem v' = (v_leak - v) + r i          CubaLI  the same without threshold

A neuron that takes its input as a jump of x mV is one whose current x, held over the step, adds as much: r (1 -
exp(-dt / tau)) = 1. Voltages and currents of a file have no unit: they are mV and pA here, hence r GOhm.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import neurons
from ..neurons import Neuron
from .convention import Convention, Report

Fields = dict[str, Any]
RESETS = ("value", "subtract")


def neuron_of(kind: str, fields: Fields, convention: Convention, reset: str) -> Neuron:
    """The neuron that a node describes; its input is held over the step.

    Args:
        kind: Kind of the node, one of `KINDS`.
        fields: The node's fields.
        convention: Unit of times, step and scheme.
        reset: "value" or "subtract", where the node has a reset.
    """
    c = convention
    options: dict[str, Any] = {"port": "held" if kind.startswith("Cuba") else "current"}
    if kind in ("I", "IF"):
        options["gain"] = c.as_dtype(np.asarray(fields["r"], np.float64) / c.milliseconds(1.0))
    else:
        tau = "tau_mem" if kind.startswith("Cuba") else "tau"
        options["tau_mem"] = c.read_tau(tau, fields[tau])
        options["v_rest"], options["r_mem"] = c.as_dtype(fields["v_leak"]), c.as_dtype(fields["r"])
    if kind.startswith("Cuba"):
        options["tau_syn"], options["w_in"] = c.read_tau("tau_syn", fields["tau_syn"]), c.as_dtype(fields["w_in"])
    if kind.endswith("IF"):
        options["v_th"], options["v_reset"] = c.read_threshold(fields["v_threshold"]), c.as_dtype(fields["v_reset"])
        options["reset"] = reset
    return KINDS[kind](**options)


def fields_of(neuron: Neuron, shape: tuple[int, ...], convention: Convention, report: Report) -> tuple[str, Fields]:
    """The kind and the fields of the node that describes a neuron, every array of shape `shape`.

    Args:
        neuron: Neuron with its parameters as arrays.
        shape: Shape of the layer.
        convention: Unit of times, step and scheme.
        report: Told every approximation.

    Raises:
        ValueError: A neuron, or an option of one, that NIR has no node for.
    """
    kind = next((kind for kind, known in KINDS.items() if type(neuron) is known), None)
    if kind is None:
        raise ValueError(f"NIR has no node for {type(neuron).__name__}; it has {', '.join(KINDS)}.")
    _refuse(neuron)
    spread = lambda value: np.array(np.broadcast_to(np.asarray(value, convention.dtype), shape))
    return kind, {name: spread(value) for name, value in _WRITERS[kind](neuron, convention, report).items()}


def _refuse(neuron: Neuron) -> None:
    """Raise for the options that no node has."""
    if neuron.uses_refractory:
        raise ValueError("NIR has no refractory time: `t_ref`.")
    if getattr(neuron, "reset", "value") == "none":
        raise ValueError('NIR has no threshold without reset: `reset="none"`; use an LI and a Threshold.')
    if neuron.integrator not in ("exact", "exp_euler"):
        raise ValueError(f'NIR has no integrator "{neuron.integrator}": use the default.')
    if isinstance(neuron, neurons.IF | neurons.Integrator) and np.any(np.asarray(neuron.i_bias)):
        raise ValueError("NIR has no constant current in a neuron without leak: `i_bias`; use a bias in the layer.")


def _reset(neuron: Any, convention: Convention, report: Report) -> Fields:
    if neuron.reset == "subtract":
        report('`reset="subtract"`: NIR resets to a value; the file says so and keeps "subtract" as a note for us.')
    return {"v_threshold": convention.written_threshold(neuron.v_th), "v_reset": neuron.v_reset}


def _membrane(neuron: Any, convention: Convention, report: Report, tau: str) -> Fields:
    tau_mem = np.asarray(neuron.tau_mem, np.float64)
    r = 1.0 if neuron.r_mem is None else np.asarray(neuron.r_mem, np.float64)
    r = tau_mem / np.asarray(neuron.c_mem, np.float64) if neuron.r_mem is None else r
    leak = np.asarray(neuron.v_rest, np.float64)
    if np.any(np.asarray(neuron.i_bias)):
        leak = leak + r * np.asarray(neuron.i_bias, np.float64)
        report("`i_bias`: NIR has none; it moves `v_leak`, and with it the voltage that some tools start from.")
    return {tau: convention.written_tau(tau_mem), "r": r, "v_leak": leak}


def _leaky(neuron: Any, convention: Convention, report: Report) -> Fields:
    fields = _membrane(neuron, convention, report, "tau")
    if neuron.port == "jump":
        fields["r"] = 1 / convention.gain(neuron.tau_mem)
    return fields


def _cuba(neuron: Any, convention: Convention, report: Report) -> Fields:
    fields = _membrane(neuron, convention, report, "tau_mem")
    w_in = 1.0 if neuron.w_in is None else np.asarray(neuron.w_in, np.float64)
    if neuron.port == "jump":
        report('`port="jump"`: NIR holds an input over the step; here it reaches the current at the end of the step.')
        w_in = w_in / (fields["r"] * convention.gain(neuron.tau_syn))
    if convention.scheme == "euler":
        report('`scheme="euler"`: tools differ in whether the new or the old current drives the voltage.')
    return fields | {"tau_syn": convention.written_tau(neuron.tau_syn), "w_in": w_in}


def _perfect(neuron: Any, convention: Convention, report: Report) -> Fields:
    gain = 1 / convention.dt if neuron.port == "jump" else np.asarray(neuron.gain, np.float64)
    return {"r": gain * convention.milliseconds(1.0)}


KINDS: dict[str, type[Neuron]] = {
    "LIF": neurons.LIF,
    "LI": neurons.LI,
    "IF": neurons.IF,
    "I": neurons.Integrator,
    "CubaLIF": neurons.CubaLIF,
    "CubaLI": neurons.CubaLI,
}
_WRITERS: dict[str, Callable[[Any, Convention, Report], Fields]] = {
    "LIF": lambda *given: _leaky(*given) | _reset(*given),
    "LI": _leaky,
    "IF": lambda *given: _perfect(*given) | _reset(*given),
    "I": _perfect,
    "CubaLIF": lambda *given: _cuba(*given) | _reset(*given),
    "CubaLI": _cuba,
}
