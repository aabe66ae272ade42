"""Sparse arrays as files hold them: whatever parts are read, and what is damaged."""

import numpy as np
import pytest
from scipy.sparse import random_array

from cntgraph import FormatError
from cntgraph.adapters.weights.sparse import sparse_parameters


def made(layout="sparse_csr", dtype="float64", shape=(5, 7)):
    matrix = random_array(shape, density=0.4, rng=np.random.default_rng(0))
    if layout == "sparse_coo":
        arrays = [np.stack(matrix.coords), matrix.data]
    else:
        matrix = matrix.tocsc() if layout == "sparse_csc" else matrix.tocsr()
        arrays = [matrix.indptr, matrix.indices, matrix.data]
    return sparse_parameters("w", shape, dtype, layout, arrays), matrix.toarray()


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc"])
def test_any_part_is_read_as_of_a_dense_array(layout):
    (values, pattern), dense = made(layout)
    for axis, start, stop in [(0, 0, None), (0, 1, 3), (0, 4, 4), (1, 2, 6), (1, 0, None)]:
        key = (slice(None),) * axis + (slice(start, stop),)
        np.testing.assert_array_equal(values.read(axis, start, stop), dense[key])
        np.testing.assert_array_equal(pattern.read(axis, start, stop), dense[key] != 0)
    np.testing.assert_array_equal(values.data[2], dense[2])
    np.testing.assert_array_equal(values.data[..., 1:3], dense[:, 1:3])
    np.testing.assert_array_equal(values.data[::2], dense[::2])
    np.testing.assert_array_equal(values.raw(), dense)


@pytest.mark.parametrize(
    ("layout", "arrays", "reason"),
    [
        ("sparse_csr", ([0, 2, 1], [0, 1], [1.0, 2.0]), "pointers do not ascend"),
        ("sparse_csr", ([0, 2], [0, 1], [1.0, 2.0]), "pointers do not ascend"),
        ("sparse_csr", ([0, 1, 2], [0, 1], [1.0]), "pointers do not ascend"),
        ("sparse_csr", ([0, 1, 2], [0, 3], [1.0, 2.0]), "entries beyond its shape"),
        ("sparse_coo", ([[0, -1], [0, 1]], [1.0, 2.0]), "entries beyond its shape"),
        ("sparse_coo", ([[0], [0], [0]], [1.0]), "its indices are of shape"),
        ("sparse_coo", ([[0], [0]], [1.0, 2.0]), "its values are of shape"),
    ],
)
def test_damaged_ones_are_refused(layout, arrays, reason):
    arrays = [np.array(array) for array in arrays]
    values, _ = sparse_parameters("w", (2, 3), "float64", layout, arrays)
    with pytest.raises(FormatError, match=f"w: a damaged {layout} tensor.*{reason}"):
        values.read()


def test_bits_that_stand_twice_are_refused():
    arrays = [np.array([[0, 0], [1, 1]]), np.array([16256, 16256], np.uint16)]
    values, _ = sparse_parameters("w", (2, 3), "bfloat16", "sparse_coo", arrays)
    with pytest.raises(FormatError, match="an entry is stored twice"):
        values.read()


def test_too_many_entries_are_refused():
    arrays = [np.zeros((2, 0), np.int64), np.zeros(0)]
    with pytest.raises(FormatError, match=r"at most 2\*\*32 entries"):
        sparse_parameters("w", (1 << 20, 1 << 20), "float64", "sparse_coo", arrays)
