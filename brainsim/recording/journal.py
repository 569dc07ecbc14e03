"""A run on its way to a file: what it recorded so far, in a folder beside that file, safe from a killed process.

    run.h5.part/<record>.<column>.bin    rows as they came, appended, in native byte order
    run.h5.part/commit.h5                how many rows of each column count, the state after them, what the run is of

A commit is written beside its place, flushed to the disk and renamed, after the rows that it counts. Whatever happens
to the process, the folder then holds a beginning of the run that is complete up to a step; rows after it are cut off
when the run goes on. Memory does not grow with the run: nothing is kept but one buffer a column.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from . import spike_file
from .records import Recording, Stored

_BUFFER = 1 << 20


class Committed(NamedTuple):
    """Where a run goes on.

    Attributes:
        steps: Steps done.
        state: State of the model after them.
        standing: What the collectors of the recorder had open, by key.
    """

    steps: int
    state: Any
    standing: Mapping[str, Any]


class JournalColumn:
    """A column of a record in a file of its own, growing at its end."""

    def __init__(self, path: Path, dtype: np.dtype, tail: tuple[int, ...], length: int = 0):
        self._path, self.dtype, self.tail, self._length = path, dtype, tail, length
        self._row = int(np.prod(tail, dtype=np.int64)) * dtype.itemsize
        found = path.stat().st_size if path.exists() else 0
        if found < length * self._row:
            raise ValueError(f"{path}: damaged, has {found} bytes, expected {length * self._row}: `resume=False`.")
        self._file = open(path, "ab", buffering=_BUFFER)
        self._file.truncate(length * self._row)

    def __len__(self) -> int:
        return self._length

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        self._file.write(np.ascontiguousarray(rows, self.dtype).view(np.uint8).data if rows.size else b"")
        self._length += len(rows)

    def sync(self) -> None:
        """Wait until all rows are on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def result(self) -> Stored:
        """The column as an array that stays in its file."""
        self._file.flush()

        def read(rows: slice) -> np.ndarray:
            start, stop, _ = rows.indices(self._length)
            count = max(stop - start, 0)
            raw = np.fromfile(self._path, np.uint8, count * self._row, offset=start * self._row)
            return raw.view(self.dtype).reshape(count, *self.tail)

        return Stored((self._length, *self.tail), self.dtype, read)

    def header(self) -> dict[str, Any]:
        """What a commit says of it."""
        return {"dtype": self.dtype.name, "tail": list(self.tail), "length": self._length}


class Journal:
    """The folder of one run that goes to the file `path`.

    Args:
        path: Final place; what is there stays whole until `finish`.
        dt: Step (ms).
        identity: Digests of what the run is made of, by name ("network", "inputs", ...): a run is only continued as
            what it was begun as.
        resume: "auto" goes on with an unfinished run of this file, True insists on one, False begins anew.

    Raises:
        ValueError: The place is not one for a file, another process is writing there, or the unfinished run is of
            something else.
        FileNotFoundError: `resume=True` although there is no unfinished run.
    """

    def __init__(
        self, path: str | os.PathLike[str], dt: float, identity: Mapping[str, str], resume: str | bool = "auto"
    ):
        if resume not in ("auto", True, False):
            raise ValueError(f'`resume`: expected "auto", True or False, got {resume!r}.')
        self._path, self._dt, self._identity = Path(path), dt, dict(identity)
        spike_file.check_place(self._path)
        self.folder = self._path.with_name(self._path.name + ".part")
        self._commit = self.folder / "commit.h5"
        if resume is True and not self._commit.exists():
            raise FileNotFoundError(f"`resume`: {self.folder} holds no unfinished run.")
        self.folder.mkdir(exist_ok=True)
        self._lock = os.open(self.folder, os.O_RDONLY)
        self._columns: dict[str, JournalColumn] = {}
        self._known: dict[str, Any] = {}
        self.committed: Committed | None = None
        try:
            self._take_lock()
            if resume is not False and self._commit.exists():
                self._restore()
            self._sweep()
        except BaseException:
            os.close(self._lock)
            raise

    def _take_lock(self) -> None:
        import fcntl  # of POSIX only

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"`to`: another process is writing {self._path}.") from None

    def _restore(self) -> None:
        found = spike_file.read(self._commit)
        stored = found.meta["identity"]
        differ = [name for name in {**stored, **self._identity} if stored.get(name) != self._identity.get(name)]
        if differ:
            raise ValueError(
                f"`to`: {self.folder} holds an unfinished run with other {', '.join(differ)}: `resume=False` discards "
                f"it, or choose another file."
            )
        self._known = {name: dict(column) for name, column in found.meta["columns"].items()}
        self.committed = Committed(found.steps, found.state, found.meta["standing"])

    def _sweep(self) -> None:
        """Remove what does not belong to the committed beginning."""
        for left in self.folder.iterdir():
            if left.name not in self._known and not (self.committed and left == self._commit):
                left.unlink()

    def column(self, key: str, field: str, dtype: np.dtype, tail: tuple[int, ...] = ()) -> JournalColumn:
        """The column `field` of the record `key`: empty, or as the commit has it."""
        name, length = _name(key, field), 0
        if name in self._known:
            known = self._known[name]
            dtype, tail, length = np.dtype(known["dtype"]), tuple(known["tail"]), known["length"]
        self._columns[name] = JournalColumn(self.folder / name, dtype, tail, length)
        return self._columns[name]

    def has(self, key: str, field: str) -> bool:
        """Whether the commit has this column."""
        return _name(key, field) in self._known

    def commit(self, start: int, steps: int, state: Any, standing: Mapping[str, Any]) -> None:
        """Make everything recorded so far safe; once this returns, a killed process loses nothing before it."""
        for column in self._columns.values():
            column.sync()
        meta = {
            "identity": self._identity,
            "columns": {name: column.header() for name, column in self._columns.items()},
            "standing": dict(standing),
        }
        spike_file.write(self._commit, Recording({}, self._dt, start, steps, state=state, meta=meta))
        self.committed = Committed(steps, state, standing)

    def finish(self, recording: Recording) -> Recording:
        """Write the file, remove the folder; the columns of `recording` are this journal's.

        Returns:
            The same recording, left in its file until it is looked at.
        """
        found = spike_file.write(self._path, recording)
        self._remove()
        return found

    def abort(self) -> None:
        """Stop without a file: a committed beginning stays for another attempt, anything less is removed."""
        if self._lock < 0:
            return
        if self.committed is None:
            self._remove()
        else:
            self._close()

    def _remove(self) -> None:
        self._commit.unlink(missing_ok=True)  # first: without it the rest is nothing
        self._close()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _close(self) -> None:
        for column in self._columns.values():
            column.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _name(key: str, field: str) -> str:
    return f"{quote(key, safe='')}.{field}.bin"
