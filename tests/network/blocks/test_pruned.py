"""Blocks of which some weights are pruned, against the list of the edges that are left."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import loops
from oracles.drawn_blocks import conv_blocks, dense_blocks, diagonal_blocks, seeds, sparse_blocks
from oracles.uses import uses

import cntgraph as cg
from cntgraph import NoCopiesError, build_graph, edge_chunks, toy
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.pruned import kept, pruned_by, without_masked
from cntgraph.core.view import View
from cntgraph.measures.explicit.spanning_tree import tree_of_block, trees_of_graph
from cntgraph.network.blocks import TRANSFORMS, Dense, WeightStatistics
from cntgraph.network.blocks.pruned import fill_kept
from cntgraph.network.blocks.weight_uses import Ends
from cntgraph.network.stack import Stack

weighted = st.one_of(dense_blocks(), conv_blocks(), diagonal_blocks(), sparse_blocks())


@st.composite
def pruned_blocks(draw):
    """A block of which some weights are masked, and its edges that are left, source by source."""
    block, _, _ = draw(weighted)
    rng = np.random.default_rng(draw(seeds))
    values = (rng.random(block.weight.shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))) * 1.0
    mask = Recipe.of(Parameter.from_array("mask", values, trainable=False))
    # Both list all edges in the same order.
    ones = replace(block, weight=Recipe.constant(values))
    all_, left = block.to_csr(), ones.to_csr()
    rows = np.repeat(np.arange(all_.shape[0]), np.diff(all_.indptr))
    edges = [(int(i), int(j), float(w)) for i, j, w in
             np.stack([rows, all_.indices, all_.data], axis=1)[left.data != 0]]  # fmt: skip
    return replace(block, weight=pruned_by(mask, block.weight * mask)), edges, block, values


@given(pruned_blocks())
def test_what_is_left_is_counted_added_up_and_unrolled(drawn):
    block, edges, _, _ = drawn
    csr, dense = block.to_csr(), loops.to_matrix(edges, *block.shape)
    rows = np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr))
    assert [*zip(rows.tolist(), csr.indices.tolist(), csr.data.tolist(), strict=True)] == edges
    assert block.n_edges == len(edges)
    assert block.out_degrees().tolist() == np.bincount(rows, minlength=block.shape[0]).tolist()
    found, rng = block.sums(*TRANSFORMS), np.random.default_rng(0)
    z, x = (rng.normal(size=n) for n in block.shape)
    for transform in TRANSFORMS:
        sums = loops.strengths(edges, *block.shape, transform)
        np.testing.assert_allclose(found[transform].row, sums[0], atol=1e-11)
        np.testing.assert_allclose(found[transform].column, sums[1], atol=1e-11)
        f = loops.TRANSFORMS[transform]
        dense = loops.to_matrix([(i, j, f(w)) for i, j, w in edges], *block.shape)
        np.testing.assert_allclose(block.matvec(x, transform), dense @ x, atol=1e-11)
        np.testing.assert_allclose(block.rmatvec(z, transform), dense.T @ z, atol=1e-11)


@given(pruned_blocks())
def test_statistics_are_of_the_weights_that_are_left(drawn):
    block, _, whole, values = drawn
    expected = WeightStatistics.of(whole.weight.read()[values != 0])
    found = block.statistics()
    assert (found.n, found.n_zero) == (expected.n, expected.n_zero)
    assert found.mean == pytest.approx(expected.mean, abs=1e-12)
    assert (found.minimum, found.maximum) == (expected.minimum, expected.maximum)


@given(pruned_blocks())
@settings(max_examples=30)
def test_uses_of_weights_that_are_left(drawn):
    block, _, whole, values = drawn
    nodes = slice(0, max(block.source.span()[1], block.target.span()[1]))
    expected = uses(whole, nodes)[:, values.reshape(-1) != 0]
    found = block.weight_uses(Ends(nodes))
    assert found.by_node == pytest.approx((expected**2).sum())
    assert found.together == pytest.approx((expected.sum(axis=0) ** 2).sum())


@given(pruned_blocks(), st.integers(1, 5))
@settings(max_examples=30)
def test_edges_are_written_a_few_rows_at_a_time(drawn, size):
    block, edges, whole, _ = drawn
    csr = block.to_csr()
    starts = np.where(np.diff(csr.indptr) > 0, csr.indptr[:-1], -1).astype(np.int64)
    indices, data = np.full(csr.nnz, -7, np.int64), np.zeros(csr.nnz)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cntgraph.network.blocks.pruned._EDGES", size)
        fill_kept((whole.fill, block.kept.fill), whole.out_degrees(), starts, 100, indices, data)
    assert (indices - 100).tolist() == [j for _, j, _ in edges]
    assert data.tolist() == [w for _, _, w in edges]


# -- which weights are pruned ----------------------------------------------------------------------


def recipe(values, name="w", **kinds):
    return Recipe.of(Parameter.from_array(name, np.asarray(values, np.float64), **kinds))


W = recipe([[1.0, 0.0, 3.0], [4.0, 5.0, 6.0]])
MASK = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
BUFFER = recipe(MASK, "mask", trainable=False)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (W * BUFFER, MASK),
        (BUFFER * W, MASK),
        (W * Recipe.constant(MASK), MASK),
        (W * recipe([[1.0], [0.0]], "rows", trainable=False), [[1, 1, 1], [0, 0, 0]]),
        (W * recipe(np.ones((2, 3)), "all", trainable=False), np.ones((2, 3))),
        (W * BUFFER * 0.5, MASK),
        ((W * BUFFER).transpose((1, 0)) * recipe([2.0, 0.0], "gain"), MASK.T),
        (abs(W * BUFFER).reshape((6,)).take(0, 1, 6, 2), MASK.reshape(6)[1:6:2]),
        (W * BUFFER + abs(W * BUFFER), MASK),
        (Recipe.concatenate((W * BUFFER, W), 0), np.vstack([MASK, np.ones((2, 3))])),
        ((W * BUFFER).sum((1,)), [[1], [1]]),
        ((W * BUFFER).sum_by(1, [0, 1, 1], 2), [[1, 1], [0, 1]]),
        (BUFFER.where(W, 0.0), MASK),
        (BUFFER.where(Recipe.constant(np.zeros((1, 3))).gather(0, [0, 0]), W), 1 - MASK),
    ],
)
def test_a_mask_is_found_wherever_weights_are_moved_and_scaled(weight, expected):
    found = without_masked(weight)
    np.testing.assert_array_equal(found.read(), weight.read())
    np.testing.assert_array_equal(kept(found).read(), expected)


@pytest.mark.parametrize(
    "weight",
    [
        W,
        W * recipe(MASK, "learned"),
        W * recipe(MASK * 0.5, "halves", trainable=False),
        W * recipe([[1.0], [1.0]], "gain", trainable=False),
        W * 0.0,
        W * BUFFER + W,
        W * BUFFER + 1.0,
        BUFFER.where(W, 1.0),
        BUFFER.where(0.0, 0.0) + W,
        recipe(MASK, "learned").where(W, 0.0),
    ],
)
def test_other_zeros_are_weights(weight):
    assert kept(without_masked(weight)) is None


def test_masks_of_other_snapshots_are_followed_whatever_their_values():
    found = without_masked(W * BUFFER).bind(
        {"w": W.parameter, "mask": Parameter.from_array("mask", np.array([[0, 2.0, 0], [1, 0, 0]]))}
    )
    assert found.read().tolist() == [[0, 0, 0], [4, 0, 0]]
    # What multiplies the weight is trained in none of them.
    mask = Parameter.from_array("mask", np.array([[0, 2.0, 0], [1, 0, 0]]), trainable=False)
    found = without_masked(W * BUFFER).bind({"w": W.parameter, "mask": mask})
    assert kept(found).read().tolist() == [[0, 1, 0], [1, 0, 0]]


def pruned_network():
    net = toy("mlp")
    first = net.blocks[0]
    mask = np.random.default_rng(0).random(first.weight.shape) < 0.3
    pruned = replace(first, weight=pruned_by(Recipe.constant(mask * 1.0), first.weight))
    return replace(net, blocks=(pruned, *net.blocks[1:])), mask


def test_a_graph_its_chunks_and_its_trees_have_the_edges_that_are_left():
    net, mask = pruned_network()
    graph, first = build_graph(net), net.blocks[0]
    assert graph.n_edges == net.n_edges == net.estimate().n_edges == mask.sum() + 40
    chunks = [chunk for chunk in edge_chunks(net, size=7) if chunk.block == first.name]
    assert sum(len(chunk.weight) for chunk in chunks) == mask.sum()
    tree, (of_graph,) = tree_of_block(first, max_edges=1000), trees_of_graph(graph, [0])
    assert (tree.n_nodes, tree.n_edges) == (of_graph.n_nodes, of_graph.n_edges)
    np.testing.assert_allclose(np.sort(tree.sizes), np.sort(of_graph.sizes))


def test_a_topology_has_all_edges_and_a_snapshot_those_that_are_left(tmp_path):
    net, mask = pruned_network()
    cg.save(net, tmp_path / "net.h5")
    with cg.open(tmp_path / "net.h5") as trajectory:
        assert trajectory.topology.n_edges == 88
        assert trajectory[0].n_edges == mask.sum() + 40
        table = trajectory.analyze().set_index("layer")
    assert table.loc["fc1", ["n_edges", "n_weights"]].tolist() == [mask.sum()] * 2


def test_networks_that_are_pruned_are_measured_one_by_one():
    with pytest.raises(NoCopiesError, match="pruned, each network in its own way"):
        Stack(pruned_network()[0])


def test_dense_weights_of_no_nodes_have_no_statistics():
    weight = pruned_by(Recipe.constant(np.zeros((2, 3))), W)
    block = Dense(name="d", source=View((3,)), target=View((2,), 3), weight=weight)
    assert (block.n_edges, block.statistics().n) == (0, 0)
