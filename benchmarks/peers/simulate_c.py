"""The conductance-based E-I network by hand in C (`benchmarks/limits/coba.c`), one thread, float32: a contestant."""

import time

import numpy as np
from serve import given, serve

from brainsim.bench import limit


def main() -> None:
    """Compile once, run once a line."""
    folder, duration, _, _ = given()
    indptr, indices, v = (np.ascontiguousarray(np.load(folder / f"{name}.npy")) for name in ("indptr", "indices", "v"))
    library, point, steps = limit.library("coba"), limit.pointer, round(duration / 0.1)

    def sample() -> tuple[float, tuple[int, int]]:
        counts = np.zeros((1, 2), np.int32)
        arrays = point(indptr), point(indices), point(v)
        begin = time.perf_counter()
        if library.coba(v.size, v.size * 4 // 5, *arrays, steps, steps, point(counts)):
            raise MemoryError("coba.c: no memory for the state.")
        return time.perf_counter() - begin, (int(counts[0, 0]), int(counts[0, 1]))

    serve("C by hand, float32", (), sample)


if __name__ == "__main__":
    main()
