"""Compressed sparse rows: which postsynaptic neurons each presynaptic neuron reaches.

    targets of neuron i = indices[indptr[i] : indptr[i + 1]],  sorted; a repeated target is a multapse

Offsets and indices are 32-bit, as the event kernels want them, so one CSR holds at most 2^31 - 1 synapses.
"""

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse

MAX_SYNAPSES = 2**31 - 1


def check_synapse_count(name: str, count: float) -> None:
    """Raise unless `count` synapses fit 32-bit offsets."""
    if count > MAX_SYNAPSES:
        raise ValueError(
            f"`{name}`: {count:.0f} synapses, but one projection holds at most {MAX_SYNAPSES} (32-bit offsets): "
            "split the population."
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CSR:
    """Validated wiring of one projection, on the host and read-only.

    Args:
        indptr: (n_pre + 1) offsets of the rows, from 0 to nnz, never falling.
        indices: (nnz) postsynaptic neuron of each synapse, sorted within each row.
        n_pre: Presynaptic neurons.
        n_post: Postsynaptic neurons.
        order: (nnz) caller's number of each synapse, where the synapses came from a list: `weight[order]` brings the
            caller's weights into the order of the rows.
        distance: (nnz) length of each synapse (um), where the neurons have positions and somebody asked.

    Raises:
        ValueError: The arrays contradict each other; the message names the array and the position.
        TypeError: An array is not integer.
    """

    indptr: np.ndarray
    indices: np.ndarray
    n_pre: int
    n_post: int
    order: np.ndarray | None = None
    distance: np.ndarray | None = None

    def __post_init__(self):
        indptr, indices = _integers("indptr", self.indptr), _integers("indices", self.indices)
        for name, size in (("n_pre", self.n_pre), ("n_post", self.n_post)):
            if not 0 <= size <= MAX_SYNAPSES:
                raise ValueError(f"`{name}`: expected a number of neurons in 0..{MAX_SYNAPSES}, got {size}.")
        check_synapse_count("indices", indices.size)
        _check_offsets(indptr, self.n_pre, indices.size)
        check_range("indices", indices, self.n_post)
        _check_sorted(indices, indptr)
        object.__setattr__(self, "indptr", _frozen(indptr))
        object.__setattr__(self, "indices", _frozen(indices))
        if self.order is not None:
            order = _integers("order", self.order)
            _check_permutation(order, indices.size)
            object.__setattr__(self, "order", _frozen(order))

    @property
    def nnz(self) -> int:
        """Number of synapses."""
        return self.indices.size

    @property
    def outdegree(self) -> np.ndarray:
        """(n_pre) synapses that leave each presynaptic neuron."""
        return np.diff(self.indptr)

    @property
    def indegree(self) -> np.ndarray:
        """(n_post) synapses that reach each postsynaptic neuron."""
        return np.bincount(self.indices, minlength=self.n_post).astype(np.int32)

    @property
    def pre(self) -> np.ndarray:
        """(nnz) presynaptic neuron of each synapse, beside `indices`, its postsynaptic neuron."""
        return np.repeat(np.arange(self.n_pre, dtype=np.int32), self.outdegree)

    def to_scipy(self, weight: Any = 1.0) -> scipy.sparse.csr_array:
        """The (n_pre, n_post) matrix of weights; multapses stay separate entries until SciPy adds them up.

        Args:
            weight: One value, or (nnz) values in the order of the rows.
        """
        data = np.broadcast_to(np.asarray(weight), (self.nnz,)).copy()
        return scipy.sparse.csr_array((data, self.indices.copy(), self.indptr.copy()), shape=(self.n_pre, self.n_post))

    @classmethod
    def of_pairs(cls, pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> "CSR":
        """The wiring of synapses in any order, sorted by (pre, post), equal pairs as they came; `order` says which is
        which."""
        by_post = stable_order(post, n_post)
        order = by_post[stable_order(pre[by_post], n_pre)]
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(pre, minlength=n_pre))])
        return cls(indptr, post[order], n_pre, n_post, order=order)

    def without_order(self) -> "CSR":
        """The same wiring as if a rule had drawn it."""
        return dataclasses.replace(self, order=None)

    def transpose(self) -> "CSR":
        """The wiring seen from the postsynaptic side; its `order` holds each synapse's position in this CSR."""
        columns = self.to_scipy(np.arange(self.nnz, dtype=np.int32)).tocsc()
        return CSR(columns.indptr, columns.indices, self.n_post, self.n_pre, order=columns.data)

    def __repr__(self) -> str:
        degree = self.outdegree
        spread = f", {degree.min()} to {degree.max()} a neuron" if degree.size else ""
        return f"CSR({self.n_pre} -> {self.n_post} neurons, {self.nnz} synapses{spread})"


