"""GEXF of graphs: valid, and the same graph when it is read back."""

import gzip
import tempfile
import tracemalloc
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from oracles.exported import Gexf, edges_of, nodes_of, same_weights
from oracles.nets import nets
from oracles.random_graphs import graph_of, graphs, layers_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO
from cntgraph.export.gexf import write_gexf
from cntgraph.graph.node_positions import node_positions

#: The last has edges within a layer, and from nodes to themselves.
NETS = nets() | {"recurrent": cg.toy("recurrent")}


def check(path, graph, measures=None):
    """A file says exactly what a graph is."""
    read = Gexf(path)
    measures = {"strength": cg.node_strength(graph)} | (measures or {})
    expected = nodes_of(graph, measures)
    assert [int(node["id"]) for node in read.nodes] == list(range(graph.n_nodes))
    assert [{"label": node["label"]} | node["values"] for node in read.nodes] == expected
    edges = edges_of(graph)
    ends = [(int(edge["source"]), int(edge["target"])) for edge in read.edges]
    assert ends == [edge[:2] for edge in edges]
    assert [edge["values"]["block"] for edge in read.edges] == [edge[3] for edge in edges]
    assert same_weights([edge["weight"] for edge in read.edges], graph)
    colors = {1: POSITIVE, -1: NEGATIVE, 0: ZERO}
    for edge, (*_, weight, _) in zip(read.edges, edges, strict=True):
        assert tuple(edge["color"].values()) == colors[int(np.sign(weight))]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("granularity", ["neuron", "channel", "layer"])
def test_networks(name, granularity, tmp_path, valid_gexf):
    net = NETS[name]
    path = write_gexf(net, tmp_path / "net.gexf", granularity=granularity, aggregation="l1")
    valid_gexf(path)
    check(path, cg.build_graph(net, granularity=granularity, aggregation="l1"))


@settings(deadline=None, max_examples=150)
@given(graph=graphs())
def test_any_graph(graph, valid_gexf):
    with tempfile.TemporaryDirectory() as folder:
        path = write_gexf(graph, Path(folder) / "graph.gexf")
        valid_gexf(path)
        check(path, graph)


@pytest.mark.parametrize("name", NETS)
def test_networkx_reads_the_same_graph(name, tmp_path):
    graph = cg.build_graph(NETS[name])
    path = write_gexf(graph, tmp_path / "graph.gexf", positions="layers")
    read = nx.read_gexf(path, node_type=int)
    assert list(read.nodes) == list(range(graph.n_nodes))
    places = node_positions(graph)
    for k, row in enumerate(nodes_of(graph, {"strength": cg.node_strength(graph)})):
        viz = read.nodes[k].pop("viz")
        assert read.nodes[k] == row
        assert [*viz["position"].values()] == pytest.approx(places[k], abs=1e-3)
    # Adjacency order is networkx's own order of edges: by source, each's edges as they come.
    found = list(read.edges(data=True))
    expected = edges_of(graph)
    assert [(s, t, data["block"]) for s, t, data in found] == [(s, t, b) for s, t, _, b in expected]
    assert same_weights([data["weight"] for *_, data in found], graph)


def test_float32_weights_are_short_and_exact(tmp_path):
    layers = layers_of(["a", "b"], [(1,), (3,)])
    weights = np.array([0.1, 1e-45, 16777216.0], dtype=np.float32)
    graph = graph_of(layers, [(0, k + 1, w, 0) for k, w in enumerate(weights)], np.float32)
    texts = [edge["weight"] for edge in Gexf(write_gexf(graph, tmp_path / "g.gexf")).edges]
    assert texts[:2] == ["0.1", "1e-45"]
    assert same_weights(texts, graph)


def test_parallel_edges_stay_several_or_are_added_up(tmp_path, valid_gexf):
    graph = cg.build_graph(cg.toy("residual"))
    several = {k for k in graph.edge_arrays().block_names if "+" in k}
    assert several
    kept = write_gexf(graph, tmp_path / "keep.gexf")
    added = write_gexf(graph, tmp_path / "sum.gexf", parallel="sum")
    for path in (kept, added):
        valid_gexf(path)
    check(kept, graph)
    # Gephi merges parallel edges unless their kinds differ.
    assert all(edge["kind"] == edge["values"]["block"] for edge in Gexf(kept).edges)
    simple = graph.adjacency.astype(float).copy()
    simple.sum_duplicates()
    read = Gexf(added).edges
    assert [float(edge["weight"]) for edge in read] == simple.data.tolist()
    assert {edge["values"]["block"] for edge in read} >= several
    assert not any("kind" in edge for edge in read)
    with pytest.raises(CntGraphError, match="'sum' or 'keep'"):
        write_gexf(graph, tmp_path / "x.gexf", parallel="merge")


