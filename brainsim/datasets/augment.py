"""Augmented batches of event recordings: shifts, blends of two samples of one class, other tempos, events left out.

    shift:    x'[k, c] = x[k, c - d],     d ~ U{-channels, ..., channels}, one for each sample
    blend:    x' = B(x_i, p) + B(x_j shifted onto the centre of x_i, 1 - p),    B keeps each spike with that probability
    stretch:  an event at t goes to f t,  log f ~ U(-limit, limit), one for each sample
    thin:     x' = B(x, 1 - s),  s ~ U(0, limit), one for each sample
    mask:     x'[k0:k0 + m] = 0 and x'[..., c0:c0 + n] = 0,  m ~ U{0, ..., steps},  n ~ U{0, ..., channels}

Counts (time, batch, ..., channels); what leaves the frame is lost. Shift and blend are of the recipe for spoken digits
of Nowotny, Turner and Knight, Neuromorph. Comput. Eng. 5 (2025) 014001, where a blend is centred in time and channel;
another tempo is the speed perturbation of Ko et al., Interspeech 2015; masks are those of SpecAugment, Park et al.,
Interspeech 2019; events that are left out with one probability are one way of EventDrop, Gu et al., IJCAI 2021.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _checks
from .loader import Loader

Batch = tuple[np.ndarray, ...]
Augmentation = Callable[[Batch, np.random.Generator], Batch]


class Augmented:
    """The batches of a loader, each changed at random: for `fit`.

    Batch b of epoch e is the same in every program: the draws depend on the seed, e and b alone.

    Args:
        loader: Loader of `(x, y)` or `(x, y, lengths)`.
        *augmentations: Functions `(batch, generator) -> batch` such as `Shift(8)`, in order.
        seed: Seed of the draws.
    """

    def __init__(self, loader: Loader, *augmentations: Augmentation, seed: int = 0):
        self.loader, self.augmentations, self.seed = loader, augmentations, seed

    def __len__(self) -> int:
        """Number of batches an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0."""
        return self(0)

    def __call__(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from number `start` on."""
        for index, batch in enumerate(self.loader(epoch, start), start):
            rng = np.random.default_rng((self.seed, epoch, index))
            for augmentation in self.augmentations:
                batch = augmentation(batch, rng)
            yield batch


