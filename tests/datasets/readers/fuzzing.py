"""Damage to files: flipped bits, cut and lengthened ends, other lengths in words, swapped bytes, exchanged blocks."""

import struct

import numpy as np


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The contents with one to four faults."""
    found = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if len(found) < 16:
            break
        at = int(rng.integers(0, len(found)) if rng.random() < 0.5 else rng.integers(0, min(len(found), 256)))
        kind = rng.integers(0, 7)
        if kind == 0:
            found[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            found += rng.bytes(int(rng.integers(1, 40)))
        elif kind == 3:
            at = min(at, len(found) - 8)
            word = int(rng.choice([0, 1, 127, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 5]))
            found[at : at + 4] = struct.pack("<I", word)
        elif kind == 4:
            at, size = min(at, len(found) - 8), int(rng.choice([2, 4, 8]))
            found[at : at + size] = found[at : at + size][::-1]
        elif kind == 5:
            size = int(rng.integers(1, 9))
            found[at : at + size] = rng.bytes(len(found[at : at + size]))
        else:
            size, other = int(rng.integers(1, 64)), int(rng.integers(0, len(found)))
            found[at : at + size] = found[other : other + size]
    return bytes(found)
