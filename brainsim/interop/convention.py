"""What a NIR file leaves open: the unit of its times, the step, and how the step solves the equations.

    "exact"  decay exp(-dt / tau)       "euler"  decay 1 - dt / tau (forward Euler: Norse, snnTorch, SpikingJelly, Spyx)

Inputs are held over the step. Both schemes then are v <- v_inf + (v - v_inf) decay with the same v_inf, so that one
becomes the other by another time constant. In NIR a spike is v > v_th, here v >= v_th: the threshold moves to the
neighbouring floating-point number, which makes the two the same. Pedersen et al., Nat. Commun. 15 (2024) 8122 (NIR).
"""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks

TIME_UNITS = {"s": 1000.0, "ms": 1.0}
SCHEMES = ("exact", "euler")
Report = Callable[[str], None]
"""Told one sentence for every approximation."""


class ApproximationWarning(UserWarning):
    """A part of a model that a NIR file cannot say as it is, and what was written or read in its place."""


@dataclasses.dataclass(frozen=True)
class Convention:
    """How times and decays of a file are to be understood.

    Attributes:
        dt: Step of the model (ms).
        dtype: Floating dtype of the model.
        time_unit: "s" or "ms": the unit of every time in the file.
        scheme: "exact" or "euler".
    """

    dt: float
    dtype: Any
    time_unit: str = "s"
    scheme: str = "exact"

    def __post_init__(self):
        _checks.choice("time_unit", self.time_unit, TIME_UNITS)
        _checks.choice("scheme", self.scheme, SCHEMES)

    def as_dtype(self, value: Any) -> np.ndarray:
        """An array in the model's dtype."""
        return np.asarray(value, self.dtype)

    def milliseconds(self, time: Any) -> np.ndarray:
        """A time of the file in ms."""
        return np.asarray(time, np.float64) * TIME_UNITS[self.time_unit]

    def file_time(self, time: Any) -> np.ndarray:
        """A time in ms in the unit of the file."""
        return np.asarray(time, np.float64) / TIME_UNITS[self.time_unit]

    def read_tau(self, name: str, tau: Any) -> np.ndarray:
        """A time constant of the file as that of the same decay per step, integrated exactly (ms).

        Raises:
            ValueError: Not positive, or, with forward Euler, not above dt.
        """
        time = self.milliseconds(tau)
        _checks.positive(name, time, "ms")
        if self.scheme == "euler":
            if (time <= self.dt).any():
                raise ValueError(
                    f"`{name}`: forward Euler needs time constants above dt = {self.dt:g} ms, got {time.min():g} ms."
                )
            time = -self.dt / np.log1p(-self.dt / time)
        return self.as_dtype(time)

    def written_tau(self, tau: Any) -> np.ndarray:
        """A time constant (ms) as the file has it."""
        time = np.asarray(tau, np.float64)
        return self.file_time(time if self.scheme == "exact" else self.dt / self.gain(time))

    def gain(self, tau: Any) -> np.ndarray:
        """What a constant input of 1 adds in one step, 1 - exp(-dt / tau)."""
        return -np.expm1(-self.dt / np.asarray(tau, np.float64))

    def read_threshold(self, threshold: Any) -> np.ndarray:
        """The v_th with v >= v_th where v > threshold."""
        return np.nextafter(self.as_dtype(threshold), self.as_dtype(np.inf))

    def written_threshold(self, v_th: Any) -> np.ndarray:
        """The threshold with v > threshold where v >= v_th."""
        return np.nextafter(self.as_dtype(v_th), self.as_dtype(-np.inf))


def reporter(on_approximation: str, subject: str) -> Callable[[str], Report]:
    """`reporter(...)(name)` is told what cannot be kept of the part `name`, and raises or warns.

    Raises:
        ValueError: From the reporter, with "raise".
    """
    _checks.choice("on_approximation", on_approximation, ("raise", "warn"))

    def of(name: str) -> Report:
        def report(sentence: str) -> None:
            message = f"{subject} {name}: {sentence}"
            if on_approximation == "raise":
                raise ValueError(f'{message} Pass `on_approximation="warn"` to accept it.')
            warnings.warn(message, ApproximationWarning, stacklevel=2)

        return report

    return of
