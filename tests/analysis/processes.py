"""Point processes and signals whose statistics are known in closed form."""

import numpy as np


def trains(intervals, duration):
    """(times, ids) of renewal processes from their intervals (events, neurons), up to `duration` (ms)."""
    times = np.cumsum(intervals, axis=0)
    ids = np.broadcast_to(np.arange(intervals.shape[1]), times.shape)
    inside = times < duration
    return times[inside], ids[inside]


def gamma(rate, shape, n, duration, seed=0):
    """Gamma processes of one rate (Hz): CV = 1 / sqrt(shape)."""
    mean = 1000.0 / rate
    events = int(duration / mean * 1.5) + 50
    return trains(np.random.default_rng(seed).gamma(shape, mean / shape, (events, n)), duration)


def correlated_poisson(rate, coefficient, n, duration, jitter=0.0, seed=0):
    """Poisson trains that each keep a spike of a common train with probability `coefficient` (Kuhn et al., 2003).

    The correlation coefficient of their counts is that probability, in bins wide against `jitter`.
    """
    rng = np.random.default_rng(seed)
    common = np.sort(rng.random(rng.poisson(rate / coefficient * duration * 1e-3)) * duration)
    kept = rng.random((n, len(common))) < coefficient
    ids, index = np.nonzero(kept)
    times = common[index] + rng.uniform(-jitter, jitter, len(index))
    return np.clip(times, 0, duration), ids


def branching(m, h, bins, seed=0, trials=1):
    """Activity of a branching process with Poisson offspring and drive, (bins, trials): mean h / (1 - m)."""
    rng = np.random.default_rng(seed)
    activity = np.empty((bins, trials), np.int64)
    now = np.full(trials, round(h / (1 - m)) if m < 1 else 1)
    for k in range(bins):
        now = rng.poisson(m * now + h)
        activity[k] = now
    return activity


def coloured_noise(exponent, samples, dt, seed=0):
    """Noise with power 1 / f^exponent by shaping white noise in the frequency domain; unit power density at 1 Hz."""
    rng = np.random.default_rng(seed)
    f = np.fft.rfftfreq(samples, dt * 1e-3)
    shaped = rng.normal(size=len(f)) + 1j * rng.normal(size=len(f))
    shaped[0] = 0
    shaped[1:] *= f[1:] ** (-exponent / 2)
    return np.fft.irfft(shaped, samples) * np.sqrt(samples * 1000 / dt) / 2
