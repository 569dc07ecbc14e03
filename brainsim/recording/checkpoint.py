"""Models, states and optimizer states on disk through orbax: the last few steps, each there whole or not at all.

    folder/checkpoint_<step>/arrays (orbax), structure (JSON: format, versions, the tree without its arrays, SHA-256)

Orbax writes a step beside its place and renames it: a process that is killed leaves the steps before it intact. Models
made of brainsim's own parts come back from the file alone. A class or function of the user's program does not (it would
mean running what a file says): then `like=`, a model of the same structure, is needed, and the message says where.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._checks import within
from .provenance import versions
from .structure import decode, encode

FORMAT = 1
_PREFIX = "checkpoint"


class Saved(NamedTuple):
    """What `save` stored and `load` returns.

    Attributes:
        model: The model.
        state: State of the model, or None.
        opt_state: State of the optimizer, or None.
        extra: Numbers, text and arrays in dicts and lists, or None.
    """

    model: Any
    state: Any = None
    opt_state: Any = None
    extra: Any = None


def save(
    path: str | os.PathLike[str], model: Any, *, state: Any = None, opt_state: Any = None, extra: Any = None
) -> None:
    """Store a model, and what belongs to it, in a folder; what was there goes only once the new is complete.

    Args:
        path: Folder.
        model: Any pytree of arrays; unfinished value slots are not allowed.
        state: State of the model.
        opt_state: State of the optimizer.
        extra: Numbers, text and arrays in dicts and lists.
    """
    folder = Checkpoint(path, keep=1)
    latest = folder.latest()
    folder.save(0 if latest is None else latest + 1, Saved(model, state, opt_state, extra))


def load(path: str | os.PathLike[str], like: Any = None) -> Saved:
    """What `save` stored: `model, state, opt_state, extra = load(path)`.

    Args:
        path: Folder.
        like: A model of the same structure, or a `Saved` of such; needed where a part comes from the user's program.
            It is compared with the file place by place.

    Raises:
        FileNotFoundError: Nothing is stored there.
        ValueError: Damaged, of a newer version, different from `like`, or in need of it.
    """
    folder = Checkpoint(path, keep=1)
    if folder.latest() is None:
        raise FileNotFoundError(f"{folder.folder}: no checkpoint of brainsim in this folder.")
    if like is None:
        saved = folder.restore()
    elif isinstance(like, Saved):
        saved = folder.restore(like)
    else:
        saved = folder.restore(Saved(like), only="model")
    if not isinstance(saved, Saved):
        raise ValueError(f"{folder.folder}: holds a step of a training, not what `save` writes.")
    return saved


class Checkpoint:
    """The last `keep` steps of something that runs, in one folder.

    Args:
        folder: Where; made when first written to.
        keep: Number of steps kept, the newest.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3):
        within("keep", keep, low=1)
        self.folder, self._keep = Path(folder).absolute(), keep
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"`path`: {self.folder} is a file, expected a folder.")

    def steps(self) -> list[int]:
        """Steps that are there whole, oldest first."""
        if not self.folder.is_dir():
            return []
        names = (entry.name.removeprefix(f"{_PREFIX}_") for entry in self.folder.glob(f"{_PREFIX}_*") if entry.is_dir())
        return sorted(int(name) for name in names if name.isdigit())

    def latest(self) -> int | None:
        """The newest step, or None."""
        return max(self.steps(), default=None)

    def save(self, step: int, tree: Any) -> None:
        """Store a pytree (arrays, typed keys, numbers, text) as step `step`, then drop the steps beyond `keep`.

        Raises:
            ValueError: The step is not after the newest one.
        """
        from orbax import checkpoint as ocp

        latest = self.latest()
        if latest is not None and step <= latest:
            raise ValueError(f"`step`: expected a step after {latest}, the newest in {self.folder}, got {step}.")
        structure, arrays = encode(tree, "saved")
        head = {"format": FORMAT, "versions": versions(), "structure": structure, "arrays": _kinds(arrays)}
        head["sha256"] = _digest(head, arrays)
        stored = {str(k): array for k, array in enumerate(arrays) if array.size} | {"format": np.asarray(FORMAT)}
        items = ocp.args.Composite(arrays=ocp.args.PyTreeSave(stored), structure=ocp.args.JsonSave(head))
        options = ocp.CheckpointManagerOptions(
            max_to_keep=self._keep,
            step_prefix=_PREFIX,
            cleanup_tmp_directories=True,
            enable_async_checkpointing=False,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        with ocp.CheckpointManager(self.folder, options=options) as manager:
            manager.save(step, args=items)

    def restore(self, like: Any = None, *, step: int | None = None, only: str | None = None) -> Any:
        """The tree of a step, bit for bit.

        Args:
            like: A tree of the same structure, checked against the stored one.
            step: Which step; None takes the newest.
            only: Check only this field of the stored named tuple against `like`.

        Raises:
            FileNotFoundError: No such step.
            ValueError: Damaged, of a newer version, different from `like`, or in need of it.
        """
        step = self.latest() if step is None else step
        place = self.folder / f"{_PREFIX}_{step}"
        if step is None or not place.is_dir():
            raise FileNotFoundError(f"{place if step is not None else self.folder}: no checkpoint of brainsim here.")
        head, arrays = _read(place)
        try:
            if only is None:
                return decode(head["structure"], arrays, name="saved", **({} if like is None else {"like": like}))
            fields = dict(head["structure"]["fields"])
            found = {name: decode(field, arrays, name=name) for name, field in fields.items() if name != only}
            found[only] = decode(fields[only], arrays, like=getattr(like, only), name=only)
            return type(like)(**found)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        except (KeyError, TypeError) as error:
            raise ValueError(f"{place}: not what `save` writes ({error}).") from error


def _read(place: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Head and arrays of one step, checked."""
    from orbax import checkpoint as ocp

    try:
        with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
            head = reader.restore(place / "structure")
        if head["format"] > FORMAT:
            raise ValueError(f"written in format {head['format']}, this version reads up to {FORMAT}")
        with ocp.PyTreeCheckpointer() as reader:
            stored = reader.restore(place / "arrays")
        kinds = head["arrays"]
        arrays = [
            np.asarray(stored[str(k)]) if str(k) in stored else np.zeros(kind["shape"], kind["dtype"])
            for k, kind in enumerate(kinds)
        ]
        if _kinds(arrays) != kinds or _digest(head, arrays) != head["sha256"]:
            raise ValueError("its SHA-256 is not the one it was written with")
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RuntimeError, RecursionError) as error:
        raise ValueError(f"{place}: damaged or not a checkpoint of brainsim: {error}.") from error
    return head, arrays


def _kinds(arrays: list[np.ndarray]) -> list[dict[str, Any]]:
    return [{"shape": list(array.shape), "dtype": array.dtype.name} for array in arrays]


def _digest(head: dict[str, Any], arrays: list[np.ndarray]) -> str:
    signed = {name: value for name, value in head.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(signed, sort_keys=True).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()
