"""An event camera before a video: a pixel tells when its logarithmic brightness has changed by a threshold.

    L = I ln(20) / 20 below I = 20, else ln I              brightness of an intensity of 0 to 255
    an ON event at every t where L(t) = M + theta_on, an OFF event where L(t) = M - theta_off; then M = L(t)

L goes straight from frame to frame, so that events have times between them (ESIM: Rebecq, Gehrig and Scaramuzza, CoRL
2018). An event less than `t_ref` after the pixel's last one is lost. Noise as in v2e (Hu, Liu and Delbruck, CVPRW
2021): thresholds that differ from pixel to pixel, a leak that makes ON events, shot noise that falls to a quarter in
light.
"""

import dataclasses
from typing import Any

import numpy as np

from .. import _checks, units
from .readers import Recording
from .transform import rested

KNEE = 20.0
"""Intensity (of 255) below which brightness is linear."""
BRIGHT = 0.25
"""Shot noise at full intensity, as a part of that in the dark."""


@dataclasses.dataclass(frozen=True)
class EventCamera:
    """A sensor.

    Args:
        on: Threshold of ON events (natural logarithm).
        off: Threshold of OFF events.
        mismatch: Standard deviation of the thresholds over the pixels; v2e's is 0.03.
        t_ref: Refractory time of a pixel (ms).
        leak_hz: Rate of ON events without change; v2e's is 0.1 Hz.
        shot_hz: Rate of noise events of each polarity in the dark.
    """

    on: float = 0.2
    off: float = 0.2
    mismatch: float = 0.0
    t_ref: Any = 0.0
    leak_hz: float = 0.0
    shot_hz: float = 0.0

    def __post_init__(self):
        _checks.positive("on", self.on)
        _checks.positive("off", self.off)
        for name in ("mismatch", "leak_hz", "shot_hz"):
            _checks.within(name, getattr(self, name), low=0.0)
        _checks.within("t_ref", units.strip("t_ref", self.t_ref, "ms"), "ms", low=0.0)

    def __call__(self, video: np.ndarray, dt: Any, *, seed: int = 0) -> Recording:
        """The events of a video, addresses in the shape (2, rows, columns): polarity 1 is ON.

        Args:
            video: Intensities 0 to 255, (frames, rows, columns), at least two frames.
            dt: Time between frames (ms).
            seed: Seed of the noise.
        """
        video, dt_us = np.asarray(video, np.float64), 1000 * _checks.time_step(dt)
        if video.ndim != 3 or len(video) < 2:
            raise ValueError(f"`video`: expected shape (frames, rows, columns), two frames or more, got {video.shape}.")
        _checks.within("video", video, low=0.0, high=255.0)
        rng, level = np.random.default_rng(seed), brightness(video).reshape(len(video), -1)
        spread = self.mismatch * rng.standard_normal((2, level.shape[1]))
        theta = np.maximum(np.asarray([[self.off], [self.on]]) + spread, 0.01)
        memory, parts = level[0].copy(), []
        for k in range(1, len(video)):
            memory = memory - self.leak_hz * dt_us * 1e-6 * theta[1]
            t, pixel, is_on, memory = crossings(level[k - 1], level[k], memory, theta)
            shot = self._shots(video[k].ravel(), dt_us, rng)
            t = np.concatenate([t, shot[0]])
            pixel, is_on = np.concatenate([pixel, shot[1]]), np.concatenate([is_on, shot[2]])
            parts.append((np.floor((k - 1 + t) * dt_us).astype(np.int64), is_on * level.shape[1] + pixel))
        t_us, address = (np.concatenate(values) for values in zip(*parts, strict=True))
        order = np.argsort(t_us, kind="stable")
        return self._rested(t_us[order], address[order].astype(np.int32), level.shape[1])

    def _shots(self, intensity: np.ndarray, dt_us: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Noise events of one interval: time as a part of it, pixel, polarity."""
        mean = self.shot_hz * dt_us * 1e-6 * (1 - (1 - BRIGHT) * intensity / 255)
        counts = rng.poisson(mean, (2, len(mean)))
        polarity, pixel = np.nonzero(counts)
        repeat = counts[polarity, pixel]
        polarity, pixel = np.repeat(polarity, repeat), np.repeat(pixel, repeat)
        return rng.random(len(pixel)), pixel, polarity

    def _rested(self, t_us: np.ndarray, address: np.ndarray, pixels: int) -> Recording:
        """The events that come at least `t_ref` after the last one of their pixel that stays."""
        t_ref = round(1000 * float(units.strip("t_ref", self.t_ref, "ms")))
        if t_ref == 0:
            return Recording(t_us, address)
        stays = rested(address.astype(np.int64) % pixels, t_us, t_ref)
        return Recording(t_us[stays], address[stays])


def brightness(intensity: np.ndarray) -> np.ndarray:
    """Logarithmic brightness of intensities 0 to 255."""
    return np.where(intensity < KNEE, intensity * (np.log(KNEE) / KNEE), np.log(np.maximum(intensity, KNEE)))


def crossings(before: np.ndarray, now: np.ndarray, memory: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, ...]:
    """The events of one interval.

    Args:
        before: Brightness of every pixel at its begin.
        now: Brightness at its end.
        memory: Brightness that each pixel remembers.
        theta: Thresholds (2, pixels): OFF, ON.

    Returns:
        Time of every event as a part of the interval, its pixel, whether it is ON; and what the pixels remember then.
    """
    found, remembered = [], memory
    for is_on, sign in enumerate((-1, 1)):
        counts = np.maximum(0, np.floor(sign * (now - memory) / theta[is_on])).astype(np.int64)
        pixel = np.repeat(np.arange(len(now)), counts)
        number = np.arange(len(pixel)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        reached = memory[pixel] + sign * number * theta[is_on][pixel]
        span = (now - before)[pixel]
        t = np.clip((reached - before[pixel]) / np.where(span == 0, np.inf, span), 0, 1)
        found.append((t, pixel, np.full(len(pixel), is_on)))
        remembered = remembered + sign * counts * theta[is_on]
    return (*(np.concatenate(values) for values in zip(*found, strict=True)), remembered)


def saccades(picture: np.ndarray, frames: int, reach: float = 3.5) -> np.ndarray:
    """A video of a picture that moves along a triangle, as N-MNIST was recorded (Orchard et al. 2015).

    Args:
        picture: Intensities (rows, columns); outside it is dark.
        frames: Number of frames, a third for each side of the triangle.
        reach: Half of its base (pixels).

    Returns:
        Intensities (frames, rows, columns), between pixels by bilinear interpolation.
    """
    from scipy import ndimage

    _checks.within("frames", frames, low=3)
    corners = np.asarray([[-reach, -reach], [reach, 0.0], [-reach, reach], [-reach, -reach]])
    at = np.linspace(0, 3, frames)
    path = np.stack([np.interp(at, np.arange(4), corners[:, axis]) for axis in (0, 1)], axis=1)
    moved = [ndimage.shift(np.asarray(picture, np.float64), shift, order=1) for shift in path]
    return np.clip(np.stack(moved), 0, 255)
