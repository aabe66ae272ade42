import tracemalloc

import networkx as nx
import numpy as np
import pytest
from oracles import loops
from oracles.nets import TOYS, adjacency, edge_list, nets, random_net

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.errors import CntGraphError, GraphSizeError
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window

NETS = nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("edges", ["all", "parametric"])
def test_it_is_the_assembly_of_the_blocks(net, edges):
    graph, expected = cg.build_graph(net, edges=edges), adjacency(net, edges)
    assert graph.adjacency.shape == (net.n_nodes, net.n_nodes)
    assert graph.n_edges == graph.adjacency.nnz == expected.nnz
    assert (abs(graph.adjacency.astype(float) - expected.tocsr()) > 1e-12).nnz == 0


def test_every_edge_is_there_with_its_block(net):
    graph = cg.build_graph(net)
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.adjacency.indptr))
    names = [graph.block_names[k] for k in graph.edge_block]
    data = graph.adjacency.data.astype(float)
    found = sorted(zip(names, rows.tolist(), graph.adjacency.indices.tolist(), data, strict=True))
    expected = []
    for block in net.blocks:
        own = block.to_csr().tocoo()
        source, target = block.source.as_ids(), block.target.as_ids()
        for i, j, w in zip(own.row, own.col, own.data, strict=True):
            expected.append((block.name, int(source[i]), int(target[j]), float(w)))
    assert found == sorted(expected)
    assert [bool(p) for p in graph.parametric] == [block.parametric for block in net.blocks]


def test_columns_ascend_within_a_row(net):
    matrix = cg.build_graph(net).adjacency
    for i in range(matrix.shape[0]):
        assert (np.diff(matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]) >= 0).all()


def test_degrees(net):
    graph, edges = cg.build_graph(net), edge_list(net)
    out, into = loops.strengths(edges, net.n_nodes, net.n_nodes, "count")
    assert np.array_equal(np.diff(graph.adjacency.indptr), out)
    assert np.array_equal(np.bincount(graph.adjacency.indices, minlength=net.n_nodes), into)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 10.0])
def test_threshold_keeps_what_is_large(net, threshold):
    whole, graph = cg.build_graph(net), cg.build_graph(net, threshold=threshold)
    kept = [(i, j, w) for i, j, w in edge_list(net) if abs(w) >= threshold]
    assert graph.n_edges == graph.edge_block.size == len(kept)
    dense = loops.to_matrix(kept, net.n_nodes, net.n_nodes)
    assert np.allclose(graph.adjacency.toarray(), dense)
    assert graph.block_names == whole.block_names
    assert graph.n_nodes == whole.n_nodes


def test_layers_keep_the_edges_among_them(net):
    names = [layer.name for layer in net.layers]
    for chosen in (names[:2], names[-2:], names[::2], names[1:2], names[::-1]):
        graph = cg.build_graph(net, layers=chosen)
        assert [layer.name for layer in graph.layers] == [n for n in names if n in chosen]
        kept = np.concatenate([np.arange(net.n_nodes)[net.layer(layer.name).slice]
                               for layer in graph.layers])  # fmt: skip
        expected = adjacency(net).tocsr()[kept][:, kept]
        assert (abs(graph.adjacency.astype(float) - expected) > 1e-12).nnz == 0
        for layer in graph.layers:
            assert graph.layer_slice(layer.name) == layer.slice


def test_layers_that_are_not_there(net):
    with pytest.raises(CntGraphError, match="'nowhere'"):
        cg.build_graph(net, layers=["nowhere"])
    with pytest.raises(CntGraphError, match="'nowhere'"):
        cg.build_graph(net).layer_slice("nowhere")


def test_bad_edges_are_refused(net):
    with pytest.raises(CntGraphError, match="'parametric' or 'all'"):
        cg.build_graph(net, edges="none")


def test_the_node_table():
    net = random_net(1)
    nodes = cg.build_graph(net).nodes
    assert nodes.columns.tolist() == ["layer", "layer_index", "kind", "activation", "channel",
                                      "z", "y", "x", "bias"]  # fmt: skip
    assert nodes.index.name == "node"
    assert len(nodes) == net.n_nodes
    assert nodes["layer"].cat.categories.tolist() == [layer.name for layer in net.layers]
    assert np.allclose(nodes["bias"], net.bias())
    for layer in net.layers:
        own = nodes[nodes["layer"] == layer.name]
        assert set(own["kind"]) == {layer.kind}
        assert set(own["activation"]) == {layer.activation}
        assert set(own["layer_index"]) == {net.layers.index(layer)}
        assert own.index.tolist() == list(range(*layer.slice.indices(net.n_nodes)))
        for rank, (_, row) in enumerate(own.iterrows()):
            place = (row["channel"], row["y"], row["x"])[: len(layer.shape)]
            assert loops.flat_index(place, layer.shape) == rank
            assert row["z"] == -1
            assert len(layer.shape) == 3 or row["y"] == row["x"] == -1


@pytest.mark.parametrize(
    ("shape", "columns"),
    [((2, 3), "x"), ((2, 3, 2), "yx"), ((2, 2, 3, 2), "zyx"), ((2, 2, 2, 3, 2), "zyx")],
)
def test_node_places_in_any_number_of_dimensions(shape, columns):
    net = cg.Network((cg.Layer("a", shape, "input", is_input=True),), ())
    nodes = cg.build_graph(net).nodes
    unused = [c for c in "zyx" if c not in columns]
    assert (nodes[unused] == -1).all(axis=None)
    places = nodes[["channel", *columns]].to_numpy()
    assert len({tuple(place) for place in places}) == len(nodes) == np.prod(shape)
    assert places.tolist() == sorted(places.tolist())