@dataclasses.dataclass(frozen=True)
class Shift:
    """Move every sample along the last axis by a random number of channels.

    Args:
        channels: Largest number of channels, in either direction.
    """

    channels: int

    def __post_init__(self):
        _checks.within("channels", self.channels, low=0)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch moved: x (time, batch, ..., channels)."""
        x, *rest = batch
        by = rng.integers(-self.channels, self.channels + 1, x.shape[1])
        return np.stack([moved(x[:, i], 0, int(d)) for i, d in enumerate(by)], axis=1), *rest


@dataclasses.dataclass(frozen=True)
class Blend:
    """Replace some samples by a blend with another of their class in the batch.

    Args:
        share: Fraction of the samples to replace, each drawn by itself.
        p: Probability with which a spike of the sample is kept; one of its partner is with 1 - p.
    """

    share: float = 0.5
    p: float = 0.5

    def __post_init__(self):
        _checks.within("share", self.share, low=0.0, high=1.0)
        _checks.within("p", self.p, low=0.0, high=1.0)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch with blends: x holds whole counts (time, batch, channels), y classes (batch,)."""
        x, y, *lengths = batch
        blended = x.copy()
        for i in np.flatnonzero(rng.random(len(y)) < self.share):
            others = np.flatnonzero(y == y[i])
            others = others[others != i]
            if len(others):
                blended[:, i] = self._of(x[:, i], x[:, rng.choice(others)], rng)
        return blended, y, *(np.where(changed(x, blended), ends(blended), n) for n in lengths)

    def _of(self, one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        steps, channels = np.round(centre(one) - centre(other)).astype(int)
        return thinned(one, self.p, rng) + thinned(moved(other, steps, channels), 1 - self.p, rng)


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Speak every sample faster or slower by a random factor.

    An event of frame k is taken at a random time within it.

    Args:
        limit: Largest logarithm of the factor, in either direction: 0.1 for up to 10 %.
    """

    limit: float = 0.1

    def __post_init__(self):
        _checks.within("limit", self.limit, low=0.0)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch stretched: x holds whole counts (time, batch, ...), lengths become as much longer or shorter."""
        x, y, *lengths = batch
        factor = np.exp(rng.uniform(-self.limit, self.limit, x.shape[1]))
        frame, sample = math.prod(x.shape[1:]), math.prod(x.shape[2:])
        flat = np.flatnonzero(x)
        k, place = np.divmod(np.repeat(flat, x.reshape(-1)[flat].astype(np.int64)), frame)
        late = np.floor((k + rng.random(len(k))) * factor[place // sample]).astype(np.int64)
        flat = (late * frame + place)[late < len(x)]
        stretched = np.bincount(flat, minlength=x.size).astype(x.dtype).reshape(x.shape)
        return stretched, y, *(np.clip(np.ceil(n * factor), 1, len(x)).astype(n.dtype) for n in lengths)


@dataclasses.dataclass(frozen=True)
class Thin:
    """Leave out a random share of the events of every sample.

    Args:
        limit: Largest share.
    """

    limit: float = 0.2

    def __post_init__(self):
        _checks.within("limit", self.limit, low=0.0, high=1.0)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch thinned: x holds whole counts (time, batch, ...)."""
        x, *rest = batch
        kept = 1 - self.limit * rng.random((x.shape[1], *[1] * (x.ndim - 2)))
        return thinned(x, kept, rng), *rest


@dataclasses.dataclass(frozen=True)
class Mask:
    """Silence a random stretch of time and a random band of channels of every sample.

    Args:
        steps: Longest stretch, in steps; it lies within the length of the sample, where lengths are given.
        channels: Widest band, in channels.
    """

    steps: int
    channels: int

    def __post_init__(self):
        _checks.within("steps", self.steps, low=0)
        _checks.within("channels", self.channels, low=0)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch masked: x (time, batch, ..., channels)."""
        x, y, *lengths = batch
        samples = x.shape[1]
        long = lengths[0] if lengths else np.full(samples, x.shape[0])
        in_time = self._spans(np.minimum(self.steps, long), long, x.shape[0], rng)
        in_space = self._spans(np.full(samples, min(self.channels, x.shape[-1])), x.shape[-1], x.shape[-1], rng)
        between = [1] * (x.ndim - 3)
        silent = in_time.T.reshape(x.shape[0], samples, *between, 1) | in_space.reshape(samples, *between, x.shape[-1])
        return np.where(silent, x.dtype.type(0), x), y, *lengths

    @staticmethod
    def _spans(widest: np.ndarray, inside: Any, size: int, rng: np.random.Generator) -> np.ndarray:
        """One span of random width and place for each sample, bool (batch, size)."""
        width = rng.integers(0, widest + 1)
        start = rng.integers(0, inside - width + 1)
        place = np.arange(size)
        return (start[:, None] <= place) & (place < (start + width)[:, None])


def moved(x: np.ndarray, steps: int, channels: int) -> np.ndarray:
    """A sample (time, ..., channels) moved along its first and last axis, zeros where nothing comes from."""
    result = np.zeros_like(x)
    (to_k, from_k), (to_c, from_c) = _overlap(x.shape[0], steps), _overlap(x.shape[-1], channels)
    result[to_k, ..., to_c] = x[from_k, ..., from_c]
    return result


def centre(x: np.ndarray) -> np.ndarray:
    """Mean step and channel of the events of a sample (time, channels); the middle where there are none."""
    total = x.sum(dtype=np.float64)
    if total == 0:
        return (np.asarray(x.shape) - 1) / 2
    sums = (x.sum(axis=1, dtype=np.float64), x.sum(axis=0, dtype=np.float64))
    return np.asarray([np.arange(len(values)) @ values / total for values in sums])


def thinned(x: np.ndarray, p: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts of which each event is kept with probability `p`, a number or an array that broadcasts with them."""
    return rng.binomial(x.astype(np.int64), p).astype(x.dtype)


def changed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which samples of two batches differ, bool (batch,)."""
    return np.any(x != y, axis=tuple(axis for axis in range(x.ndim) if axis != 1))


def ends(x: np.ndarray) -> np.ndarray:
    """Steps up to the last event of each sample of a batch (time, batch, ...), at least 1."""
    busy: np.ndarray = np.any(x, axis=tuple(range(2, x.ndim)))
    return np.where(busy.any(axis=0), len(x) - np.argmax(busy[::-1], axis=0), 1)


def _overlap(size: int, by: int) -> tuple[slice, slice]:
    """Where the values of an axis of some size go when it is moved, and where they come from."""
    kept = max(size - abs(by), 0)
    return (slice(size - kept, size), slice(0, kept)) if by > 0 else (slice(0, kept), slice(size - kept, size))
