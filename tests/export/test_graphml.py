"""GraphML of graphs: networkx and igraph read the same graph back."""

import tempfile
from pathlib import Path

import igraph
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from oracles.exported import edges_of, nodes_of, same_weights
from oracles.nets import nets
from oracles.random_graphs import graph_of, graphs, layers_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.export.graphml import write_graphml

NETS = nets() | {"recurrent": cg.toy("recurrent")}
DRAWING = ("x", "y", "z", "size", "r", "g", "b")


def expected_nodes(graph, measures=None):
    return nodes_of(graph, {"strength": cg.node_strength(graph)} | (measures or {}))


def check_networkx(path, graph, measures=None):
    read = nx.read_graphml(path, node_type=int)
    assert list(read.nodes) == list(range(graph.n_nodes))
    for k, row in enumerate(expected_nodes(graph, measures)):
        found = {name: value for name, value in read.nodes[k].items() if name not in DRAWING}
        # networkx leaves out texts that are empty.
        assert found == {name: value for name, value in row.items() if value != ""}
    found = list(read.edges(data=True))
    expected = edges_of(graph)
    assert [edge[:2] for edge in found] == [edge[:2] for edge in expected]
    assert [edge[2].get("block", "") for edge in found] == [edge[3] for edge in expected]
    assert same_weights([edge[2]["weight"] for edge in found], graph)


def check_igraph(path, graph, measures=None):
    read = igraph.Graph.Read_GraphML(str(path))
    assert read.is_directed()
    assert read.vcount() == graph.n_nodes
    assert read.vs["id"] == [str(k) for k in range(graph.n_nodes)]
    for name in expected_nodes(graph, measures)[0]:
        assert read.vs[name] == [row[name] for row in expected_nodes(graph, measures)]
    expected = edges_of(graph)
    assert read.get_edgelist() == [edge[:2] for edge in expected]
    assert read.es["block"] == [edge[3] for edge in expected]
    assert same_weights(read.es["weight"], graph)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("granularity", ["neuron", "channel"])
def test_networks(name, granularity, tmp_path, valid_graphml):
    net = NETS[name]
    path = write_graphml(net, tmp_path / "net.graphml", granularity=granularity)
    graph = cg.build_graph(net, granularity=granularity)
    valid_graphml(path)
    check_networkx(path, graph)
    check_igraph(path, graph)


@settings(deadline=None, max_examples=100)
@given(graph=graphs())
def test_any_graph(graph, valid_graphml):
    with tempfile.TemporaryDirectory() as folder:
        path = write_graphml(graph, Path(folder) / "graph.graphml")
        valid_graphml(path)
        check_networkx(path, graph)


def test_measures_of_every_type(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    n = graph.n_nodes
    measures = {"degree": np.arange(n), "large": np.arange(n) + 2**40, "is it": np.arange(n) > 3,
                'a "text"': [f"<{k}&>" for k in range(n)], "huge": np.full(n, -np.inf)}  # fmt: skip
    path = write_graphml(graph, tmp_path / "g.graphml", measures=measures)
    check_networkx(path, graph, measures)
    check_igraph(path, graph, measures)
    part = np.where(np.arange(n) % 2, 0.1, np.nan)
    path = write_graphml(graph, path, measures={"part": part}, overwrite=True)
    read = nx.read_graphml(path)
    assert ["part" in data for _, data in read.nodes(data=True)] == [k % 2 == 1 for k in range(n)]


def test_the_drawing_is_in_attributes_that_gephi_knows(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    places, colors = np.arange(60.0).reshape(20, 3), np.arange(60).reshape(20, 3)
    path = write_graphml(graph, tmp_path / "g.graphml", positions=places, color=colors)
    read = igraph.Graph.Read_GraphML(str(path))
    assert np.array_equal(np.transpose([read.vs[name] for name in "xyz"]), places)
    assert np.array_equal(np.transpose([read.vs[name] for name in "rgb"]), colors)
    assert read.vs["size"] == [12.0] * 20
    path = write_graphml(graph, tmp_path / "h.graphml", positions=None)
    assert not {"x", "y", "z"} & set(igraph.Graph.Read_GraphML(str(path)).vs.attributes())


def test_a_measure_that_is_called_as_the_drawing_is(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    size = np.arange(graph.n_nodes) / 2
    path = write_graphml(graph, tmp_path / "g.graphml", measures={"size": size}, size=None)
    found = nx.read_graphml(path).nodes
    assert [node["node_size"] for node in found.values()] == size.tolist()
    assert path.read_text().count('attr.name="size"') <= 1


def test_parallel_edges_are_added_up(tmp_path):
    graph = cg.build_graph(cg.toy("residual"))
    read = igraph.Graph.Read_GraphML(
        str(write_graphml(graph, tmp_path / "g.graphml", parallel="sum"))
    )
    edges = graph.edge_arrays(parallel="sum")
    assert read.es["weight"] == edges.weight.tolist()
    assert read.es["block"] == [edges.block_names[k] for k in edges.block]


def test_what_is_refused(tmp_path):
    graph = graph_of(layers_of(["a"], [(2,)]), [(0, 1, np.nan, 0)])
    with pytest.raises(NonFiniteWeightError):
        write_graphml(graph, tmp_path / "g.graphml")
    with pytest.raises(GraphSizeError):
        write_graphml(cg.toy("mlp"), tmp_path / "g.graphml", max_edges=10)
    with pytest.raises(CntGraphError, match="expected a Network or Graph, got a list; pass one"):
        write_graphml([cg.toy("mlp")], tmp_path / "g.graphml")
    assert not list(tmp_path.iterdir())
