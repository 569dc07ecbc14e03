"""Noise with a power spectrum 1 / f^alpha over a band: a sum of Ornstein-Uhlenbeck processes.

    x = mean + sum_k x_k,     x_k(t + dt) = p_k x_k(t) + s_k sqrt(1 - p_k^2) xi,     p_k = exp(-dt / tau_k)
    S(f) ~ sum_k s_k^2 (1 - p_k^2) / (1 - 2 p_k cos(2 pi f dt) + p_k^2)  ~  1 / f^alpha    for low <= f <= high

The time constants tau_k are two to a decade, from half a decade beyond `high` to half a decade below `low`; the
variances s_k^2 >= 0 are those of the least relative error of S over the band (3 % from its least to its largest for
0.1 <= alpha <= 1.5, 7 % at 1.8). S is the spectrum of the values at the steps, folded at half their rate: the law is
what one measures. Below the band the spectrum becomes flat; alpha = 1 is pink noise. The state has one entry for each
neuron and k. van der Ziel, Physica 16 (1950) 359; Milotti, Phys. Rev. E 51 (1995) 3087.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.optimize import nnls

from .. import _checks, units
from .._types import Array
from .stimuli import Moment, Signal

PER_DECADE = 2
"""Processes for each factor of ten in frequency."""
BEYOND = math.sqrt(10)
"""Factor by which the time constants reach beyond the band."""


class PowerLawNoise(Signal):
    """Gaussian noise with a spectrum 1 / f^alpha, independent for every neuron (and batch element).

    Args:
        mean: Mean.
        std: Standard deviation of the stationary process, >= 0, in which it starts.
        exponent: alpha, > 0 and < 2.
        low: Frequency from which on the law holds (Hz), > 0.
        high: Frequency up to which it holds (Hz), > `low`, at most a quarter of the rate of the steps.
    """

    mean: Any
    std: Any
    exponent: float = 1.0
    low: Any = 1.0
    high: Any = 100.0

    def prepared(self, name: str, unit: str, dt: float) -> "PowerLawNoise":
        """The same noise in plain numbers."""
        mean, std = units.strip("mean", self.mean, unit), units.strip("std", self.std, unit)
        low, high = (float(units.strip(end, getattr(self, end), "Hz")) for end in ("low", "high"))
        _checks.within("std", std, unit, low=0.0)
        _checks.positive("low", low, "Hz")
        if not 0 < self.exponent < 2:
            raise ValueError(f"`exponent` of `{name}` must be > 0 and < 2, got {self.exponent:g}.")
        _checks.within("high", high, "Hz", high=250 / dt)
        if not high > low:
            raise ValueError(f"`high` of `{name}` must be > `low` = {low:g} Hz, got {high:g} Hz.")
        return PowerLawNoise(mean, std, float(self.exponent), low, high)

    def parts(self, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Factor that a step of `dt` ms leaves of every process, and its standard deviation."""
        band = (self.low / BEYOND, self.high * BEYOND)
        ends = np.geomspace(*band, 1 + math.ceil(PER_DECADE * math.log10(band[1] / band[0])))
        kept = np.exp(-2 * np.pi * ends * dt / 1000)
        frequency = np.geomspace(self.low, self.high, 200)[:, None]
        law = frequency**self.exponent * spectrum(frequency, kept, dt)
        variance = nnls(law / law.max(0), np.ones(len(law)))[0] / law.max(0)
        return kept, self.std * np.sqrt(variance / variance.sum())

    def init_state(self, moment: Moment) -> Array:
        """A draw of the stationary law of every process, `([batch], n, k)`."""
        _, std = self.parts(moment.dt)
        draw = moment.key.normal((*moment.shape, len(std)), draw=1).astype(moment.dtype)
        return jnp.asarray(std, moment.dtype) * draw

    def row(self, state: Any, moment: Moment) -> tuple[Any, Array]:
        """The value at the start of the step; the state moves to its end."""
        kept, std = self.parts(moment.dt)
        spread = jnp.asarray(std * np.sqrt(1 - kept**2), moment.dtype)
        noise = moment.key.normal(state.shape).astype(moment.dtype)
        return state * jnp.asarray(kept, moment.dtype) + spread * noise, self.mean + state.sum(-1)


def spectrum(frequency: np.ndarray, kept: np.ndarray, dt: float) -> np.ndarray:
    """Spectrum of processes of variance 1 that keep `kept` of themselves in a step, up to the factor dt."""
    return (1 - kept**2) / (1 - 2 * kept * np.cos(2 * np.pi * frequency * dt / 1000) + kept**2)
