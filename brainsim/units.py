"""Units: quantities of pint come in, plain numbers in coherent base units go on.

    nS * mV = pA,   pA * GOhm = mV,   pF * GOhm = pF / nS = ms

A bare number is already in its slot's base unit: ms, mV, pA, nS, pF, GOhm, Hz, um. `strip` is the only gate
(`jnp.asarray(3 * mV)` would silently be 3, whatever the unit). The registry is pint's application registry, so
quantities of the user's own program fit.
"""

from typing import Any

import numpy as np
import pint

registry = pint.get_application_registry()
registry.define("@alias ohm = Ohm")

s, ms, us = registry.second, registry.millisecond, registry.microsecond
V, mV, uV = registry.volt, registry.millivolt, registry.microvolt
nA, pA = registry.nanoampere, registry.picoampere
uS, nS = registry.microsiemens, registry.nanosiemens
nF, pF = registry.nanofarad, registry.picofarad
MOhm, GOhm = registry.megaohm, registry.gigaohm
Hz, kHz = registry.hertz, registry.kilohertz
um, mm = registry.micrometer, registry.millimeter
uM, nM = registry.micromolar, registry.nanomolar

_PINT = {"GOhm": GOhm, "": registry.dimensionless}  # where our name is not pint's
_KINDS = {
    "ms": "a time (ms)",
    "mV": "a voltage (mV)",
    "pA": "a current (pA)",
    "nS": "a conductance (nS)",
    "pF": "a capacitance (pF)",
    "GOhm": "a resistance (GOhm)",
    "Hz": "a rate (Hz)",
    "um": "a length (um)",
    "uM": "a concentration (uM)",
    "": "a number without unit",
}


def is_quantity(value: Any) -> bool:
    """Whether a value carries a unit."""
    return isinstance(value, pint.Quantity | pint.Unit)


def describe(unit: str) -> str:
    """A base unit in words, such as `"a time (ms)"`."""
    return _KINDS.get(unit, f"a value in {unit}")


def unit_of(value: Any) -> str:
    """The base unit of a quantity ("" for a bare number).

    Raises:
        ValueError: A quantity of a kind that brainsim has no base unit for.
    """
    if not is_quantity(value):
        return ""
    for unit in _KINDS:
        if unit and value.is_compatible_with(_PINT.get(unit, unit)):
            return unit
    raise ValueError(f"expected {', '.join(_KINDS.values())}, got {value}.")


def strip(name: str, value: Any, unit: str) -> Any:
    """A plain number or array in the base unit.

    Args:
        name: Argument that the value was given for, for the message.
        value: Quantity, or a bare number or array already in `unit`. JAX arrays pass unchanged.
        unit: Base unit of the slot: "ms", "mV", "pA", "nS", "pF", "GOhm", "Hz", "um" or "".

    Raises:
        ValueError: The quantity has another dimension.
        TypeError: The value is not numeric.
    """
    if isinstance(value, pint.Unit):
        value = 1.0 * value
    if isinstance(value, pint.Quantity):
        base = _PINT.get(unit, unit)
        if not value.is_compatible_with(base):
            raise ValueError(f"`{name}`: expected {describe(unit)}, got {value:~}.")
        return _number(name, value.to(base).magnitude, unit)
    return _number(name, value, unit)


def _number(name: str, value: Any, unit: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()  # a NumPy scalar has a strong dtype in JAX, a Python number has not
    if isinstance(value, bool | str) or value is None:
        raise TypeError(f"`{name}`: expected {describe(unit)}, got {value!r}.")
    if isinstance(value, list | tuple):
        if any(is_quantity(item) for item in value):
            return np.asarray([strip(name, item, unit) for item in value])
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind not in "iuf":
        raise TypeError(f"`{name}`: expected {describe(unit)}, got an array of {value.dtype}.")
    return value
