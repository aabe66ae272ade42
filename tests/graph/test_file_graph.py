"""Graphs whose edges stay in a file are those in memory, bit by bit, and take no memory."""

import os
import tracemalloc

import numpy as np
import pytest
from oracles.nets import nets
from oracles.spy import Spy

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, FormatError, GraphSizeError, StoreError
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.graph import building, signs
from cntgraph.network.blocks import Conv, Dense, Sparse, Window, dense
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network


def weight(*shape):
    values = np.random.default_rng(0).normal(size=shape)
    return Recipe.of(cg.Parameter.from_array("w", values))


def rare_blocks():
    """A transposed convolution of a stride, and edges that are listed one by one."""
    layers = (Layer("input", (2, 3), "input"), Layer("up", (1, 7), "conv", 6),
              Layer("out", (4,), "sparse", 13))  # fmt: skip
    source, middle, target = (View(layer.shape, layer.start) for layer in layers)
    up = Conv(name="up", source=source, target=middle, weight=weight(2, 1, 3), transposed=True,
              windows=(Window(fine=7, coarse=3, kernel=3, stride=2),))  # fmt: skip
    indptr, indices = np.array([0, 2, 2, 3, 5, 5, 5, 6]), np.array([0, 3, 1, 0, 2, 3])
    sparse = Sparse(name="sparse", source=middle.reshape((7,)), target=target, weight=weight(6),
                    indptr=indptr, indices=indices)  # fmt: skip
    return Network(layers, (up, sparse))