def test_parallel_edges_across_rows_are_none(tmp_path):
    # Node 0's last edge and node 1's first lead to the same node.
    layers = layers_of(["a", "b"], [(2,), (1,)])
    graph = graph_of(layers, [(0, 2, 1.0, 0), (1, 2, 2.0, 0)])
    assert not any("kind" in edge for edge in Gexf(write_gexf(graph, tmp_path / "g.gexf")).edges)
    twice = graph_of(layers, [(1, 2, 1.0, 0), (1, 2, 2.0, 1)])
    assert all("kind" in edge for edge in Gexf(write_gexf(twice, tmp_path / "h.gexf")).edges)


def test_self_loops_isolated_nodes_and_zeros(tmp_path):
    layers = layers_of(["a", "b"], [(2,), (2,)])
    graph = graph_of(layers, [(0, 0, 0.0, 0), (0, 2, -0.0, 1)])
    path = write_gexf(graph, tmp_path / "g.gexf")
    check(path, graph)
    assert [edge["weight"] for edge in Gexf(path).edges] == ["0.0", "-0.0"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    layers = layers_of(["a"], [(2,)])
    graph = graph_of(layers, [(0, 1, value, 1), (0, 1, 2.0, 0)])
    with pytest.raises(NonFiniteWeightError, match=r"1 are NaN or infinite, in: two\. "):
        write_gexf(graph, tmp_path / "g.gexf")
    assert not list(tmp_path.iterdir())
    finite = graph.keep_edges(np.isfinite(graph.adjacency.data))
    check(write_gexf(finite, tmp_path / "g.gexf"), finite)


def test_measures_of_every_type(tmp_path, valid_gexf):
    graph = cg.build_graph(cg.toy("mlp"))
    n = graph.n_nodes
    measures = {
        "degree": np.arange(n), "large": np.arange(n) + 2**40, "is it": np.arange(n) % 2 == 0,
        "share": np.where(np.arange(n) % 3, 0.1, np.nan), 'a "text"': [f"<{k}&>" for k in range(n)],
        "single": np.arange(n, dtype=np.float32) / 3, "huge": np.full(n, np.inf),
    }  # fmt: skip
    path = write_gexf(graph, tmp_path / "g.gexf", measures=measures)
    valid_gexf(path)
    read = Gexf(path)
    kinds = {name: kind.__name__ for name, (_, kind, _) in read.declared["node"].items()}
    assert kinds["large"] == kinds["degree"] == "int"
    assert read.graph.find(".//*[@id='large']").get("type") == "long"
    single = [node["values"].pop("single") for node in read.nodes]
    assert np.array_equal(np.array(single, np.float32), measures.pop("single"))
    expected = nodes_of(graph, {"strength": cg.node_strength(graph)} | measures)
    assert [{"label": node["label"]} | node["values"] for node in read.nodes] == expected
    assert ["share" in node["values"] for node in read.nodes] == [k % 3 != 0 for k in range(n)]


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ({"a": np.zeros(3)}, "one value per node"),
        ({"label": np.zeros(20)}, "attribute of that name"),
        ({"pixel_x": np.zeros(20)}, "pixel_x already"),
        ({"a": np.zeros(20, complex)}, "numbers, truth values or texts"),
    ],
)
def test_measures_that_do_not_fit(measures, message, tmp_path):
    with pytest.raises(CntGraphError, match=message):
        write_gexf(cg.toy("mlp"), tmp_path / "g.gexf", measures=measures)
    assert not list(tmp_path.iterdir())


def test_a_network_too_large_is_not_unrolled(tmp_path):
    net = cg.toy("cnn")
    with pytest.raises(GraphSizeError) as caught:
        write_gexf(net, tmp_path / "g.gexf", max_edges=100)
    coarse = net.estimate(granularity="channel").n_edges
    for part in ("638", f"granularity='channel': {coarse} edges", "layers=", "threshold=",
                 "keep_top_edges", "disparity_filter", "max_edges"):  # fmt: skip
        assert part in str(caught.value)
    write_gexf(net, tmp_path / "g.gexf", max_edges=coarse, granularity="channel")
    chosen = cg.build_graph(net, layers=["pool", "fc"])
    path = write_gexf(net, tmp_path / "h.gexf", max_edges=chosen.n_edges, layers=["pool", "fc"])
    check(path, chosen)


