"""Event recordings in a folder, mapped into memory: sets larger than memory, read once from their own format.

    events.json   what is inside, and the fingerprint of where it came from
    t_us.u32, address.i32   an entry an event, little-endian       counts.npy, y.npy, about_*.npy   an entry a recording

A folder is written beside its place and then renamed, so that an interruption leaves none that is half full.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from .readers import Recordings, damaged

VERSION = 1
CARD = "events.json"
STREAMS = {"t_us": ("t_us.u32", "<u4"), "address": ("address.i32", "<i4")}


def stored(
    folder: Path, fingerprint: str, shape: tuple[int, ...], make: Callable[[], Iterable[Recordings]]
) -> Recordings:
    """The recordings of a folder; where it does not have those of this fingerprint, they are made and written first.

    Args:
        folder: The folder; one that exists must be of this kind.
        fingerprint: What tells these recordings from others.
        shape: Shape of the sensor.
        make: Makes the recordings, some at a time.

    Raises:
        ValueError: The folder holds something else, or is damaged.
    """
    if folder.exists() and not (folder / CARD).is_file():
        raise ValueError(f"`folder`: expected a new folder or one of event recordings, got {folder}.")
    if not folder.exists() or _card(folder).get("fingerprint") != fingerprint:
        write(folder, fingerprint, shape, make())
    return opened(folder)


def write(folder: Path, fingerprint: str, shape: tuple[int, ...], parts: Iterable[Recordings]) -> None:
    """Write recordings, some at a time; a folder that was there is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        rows = [part for part in _streamed(made, parts, shape)]
        if not rows:
            raise ValueError(f"`parts`: expected recordings to write to {folder}, got none.")
        whole = Recordings.joined(rows)
        for name, values in {"counts": whole.counts, "y": whole.y, **_about(whole)}.items():
            np.save(made / f"{name}.npy", values)
        card = {"version": VERSION, "fingerprint": fingerprint, "shape": list(shape), "about": sorted(whole.about)}
        card |= {"recordings": len(whole.y), "events": int(whole.counts.sum())}
        (made / CARD).write_text(json.dumps(card, indent=1) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def opened(folder: Path) -> Recordings:
    """The recordings of a folder, their events mapped into memory.

    Raises:
        ValueError: A damaged folder.
    """
    card = _card(folder)
    try:
        events, recordings = int(card["events"]), int(card["recordings"])
        rows = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("counts", "y")}
        about = {str(name): np.load(folder / f"about_{name}.npy", allow_pickle=False) for name in card["about"]}
    except (KeyError, TypeError, EOFError, ValueError) as error:
        raise damaged(folder, "a whole folder of recordings", f"{type(error).__name__} ({error})") from error
    wrong = [name for name, values in (rows | about).items() if values.shape[:1] != (recordings,)]
    sizes = {name: (folder / file).stat().st_size for name, (file, _) in STREAMS.items()}
    if wrong or rows["counts"].sum() != events or any(size != 4 * events for size in sizes.values()):
        raise damaged(folder, f"{events} events of {recordings} recordings", f"{sizes} bytes")
    mapped = {name: _mapped(folder / file, kind, events) for name, (file, kind) in STREAMS.items()}
    return Recordings(mapped["t_us"], mapped["address"], rows["counts"], rows["y"], about)


def _card(folder: Path) -> dict:
    try:
        card = json.loads((folder / CARD).read_text())
    except ValueError as error:
        raise damaged(folder / CARD, "JSON", str(error)) from error
    if not isinstance(card, dict) or card.get("version") != VERSION:
        raise damaged(folder / CARD, f"version {VERSION}", f"{card!r:.80}")
    return card


def _streamed(folder: Path, parts: Iterable[Recordings], shape: tuple[int, ...]) -> Iterator[Recordings]:
    """The parts without their events, which go to the files."""
    with (folder / STREAMS["t_us"][0]).open("wb") as times, (folder / STREAMS["address"][0]).open("wb") as addresses:
        for part in parts:
            if len(part.t_us) and not 0 <= part.t_us.min() <= part.t_us.max() < 2**32:
                raise ValueError(f"`t_us`: expected times below 2^32 us (71 min), got up to {part.t_us.max()}.")
            if len(part.address) and not 0 <= part.address.min() <= part.address.max() < math.prod(shape):
                raise ValueError(f"`address`: expected 0 to {math.prod(shape) - 1}, got up to {part.address.max()}.")
            times.write(part.t_us.astype(STREAMS["t_us"][1]).tobytes())
            addresses.write(part.address.astype(STREAMS["address"][1]).tobytes())
            yield part._replace(t_us=np.empty(0, np.int64), address=np.empty(0, np.int32))


def _about(whole: Recordings) -> dict[str, np.ndarray]:
    return {f"about_{name}": values for name, values in whole.about.items()}


def _mapped(path: Path, kind: str, events: int) -> np.ndarray:
    return np.memmap(path, kind, "r", shape=(events,)) if events else np.empty(0, kind)
