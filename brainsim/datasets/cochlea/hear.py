"""A set of sounds through the cochlea: event recordings, made once and kept.

Sounds of about one length are encoded together, in silence up to the longest of them.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import track

from ... import _checks
from ..audio import AudioDataset
from ..events import EventDataset
from ..readers import Recordings
from ..store import stored
from .cochlea import LEAST_HZ, Cochlea

ENTRIES = 1 << 25
"""Steps x channels x sounds that are encoded at once, 128 MB an array."""
LONGER = 1.2
"""The longest sound of a group by the shortest; each group's membrane is computed and compiled anew."""


def hear(
    sounds: AudioDataset,
    channels: int | Sequence[float] | np.ndarray = 700,
    *,
    seed: int = 0,
    folder: str | Path | None = None,
    dt: Any = None,
    steps: int | None = None,
    progress: bool = True,
) -> EventDataset:
    """The spikes of all sounds, as SHD was made of its own.

    500 channels take 0.14 s of one core a spoken digit (0.44 s of sound).

    Args:
        sounds: The sounds; their `encode` is left out.
        channels: Places along the membrane, as `Cochlea` takes them.
        seed: Of the fibres' spikes, which differ from seed to seed.
        folder: Where the spikes are kept, mapped into memory, and found again if sounds, channels and seed are the
            same. None keeps them in memory.
        dt: Length of a frame (ms), or
        steps: number of frames.
        progress: Whether a bar shows on a terminal.
    """
    if not isinstance(sounds, AudioDataset):
        raise TypeError(f"`sounds`: expected an AudioDataset, got {type(sounds).__name__}.")
    silent = [k for k in range(len(sounds)) if not np.any(sounds.sound(k))]
    if silent or len(sounds) == 0:
        which = f"numbers {silent[:5]} are silent" if silent else "there is none"
        raise ValueError(f"`sounds`: expected some sound in each of {len(sounds)}, but {which}.")
    _checks.within("seed", seed, low=0)
    if steps is None:
        _checks.time_step(dt)
    places = Cochlea(sounds.rate_hz, 1.0, channels).places
    if folder is None:
        found = _heard(sounds, places, seed, progress)
    else:
        mark = _fingerprint(sounds, places, seed)
        found = stored(Path(folder), mark, places.shape, lambda: [_heard(sounds, places, seed, progress)])
    return EventDataset.of_recordings(found, places.shape, classes=sounds.classes, dt=dt, steps=steps)


def _heard(sounds: AudioDataset, places: np.ndarray, seed: int, progress: bool) -> Recordings:
    times: list[Any] = [None] * len(sounds)
    addresses: list[Any] = [None] * len(sounds)
    lengths, cochlea = np.diff(sounds.offsets.astype(np.int64)), None
    console = Console(stderr=True)
    chunks = _chunks(lengths, sounds.rate_hz, len(places))
    for duration, size, ids in track(chunks, "cochlea", console=console, transient=True, disable=not progress):
        if cochlea is None or cochlea.duration != duration:
            cochlea = Cochlea(sounds.rate_hz, duration, places)
        full = np.resize(ids, size)  # the last of a group are repeated, so that nothing is compiled anew
        x = sounds.batch(full, jax.random.key(0))[0]
        key = jax.random.fold_in(jax.random.key(seed), int(ids[0]))
        spikes = np.asarray(cochlea(x, key, lengths[full]))
        for place, number in enumerate(ids):
            step, addresses[number] = (found.astype(np.int32) for found in np.nonzero(spikes[:, place]))
            times[number] = np.rint(step * (1000 * cochlea.dt)).astype(np.int32)
    counts = np.asarray([len(one) for one in times], np.int64)
    return Recordings(np.concatenate(times), np.concatenate(addresses), counts, sounds.y, sounds.about)


def _chunks(lengths: np.ndarray, rate_hz: int, channels: int) -> list[tuple[float, int, np.ndarray]]:
    """Duration (ms) of the longest sound of a group, sounds that are encoded at once, and some of the group."""
    order, chunks = np.argsort(lengths, kind="stable"), []
    while len(order):
        group = order[: np.searchsorted(lengths[order], LONGER * lengths[order[0]], side="right")]
        order = order[len(group) :]
        duration = 1000 * float(lengths[group[-1]]) / rate_hz
        steps = max(LEAST_HZ, rate_hz) * duration / 2000
        size = int(min(max(ENTRIES / (steps * channels), 1), len(group)))
        chunks += [(duration, size, group[at : at + size]) for at in range(0, len(group), size)]
    return chunks


def _fingerprint(sounds: AudioDataset, places: np.ndarray, seed: int) -> str:
    digest = hashlib.blake2b(repr((sounds.rate_hz, seed)).encode(), digest_size=16)
    for values in (sounds.pcm, sounds.offsets.astype(np.int64), sounds.y.astype(np.int32), places):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
