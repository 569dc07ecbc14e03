"""Data sets by name: from a folder that the user names or `BRAINSIM_DATA`, from the network, or made here."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import _checks
from .digits import digits
from .download import fetch
from .dvs_letters import dvs_letters36
from .events import EventDataset
from .fsdd import fsdd, fsdd_cochlea140
from .idx import FILES, pictures
from .loader import Samples
from .nmnist import nmnist_small
from .official import OFFICIAL, Official
from .readers import Recordings
from .store import stored
from .tasks import adding, cue_accumulation, delayed_match, randman, spike_patterns
from .yin_yang import yin_yang

FROM_FILES: dict[str, tuple[Callable[..., Samples], tuple[str, ...]]] = {
    "dvs_letters36": (dvs_letters36, ("dvs_letters36_train.npz", "dvs_letters36_test.npz")),
    "fashion_mnist": (pictures, FILES),
    "fsdd": (fsdd, ("fsdd_train.npz", "fsdd_test.npz")),
    "fsdd_cochlea140": (fsdd_cochlea140, ("fsdd_cochlea140_train.npz", "fsdd_cochlea140_test.npz")),
    "mnist": (pictures, FILES),
    "nmnist_small": (nmnist_small, ("nmnist_small_train.npz", "nmnist_small_test.npz")),
}
BUILT_IN: dict[str, Callable[..., Samples]] = {
    "adding": adding,
    "cue_accumulation": cue_accumulation,
    "delayed_match": delayed_match,
    "digits": digits,
    "randman": randman,
    "spike_patterns": spike_patterns,
    "yin_yang": yin_yang,
}

_log = logging.getLogger("brainsim")


def load(
    name: str, root: str | Path | None = None, split: str = "train", *, download: bool = True, **options: Any
) -> Any:
    """A data set by name.

    Args:
        name: "digits" (scikit-learn's); made here: "yin_yang", "randman", "cue_accumulation", "delayed_match",
            "adding", "spike_patterns" (`tasks` has their options); from files: "mnist", "fashion_mnist" (pictures),
            "fsdd" (sound); event recordings "nmnist_small", "dvs_letters36", "fsdd_cochlea140", and the benchmarks in
            their official files, "shd", "ssc", "nmnist", "ncaltech101", "dvs_gesture", "cifar10_dvs", "poker_dvs",
            "n_tidigits", "st_mnist".
        root: Folder of the files, or one that has them in a folder called `name`. Default: the environment variable
            `BRAINSIM_DATA`.
        split: Part of the data: "train", "test", and "valid" where the set has one; "all" of a set without official
            split (`datasets.split` parts it).
        download: Whether official files that are not there are fetched into `root/name`. They are read once; the events
            are kept beside them, in a folder `events_SPLIT` that is mapped into memory.
        **options: What the set offers: `encode=` for arrays and sound; `dt=` or `steps=` for event recordings.

    Returns:
        A `Dataset` of arrays, an `AudioDataset`, or an `EventDataset`: times in microseconds, addresses, labels, shape
        of the sensor, names of the classes.

    Raises:
        ValueError: An unknown name or split, or a damaged file.
        FileNotFoundError: Files that are not there; the message says where they were looked for, and whence they come.
    """
    _checks.choice("name", name, [*BUILT_IN, *FROM_FILES, *OFFICIAL])
    if name in BUILT_IN:
        return BUILT_IN[name](split, **options)
    if name in OFFICIAL:
        return _official(name, _root(name, root), split, download, **options)
    read, files = FROM_FILES[name]
    return read(_folder(name, files, root), split, **options)


def _root(name: str, root: str | Path | None) -> Path:
    given = root if root is not None else os.environ.get("BRAINSIM_DATA")
    if not given:
        needed = (
            FROM_FILES[name][1] if name in FROM_FILES else (part.pattern for part in OFFICIAL[name].splits.values())
        )
        raise FileNotFoundError(f"`root`: {name} needs {', '.join(needed)}: give their folder, or set BRAINSIM_DATA.")
    return Path(given)


def _folder(name: str, files: tuple[str, ...], root: str | Path | None) -> Path:
    """The folder that holds all the files of a set."""
    given = _root(name, root)
    for folder in (given / name, given):
        if all((folder / file).is_file() for file in files):
            return folder
    looked = ", ".join(str(given / name / file) for file in files)
    raise FileNotFoundError(f"`root`: {name} is not there; looked for {looked}.")


def _official(name: str, root: Path, split: str, download: bool, **options: Any) -> EventDataset:
    """A benchmark, read from its files once and from then on from `events_SPLIT` beside them."""
    official = OFFICIAL[name]
    _checks.choice("split", split, official.splits)
    folder, files = _files(name, official, split, root, download)
    found = _events(official, folder, files, split)
    classes = official.classes or (official.found_keys(files) if official.read is not None else ())
    return EventDataset.of_recordings(found, official.shape, classes=classes, **options)


def _events(official: Official, folder: Path, files: list[Path], split: str) -> Recordings:
    """All recordings of a split, mapped into memory where the folder can be written to."""
    digest = hashlib.blake2b(official.title.encode(), digest_size=16)
    for path in files:
        facts = path.stat()
        digest.update(f"{path.relative_to(folder)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    if not os.access(folder, os.W_OK):
        _log.info("%s cannot be written to: the events of %s are kept in memory.", folder, official.title)
        return Recordings.joined(list(official.recordings(files, split)))
    kept = folder / f"events_{split}"
    return stored(kept, digest.hexdigest(), official.shape, lambda: official.recordings(files, split))


def _files(name: str, official: Official, split: str, root: Path, download: bool) -> tuple[Path, list[Path]]:
    """The folder of a set, and the files of a split, which are fetched where they are not there."""
    part, why = official.splits[split], "`download` is off"
    for attempt in ("there", "fetched"):
        for folder in (root / name, root):
            files = sorted(folder.glob(part.pattern)) if folder.is_dir() else []
            if len(files) >= part.count:
                return folder, files
        if attempt == "there" and download:
            try:
                for archive in part.archives:
                    fetch(archive, root / name)
            except OSError as error:
                why = str(error)
    archives = ", ".join(f"{archive.name} ({archive.url or official.page})" for archive in part.archives)
    raise FileNotFoundError(
        f"`root`: {official.title} is not there; looked for {part.count} file{'s' * (part.count > 1)} "
        f"{root / name / part.pattern} or {root / part.pattern}. It comes in {archives}, see {official.page}; "
        f"put it into {root / name}. Not fetched: {why}"
    )
