"""Synapses listed one by one: from arrays, a matrix or a table, kept exactly as they are given.

    synapse e connects pre[e] to post[e];  CSR.order[s] = e for the synapse at position s of the rows

Nothing is drawn, dropped or merged.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from .csr import CSR, check_range, check_synapse_count
from .rules import Rule


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeList(Rule):
    """An explicit list of synapses; repeated pairs (multapses) and self-connections stay.

    Weights and delays of the projection are arrays (nnz) in the order of this list.

    Args:
        pre: (nnz) presynaptic neuron of each synapse.
        post: (nnz) postsynaptic neuron of each synapse.
        shape: (n_pre, n_post) that the list was made for, if known; `connect` then insists on it.

    Raises:
        TypeError: An array is not integer.
        ValueError: The arrays differ in length or hold a negative number.
    """

    pre: np.ndarray
    post: np.ndarray
    shape: tuple[int, int] | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self):
        for name in ("pre", "post"):
            object.__setattr__(self, name, _neurons(name, getattr(self, name)))
        if self.pre.size != self.post.size:
            raise ValueError(
                f"`pre` and `post` must have one entry per synapse, got {self.pre.size} and {self.post.size}."
            )
        check_synapse_count("pre", self.pre.size)

    def __len__(self) -> int:
        return self.pre.size

    def __repr__(self) -> str:
        return f"EdgeList({len(self)} synapses)"

    def connect(self, n_pre: int, n_post: int, *, same: bool, rng: np.random.Generator) -> CSR:
        """The wiring, sorted by (pre, post), equal pairs in the order of the list; `same` and `rng` do not matter.

        Raises:
            ValueError: A neuron is out of range, or the list was made for other sizes.
        """
        if self.shape is not None and self.shape != (n_pre, n_post):
            raise ValueError(
                f"`EdgeList`: made for {self.shape[0]} -> {self.shape[1]} neurons, got {n_pre} -> {n_post}."
            )
        check_range("pre", self.pre, n_pre)
        check_range("post", self.post, n_post)
        return CSR.of_pairs(self.pre, self.post, n_pre, n_post)

    @classmethod
    def from_scipy(cls, matrix: Any) -> "EdgeList":
        """One synapse for each stored entry of a SciPy sparse matrix (pre, post), in the order of `matrix.data`.

        Stored zeros are synapses too: `weight=matrix.data` always fits.

        Args:
            matrix: CSR, CSC or COO matrix or array.
        """
        if not scipy.sparse.issparse(matrix) or matrix.format not in ("csr", "csc", "coo"):
            got = f"format {matrix.format}" if scipy.sparse.issparse(matrix) else type(matrix).__name__
            raise TypeError(f"`matrix`: expected a SciPy matrix in CSR, CSC or COO format, got {got}: `.tocsr()`.")
        entries = matrix.tocoo()
        pre, post = entries.coords
        return cls(pre, post, shape=entries.shape)

    @classmethod
    def from_dense(cls, matrix: Any) -> "EdgeList":
        """One synapse for each non-zero entry of a dense (pre, post) matrix, in the order of `matrix[matrix != 0]`."""
        matrix = np.asarray(matrix)
        if matrix.ndim != 2:
            raise ValueError(f"`matrix`: expected shape (pre, post), got {matrix.shape}.")
        pre, post = np.nonzero(matrix)
        return cls(pre, post, shape=matrix.shape)

    @classmethod
    def from_csv(cls, path: str | Path, *, pre: str = "pre", post: str = "post", delimiter: str = ",") -> "EdgeList":
        """One synapse for each line of a text table whose first line names the columns.

        Args:
            path: File to read.
            pre: Name of the column of presynaptic neurons, counted from 0.
            post: Name of the column of postsynaptic neurons, counted from 0.
            delimiter: What separates the columns.

        Raises:
            ValueError: A column is missing, or a line does not hold whole numbers there.
        """
        with open(path, encoding="utf-8-sig") as file:
            columns = [column.strip() for column in file.readline().split(delimiter)]
            for name in (pre, post):
                if name not in columns:
                    raise ValueError(f"{path}: expected a column `{name}`, got {', '.join(columns)}.")
            use = [columns.index(pre), columns.index(post)]
            try:
                table = np.loadtxt(file, np.int64, delimiter=delimiter, usecols=use, ndmin=2)
            except ValueError as error:
                raise ValueError(f"{path}: expected whole numbers in `{pre}` and `{post}`: {error}.") from error
        return cls(table[:, 0], table[:, 1])


def _neurons(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"`{name}`: expected a 1-D array of integers, got {array.dtype} of shape {array.shape}.")
    check_range(name, array, 2**31 - 1)
    return array.astype(np.int32)
