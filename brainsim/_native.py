"""Finds the native kernels, checks that they fit, and registers them; or says in one sentence why not.

The choice is made once, at import. `BRAINSIM_KERNELS=off` takes the XLA definitions, `BRAINSIM_REQUIRE_KERNELS=1`
turns a missing library into an `ImportError`, `BRAINSIM_ISA=avx512|avx2|baseline` forces an instruction set (read by
the library when it is loaded).
"""

import ctypes
import hashlib
import os
import re
from importlib import metadata, resources
from pathlib import Path
from typing import NamedTuple

import jax

LIBRARY = "libbrainsim_kernels.so"
DIGEST = "kernels.sha256"
TARGETS = (
    "bs_csr_push_v1",
    "bs_csr_pull_v1",
    "bs_csr_outer_v1",
    "bs_procedural_push_v1",
    "bs_delay_ring_take_v1",
    "bs_delay_ring_put_v1",
    "bs_event_dense_v1",
    "bs_event_affine_v1",
    "bs_event_dense_outer_v1",
    "bs_event_packed_v1",
    "bs_pack_bits_v1",
    "bs_packed_outer_v1",
    "bs_sampled_dense_v1",
    "bs_event_conv_v1",
    "bs_event_conv_pull_v1",
    "bs_event_conv_outer_v1",
)
FUSED = "bs_fused_v1"
"""Runs a fused program; it has a second stage, which decodes the program when an executable is made."""
OLDEST_FFI = (0, 2)  # the first that offers XLA's thread pool


class Found(NamedTuple):
    """A library that was opened, and what it says of itself."""

    library: ctypes.CDLL
    path: Path
    isa: str
    ffi: tuple[int, int]
    digest: str


