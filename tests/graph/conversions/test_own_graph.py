"""Graphs from elsewhere: the same edges, and all that works on graphs works on them."""

import igraph
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from needs import needs
from oracles.classic import networks
from oracles.graphs import edges_of, graphs, odd
from scipy.sparse import coo_array, csr_array, csr_matrix

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.measures.profile.catalog import CATALOG
from cntgraph.measures.profile.numbers import named_numbers

NETS = networks()
REDUCTIONS = {
    "disparity": lambda g: cg.disparity_filter(g, 0.5, sign="absolute"),
    "noise": lambda g: cg.noise_corrected_backbone(g, sign="absolute"),
    "threshold": lambda g: cg.threshold_edges(g, 0.2),
    "top": lambda g: cg.keep_top_edges(g, 2),
    "edges": lambda g: cg.sample_edges(g, fraction=0.5),
    "nodes": lambda g: cg.sample_nodes(g, 2),
    "isolated": lambda g: cg.drop_isolated_nodes(g),
    "layers": lambda g: cg.keep_layers(g, [g.layers[0].name]),
}
WRITERS = (cg.write_gexf, cg.write_graphml, cg.write_csv, cg.write_parquet)


def pairs(graph):
    """(source, target, weight) of every edge by what nodes are called, in any order."""
    names = graph.nodes.get("node_id", graph.nodes.index.to_series()).tolist()
    return sorted((names[i], names[j], w) for i, j, w, _ in edges_of(graph))


def tangle(n=12, n_edges=40):
    """A directed graph with loops, and no layers."""
    rng = np.random.default_rng(3)
    ends = rng.integers(n, size=(2, n_edges))
    return cg.Graph.from_edges(*ends, rng.normal(size=n_edges), nodes=n)


@given(graphs())
def test_a_matrix_has_the_edges_that_it_stores(graph):
    found = cg.Graph.from_scipy(graph.adjacency, layers=graph.layers, bias=graph.bias)
    assert [e[:3] for e in edges_of(found)] == [e[:3] for e in edges_of(graph)]
    assert found.layers == graph.layers
    assert found.nodes.equals(graph.nodes)
    layer = graph.nodes["layer"].tolist()
    for i, j, _, block in edges_of(found):
        assert found.block_names[block] == f"{layer[i]}->{layer[j]}"


@given(graphs(), st.sampled_from(["sum", "keep"]))
def test_what_was_handed_out_is_taken_back(graph, parallel):
    expected = pairs(graph if parallel == "keep" else cg.Graph.from_scipy(graph.to_scipy()))
    made = graph.to_networkx(parallel=parallel)
    assert pairs(cg.Graph.from_networkx(made)) == expected
    made = graph.to_igraph(parallel=parallel)
    found = cg.Graph.from_igraph(made, layers="layer" if graph.n_nodes else None)
    assert pairs(found) == expected
    if graph.n_nodes:
        assert found.nodes["layer"].tolist() == graph.nodes["layer"].tolist()


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_measures_are_those_of_the_graph_it_was(name):
    graph = cg.build_graph(NETS[name], edges="parametric")
    back = cg.Graph.from_scipy(graph.adjacency, layers=graph.layers, bias=graph.bias)
    for measure in CATALOG:
        if measure.name in ("link_weights", "relative_fluctuation", "weight_spectra"):
            continue  # of stored weights, which graphs do not have
        options = {"sign": "absolute"} if measure.takes("sign") else {}
        options |= {"n_clusters": 2} if measure.takes("n_clusters") else {}
        try:
            expected = named_numbers(measure.function(graph, **options))
        except UndefinedMeasureError:
            with pytest.raises(UndefinedMeasureError):
                measure.function(back, **options)
            continue
        found = named_numbers(measure.function(back, **options))
        for part, values in expected.items():
            np.testing.assert_allclose(found[part], values, err_msg=measure.name)


PATHS = {"effective_depth", "path_count", "path_norm", "path_weight", "deep_graph_persistence"}


def test_every_measure_takes_a_graph_without_layers_or_says_what_it_needs():
    graph, undefined = tangle(), set()
    for measure in CATALOG:
        if measure.name in ("link_weights", "relative_fluctuation", "weight_spectra"):
            continue
        options = {"sign": "absolute"} if measure.takes("sign") else {}
        options |= {"n_clusters": 2} if measure.takes("n_clusters") else {}
        try:
            assert named_numbers(measure.function(graph, **options))
        except UndefinedMeasureError:
            undefined.add(measure.name)
    assert undefined == PATHS


