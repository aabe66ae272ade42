import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.core.view import View

ids_arrays = st.lists(st.integers(-1, 9), max_size=12).map(
    lambda ids: np.array(ids, dtype=np.int64)
)


@given(ids_arrays)
def test_what_goes_in_comes_out(ids):
    view = View.of(ids)
    assert view.as_ids().tolist() == ids.tolist()
    assert view.size == ids.size
    mask = view.mask
    expected = (ids >= 0).tolist()
    assert (mask.tolist() if mask is not None else [True] * ids.size) == expected


@given(ids_arrays)
def test_gather_scatter_and_span_by_loops(ids):
    view, values = View.of(ids), np.arange(10.0) + 0.5
    assert view.gather(values).tolist() == [values[k] if k >= 0 else 0.0 for k in ids]
    total, expected = np.ones(10), [1.0] * 10
    view.scatter_add(total, np.arange(ids.size, dtype=float))
    for position, node in enumerate(ids):
        if node >= 0:
            expected[node] += position
    assert total.tolist() == expected
    columns = np.stack([values, -values], axis=1)
    assert view.gather(columns).tolist() == [[v, -v] for v in view.gather(values).tolist()]
    totals, added = np.ones((10, 2)), np.arange(ids.size, dtype=float)
    view.scatter_add(totals, np.stack([added, 0 * added], axis=1))
    assert totals.T.tolist() == [expected, [1.0] * 10]
    nodes = [int(k) for k in ids if k >= 0]
    assert view.span() == ((min(nodes), max(nodes) + 1) if nodes else (0, 0))


@given(ids_arrays, st.integers(0, 5))
def test_shifted_moves_nodes_and_not_padding(ids, offset):
    moved = View.of(ids).shifted(offset)
    assert moved.as_ids().tolist() == [k + offset if k >= 0 else -1 for k in ids]


def test_consecutive_ids_become_a_range():
    view = View.of(np.arange(5, 11).reshape(2, 3))
    assert (view.shape, view.start, view.ids) == ((2, 3), 5, None)
    for ids in ([0, 1, 3], [1, 0], [0, 0], [-1, 0], [2, 1, 0], [0, 2, 1, 3]):
        assert View.of(np.array(ids)).ids is not None


def test_long_arrays_are_looked_at_to_the_end():
    n = (1 << 15) * 3 + 7
    assert View.of(np.arange(n)).ids is None
    for k in (1, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, n - 3):
        ids = np.arange(n)
        ids[[k, k + 1]] = ids[[k + 1, k]]
        assert View.of(ids).ids is not None


def test_a_view_does_not_change_with_the_array_it_was_made_of():
    ids = np.array([3, 1, 2])
    view = View.of(ids)
    ids[:] = 0
    assert view.as_ids().tolist() == [3, 1, 2]


def test_arrays_of_any_layout_and_type():
    ids = np.arange(6, dtype=np.int32).reshape(2, 3).T
    view = View.of(ids)
    assert (view.shape, view.as_ids().tolist()) == ((3, 2), [0, 3, 1, 4, 2, 5])
    assert view.as_ids().dtype == np.int64


def test_reshape_keeps_the_nodes():
    view = View.of(np.array([4, 2, 0, 1])).reshape((2, 2))
    assert (view.shape, view.as_ids().tolist()) == ((2, 2), [4, 2, 0, 1])
