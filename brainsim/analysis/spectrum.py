"""Power spectra of rates, traces and field potentials, and their aperiodic part.

    Welch:  P(f) = mean over segments of |FFT(w x)|^2 / (f_s sum w^2), one-sided;   aperiodic: log10 P = b - chi log10 f

Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70; Donoghue et al., Nat. Neurosci. 23 (2020) 1655.
"""

from typing import Any, NamedTuple

import numpy as np

from .. import units
from .._checks import positive, within
from .trains import width_of

_OUTLIER = 2.0
_ROUNDS = 50


class Spectrum(NamedTuple):
    """A power spectral density.

    Attributes:
        frequency: Hz, (frequencies,).
        power: Square of the signal's unit per Hz, (frequencies, ...).
    """

    frequency: np.ndarray
    power: np.ndarray


def psd(signal: Any, dt: Any, *, segment: Any = 1000.0, overlap: float = 0.5) -> Spectrum:
    """Power spectral density by Welch's method, with Hann windows and the mean of each segment removed.

    Its integral over frequency is the variance of the signal.

    Args:
        signal: Equally spaced samples, (time, ...): a rate, a trace, a field potential.
        dt: Time between samples (ms).
        segment: Length of a segment (ms), 1000 / segment is the resolution in Hz; the signal's own length if shorter.
        overlap: Share of a segment that the next one has in common with it.

    Raises:
        ValueError: Fewer than 8 samples, or samples that are not finite.
    """
    from scipy.signal import welch

    values, step = np.asarray(signal, np.float64), width_of("dt", dt)
    if values.ndim == 0 or len(values) < 8:
        raise ValueError(f"`signal`: expected at least 8 samples (time, ...), got shape {values.shape}.")
    within("signal", values)
    if not 0 <= overlap < 1:
        raise ValueError(f"`overlap`: expected a share in [0, 1), got {overlap!r}.")
    length = min(len(values), max(8, round(width_of("segment", segment) / step)))
    frequency, power = welch(
        values, fs=1000.0 / step, nperseg=length, noverlap=int(overlap * length), detrend="constant", axis=0
    )
    return Spectrum(frequency, power)


class Aperiodic(NamedTuple):
    """The aperiodic part of a spectrum: P(f) = 10^offset / f^exponent.

    Attributes:
        exponent: Exponent of 1/f; 0 for white noise, 2 for a random walk.
        offset: log10 of the power at 1 Hz.
        r_squared: Share of the variance of log10 P that the line explains, at the frequencies it was fitted to.
        used: Which frequencies it was fitted to, bool (frequencies,).
    """

    exponent: float
    offset: float
    r_squared: float
    used: np.ndarray

    def at(self, frequency: Any) -> np.ndarray:
        """Power at some frequencies (Hz)."""
        return 10**self.offset / np.asarray(frequency, np.float64) ** self.exponent


def aperiodic(frequency: Any, power: Any, *, low: Any = 2.0, high: Any = 200.0) -> Aperiodic:
    """Exponent of the 1/f part of a spectrum, with oscillations left out.

    A line is fitted to log10 P over log10 f by least squares; frequencies that lie more than 2 standard deviations
    above it belong to a peak and are left out, and so on until nothing changes. The deviation is that of the points
    below the line, which a peak does not reach. A simple form of the "fixed" mode of Donoghue et al. (2020), which
    fits the peaks by Gaussians: broad peaks that cover much of the range are not told from the line.

    Args:
        frequency: Hz, (frequencies,).
        power: One spectrum, (frequencies,).
        low: Lowest frequency of the fit (Hz).
        high: Highest frequency of the fit (Hz).

    Raises:
        ValueError: Fewer than 5 frequencies with power in the range.
    """
    f, p = np.asarray(frequency, np.float64), np.asarray(power, np.float64)
    low, high = float(units.strip("low", low, "Hz")), float(units.strip("high", high, "Hz"))
    positive("low", low, "Hz")
    if f.ndim != 1 or f.shape != p.shape:
        raise ValueError(f"`power`: expected one value per frequency, got shapes {f.shape} and {p.shape}.")
    inside = (f >= low) & (f <= high) & (p > 0)
    if inside.sum() < 5:
        raise ValueError(f"`low`, `high`: expected at least 5 frequencies with power in {low:g} to {high:g} Hz.")
    x, y = np.log10(f[inside]), np.log10(p[inside])
    used = np.ones(len(x), bool)
    for _ in range(_ROUNDS):
        slope, offset = np.polyfit(x[used], y[used], 1)
        residual = y - (offset + slope * x)
        below = residual[residual < 0]
        spread = np.sqrt((below**2).mean()) if below.size else 0.0
        kept = residual <= _OUTLIER * spread
        if kept.sum() < 5 or (kept == used).all():
            break
        used = kept
    scatter = ((y[used] - y[used].mean()) ** 2).sum()
    explained = 1 - (residual[used] ** 2).sum() / scatter if scatter else 1.0
    everywhere = np.zeros(len(f), bool)
    everywhere[inside] = used
    return Aperiodic(-float(slope), float(offset), float(explained), everywhere)
