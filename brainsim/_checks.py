"""Checks of arguments: each raises a sentence naming the argument, what was expected and what came."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

from .units import describe, strip


def positive(name: str, value: Any, unit: str = "") -> None:
    """Raise unless every entry is > 0 and finite (`unit` is for the message)."""
    _bound(name, value, unit, low=0.0, strict=True)


def within(name: str, value: Any, unit: str = "", *, low: float | None = None, high: float | None = None) -> None:
    """Raise unless every entry is finite and lies in [low, high]."""
    _bound(name, value, unit, low=low, high=high)


def finite(name: str, value: Any, unit: str = "") -> None:
    """Raise unless every entry is finite."""
    _bound(name, value, unit)


def _bound(
    name: str, value: Any, unit: str, low: float | None = None, high: float | None = None, strict: bool = False
) -> None:
    array = np.asarray(value)
    if array.size == 0:
        return
    if array.dtype.kind in "OSU":
        raise TypeError(f"`{name}`: expected {describe(unit)}, got {value!r}.")
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(f"`{name}`: expected {describe(unit)}, got {array[bad].flat[0]}{_place(bad)}.")
    suffix = f" {unit}" if unit else ""
    if low is not None and ((array <= low) if strict else (array < low)).any():
        sign = ">" if strict else ">="
        worst = array.min()
        raise ValueError(f"`{name}` must be {sign} {low:g}{suffix}, got min {worst:g}{_place(array == worst)}.")
    if high is not None and (array > high).any():
        worst = array.max()
        raise ValueError(f"`{name}` must be <= {high:g}{suffix}, got max {worst:g}{_place(array == worst)}.")


def _place(where: np.ndarray) -> str:
    return f" at neuron {int(np.flatnonzero(where)[0])}" if where.ndim else ""


def choice(name: str, value: Any, options: Iterable[str]) -> None:
    """Raise unless `value` is one of `options`."""
    options = list(options)
    if value not in options:
        listed = ", ".join(f'"{option}"' for option in options)
        raise ValueError(f"`{name}`: expected one of {listed}, got {value!r}.")


def steps(name: str, value: float, dt: float) -> int:
    """A duration as a number of steps.

    Raises:
        ValueError: `value` is negative or not a multiple of `dt`; nothing is ever rounded.
    """
    if not value >= 0 or not np.isfinite(value):
        raise ValueError(f"`{name}`: expected a time >= 0 ms, got {value:g} ms.")
    ratio = value / dt
    count = round(ratio)
    if abs(ratio - count) > 1e-6 * max(1.0, ratio):
        below, above = np.floor(ratio) * dt, np.ceil(ratio) * dt
        near = f"{above:g}" if below == 0 else f"{below:g} or {above:g}"
        raise ValueError(f"`{name}` = {value:g} ms is not a multiple of dt = {dt:g} ms: {near}.")
    return count


def time_step(dt: Any) -> float:
    """The step `dt` as a Python float in ms."""
    value = strip("dt", dt, "ms")
    if np.ndim(value) != 0:
        raise ValueError(f"`dt`: expected one time (ms), got an array of shape {np.shape(value)}.")
    positive("dt", value, "ms")
    return float(value)


def nearest(name: str, options: Iterable[str], limit: int = 5) -> str:
    """The options most like `name`, for "did you mean" (all of them where they are few)."""
    options = list(options)
    if len(options) <= limit:
        return ", ".join(options) or "nothing"
    close = difflib.get_close_matches(name, options, n=limit, cutoff=0.3)
    return ", ".join(close or options[:limit]) + (", ..." if not close else "")
