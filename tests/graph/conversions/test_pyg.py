import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.graphs import graphs
from torch_geometric.utils import to_networkx

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, MissingExtraError


@given(graphs(), st.sampled_from(["sum", "keep"]))
def test_edges_are_those_of_networkx(graph, parallel):
    data = graph.to_pyg(parallel=parallel)
    assert data.validate()
    made = to_networkx(data, edge_attrs=["edge_weight"], to_multi=parallel == "keep")
    assert sorted(made.edges(data="edge_weight")) == sorted(
        graph.to_networkx(parallel=parallel).edges(data="weight")
    )
    assert set(made) == set(range(graph.n_nodes))


def test_what_is_known_of_nodes_and_edges():
    net = cg.toy("residual")
    graph = cg.build_graph(net)
    data, edges = graph.to_pyg(), graph.edge_arrays()
    names = [data.layer_names[k] for k in data.layer.tolist()]
    assert names == graph.nodes["layer"].tolist()
    assert data.place.tolist() == graph.nodes[["z", "y", "x"]].to_numpy().tolist()
    assert data.channel.tolist() == graph.nodes["channel"].tolist()
    assert data.bias.tolist() == graph.bias.tolist()
    blocks = [data.block_names[k] for k in data.edge_block.tolist()]
    assert blocks == [edges.block_names[k] for k in edges.block]
    assert data.parametric.tolist() == edges.parametric[edges.block].tolist()
    assert data.x is None


def test_message_passing_is_the_product_with_the_adjacency():
    from torch_geometric.nn import SimpleConv

    graph = cg.build_graph(cg.toy("mlp"))
    measures = cg.node_measures(graph, ["node_strength", "degree"])
    data = graph.to_pyg(measures=measures)
    features = measures[["node_strength", "degree"]].to_numpy()
    np.testing.assert_allclose(data.x.numpy(), features, rtol=1e-6)
    passed = SimpleConv()(data.x.double(), data.edge_index, data.edge_weight)
    np.testing.assert_allclose(passed, graph.adjacency.T @ data.x.numpy().astype(float))
    lengths = nx.adjacency_matrix(graph.to_networkx()).T @ data.x.numpy().astype(float)
    np.testing.assert_allclose(passed, lengths)


def test_texts_are_no_features_and_a_missing_package_is_named(monkeypatch):
    graph = cg.build_graph(cg.toy("mlp"))
    with pytest.raises(CntGraphError, match="expected numbers"):
        graph.to_pyg(measures={"name": ["a"] * 20})
    monkeypatch.setitem(__import__("sys").modules, "torch_geometric.data", None)
    with pytest.raises(MissingExtraError, match=r"cntgraph\[pyg\]"):
        graph.to_pyg()
