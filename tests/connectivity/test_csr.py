"""CSR: what it accepts, what it says no to and where, and its views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainsim.connectivity import CSR
from brainsim.connectivity.csr import check_synapse_count, stable_order


def small() -> CSR:
    return CSR([0, 2, 2, 5], [1, 3, 0, 2, 2], 3, 4)


def test_properties():
    csr = small()
    assert csr.nnz == 5
    assert csr.indptr.dtype == csr.indices.dtype == np.int32
    np.testing.assert_array_equal(csr.pre, [0, 0, 2, 2, 2])
    np.testing.assert_array_equal(csr.outdegree, [2, 0, 3])
    np.testing.assert_array_equal(csr.indegree, [1, 1, 2, 1])
    assert repr(csr) == "CSR(3 -> 4 neurons, 5 synapses, 0 to 3 a neuron)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 2], [1, 3], 3, 4), "`indptr`: expected n_pre + 1 = 4 offsets, got 2"),
        (([1, 2], [1, 3], 1, 4), "`indptr`: expected 0 at position 0, got 1"),
        (([0, 3, 2], [0, 1], 2, 4), "`indptr` must not fall, but goes from 3 to 2 at position 2"),
        (([0, 1], [1, 3], 1, 4), "`indptr`: expected to end at the number of `indices`, 2, got 1"),
        (([0, 2], [1, 4], 1, 4), "`indices`: expected neurons >= 0 and < 4, got 4 at position 1"),
        (([0, 2], [-1, 3], 1, 4), "`indices`: expected neurons >= 0 and < 4, got -1 at position 0"),
        (([0, 1, 3], [1, 3, 2], 2, 4), "`indices` must be sorted in each row, but 2 follows 3 at position 2 (row 1)"),
        (([0, 2], [1, 3], 1, 4, [0, 0]), "`order` must be a permutation of 0..1; 1 is missing"),
        (([0, 2], [1, 3], 1, 4, [0]), "`order`: expected one entry a synapse, 2, got 1"),
        (([0], [], -1, 4), "`n_pre`: expected a number of neurons"),
    ],
)
def test_contradictions_name_array_and_position(arguments, message):
    with pytest.raises(ValueError) as error:
        CSR(*arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("indices", [[0.0, 1.0], [[0, 1]]])
def test_arrays_of_other_kinds_are_refused(indices):
    with pytest.raises(TypeError, match="`indices`: expected a 1-D array of integers"):
        CSR([0, 2], indices, 1, 4)


def test_too_many_synapses_are_refused_with_the_number():
    with pytest.raises(ValueError, match="3000000000 synapses, but one projection holds at most 2147483647"):
        check_synapse_count("p", 3e9)


def test_wide_offsets_are_compared_before_they_are_narrowed():
    with pytest.raises(ValueError, match="expected to end at the number of `indices`, 2, got 4294967298"):
        CSR(np.array([0, 2**32 + 2]), [0, 1], 1, 4)


@pytest.mark.parametrize(("n_pre", "n_post"), [(0, 0), (0, 3), (1, 0), (3, 1)])
def test_no_synapses(n_pre, n_post):
    csr = CSR(np.zeros(n_pre + 1, int), [], n_pre, n_post)
    assert csr.nnz == 0 and csr.transpose().n_pre == n_post and "0 synapses" in repr(csr)


def test_arrays_are_read_only_and_the_callers_stay_writeable():
    indptr, indices = np.array([0, 1], np.int32), np.array([1], np.int32)
    csr = CSR(indptr, indices, 1, 4)
    for array in (csr.indptr, csr.indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    assert indptr.flags.writeable and indices.flags.writeable


def test_scipy_matrix_adds_multapses_up():
    dense = small().to_scipy([1.0, 2.0, 3.0, 4.0, 5.0]).toarray()
    np.testing.assert_array_equal(dense, [[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 9, 0]])


def test_transpose_carries_each_synapse():
    csr = small()
    turned = csr.transpose()
    assert (turned.n_pre, turned.n_post) == (4, 3)
    np.testing.assert_array_equal(turned.pre, csr.indices[turned.order])
    np.testing.assert_array_equal(turned.indices, csr.pre[turned.order])


@given(st.lists(st.integers(0, 4), max_size=30))
def test_stable_order_is_numpys(keys):
    keys = np.array(keys, np.int32)
    np.testing.assert_array_equal(stable_order(keys, 5), np.argsort(keys, kind="stable"))