NETS = nets() | {"recurrent": cg.toy("recurrent"), "rare": rare_blocks()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph.h5"


@pytest.fixture(params=[3, 50, 1000])
def pieces(request, monkeypatch):
    """Few edges are held at a time, so that these small networks are written in many pieces."""
    monkeypatch.setattr(building, "PIECE_EDGES", request.param)
    monkeypatch.setattr(dense, "_SOURCES_BYTES", 40)


def assert_same(found, expected):
    for name in ("indptr", "indices", "data"):
        ours, theirs = getattr(found.adjacency, name), getattr(expected.adjacency, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert found.edge_block.dtype == expected.edge_block.dtype
    for name in ("edge_block", "parametric", "bias", "parametric_bias"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.layers, found.block_names, found.labels) == (
        expected.layers, expected.block_names, expected.labels,
    )  # fmt: skip


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("threshold", [None, 0.5])
def test_it_is_the_graph_in_memory(name, threshold, path, pieces):
    expected = cg.build_graph(NETS[name], threshold=threshold)
    assert_same(cg.build_graph(NETS[name], threshold=threshold, out=path), expected)
    assert_same(cg.open_graph(path), expected)


@pytest.mark.parametrize("options", [{"granularity": "channel"}, {"edges": "parametric"},
                                     {"layers": ["conv1", "pool"]}])  # fmt: skip
def test_it_takes_the_options_of_graphs_in_memory(options, path, pieces):
    net = cg.toy("cnn")
    assert_same(cg.build_graph(net, out=path, **options), cg.build_graph(net, **options))


def test_labels_are_kept(path):
    net = cg.toy("mlp").bind(cg.toy("mlp").parameters, {"epoch": 3, "accuracy": 0.5, "by": "me"})
    cg.build_graph(net, out=path)
    assert cg.open_graph(path).labels == {"epoch": 3, "accuracy": 0.5, "by": "me"}


@pytest.mark.parametrize("name", ["residual", "random0", "recurrent"])
def test_measures_are_the_same(name, path):
    graph, filed = cg.build_graph(NETS[name]), cg.build_graph(NETS[name], out=path)
    x = np.random.default_rng(0).normal(size=graph.n_nodes)
    for measure in (
        cg.node_strength,
        lambda g: cg.node_strength(g, transform="count", edges="all"),
        lambda g: g.adjacency @ x,
        lambda g: g.adjacency.T @ x,
        lambda g: cg.pagerank(g, sign="absolute"),
        lambda g: cg.katz_centrality(g, sign="absolute"),
        lambda g: cg.hits(g, sign="absolute").hubs,
        lambda g: cg.keep_top_edges(g, 1).graph.adjacency.data,
    ):
        np.testing.assert_array_equal(measure(filed), measure(graph))


def test_what_is_kept_of_it_is_in_memory(path):
    filed = cg.build_graph(cg.toy("mlp"), out=path)
    kept = filed.keep_edges(filed.adjacency.data > 0)
    path.write_bytes(path.read_bytes() + b" ")
    assert kept.n_edges == 46
    with pytest.raises(StoreError, match="was changed after it had been opened"):
        filed.adjacency  # noqa: B018


def test_a_file_that_became_shorter_is_an_error_and_no_crash(path):
    filed = cg.build_graph(cg.toy("mlp"), out=path)
    os.truncate(path, 100)
    for use in (cg.node_strength, lambda g: cg.pagerank(g, sign="absolute"), lambda g: g.n_edges):
        with pytest.raises(StoreError, match="open it again"):
            use(filed)


def test_a_file_may_be_removed_while_it_is_used(path):
    filed, expected = cg.build_graph(cg.toy("mlp"), out=path), cg.build_graph(cg.toy("mlp"))
    path.unlink()
    np.testing.assert_array_equal(cg.node_strength(filed), cg.node_strength(expected))


def test_memory_is_that_of_a_piece(path, monkeypatch):
    """Of 2 million edges, 18 MB, a fortieth is held at a time, by whoever looks at them."""
    monkeypatch.setattr(building, "PIECE_EDGES", 50_000)
    monkeypatch.setattr(signs, "_CHUNK", 50_000)
    rng = np.random.default_rng(0)
    net = cg.load([rng.normal(size=(1000, 1000)).astype(np.float32) for _ in range(2)])

    def use(path):
        graph = cg.build_graph(net, out=path)
        for measure in (cg.pagerank, cg.hits):
            measure(graph, sign="absolute")
        cg.node_strength(graph, transform="count", edges="all")
        return graph

    use(path.with_name("first.h5"))  # compiles
    tracemalloc.start()
    try:
        assert use(path).n_edges == 2_000_000
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()


def test_of_a_dense_layer_each_weight_is_read_about_once(path, monkeypatch):
    """A piece has some of its rows: what others need of the weight is left where it is."""
    monkeypatch.setattr(building, "PIECE_EDGES", 20 * 100)
    monkeypatch.setattr(dense, "_SOURCES_BYTES", 8 * 1000)
    spy, (source, target) = Spy(100, 200), (View((200,), 0), View((100,), 200))
    block = Dense(name="fc", source=source, target=target, weight=spy.as_recipe())
    net = Network((Layer("input", (200,), "input"), Layer("fc", (100,), "dense", 200)), (block,))
    assert cg.build_graph(net, out=path).n_edges == 20_000
    read = [np.broadcast_to(0, spy.shape)[key].size for key in spy.keys]
    assert max(read) < 20 * 100
    assert sum(read) == 20_000


def test_nothing_is_written_over(path):
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists: expected a new file"):
        cg.build_graph(cg.toy("mlp"), out=path)
    assert path.read_text() == "mine"


def test_a_disk_too_small_is_noticed_before(path, monkeypatch):
    monkeypatch.setattr(building, "disk_usage", lambda _: type("Usage", (), {"free": 500}))
    with pytest.raises(GraphSizeError, match="are free there; choose layers="):
        cg.build_graph(cg.toy("mlp"), out=path)
    assert not path.exists()


def test_the_limit_of_graphs_in_memory_is_none_of_files(path, monkeypatch):
    monkeypatch.setattr(building, "MAX_EDGES", 10)
    with pytest.raises(GraphSizeError, match=r"max_edges=10\b.*out="):
        cg.build_graph(cg.toy("mlp"))
    assert cg.build_graph(cg.toy("mlp"), out=path).n_edges == 88
    with pytest.raises(GraphSizeError, match=r"max_edges=20\b"):
        cg.build_graph(cg.toy("mlp"), out=path.with_name("other.h5"), max_edges=20)


def test_files_of_networks_and_of_graphs_are_told_apart(path):
    cg.build_graph(cg.toy("mlp"), out=path)
    for read in (cg.open, cg.load):
        with pytest.raises(FormatError, match=r"cntgraph\.open_graph"):
            read(path)
    network = path.with_name("net.h5")
    cg.save(cg.toy("mlp"), network)
    with pytest.raises(FormatError, match=r"cntgraph\.open\b"):
        cg.open_graph(network)
    with pytest.raises(FormatError, match="found no file"):
        cg.open_graph(path.with_name("none.h5"))


def test_a_failed_writing_leaves_nothing(path, monkeypatch):
    def fail(*_):
        raise CntGraphError("no more")

    monkeypatch.setattr(building.Unrolling, "rows", fail)
    with pytest.raises(CntGraphError, match="no more"):
        cg.build_graph(cg.toy("mlp"), out=path)
    assert not list(path.parent.iterdir())
