"""The heaps of an HDF5 file that hold arrays of different lengths, checked before the library walks through them.

    an entry: length (uint32), address of a heap (uint64), index (uint32)
    a heap: "GCOL", version 1, size; objects: index (uint16), references (uint16), 4 bytes, size (uint64), contents
    an object of index 0 is what is free

The library goes round for ever in a heap whose free part has no length. The HDF Group, HDF5 File Format Specification,
III.E.
"""

import math
import mmap
import struct
from pathlib import Path

import h5py
import numpy as np

from .recording import damaged

ENTRY = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
OBJECT = struct.Struct("<HHIQ")


def check_heap(path: Path, stored: h5py.Dataset) -> None:
    """Raise unless every entry of an array of arrays is in its heap, and the heaps are sound.

    Entries that are stored through a filter cannot be looked at and are not checked.

    Raises:
        ValueError: A damaged heap.
    """
    base = h5py.check_vlen_dtype(stored.dtype)
    itemsize = 1 if base is None else np.dtype(base).itemsize
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = [np.frombuffer(content[start : start + size], ENTRY) for start, size in _places(stored, len(content))]
        entries = np.concatenate([np.empty(0, ENTRY), *found])
        entries = entries[entries["length"] > 0]
        entries = entries[np.argsort(entries["address"], kind="stable")]
        for heap in np.split(entries, np.flatnonzero(np.diff(entries["address"].astype(np.int64))) + 1):
            sizes = _objects(path, content, int(heap["address"][0])) if len(heap) else {}
            for length, _, index in heap.tolist():
                if length * itemsize > sizes.get(index, -1):
                    raise damaged(path, f"{length * itemsize} bytes of object {index}", f"{sizes.get(index)}")


def _places(stored: h5py.Dataset, end: int) -> list[tuple[int, int]]:
    """Where the entries are: offsets and bytes, whole entries within the file."""
    low = stored.id
    if stored.chunks is None:
        offset = low.get_offset()
        found = [] if offset is None else [(offset, math.prod(stored.shape) * ENTRY.itemsize)]
    elif low.get_create_plist().get_nfilters():
        found = []
    else:
        chunks = [low.get_chunk_info(number) for number in range(low.get_num_chunks())]
        found = [(chunk.byte_offset, chunk.size) for chunk in chunks]
    return [(start, max(0, min(size, end - start)) // ENTRY.itemsize * ENTRY.itemsize) for start, size in found]


def _objects(path: Path, content: mmap.mmap, address: int) -> dict[int, int]:
    """Index and size of the objects of the heap at an address."""
    if address + 16 > len(content) or content[address : address + 5] != b"GCOL\x01":
        raise damaged(path, f"a heap at byte {address}", "none")
    (size,) = struct.unpack_from("<Q", content, address + 8)
    place, end, found = address + 16, address + size, {}
    if size < 16 or end > len(content):
        raise damaged(path, f"a heap of {size} bytes at byte {address}", f"{len(content)} bytes")
    while end - place >= OBJECT.size:
        index, _, _, length = OBJECT.unpack_from(content, place)
        step = length if index == 0 else OBJECT.size + length + -length % 8
        if step < OBJECT.size or place + step > end or index in found:
            raise damaged(path, "objects that follow each other", f"one of {length} bytes at byte {place}")
        if index:
            found[index] = length
        place += step
    return found
