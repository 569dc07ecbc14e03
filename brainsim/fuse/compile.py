"""From LLVM source to a function that the native handler can call: compiled once, kept in memory and on disk.

An executable names its kernels by digest, and the handler holds each for as long as the executable lives; the machine
code itself belongs to this table, which lets go of the oldest kernels that no executable holds. The folder of machine
code is `BRAINSIM_CACHE`, by default `brainsim` in the user's cache folder; a damaged file is compiled anew.
"""

import collections
import hashlib
import os
import tempfile
import threading
from pathlib import Path

import llvmlite.binding as llvm

from .. import _native
from . import machine
from .kernel import NAME, Kernel

KEPT = 64
"""Kernels without an executable that stay in memory."""

_lock = threading.RLock()  # LLVM as llvmlite wraps it is not thread-safe
_engines: collections.OrderedDict[str, llvm.ExecutionEngine] = collections.OrderedDict()


def load(kernel: Kernel) -> None:
    """Make a kernel known to the native handler."""
    with _lock:
        if kernel.digest in _engines:
            _engines.move_to_end(kernel.digest)
            return
        _forget_unused()
        engine = _engine(_machine_code(kernel))
        _native.add_kernel(kernel.digest, engine.get_function_address(NAME))
        _engines[kernel.digest] = engine


def _forget_unused() -> None:
    excess = len(_engines) + 1 - KEPT
    for digest in list(_engines)[: max(excess, 0)]:
        if _native.drop_kernel(digest):
            _engines.pop(digest).close()


def _engine(code: bytes) -> llvm.ExecutionEngine:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine.target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _machine_code(kernel: Kernel) -> bytes:
    """The object file of a kernel, from the disk where it is there."""
    path = folder() / f"{kernel.digest}.o"
    known = _read(path)
    if known is not None:
        return known
    module = llvm.parse_assembly(kernel.source)
    module.verify()
    machine.optimize(module)
    code = machine.target().emit_object(module)
    _write(path, code)
    return code


def folder() -> Path:
    """Where machine code is kept."""
    chosen = os.environ.get("BRAINSIM_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brainsim"


def _read(path: Path) -> bytes | None:
    """A file that begins with the SHA-256 of its rest."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[32:]
    return code if content[:32] == hashlib.sha256(code).digest() else None


def _write(path: Path, code: bytes) -> None:
    """Write whole or not at all; a folder that cannot be written to means no cache on disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(name, path)
    except OSError:
        return
