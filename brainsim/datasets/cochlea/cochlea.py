"""The cochlea that made SHD: sound in, spikes of 700 channels out.

    sound -> level 0.3 -> Hann window -> basilar membrane -> hair cells -> bushy cells

Time steps are two samples long. Cramer, Stradmann, Schemmel and Zenke, IEEE TNNLS 33 (2022) 2744, whose program is
`lauscher`; the same equations and numbers, written over all channels and sounds at once.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.fft import next_fast_len

from ... import _checks, units
from ..._types import Array
from . import basilar_membrane, bushy_cell, hair_cell

LEVEL = 0.3
LEAST_HZ = 32_000
"""Below (l + r) dt = 2 hair cells are stable; from here on they are followed well."""


class Cochlea:
    """An encoder of sound of one rate and up to one duration.

    Args:
        rate_hz: Samples of the sound a second; sound below 32 kHz is resampled to the first multiple that is not.
        duration: Longest sound (ms); shorter ones are followed by silence.
        channels: Number of places along the membrane, the first for the highest frequency; or the places (cm).

    Attributes:
        duration: Longest sound (ms).
        dt: Time step of the spikes (ms).
        steps: Number of steps.
        places: Places along the membrane (cm).
    """

    def __init__(self, rate_hz: int, duration: Any, channels: int | Sequence[float] | np.ndarray = 700):
        _checks.within("rate_hz", rate_hz, "Hz", low=1)
        duration = float(units.strip("duration", duration, "ms"))
        _checks.positive("duration", duration, "ms")
        if np.size(channels) == 0 or (isinstance(channels, int) and channels < 1):
            raise ValueError(f"`channels`: expected at least one place, got {channels}.")
        self.places = basilar_membrane.places(channels) if isinstance(channels, int) else np.asarray(channels, float)
        _checks.within("channels", self.places, "cm", low=0.0, high=basilar_membrane.LENGTH_CM)
        self.rate_hz, self.factor = rate_hz, max(1, -(-LEAST_HZ // rate_hz))
        self.duration, self.samples = duration, math.ceil(duration / 1000 * rate_hz * self.factor)
        self.dt, self.steps = 2000 / (rate_hz * self.factor), self.samples // 2 + 1
        frequencies: Any = next_fast_len(self.steps)  # a number without a large prime
        self._padded = 2 * (frequencies - 1)
        self._transfer = basilar_membrane.transfer(self._padded, rate_hz * self.factor, self.places)

    def __call__(self, sound: np.ndarray, key: Array, lengths: Sequence[int] | np.ndarray | None = None) -> Array:
        """The spikes of sounds.

        Args:
            sound: Samples, (time, batch); a last axis of length 1 may follow.
            key: JAX key of the fibres' spikes.
            lengths: Number of samples of each sound; None for those up to its last that is not 0.

        Returns:
            Spikes 0 or 1, float32 (steps, batch, channels), none after the end of a sound.
        """
        prepared = [self._prepared(*one) for one in self._each(sound, lengths)]
        ends = jnp.asarray([len(one) // 2 + 1 for one in prepared])
        return _spikes(self._moved(prepared), ends, key, self.dt / 1000)

    def membrane(self, sound: np.ndarray, lengths: Sequence[int] | np.ndarray | None = None) -> Array:
        """Velocity of the membrane, float32 (steps, batch, channels)."""
        return self._moved([self._prepared(*one) for one in self._each(sound, lengths)])

    def _moved(self, prepared: Sequence[np.ndarray]) -> Array:
        padded = np.stack([np.pad(one, (0, self._padded - len(one))) for one in prepared])
        return _moved(jnp.asarray(padded, jnp.float32), jnp.asarray(self._transfer), self.steps)

    def _each(self, sound: np.ndarray, lengths: Sequence[int] | np.ndarray | None) -> Any:
        """Every sound with its length."""
        sound = np.asarray(sound)
        sound = sound[..., 0] if sound.ndim == 3 and sound.shape[2] == 1 else sound
        if sound.ndim != 2:
            raise ValueError(f"`sound`: expected shape (time, batch), got {sound.shape}.")
        _checks.finite("sound", sound)
        counts = len(sound) - np.argmax(sound[::-1] != 0, axis=0) if lengths is None else np.asarray(lengths)
        if len(counts) != sound.shape[1] or not np.any(sound != 0, axis=0).all():
            raise ValueError(f"`sound`: expected a length and some sound for each of {sound.shape[1]}, got {counts}.")
        return zip(sound.T, counts, strict=True)

    def _prepared(self, sound: np.ndarray, length: int) -> np.ndarray:
        """One sound at the membrane's rate and level, faded in and out."""
        from scipy.signal import resample_poly

        sound = np.asarray(sound[:length], np.float64)
        if self.factor > 1:
            sound = resample_poly(sound, self.factor, 1)
        if len(sound) > self.samples:
            milliseconds = 1000 * self.samples / (self.rate_hz * self.factor)
            raise ValueError(f"`sound`: expected at most {milliseconds:g} ms, got {length} samples.")
        half = len(sound) // 2
        fade = np.hanning(2 * half)[:half]
        sound = sound * (LEVEL / np.sqrt(np.mean(sound**2)))
        sound[:half] *= fade
        sound[len(sound) - half :] *= fade[::-1]
        return sound


@functools.partial(jax.jit, static_argnums=2)
def _moved(sound: Array, transfer: Array, steps: int) -> Array:
    """Velocity of the membrane (steps, batch, channels) of sounds (batch, time)."""
    spectrum = jnp.fft.rfft(sound)
    moved = jax.lax.map(lambda one: jnp.fft.ifft(one * spectrum, axis=-1).real[:, :steps], transfer)
    return jnp.transpose(moved, (2, 1, 0))


@functools.partial(jax.jit, static_argnums=3)
def _spikes(membrane: Array, ends: Array, key: Array, dt_s: float) -> Array:
    """Hair cells and bushy cells, one step after the other, up to the end of each sound."""
    shape = membrane.shape[1:]

    def step(carry: Any, now: tuple[Array, Array]) -> tuple[Any, Array]:
        pools, bushy = carry
        index, velocity = now
        pools, probability = hair_cell.step(pools, velocity, dt_s)
        uniform = jax.random.uniform(jax.random.fold_in(key, index), shape)
        bushy, spikes = bushy_cell.step(bushy, probability, uniform, index, dt_s)
        return (pools, bushy), jnp.where(index < ends[:, None], spikes, 0.0)

    start = hair_cell.at_rest(shape), bushy_cell.at_rest(shape, dt_s)
    return jax.lax.scan(step, start, (jnp.arange(len(membrane)), membrane))[1]
