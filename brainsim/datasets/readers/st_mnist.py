"""`.mat` recordings of ST-MNIST: digits written on a tactile sensor of 10 x 10.

The matrix `spiketrain` has a column an event: rows 0 to 99 say which cell (row of the sensor, column) changed, by 1 or
-1, and row 100 when (s). See, Tan, Yap, Chew and Tee, arXiv 2005.04319.
"""

from pathlib import Path

import numpy as np

from .mat5 import read_mat5
from .recording import Recording, damaged, recording, seconds

SHAPE = (2, 10, 10)


def read_st_mnist(path: Path) -> Recording:
    """The events of a `.mat` file, shape (polarity, row, column).

    Raises:
        ValueError: A damaged file.
    """
    train = read_mat5(path, "spiketrain")
    if len(train) != 101:
        raise damaged(path, "101 rows: 100 cells and the time", f"{len(train)}")
    cells, times = train[:100].T, seconds(path, train[100])
    if not np.isin(cells, (-1, 0, 1)).all():
        raise damaged(path, "changes of -1, 0 or 1", "others")
    event, cell = np.nonzero(cells)
    if len(event) != len(cells) or (event != np.arange(len(cells))).any():
        raise damaged(path, "one change a column", f"{len(event)} in {len(cells)} columns")
    polarity = (cells[event, cell] > 0).astype(np.int64)
    return recording(path, times, (polarity, cell // 10, cell % 10), SHAPE)