def stable_order(keys: np.ndarray, size: int) -> np.ndarray:
    """The permutation that sorts `keys` in 0..size-1 and keeps equal keys in their order, in O(keys + size).

    SciPy's change from rows to columns is a counting sort: with one entry a row, the rows come out ordered by column.
    """
    rows = np.arange(keys.size + 1, dtype=np.int32)
    one_a_row = scipy.sparse.csr_array((np.empty(keys.size, np.int8), keys, rows), shape=(keys.size, size))
    return one_a_row.tocsc().indices


def check_range(name: str, index: np.ndarray, size: int) -> None:
    """Raise unless every entry of `index` is in 0..size-1."""
    if index.size and (index.min() < 0 or index.max() >= size):
        at = int(np.flatnonzero((index < 0) | (index >= size))[0])
        raise ValueError(f"`{name}`: expected neurons >= 0 and < {size}, got {index[at]} at position {at}.")


def _integers(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int32)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError(f"`{name}`: expected a 1-D array of integers, got {array.dtype} of shape {array.shape}.")
    return array


def _frozen(array: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(array, np.int32).view()
    view.flags.writeable = False
    return view


def _check_offsets(indptr: np.ndarray, n_pre: int, nnz: int) -> None:
    if indptr.size != n_pre + 1:
        raise ValueError(f"`indptr`: expected n_pre + 1 = {n_pre + 1} offsets, got {indptr.size}.")
    if indptr[0] != 0:
        raise ValueError(f"`indptr`: expected 0 at position 0, got {indptr[0]}.")
    falls = np.flatnonzero(indptr[1:] < indptr[:-1])
    if falls.size:
        at = int(falls[0]) + 1
        raise ValueError(f"`indptr` must not fall, but goes from {indptr[at - 1]} to {indptr[at]} at position {at}.")
    if indptr[-1] != nnz:
        raise ValueError(f"`indptr`: expected to end at the number of `indices`, {nnz}, got {indptr[-1]}.")


def _check_sorted(indices: np.ndarray, indptr: np.ndarray) -> None:
    falls = indices[1:] < indices[:-1]
    starts = indptr[(indptr > 0) & (indptr < indices.size)]
    falls[starts - 1] = False
    if falls.any():
        at = int(np.flatnonzero(falls)[0]) + 1
        row = int(np.searchsorted(indptr, at, side="right")) - 1
        raise ValueError(
            f"`indices` must be sorted in each row, but {indices[at]} follows {indices[at - 1]} "
            f"at position {at} (row {row})."
        )


def _check_permutation(order: np.ndarray, nnz: int) -> None:
    if order.size != nnz:
        raise ValueError(f"`order`: expected one entry a synapse, {nnz}, got {order.size}.")
    seen = np.zeros(nnz, bool)
    inside = (order >= 0) & (order < nnz)
    seen[order[inside]] = True
    if not seen.all():
        raise ValueError(f"`order` must be a permutation of 0..{nnz - 1}; {int(np.flatnonzero(~seen)[0])} is missing.")
