"""Edges chunk by chunk are those of the explicit graph, each once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array

import cntgraph as cg
from cntgraph.core.errors import CntGraphError


def matrix_of(chunks, n_nodes):
    """The chunks as one matrix, in which parallel edges are added up."""
    chunks = list(chunks)
    source, target, weight = (np.concatenate([c[k] for c in chunks]) for k in (1, 2, 3))
    return coo_array((weight.astype(float), (source, target)), shape=(n_nodes, n_nodes)).tocsr()


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "recurrent"])
@given(size=st.integers(1, 700), edges=st.sampled_from(["all", "parametric"]))
@settings(max_examples=10, deadline=None)
def test_chunks_of_a_network_and_of_its_graph_are_its_edges(name, size, edges):
    net = cg.toy(name)
    graph = cg.build_graph(net)
    expected = cg.build_graph(net, edges=edges).to_scipy()
    for source in (net, graph):
        chunks = list(cg.edge_chunks(source, edges=edges, size=size))
        found = matrix_of(chunks, net.n_nodes)
        assert sum(len(chunk.weight) for chunk in chunks) == net.estimate(edges=edges).n_edges
        np.testing.assert_allclose(found.toarray(), expected.toarray())
        assert {chunk.block for chunk in chunks} == {b.name for b in net.select_blocks(edges)}


def test_a_chunk_has_no_more_edges_than_asked_for_but_those_of_one_node():
    net = cg.toy("cnn")
    sizes = [len(chunk.weight) for chunk in cg.edge_chunks(net, size=20)]
    assert max(sizes) <= 20
    assert min(len(chunk.weight) for chunk in cg.edge_chunks(net, size=1)) >= 1


def test_a_chunk_of_no_edges_is_refused():
    with pytest.raises(CntGraphError, match="at least one edge, got size=0"):
        next(cg.edge_chunks(cg.toy("mlp"), size=0))