def test_what_the_message_proposes_for_a_graph_is_small_enough(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    with pytest.raises(GraphSizeError, match=r"at most max_edges=50 edges.*got 88") as caught:
        write_gexf(graph, tmp_path / "g.gexf", max_edges=50)
    lines = [line[2:] for line in str(caught.value).splitlines() if line.startswith("* cg.")]
    names = {"cg": cg, "graph": graph}
    sizes = [eval(line.split(": ")[0], names).n_edges for line in lines]
    assert sizes[0] == 50
    assert 0 < min(sizes) <= max(sizes) <= 50
    with pytest.raises(GraphSizeError):
        write_gexf(graph, tmp_path / "g.gexf", max_edges=0)


def test_a_threshold_may_make_a_network_small_enough(tmp_path):
    net = cg.toy("mlp")
    few = cg.build_graph(net, threshold=0.5)
    path = write_gexf(net, tmp_path / "g.gexf", threshold=0.5, max_edges=few.n_edges)
    check(path, few)
    with pytest.raises(GraphSizeError):
        write_gexf(net, tmp_path / "h.gexf", threshold=0.5, max_edges=few.n_edges - 1)


def test_options_that_do_not_fit(tmp_path):
    net = cg.toy("mlp")
    with pytest.raises(CntGraphError, match=r"pass them to cg\.build_graph"):
        write_gexf(cg.build_graph(net), tmp_path / "g.gexf", granularity="channel")
    with pytest.raises(CntGraphError, match=r"unknown options: granulairty; .* granularity"):
        write_gexf(net, tmp_path / "g.gexf", granulairty="channel")
    for wrong in ({}, "net.onnx"):
        with pytest.raises(CntGraphError, match=r"a Network or a Graph, got .*; cg\.load gives"):
            write_gexf(wrong, tmp_path / "g.gexf")


def test_compressed_files_are_the_same_each_time(tmp_path):
    net = cg.toy("mlp")
    plain = write_gexf(net, tmp_path / "a.gexf").read_bytes()
    packed = write_gexf(net, str(tmp_path / "b.gexf.gz"))
    assert packed == tmp_path / "b.gexf.gz"
    assert gzip.decompress(packed.read_bytes()) == plain
    assert write_gexf(net, tmp_path / "c.gexf.gz").read_bytes() == packed.read_bytes()
    assert nx.read_gexf(packed).number_of_edges() == net.n_edges


def test_a_file_is_replaced_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "g.gexf"
    path.write_text("before")
    monkeypatch.setattr("cntgraph.export.gexf.edge_ends", lambda weights: 1 / 0)
    with pytest.raises(CntGraphError, match="exists"):
        write_gexf(cg.toy("mlp"), path)
    with pytest.raises(ZeroDivisionError):
        write_gexf(cg.toy("mlp"), path, overwrite=True)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    check(write_gexf(cg.toy("mlp"), path, overwrite=True), cg.build_graph(cg.toy("mlp")))
    with pytest.raises(CntGraphError, match="cannot be written"):
        write_gexf(cg.toy("mlp"), tmp_path / "no" / "folder.gexf")


def test_memory_does_not_grow_with_the_edges(tmp_path):
    def most(n):
        pairs = [(s, n + t, 0.1 * s - t / 3, 0) for s in range(n) for t in range(n)]
        graph = graph_of(layers_of(["a", "b"], [(n,), (n,)]), pairs)
        tracemalloc.start()
        write_gexf(graph, tmp_path / f"{n}.gexf")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    write_gexf(cg.toy("mlp"), tmp_path / "g.gexf")  # what is imported late
    small = most(150)  # both more than a piece
    assert most(350) < 1.3 * small


def test_pieces_are_seamless(tmp_path, monkeypatch):
    net = cg.toy("cnn")
    whole = write_gexf(net, tmp_path / "a.gexf").read_text()
    monkeypatch.setattr("cntgraph.export.edges.EdgeList.pieces.__kwdefaults__",
                        {"size": 7, "show": True})  # fmt: skip
    monkeypatch.setattr("cntgraph.export.gexf_parts.node_pieces.__defaults__", (None, 5))
    assert write_gexf(net, tmp_path / "b.gexf", show_progress=True).read_text() == whole
