"""One HDF5 file a run: spikes as SONATA has them, traces, histograms, rates, state and meta; whole or not at all.

    /spikes/<population>/timestamps (ms), node_ids      SONATA; (k + 1) dt for a spike of step k, sorted by time
    /traces/<key>/values, /histograms/<key>/binned, /rates/<key>/counts, /arrays/<number>, /brainsim/header (JSON)

The first 512 bytes (an HDF5 user block, which other readers skip) hold the format's version, the file's length and the
SHA-256 of everything behind it, checked before HDF5 reads a byte: a damaged file is refused, not interpreted. There is
no pickle in it.
Dai et al., PLoS Comput. Biol. 16 (2020) e1007696.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from .records import HistogramRecord, RateRecord, Record, Recording, SpikeRecord, Stored, TraceRecord
from .structure import decode, encode

FORMAT = 1
_BLOCK = 512
_MAGIC = b"brainsim result"
_KINDS: dict[str, type] = {
    "spikes": SpikeRecord,
    "trace": TraceRecord,
    "histogram": HistogramRecord,
    "rate": RateRecord,
}
_GROUPS = {
    "step": "spikes",
    "id": "spikes",
    "trial": "spikes",
    "value": "spikes",
    "values": "traces",
    "binned": "histograms",
    "counts": "rates",
}
_SONATA = {"step": "timestamps", "id": "node_ids"}
_SLAB = 1 << 24
"""Bytes copied or hashed at a time."""


class FileColumn:
    """A column of a record inside an open file, filled from its first row on."""

    def __init__(self, dataset: h5py.Dataset, dtype: np.dtype, outward: Callable[[np.ndarray], np.ndarray]):
        self.dataset, self.dtype, self._outward, self._length = dataset, dtype, outward, 0

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows."""
        end = self._length + len(rows)
        if rows.size:
            self.dataset[self._length : end] = self._outward(np.ascontiguousarray(rows, self.dtype))
        self._length = end

    def header(self) -> dict[str, Any]:
        """What the file says of it."""
        return {"dataset": self.dataset.name, "dtype": self.dtype.name, "shape": list(self.dataset.shape)}


