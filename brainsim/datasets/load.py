"""Data sets by name, read from a folder that the user names or from `BRAINSIM_DATA`; nothing is ever downloaded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import _checks
from .digits import digits
from .idx import FILES, pictures
from .loader import Samples
from .nmnist import nmnist_small
from .yin_yang import yin_yang

FROM_FILES: dict[str, tuple[Callable[..., Samples], tuple[str, ...]]] = {
    "fashion_mnist": (pictures, FILES),
    "mnist": (pictures, FILES),
    "nmnist_small": (nmnist_small, ("nmnist_small_train.npz", "nmnist_small_test.npz")),
}
BUILT_IN = {"digits": digits, "yin_yang": yin_yang}


def load(name: str, root: str | Path | None = None, split: str = "train", **options: Any) -> Samples:
    """A data set by name.

    Args:
        name: "digits" (scikit-learn's, offline), "yin_yang" (made here), "mnist", "fashion_mnist" (pictures) or
            "nmnist_small" (event recordings).
        root: Folder of the files, or one that has them in a folder called `name`. Default: the environment variable
            `BRAINSIM_DATA`.
        split: Part of the data: "train", "test", and "valid" where the set has one.
        **options: What the set offers: `encode=` for arrays; `dt=` or `steps=` for event recordings.

    Raises:
        ValueError: An unknown name or split.
        FileNotFoundError: Files that are not there; the message says where they were looked for.
    """
    _checks.choice("name", name, [*BUILT_IN, *FROM_FILES])
    if name in BUILT_IN:
        return BUILT_IN[name](split, **options)
    read, files = FROM_FILES[name]
    return read(_folder(name, files, root), split, **options)


def _folder(name: str, files: tuple[str, ...], root: str | Path | None) -> Path:
    """The folder that holds all the files of a set."""
    given = root if root is not None else os.environ.get("BRAINSIM_DATA")
    if not given:
        raise FileNotFoundError(f"`root`: {name} needs {', '.join(files)}: give their folder, or set BRAINSIM_DATA.")
    for folder in (Path(given) / name, Path(given)):
        if all((folder / file).is_file() for file in files):
            return folder
    looked = ", ".join(str(Path(given) / name / file) for file in files)
    raise FileNotFoundError(f"`root`: {name} is not there; looked for {looked}.")
