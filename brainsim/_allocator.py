"""Freed memory stays with the process, so that the next step of a training need not fault it in again.

XLA takes all temporary arrays of a call from `malloc` as one block and frees it afterwards. From 32 MB on glibc hands
such a block back to the system, and the next call pays for each of its pages anew: 20 of the 54 ms of a gradient where
it was measured. Here the C library is told to keep blocks below 1 GiB, in one arena, until the process ends. The peak
of that measurement stayed what it was; what the process holds afterwards grows. `BRAINSIM_ALLOCATOR=system` leaves the
C library as it is.
"""

import ctypes
import os
import platform

KEEP, SYSTEM = "keep", "system"

# The parameters of `mallopt` in <malloc.h>, and their values.
_SETTINGS = {
    "M_ARENA_MAX": (-8, 1),  # other arenas consist of pieces of 64 MB, which are returned whatever the threshold
    "M_MMAP_THRESHOLD": (-3, 1 << 30),
    "M_TRIM_THRESHOLD": (-1, (1 << 31) - 1),
}


def keep_freed_memory() -> str:
    """Set the C library up, once, before JAX starts its threads; returns what holds, "keep" or "system".

    Raises:
        ValueError: `BRAINSIM_ALLOCATOR` is neither "keep" nor "system".
    """
    wish = os.environ.get("BRAINSIM_ALLOCATOR", KEEP)
    if wish not in (KEEP, SYSTEM):
        raise ValueError(f"`BRAINSIM_ALLOCATOR`: expected {KEEP!r} or {SYSTEM!r}, got {wish!r}.")
    if wish == SYSTEM or platform.libc_ver()[0] != "glibc":
        return SYSTEM
    mallopt = ctypes.CDLL(None).mallopt
    return KEEP if all([mallopt(number, value) for number, value in _SETTINGS.values()]) else SYSTEM


HOLDS = keep_freed_memory()
"""Whether freed memory is kept in this process."""