@pytest.mark.parametrize("layers", [None, "topological", list("abcabcabcabc")])
def test_every_reduction_and_every_writer_takes_it(tmp_path, layers):
    needs("pyarrow")
    if layers == "topological":
        source, target = np.triu_indices(12, 3)
        graph = cg.Graph.from_edges(source, target, np.sin(source + target), layers=layers)
    else:
        graph = cg.Graph.from_scipy(tangle().adjacency, layers=layers)
    before = set(pairs(graph))
    for name, reduce in REDUCTIONS.items():
        found = reduce(graph).graph
        if "node_id" in graph.nodes or found.n_nodes == graph.n_nodes:
            assert set(pairs(found)) <= before, name
        for write in WRITERS:
            write(found, tmp_path / f"{write.__name__}-{name}")
    assert cg.node_positions(graph).shape == (12, 3)
    assert graph.to_networkit().numberOfEdges() == graph.to_scipy().nnz


@given(graphs(signed=False))
def test_depths_are_those_of_the_longest_paths(graph):
    edges = sorted({(i, j) for i, j, *_ in edges_of(graph) if i < j})  # no loops
    expected = nx.DiGraph()
    expected.add_nodes_from(range(graph.n_nodes))
    expected.add_edges_from(edges)
    found = cg.Graph.from_edges(
        [i for i, _ in edges], [j for _, j in edges], nodes=graph.n_nodes, layers="topological"
    )
    depth = dict.fromkeys(expected, 0)
    for node in nx.topological_sort(expected):
        for before in expected.predecessors(node):
            depth[node] = max(depth[node], depth[before] + 1)
    last = max(depth.values(), default=0)
    depth |= {n: last for n in expected if expected.in_degree(n) and not expected.out_degree(n)}
    names = found.nodes.get("node_id", found.nodes.index.to_series())
    assert dict(zip(names, found.nodes["layer_index"], strict=True)) == depth
    if edges:
        assert found.layers[0].is_input
        assert found.layers[-1].is_output
        ends = [n for n in expected if expected.out_degree(n) == 0 and expected.in_degree(n)]
        starts = [n for n in expected if expected.in_degree(n) == 0]
        n_paths = sum(len(list(nx.all_simple_paths(expected, s, e))) for s in starts for e in ends)
        assert cg.path_count(found).total == n_paths


def test_labels_put_nodes_into_the_order_of_layers():
    matrix = csr_array(np.arange(1.0, 17).reshape(4, 4))
    found = cg.Graph.from_scipy(matrix, layers=["b", "a", "b", "a"], bias=[0, 1, 2, 3])
    order = [0, 2, 1, 3]
    assert [layer.name for layer in found.layers] == ["b", "a"]
    assert found.nodes["node_id"].tolist() == found.bias.tolist() == order
    assert np.array_equal(found.adjacency.toarray(), matrix.toarray()[np.ix_(order, order)])
    by_number = cg.Graph.from_scipy(matrix, layers=[10, 9, 10, 9], nodes=list("wxyz"))
    assert [layer.name for layer in by_number.layers] == ["9", "10"]
    assert by_number.nodes["node_id"].tolist() == ["x", "z", "w", "y"]


def test_layers_by_size_and_which_are_ends():
    matrix = csr_array((5, 5))
    layers = {"in": 1, "map": (1, 1, 2), "out": 2}
    found = cg.Graph.from_scipy(matrix, layers=layers)
    assert [(x.is_input, x.is_output) for x in found.layers] == [
        (True, False), (False, False), (False, True)]  # fmt: skip
    assert found.nodes["x"].tolist() == [-1, 0, 1, -1, -1]
    found = cg.Graph.from_scipy(matrix, layers=layers, inputs=["in", "map"], outputs=[])
    assert [x.is_input for x in found.layers] == [True, True, False]
    assert not any(x.is_output for x in found.layers)
    found = cg.Graph.from_scipy(matrix, inputs=["nodes"], outputs=["nodes"])
    assert found.layers[0].is_input
    assert found.layers[0].is_output


