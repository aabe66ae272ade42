"""Models saved for a batch of several samples: the nodes of all samples are the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.onnx_models import I64, assert_same, model, node, whole

from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.tracing.batch import MixedSamplesError, find, numbered


@st.composite
def moved(draw):
    """The ids of a batch after some movements, and the same movements on one sample."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    n, axis = draw(st.integers(2, 4)), draw(st.integers(0, len(shape)))
    ids = np.arange(np.prod(shape)).reshape(shape)
    batch = numbered(ids, axis, n)
    for _ in range(draw(st.integers(0, 2))):
        order = draw(st.permutations(range(batch.ndim)))
        batch, axis = batch.transpose(order), order.index(axis)
    return n, ids, batch, axis


@given(moved())
def test_samples_are_found_wherever_the_batch_was_moved(case):
    n, ids, batch, axis = case
    samples = find(batch, n)
    if ids.size == 1 and samples.axis is None:
        return
    assert samples.axis == axis
    one = samples.first(batch)
    np.testing.assert_array_equal(np.sort(one, axis=None), ids.reshape(-1))
    np.testing.assert_array_equal(samples.spread(one), batch)


@given(st.integers(2, 4), st.integers(1, 3), st.booleans())
def test_a_batch_that_was_merged_with_another_axis(n, m, batch_first):
    ids = np.arange(m * 5).reshape(m, 5)
    batch = numbered(ids, 0 if batch_first else 1, n).reshape(n * m, 5)
    samples = find(batch, n)
    np.testing.assert_array_equal(samples.first(batch).reshape(m, 5), ids)
    np.testing.assert_array_equal(samples.spread(samples.first(batch)), batch)


def test_padding_and_shared_nodes_belong_to_every_sample():
    batch = numbered(np.arange(6).reshape(2, 3), 0, 3)
    padded = np.concatenate([batch, np.full((3, 1, 3), -1)], 1)
    token = np.broadcast_to(np.arange(90, 93), (3, 1, 3))
    joined = np.concatenate([token, padded], 1)
    samples = find(joined, 3)
    expected = np.array([[90, 91, 92], [0, 1, 2], [3, 4, 5], [-1, -1, -1]])
    np.testing.assert_array_equal(samples.first(joined), expected)
    made = samples.spread(np.array([7, 8]))
    assert find(made, 3).first(made).tolist() == [7, 8]
    shared = find(np.broadcast_to(token, (3, 1, 3)), 3)
    assert shared.alone
    assert shared.axis == 0


def test_one_sample_that_was_taken_out():
    batch = numbered(np.arange(6).reshape(2, 3), 0, 3)
    samples = find(batch[1], 3)
    assert (samples.axis, samples.number) == (None, 2)
    np.testing.assert_array_equal(samples.spread(samples.first(batch[1])), batch[1])
    assert not samples.agrees(find(batch, 3))


@pytest.mark.parametrize("mixed", ["two axes", "unequal", "another order"])
def test_mixed_samples_are_seen(mixed):
    batch = numbered(np.arange(6).reshape(2, 3), 0, 3)
    ids = {
        "two axes": np.stack([batch, batch[[1, 2, 0]]]),
        "unequal": batch.reshape(6, 3)[:4],
        "another order": np.stack([batch[0], batch[1][::-1], batch[2]]),
    }[mixed]
    with pytest.raises(MixedSamplesError):
        find(ids, 3)


# -- whole models --------------------------------------------------------------------------------


def positions_first(n):
    """Time comes first half way through, and is merged with the batch for a matrix product."""
    weights = {"w": whole((5, 4)), "v": whole((4, 3), 1), "u": whole((3, 2), 2),
               "rows": np.array([-1, 4], I64), "back": np.array([3, n, 3], I64)}  # fmt: skip
    nodes = [
        node("MatMul", "x w", "h"),
        node("Transpose", "h", "t", perm=[1, 0, 2]),
        node("Relu", "t", "r"),
        node("Reshape", "r rows", "f"),
        node("MatMul", "f v", "g"),
        node("Reshape", "g back", "b"),
        node("Add", "b b2", "s"),
        node("MatMul", "s u"),
    ]
    nodes.insert(6, node("Tanh", "b", "b2"))
    return model(nodes, weights, (n, 3, 5))


def branches(n):
    """Branches that are joined, pooled, and scaled by what all samples share."""
    weights = {"w": whole((4, 3, 3)), "t": whole((1, 4, 1), 1), "gain": whole((1, 4, 1), 2),
               "shape": np.array([n, 4, 1], I64), "v": whole((4, 2), 3)}  # fmt: skip
    nodes = [
        node("Conv", "x w", "c"),
        node("Expand", "t shape", "e"),
        node("Concat", "e c", "j", axis=2),
        node("Mul", "j gain", "m"),
        node("ReduceMean", "m ax", "p", keepdims=0),
        node("MatMul", "p v"),
    ]
    return model(nodes, {**weights, "ax": np.array([2], I64)}, (n, 3, 9))


@pytest.mark.parametrize("make", [positions_first, branches])
@pytest.mark.parametrize("n", [2, 5])
def test_a_batch_gives_the_graph_of_one_sample(make, n):
    one, many = (adapter.load(make(k), strict=True) for k in (1, n))
    assert_same(one, many)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("ReduceMean", "x zero", "h", keepdims=1), node("MatMul", "h w")],
         {"zero": np.array([0], I64)}),
        ([node("Transpose", "x", "t", perm=[1, 2, 0]), node("MatMul", "t two")],
         {"two": whole((2, 3), 1)}),
        ([node("Slice", "x zero one", "f"), node("Add", "x f", "h"), node("MatMul", "h w")],
         {"zero": np.array([0], I64), "one": np.array([1], I64)}),
    ],
)  # fmt: skip
def test_the_batch_is_where_no_operation_mixes_it(nodes, weights):
    """The first axis is time, then; the second one is the batch."""
    net = adapter.load(model(nodes, {"w": whole((5, 4)), **weights}, (2, 3, 5)), strict=True)
    assert net.layers[0].shape == (2, 5)


def test_where_everything_is_mixed_there_is_no_batch():
    nodes = [node("Reshape", "x all", "f"), node("MatMul", "f w")]
    weights = {"all": np.array([1, -1], I64), "w": whole((30, 2))}
    net = adapter.load(model(nodes, weights, (2, 3, 5)), strict=True)
    assert [layer.shape for layer in net.layers] == [(2, 3, 5), (2,)]


def test_where_there_can_be_no_batch_there_is_none():
    """A parameter is another for each row, so that the rows are no samples."""
    nodes = [node("Mul", "x gain", "m"), node("MatMul", "m w")]
    net = adapter.load(model(nodes, {"gain": whole((3, 5)), "w": whole((5, 2), 1)}, (3, 5)))
    assert [layer.shape for layer in net.layers] == [(3, 5), (3, 5), (2, 3)]