class _Writer:
    """A file being written beside its final place, which `finish` moves it to."""

    def __init__(self, path: Path, dt: float):
        self._path, self._dt = path, dt
        check_place(path)
        _sweep(path)
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        self._file = h5py.File(self._temporary, "w", userblock_size=_BLOCK)
        self._file.attrs["magic"], self._file.attrs["version"] = np.uint32(0x0A7A), np.asarray([0, 1], np.uint32)

    def column(self, key: str, field: str, dtype: np.dtype, shape: tuple[int, ...]) -> FileColumn:
        """A new column of the record `key`."""
        part = key.rpartition(".")[0] if _GROUPS[field] == "spikes" else key
        group = f"{_GROUPS[field]}/{part.replace('/', '%2F')}"
        stored = np.dtype({"step": "f8", "id": "u8"}.get(field, _storable(dtype)))
        dataset = self._file.create_dataset(f"{group}/{_SONATA.get(field, field)}", shape, stored)
        if field == "step":
            sorting = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="i1")
            self._file[group].attrs.create("sorting", 2, dtype=sorting)
            dataset.attrs["units"] = "ms"
            return FileColumn(dataset, dtype, lambda step: (step + 1) * self._dt)
        return FileColumn(dataset, dtype, lambda rows: rows.view(stored) if field in ("values", "counts") else rows)

    def finish(self, recording: Recording) -> None:
        """Write the header and move the file to its place; the columns of `recording` are this writer's."""
        file = self._file
        header = {key: getattr(recording, key) for key in ("dt", "start", "steps", "batch")}
        header["records"] = {key: _record_header(record) for key, record in recording.records.items()}
        rest = {
            "state": recording.state,
            "units": dict(recording.units),
            "meta": dict(recording.meta),
            "ids": {key: getattr(record, "ids", None) for key, record in recording.records.items()},
            "edges": {key: r.edges for key, r in recording.records.items() if isinstance(r, HistogramRecord)},
        }
        header["rest"], arrays = encode(rest, "result", foreign=False)
        for k, array in enumerate(arrays):
            file.create_dataset(f"arrays/{k}", data=array.view(_storable(array.dtype)) if array.size else array)
        header["arrays"] = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
        file["brainsim/header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        file.close()
        _sign(self._temporary)
        os.replace(self._temporary, self._path)
        _sync_folder(self._path.parent)

    def abort(self) -> None:
        """Remove what is unfinished; nothing where `finish` has been reached."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raise where no file can be written to `path`."""
    if not path.parent.is_dir():
        raise ValueError(f"`path`: folder {path.parent} does not exist.")
    if path.is_dir():
        raise ValueError(f"`path`: {path} is a folder, expected a file.")


def write(path: str | os.PathLike[str], recording: Recording) -> Recording:
    """Store a recording, atomically: `path` has the whole new file or what it had before.

    Returns:
        The same recording, its spikes and traces left in the file until they are looked at.

    Raises:
        TypeError: The recording was made under a trace (jit, grad, vmap), or holds something that cannot be stored.
    """
    path = Path(path)
    writer = _Writer(path, recording.dt)
    try:
        records = {key: _copied(writer, key, record) for key, record in recording.records.items()}
        writer.finish(dataclasses.replace(recording, records=records))
    finally:
        writer.abort()
    return dataclasses.replace(_interpret(path), state=recording.state, meta=recording.meta)


def read(path: str | os.PathLike[str]) -> Recording:
    """The recording in a file; spikes and traces stay there until they are looked at.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a file of this format, of a newer version, truncated or damaged; says which.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, expected a file of a result.")
    _verify(path)
    return _interpret(path)


def _copied(writer: _Writer, key: str, record: Record) -> Record:
    if not isinstance(record, tuple(_KINDS.values())):
        raise TypeError(f'"{key}" was recorded under jit, grad or vmap: there are no events to store.')
    columns = {}
    for field in (field.name for field in dataclasses.fields(record) if field.name in _GROUPS):
        source = getattr(record, field)
        if source is None or isinstance(source, int):
            continue
        column = columns[field] = writer.column(key, field, source.dtype, source.shape)
        for rows in _slabs(source.shape, source.dtype.itemsize):
            column.append(source.read(rows) if isinstance(source, Stored) else np.asarray(source)[rows])
    return dataclasses.replace(record, **columns)


def _slabs(shape: tuple[int, ...], itemsize: int) -> Iterator[slice]:
    """The first axis in slices of about `_SLAB` bytes."""
    rows = max(1, _SLAB // max(1, itemsize * int(np.prod(shape[1:], dtype=np.int64))))
    return (slice(begin, begin + rows) for begin in range(0, shape[0], rows))


def _record_header(record: Record) -> dict[str, Any]:
    kind = next(name for name, cls in _KINDS.items() if isinstance(record, cls))
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.name != "ids"}
    columns = {name: value.header() for name, value in fields.items() if isinstance(value, FileColumn)}
    return {
        "kind": kind,
        "columns": columns,
        **{name: fields[name] for name in ("every", "bin", "size") if name in fields},
    }


def _interpret(path: Path) -> Recording:
    with _faults_named(path):
        file = h5py.File(path, "r")
        header = json.loads(_read(file, "brainsim/header", "uint8", None).tobytes())
        dt, start, steps, batch = (header[key] for key in ("dt", "start", "steps", "batch"))
        counts = [start, steps, *([] if batch is None else [batch])]
        if type(dt) is not float or not 0 < dt < math.inf or any(type(n) is not int or n < 0 for n in counts):
            raise ValueError("the clock in its header makes no sense")
        arrays = [_read(file, f"arrays/{k}", at["dtype"], at["shape"]) for k, at in enumerate(header["arrays"])]
        rest = decode(header["rest"], arrays, name="result")
        records = {
            key: _interpret_record(file, fields, rest["ids"][key], rest.get("edges", {}).get(key), header)
            for key, fields in header["records"].items()
        }
        return Recording(records, dt, start, steps, batch, rest["units"], rest["state"], rest["meta"])


def _interpret_record(file: h5py.File, fields: dict, ids: Any, edges: Any, header: dict) -> Record:
    numbers = {name: fields[name] for name in ("every", "bin", "size") if name in fields}
    if any(type(number) is not int or number < (name != "size") for name, number in numbers.items()):
        raise ValueError(f"a record has {numbers}")
    if ids is not None and (not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1):
        raise ValueError("the neurons of a record are not a list of numbers")
    columns: dict[str, Any] = {}
    for name, at in fields["columns"].items():
        if name == "counts":
            columns[name] = _read(file, at["dataset"], at["dtype"], at["shape"])
        elif name in ("values", "binned"):
            columns[name] = _stored(file, at)
        else:
            columns[name] = _stored(
                file, at, {"step": "float64", "id": "uint64"}.get(name), _inward(name, header["dt"])
            )
    if fields["kind"] == "spikes":
        return _spikes(columns, ids, fields["size"], header)
    if fields["kind"] == "rate":
        return RateRecord(columns["counts"], fields["bin"], fields["size"])
    if fields["kind"] == "histogram":
        if not isinstance(edges, np.ndarray) or edges.ndim != 1 or columns["binned"].shape[-1] != edges.size + 1:
            raise ValueError("the bins of a histogram and its edges do not fit")
        return HistogramRecord(columns["binned"], edges, fields["every"], fields["size"])
    return TraceRecord(columns["values"], fields["every"], ids)


def _inward(name: str, dt: float) -> Callable[[np.ndarray], np.ndarray]:
    """From what SONATA stores to what a record has."""

    def step(times: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return (np.rint(times / dt) - 1).astype(np.int64)

    def neuron(ids: np.ndarray) -> np.ndarray:
        if ids.size and ids.max() > np.iinfo(np.int32).max:
            raise ValueError(f"its spikes have an id {ids.max()}")
        return ids.astype(np.int32)

    return {"step": step, "id": neuron}.get(name, lambda rows: rows)


def _spikes(columns: dict[str, Stored], ids: Any, size: int, header: dict) -> SpikeRecord:
    """A record of spikes whose every event has been looked at, slab by slab."""
    begin, end = header["start"], header["start"] + header["steps"]
    if (header["batch"] is None) == ("trial" in columns):
        raise ValueError("its batch and the trials of its spikes do not fit")
    if len({column.shape for column in columns.values()}) != 1 or len(columns["step"].shape) != 1:
        raise ValueError("its columns of spikes differ in length")
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        raise ValueError("the neurons of a record are not in its population")
    limits = {"step": (begin, end), "id": (0, size), "trial": (0, header["batch"] or 0)}
    last = begin
    for rows in _slabs(columns["step"].shape, columns["step"].dtype.itemsize):
        slab = {name: column.read(rows) for name, column in columns.items() if name in limits}
        for name, values in slab.items():
            low, high = limits[name]
            if not (values.min() >= low and values.max() < high):
                raise ValueError(f"its spikes have a {name} that is not in [{low}, {high})")
        if not np.isin(slab["id"], ids).all():
            raise ValueError("its spikes are not of the neurons that were recorded")
        if slab["step"][0] < last or (np.diff(slab["step"]) < 0).any():
            raise ValueError("its spikes are not in the order of time")
        last = slab["step"][-1]
    return SpikeRecord(columns["step"], columns["id"], columns.get("trial"), columns.get("value"), ids, size)


def _read(file: h5py.File, name: str, dtype: str, shape: list[int] | None) -> np.ndarray:
    """An array of the file, its size held against the file's before anything is allocated."""
    raw = _checked(file, name, dtype, shape)[()]
    return raw if raw.dtype == np.dtype(dtype) else raw.view(np.dtype(dtype))


def _checked(file: h5py.File, name: str, dtype: str, shape: list[int] | None) -> h5py.Dataset:
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype not in (np.dtype(dtype), _storable(np.dtype(dtype))):
        raise ValueError(f"{name} is not an array of {dtype}")
    if shape is not None and list(dataset.shape) != shape:
        raise ValueError(f"{name} has shape {list(dataset.shape)}, its header says {shape}")
    if dataset.nbytes > dataset.id.get_storage_size():
        raise ValueError(f"{name} claims {dataset.nbytes} bytes and has {dataset.id.get_storage_size()}")
    return dataset


def _stored(
    file: h5py.File,
    at: dict,
    raw: str | None = None,
    inward: Callable[[np.ndarray], np.ndarray] = lambda rows: rows,
) -> Stored:
    """A column that keeps its file open, so that moving or replacing the file does not matter."""
    dataset = _checked(file, at["dataset"], raw or at["dtype"], at["shape"])
    dtype, path = np.dtype(at["dtype"]), file.filename

    def part(rows: slice) -> np.ndarray:
        with _faults_named(Path(path)):
            found = inward(dataset[rows])
        return found if found.dtype == dtype else found.view(dtype)

    return Stored(tuple(dataset.shape), dtype, part)


def _storable(dtype: np.dtype) -> np.dtype:
    """The dtype itself, or unsigned integers of its size where HDF5 does not know it (bfloat16)."""
    return dtype if dtype.kind in "biufc" else np.dtype(f"u{dtype.itemsize}")


@contextlib.contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    """Turn every way in which reading a broken file fails into a ValueError that names the file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{path}: not a readable result of brainsim: {error}.") from error


def _sign(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(_BLOCK)
        digest = _digest(file)
        block = b"%s %d\n%d bytes\nsha256 %s\n" % (_MAGIC, FORMAT, os.fstat(file.fileno()).st_size, digest)
        file.seek(0)
        file.write(block.ljust(_BLOCK, b"\0"))
        file.flush()
        os.fsync(file.fileno())


def _verify(path: Path) -> None:
    with open(path, "rb") as file:
        block = file.read(_BLOCK)
        words = block.rstrip(b"\0").split()
        if not block.startswith(_MAGIC + b" ") or len(words) != 7 or not (words[2].isdigit() and words[3].isdigit()):
            raise ValueError(f"{path}: not a result of brainsim (its first bytes are {block[:16]!r}).")
        if int(words[2]) > FORMAT:
            raise ValueError(f"{path}: written in format {int(words[2])}, this version reads up to {FORMAT}.")
        size = os.fstat(file.fileno()).st_size
        if size != int(words[3]):
            raise ValueError(f"{path}: has {size} bytes, expected {int(words[3])}: truncated or appended to.")
        if _digest(file) != words[6]:
            raise ValueError(f"{path}: damaged, its SHA-256 is not the one it was written with.")


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while block := file.read(_SLAB):
        digest.update(block)
    return digest.hexdigest().encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Remove what writers of this file left behind when they were killed."""
    for left in path.parent.iterdir():
        found = re.fullmatch(re.escape(f".{path.name}.") + r"(\d+)\.[0-9a-f]+\.tmp", left.name)
        if found and not _runs(int(found[1])):
            left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
