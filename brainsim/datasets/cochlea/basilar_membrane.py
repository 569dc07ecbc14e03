"""The basilar membrane: how fast it moves at a place, for a sound of one frequency.

    V(w, c) = 2 w / xi(w, c)  P(w, c) / P(w, 0)  Z(w)
    xi = s - m w^2 - i w r,   s = c0 exp(-alpha c) - a,   r = r0 exp(-alpha c / 2),   r0 = delta sqrt(c0 m)
    P = sqrt(G / g) H_0^(1)(G),   g = w sqrt(rho / (h xi)),   G: the phase gathered along the membrane (WKB)
    Z = sqrt(2 c0 / h) (i J_0 + Y_0)(u) / (J_1 - i Y_1)(u),   u = 2 w / alpha sqrt(2 / (h c0))

c in cm from the stapes, w = 2 pi f in 1/s; stiffness in g / (s^2 cm^2). The shallow-water solution of Sieroka, Dosch
and Rupp, J. Acoust. Soc. Am. 120 (2006) 297, with the numbers of Cramer et al., IEEE TNNLS 33 (2022) 2744.
"""

import numpy as np

ALPHA, C0, A, RHO = 3.0, 1e9, 3500.0, 1.0
HEIGHT, MASS = 0.1, 0.05
R0 = 0.15 * np.sqrt(C0 * MASS)
LENGTH_CM = 3.5


def places(channels: int) -> np.ndarray:
    """Places of so many channels, evenly along the membrane (cm); the first hears the highest frequency."""
    return np.linspace(0.0, LENGTH_CM, channels)


def transfer(samples: int, rate_hz: float, at: np.ndarray) -> np.ndarray:
    """The transfer function of the lower half of the spectrum.

    Args:
        samples: Length of the sound.
        rate_hz: Samples a second.
        at: Places (cm).

    Returns:
        complex64 (places, samples // 2 + 1).
    """
    w = 2 * np.pi * np.linspace(1.0, rate_hz // 2, samples // 2 + 1)
    source = _impedance(w) / _pressure(w, 0.0)
    return np.stack([(2 * w / _compliance(w, c) * _pressure(w, c) * source).astype(np.complex64) for c in at])


def _compliance(w: np.ndarray, c: float) -> np.ndarray:
    return C0 * np.exp(-ALPHA * c) - A - MASS * w**2 - 1j * w * R0 * np.exp(-ALPHA * c / 2)


def _wavenumber(w: np.ndarray, c: float) -> np.ndarray:
    return w * np.sqrt(RHO / (HEIGHT * _compliance(w, c)))


def _pressure(w: np.ndarray, c: float) -> np.ndarray:
    """Pressure at a place, up to a factor."""
    from scipy import special

    phase = _phase(w, c)
    return np.sqrt(phase / _wavenumber(w, c)) * special.hankel1(0, phase)


def _phase(w: np.ndarray, c: float) -> np.ndarray:
    """The wave number summed up along the membrane."""
    inertia, thinner = A + MASS * w**2, np.exp(-ALPHA * c / 2)

    def term(damping: complex | float) -> np.ndarray:
        return (2 * A + w * (2 * MASS * w + 1j * damping)) / np.sqrt(inertia)

    upper = -ALPHA * np.sqrt(_compliance(w, 0.0)) + 0.5j * ALPHA * term(R0)
    lower = 0.5 * ALPHA / thinner * (-2 * np.sqrt(_compliance(w, c)) + 1j * term(thinner * R0))
    travelled = 2j * np.sqrt(2) * w * np.log(upper / lower) / (ALPHA * np.sqrt(2 * HEIGHT * inertia))
    return 2 * _wavenumber(w, 0.0) / ALPHA - travelled


def _impedance(w: np.ndarray) -> np.ndarray:
    """What the membrane's begin is to the stapes."""
    from scipy import special

    u = 2 * w / ALPHA * np.sqrt(2 / (HEIGHT * C0))
    above, below = 1j * special.j0(u) + special.y0(u), special.j1(u) - 1j * special.y1(u)
    return np.sqrt(2 * C0 / HEIGHT) * above / below