def test_too_many_edges_are_refused_before_anything_is_allocated():
    builder = Builder()
    weight = cg.Parameter("w", (20_000, 30_000), "float32", NeverRead((20_000, 30_000)))
    weight = Recipe.of(builder.parameter(weight))
    builder.output(builder.linear("fc", builder.input("input", (30_000,)), weight, None))
    net = builder.finish()
    tracemalloc.start()
    try:
        with pytest.raises(GraphSizeError) as error:
            cg.build_graph(net)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    for part in ("50,000 nodes", "600,000,000 edges", "GiB", "max_edges=200,000,000"):
        assert part in str(error.value)
    assert isinstance(error.value, MemoryError)


class NeverRead:
    def __init__(self, shape):
        self.shape = shape

    def __getitem__(self, key):
        raise AssertionError("a weight was read")


def test_max_edges_is_the_largest_number_that_passes():
    net = cg.toy("mlp")
    assert cg.build_graph(net, max_edges=net.n_edges).n_edges == 88
    with pytest.raises(GraphSizeError, match="88 edges"):
        cg.build_graph(net, max_edges=87)
    kept = cg.build_graph(net, layers=["fc2", "fc3"], max_edges=8)
    assert kept.n_edges == 8


def residual_of(weight, dtype):
    """y = x + conv(x): the center tap is parallel to the skip."""
    builder = Builder()
    kernel = cg.Parameter.from_array("w", np.asarray(weight, dtype).reshape(1, 1, 3))
    x = builder.input("input", (1, 4))
    axis = Window(4, 4, 3, before=1)
    made = builder.conv("conv", x, Recipe.of(builder.parameter(kernel)), None, (axis,))
    builder.output(builder.add("sum", [x, made]))
    return builder.finish()


def test_parallel_edges_are_kept():
    net = residual_of([1.0, -5.0, 2.0], np.float32)
    graph = cg.build_graph(net)
    assert graph.n_edges == net.n_edges == 4 + 10
    row = graph.adjacency.indices[: graph.adjacency.indptr[1]]
    assert row.tolist() == [4, 4, 5]
    assert sorted(graph.adjacency.data[:2].tolist()) == [-5.0, 1.0]
    absolute = cg.node_strength(graph, transform="absolute", edges="all")
    assert absolute[0] == 1.0 + 5.0 + 1.0
    assert cg.node_strength(graph, transform="count", edges="all")[0] == 3
    assert cg.node_strength(graph, transform="count", edges="parametric")[0] == 2
    assert net.n_layers == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_type_of_the_data(dtype):
    net = residual_of([1.0, 0.1, 2.0], dtype)
    graph = cg.build_graph(net)
    wide = np.float64 if dtype == np.float64 else np.float32
    assert graph.adjacency.data.dtype == wide
    assert np.array_equal(np.unique(graph.adjacency.data), np.unique(wide(dtype([0.1, 1.0, 2.0]))))
    # Both kinds of index are of one type, or SciPy widens the large one.
    assert graph.adjacency.indices.dtype == graph.adjacency.indptr.dtype == np.int32
    kept = cg.build_graph(net, threshold=0.5).adjacency
    assert kept.indices.dtype == kept.indptr.dtype == np.int32
    assert net.blocks[0].to_csr().indices.dtype == np.int32
    assert graph.edge_block.dtype == np.uint8


def test_more_than_256_blocks():
    builder = Builder()
    x = builder.input("input", (2,))
    total = builder.add("sum", [x] * 300)
    builder.output(total)
    net = builder.finish()
    graph = cg.build_graph(net)
    assert graph.edge_block.dtype == np.uint16
    assert np.bincount(graph.edge_block).tolist() == [2] * 300
    assert net.estimate().nbytes == 600 * (4 + 4 + 2) + 4 * 5


@pytest.mark.parametrize("name", TOYS)
def test_networkx_gives_the_same_strengths(name):
    net = cg.toy(name)
    graph = cg.build_graph(net)
    g = nx.from_scipy_sparse_array(graph.adjacency, create_using=nx.MultiDiGraph)
    options = {"edges": "all", "bias": False}
    for direction, degree in (("in", g.in_degree), ("out", g.out_degree), ("total", g.degree)):
        expected = [degree(node, weight="weight") for node in range(net.n_nodes)]
        assert np.allclose(cg.node_strength(net, direction=direction, **options), expected)
        counted = [degree(node) for node in range(net.n_nodes)]
        found = cg.node_strength(net, direction=direction, transform="count", **options)
        assert found.tolist() == counted


def test_parts_that_do_not_fit_are_refused():
    graph = cg.build_graph(cg.toy("mlp"))
    fields = {name: getattr(graph, name) for name in graph.__dataclass_fields__}
    for name, wrong in (
        ("adjacency", graph.adjacency[:5, :5]),
        ("edge_block", graph.edge_block[:3]),
        ("bias", graph.bias[:3]),
        ("parametric", graph.parametric[:1]),
    ):
        with pytest.raises(CntGraphError, match="expected an adjacency"):
            cg.Graph(**{**fields, name: wrong})