def digest_of(sources: Path) -> str:
    """SHA-256 over the kernel sources in `sources`, as `kernels/CMakeLists.txt` computes it."""
    files = sorted(f for f in sources.iterdir() if f.suffix in (".h", ".cc") or f.name == "CMakeLists.txt")
    listing = "".join(f"{f.name} {hashlib.sha256(f.read_bytes()).hexdigest()}\n" for f in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def runtime_ffi() -> tuple[int, int]:
    """XLA FFI version, (major, minor), of the installed jaxlib, read from the headers that it ships."""
    header = (Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h").read_text(encoding="utf-8")
    major, minor = (re.search(rf"#define XLA_FFI_API_{part} (\d+)", header) for part in ("MAJOR", "MINOR"))
    if major is None or minor is None:
        raise ImportError(f"jaxlib {metadata.version('jaxlib')} does not state its XLA FFI version in c_api.h.")
    return int(major[1]), int(minor[1])


def ffi_problem(built: tuple[int, int], offered: tuple[int, int]) -> str | None:
    """Why a library built for FFI `built` must not be registered with a runtime that offers `offered`, or None.

    XLA accepts a handler that is too new and then refuses to start the whole CPU backend, so this is asked first.
    """
    versions = f"XLA FFI {built[0]}.{built[1]}, jaxlib {metadata.version('jaxlib')} offers {offered[0]}.{offered[1]}"
    if built > offered:
        return f"The kernels were built for a newer runtime ({versions}); upgrade jaxlib or reinstall brainsim."
    if built[0] < offered[0] or built < OLDEST_FFI:
        return f"The kernels were built for an older runtime ({versions}); reinstall brainsim."
    return None


def digest_problem(compiled: str, recorded: str, sources: Path | None) -> str | None:
    """Why a library with digest `compiled` does not belong to this package, or None; `sources` is None in a wheel."""
    if compiled != recorded:
        return "The kernel library and the digest installed with it differ; reinstall brainsim."
    if sources is not None and compiled != digest_of(sources):
        return f"The kernel library is older than the sources in {sources}; run `pip install -e .` again."
    return None


def source_folder() -> Path | None:
    """`kernels/` of the checkout this package is imported from, or None in a wheel."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout / "kernels" if (checkout / "kernels" / "CMakeLists.txt").is_file() else None


def open_library(path: Path) -> Found:
    """Opens the library at `path`; an `ImportError` says if `BRAINSIM_ISA` asks for what this CPU lacks."""
    library = ctypes.CDLL(str(path))
    for function in (library.bs_digest, library.bs_isa, library.bs_isa_problem):
        function.restype = ctypes.c_char_p
    problem = library.bs_isa_problem()
    if problem is not None:
        raise ImportError(f"{problem.decode()} (got {os.environ.get('BRAINSIM_ISA')!r}).")
    ffi = (library.bs_ffi_major(), library.bs_ffi_minor())
    return Found(library, path, library.bs_isa().decode(), ffi, library.bs_digest().decode())


def _load() -> tuple[Found | None, str | None]:
    """The library that is now registered, or None and the sentence."""
    wish = os.environ.get("BRAINSIM_KERNELS", "")
    if wish == "off":
        return None, "BRAINSIM_KERNELS=off asks for the XLA path."
    if wish not in ("", "on"):
        raise ImportError(f"BRAINSIM_KERNELS must be on or off, got {wish!r}.")
    folder = resources.files("brainsim") / "_lib"
    if not (folder / LIBRARY).is_file():
        return None, "brainsim was installed without its native kernels; install it with a C++ compiler present."
    with resources.as_file(folder / LIBRARY) as path:
        try:
            found = open_library(path)
        except (OSError, AttributeError) as error:
            return None, f"The kernel library does not load ({error}); reinstall brainsim."
    recorded = (folder / DIGEST).read_text(encoding="utf-8").strip() if (folder / DIGEST).is_file() else "none"
    problem = digest_problem(found.digest, recorded, source_folder()) or ffi_problem(found.ffi, runtime_ffi())
    if problem is not None:
        return None, problem
    for name in TARGETS:
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(found.library, name)), platform="cpu")
    _register_fused(found.library)
    return found, None


def _register_fused(library: ctypes.CDLL) -> None:
    """Registers the two stages of the handler of fused programs, and types the functions of the kernel registry."""
    stages = {"instantiate": library.bs_fused_instantiate_v1, "execute": library.bs_fused_v1}
    handlers = {stage: jax.ffi.pycapsule(handler) for stage, handler in stages.items()}
    jax.ffi.register_ffi_target(FUSED, handlers, platform="cpu")
    library.bs_fused_add.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.bs_fused_add.restype = None
    library.bs_fused_users.argtypes = [ctypes.c_char_p]
    library.bs_fused_users.restype = ctypes.c_int64
    library.bs_fused_drop.argtypes = [ctypes.c_char_p]
    library.bs_fused_drop.restype = None


_FOUND, WHY_XLA = _load()
"""`WHY_XLA`: None when the native kernels are in use, else one sentence."""

if WHY_XLA is not None and os.environ.get("BRAINSIM_REQUIRE_KERNELS", "") not in ("", "0"):
    raise ImportError(f"BRAINSIM_REQUIRE_KERNELS is set, but: {WHY_XLA}")


def _library() -> ctypes.CDLL:
    """The library in use; an `ImportError` where there is none."""
    if _FOUND is None:
        raise ImportError(f"Native kernels are not in use: {WHY_XLA}")
    return _FOUND.library


def add_kernel(digest: str, address: int) -> None:
    """Make machine code known to fused programs; a kernel that is already known stays.

    Args:
        digest: SHA-256 of the kernel's source, in hexadecimal.
        address: Address of its function, which stays valid until `kernel_users(digest)` is -1.
    """
    _library().bs_fused_add(digest.encode(), address)


def kernel_users(digest: str) -> int:
    """How many executables hold the kernel; -1 where it is not known."""
    return _library().bs_fused_users(digest.encode())


def drop_kernel(digest: str) -> bool:
    """Forget the kernel unless an executable holds it, and say whether it is gone, so that its code may be freed."""
    _library().bs_fused_drop(digest.encode())
    return kernel_users(digest) == -1


def status() -> dict[str, object]:
    """Which path the operators take and why, for reports and benchmark files.

    Returns:
        `path` ("ffi" or "xla"), `why` (None or a sentence), `isa`, `ffi_built` and `ffi_runtime` (such as "0.3"),
        `library` (its path) and `digest`; what belongs to a library is None where none is in use.
    """
    return {
        "path": "xla" if _FOUND is None else "ffi",
        "why": WHY_XLA,
        "isa": None if _FOUND is None else _FOUND.isa,
        "ffi_built": None if _FOUND is None else ".".join(map(str, _FOUND.ffi)),
        "ffi_runtime": ".".join(map(str, runtime_ffi())),
        "library": None if _FOUND is None else str(_FOUND.path),
        "digest": None if _FOUND is None else _FOUND.digest,
    }