def test_edges_of_undirected_graphs_are_two_and_loops_one():
    edges = [(0, 1, 2.0), (1, 1, 3.0)]
    expected = [(0, 1, 2.0), (1, 0, 2.0), (1, 1, 3.0)]
    g = nx.MultiGraph()
    g.add_weighted_edges_from(edges)
    assert pairs(cg.Graph.from_networkx(g)) == expected
    assert pairs(cg.Graph.from_networkx(g, weight=None)) == [(*e[:2], 1.0) for e in expected]
    made = igraph.Graph([e[:2] for e in edges])
    assert pairs(cg.Graph.from_igraph(made)) == [(*e[:2], 1.0) for e in expected]
    made.es["weight"] = [2.0, 3.0]
    assert pairs(cg.Graph.from_igraph(made)) == expected
    assert pairs(cg.Graph.from_edges(*zip(*edges, strict=True), directed=False)) == expected


def test_names_of_nodes():
    found = cg.Graph.from_edges(["b", "a"], ["a", "c"], [1, 2])
    assert found.nodes["node_id"].tolist() == ["b", "a", "c"]
    found = cg.Graph.from_edges(["b", "a"], ["a", "c"], nodes=list("abcd"))
    assert pairs(found) == [("a", "c", 1.0), ("b", "a", 1.0)]
    assert found.n_nodes == 4
    g = nx.DiGraph([((0, 1), "x"), ("x", 3)])
    assert cg.Graph.from_networkx(g).nodes["node_id"].tolist() == ["(0, 1)", "x", "3"]
    named = igraph.Graph.Formula("u->v")
    assert cg.Graph.from_igraph(named).nodes["node_id"].tolist() == ["u", "v"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, bool])
def test_weights_are_kept_in_their_type_where_there_is_one(dtype):
    matrix = coo_array((np.ones(2, dtype), ([0, 0], [1, 1])), shape=(2, 2))
    found = cg.Graph.from_scipy(csr_matrix(matrix) if dtype is bool else matrix)
    expected = np.float32 if dtype is np.float32 else np.float64
    assert found.adjacency.dtype == expected
    if dtype is not bool:  # which SciPy added up
        assert found.n_edges == 2


EMPTY = csr_array((2, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cg.Graph.from_scipy(np.eye(2)), r"csr_array\(array\)"),
        (lambda: cg.Graph.from_scipy(csr_array((2, 3))), "square"),
        (lambda: cg.Graph.from_scipy(csr_array(np.eye(2) * 1j)), "a number as the weight"),
        (lambda: cg.Graph.from_scipy(EMPTY, layers={"a": 3}), "layers of 2 nodes"),
        (lambda: cg.Graph.from_scipy(EMPTY, layers=["a"]), "layer of each of 2 nodes"),
        (lambda: cg.Graph.from_scipy(EMPTY, layers="depth"), "'topological'"),
        (lambda: cg.Graph.from_scipy(EMPTY, inputs=["a"]), "no layer is called 'a'"),
        (lambda: cg.Graph.from_scipy(EMPTY, nodes=["a"]), "a name of its own"),
        (lambda: cg.Graph.from_scipy(EMPTY, nodes=["a", "a"]), "a name of its own"),
        (lambda: cg.Graph.from_scipy(EMPTY, bias=[0.0]), "a bias per node"),
        (lambda: cg.Graph.from_edges([0], [1, 2]), "a source and a target per edge"),
        (lambda: cg.Graph.from_edges([0], [1], [1.0, 2.0]), "each of 1 edges"),
        (lambda: cg.Graph.from_edges([0], [-1]), "from 0 to 0; got -1"),
        (lambda: cg.Graph.from_edges([0], [2], nodes=2), "from 0 to 1"),
        (lambda: cg.Graph.from_edges(["a"], ["b"], nodes=["a"]), "'b', which is none of nodes="),
        (lambda: cg.Graph.from_edges([0, 1], [1, 0], layers="topological"), "there are loops"),
        (lambda: cg.Graph.from_networkx(nx.path_graph(2), layers="layer"), "no attribute"),
        (lambda: cg.Graph.from_igraph(igraph.Graph(2), layers="layer"), "no attribute"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(CntGraphError, match=message):
        make()
    g = nx.Graph()
    g.add_edge(0, 1, weight="strong")
    with pytest.raises(CntGraphError, match="a number as the weight"):
        cg.Graph.from_networkx(g)


def test_odd_graphs():
    for name in ("no nodes", "no edges", "empty layer", "loops", "zero weights"):
        graph = odd(name)
        found = cg.Graph.from_scipy(graph.adjacency)
        assert pairs(found) == pairs(graph)
        assert len(found.block_names) == (graph.n_edges > 0)
