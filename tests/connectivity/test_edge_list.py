"""EdgeList: the caller's synapses arrive as they are, with the way back to the caller's order."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from brainsim.connectivity import EdgeList

RNG = np.random.default_rng(0)


def connect(edges: EdgeList, n_pre: int = 4, n_post: int = 5):
    return edges.connect(n_pre, n_post, same=False, rng=RNG)


def weights_of(edges: EdgeList, weight, n_pre: int, n_post: int) -> np.ndarray:
    csr = connect(edges, n_pre, n_post)
    return csr.to_scipy(np.asarray(weight)[csr.order]).toarray()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=25))
def test_every_edge_is_kept_and_equal_pairs_keep_their_order(edges):
    pre, post = np.array(edges, int).reshape(-1, 2).T
    csr = connect(EdgeList(pre, post))
    np.testing.assert_array_equal(csr.order, np.lexsort((np.arange(pre.size), post, pre)))
    np.testing.assert_array_equal(csr.pre, pre[csr.order])
    np.testing.assert_array_equal(csr.indices, post[csr.order])


def test_multapses_and_self_connections_stay():
    csr = EdgeList([2, 0, 2, 2], [1, 0, 1, 2]).connect(3, 3, same=True, rng=RNG)
    np.testing.assert_array_equal(csr.indptr, [0, 1, 1, 4])
    np.testing.assert_array_equal(csr.indices, [0, 1, 1, 2])
    np.testing.assert_array_equal(csr.order, [1, 0, 2, 3])


def test_the_global_generator_is_not_touched():
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    EdgeList([0], [1]).connect(2, 2, same=True, rng=rng)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(
    ("pre", "post", "error", "message"),
    [
        ([0, 1], [0], ValueError, "one entry per synapse, got 2 and 1"),
        ([0, -1], [0, 0], ValueError, "`pre`: expected neurons >= 0 and < 2147483647, got -1 at position 1"),
        ([0.0], [0], TypeError, "`pre`: expected a 1-D array of integers, got float64"),
        ([0], [[0]], TypeError, "`post`: expected a 1-D array of integers"),
        ([0, 4], [0, 0], ValueError, "`pre`: expected neurons >= 0 and < 4, got 4 at position 1"),
        ([0, 1, 2], [0, 0, 5], ValueError, "`post`: expected neurons >= 0 and < 5, got 5 at position 2"),
    ],
)
def test_faults_name_array_and_position(pre, post, error, message):
    with pytest.raises(error) as raised:
        connect(EdgeList(pre, post))
    assert message in str(raised.value)


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_from_scipy_keeps_the_order_of_data(format):
    dense = np.array([[0, 1.5, 0], [2.5, 0, 3.5]])
    matrix = scipy.sparse.csr_array(dense).asformat(format)
    np.testing.assert_array_equal(weights_of(EdgeList.from_scipy(matrix), matrix.data, 2, 3), dense)


def test_from_scipy_counts_stored_zeros():
    matrix = scipy.sparse.coo_array(([0.0, 1.0], ([0, 1], [1, 0])), shape=(2, 2))
    assert len(EdgeList.from_scipy(matrix)) == matrix.data.size == 2


@pytest.mark.parametrize("matrix", [np.eye(2), scipy.sparse.dok_array((2, 2))])
def test_from_scipy_refuses_what_has_no_list_of_entries(matrix):
    with pytest.raises(TypeError, match="`matrix`: expected a SciPy matrix in CSR, CSC or COO format"):
        EdgeList.from_scipy(matrix)


def test_from_dense():
    dense = np.array([[0, -1.0], [2.0, 0], [3.0, 4.0]])
    np.testing.assert_array_equal(weights_of(EdgeList.from_dense(dense), dense[dense != 0], 3, 2), dense)
    with pytest.raises(ValueError, match="expected shape"):
        EdgeList.from_dense(np.ones(3))


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="made for 3 -> 2 neurons, got 2 -> 3"):
        connect(EdgeList.from_dense(np.ones((3, 2))), 2, 3)


def test_from_csv(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("weight, post ,pre\n0.5,1,3\n0.25,4,0\n")
    edges = EdgeList.from_csv(path)
    np.testing.assert_array_equal(edges.pre, [3, 0])
    np.testing.assert_array_equal(edges.post, [1, 4])
    path.write_text("source;target\n1;2\n")
    assert EdgeList.from_csv(path, pre="source", post="target", delimiter=";").post.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source,target\n1,2\n", "expected a column `pre`, got source, target"),
        ("pre,post\n1,two\n", "expected whole numbers in `pre` and `post`"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, text, message):
    path = tmp_path / "edges.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        EdgeList.from_csv(path)
