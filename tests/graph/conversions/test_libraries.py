"""networkx, igraph and networkit: the same nodes and the same edges in each."""

import io
import subprocess
import sys
from importlib import import_module

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from needs import needs
from oracles.graphs import ODD, added_up, edges_of, graphs, odd
from oracles.nets import nets

import cntgraph as cg
from cntgraph.graph.conversions.edges import EdgeArrays

NETS = nets() | {"recurrent": cg.toy("recurrent")}
SCALARS = (int, float, str, bool)


def expected_edges(graph, parallel):
    """Sorted (source, target, weight, block, parametric), from plain loops."""
    names, learned = graph.block_names, graph.parametric
    if parallel == "keep":
        rows = [(i, j, w, names[b], bool(learned[b])) for i, j, w, b in edges_of(graph)]
    else:
        rows = [
            (i, j, w, "+".join(names[b] for b in sorted(set(bs))), any(learned[b] for b in bs))
            for (i, j), (w, bs) in added_up(edges_of(graph)).items()
        ]
    return rows


def same_edges(found, expected):
    """Whether the same edges are there in the same order; NaN equals NaN."""
    assert [(*row[:2], *row[3:]) for row in found] == [(*row[:2], *row[3:]) for row in expected]
    weights = [[row[2] for row in rows] for rows in (found, expected)]
    assert np.allclose(*weights, rtol=0, atol=1e-12, equal_nan=True)


def check_networkx(graph, parallel):
    made = graph.to_networkx(parallel=parallel)
    assert type(made) is (nx.MultiDiGraph if parallel == "keep" else nx.DiGraph)
    assert list(made) == list(range(graph.n_nodes))
    found = [
        (i, j, data["weight"], data["block"], data["parametric"])
        for i, j, data in made.edges(data=True)
    ]
    same_edges(found, expected_edges(graph, parallel))
    assert sorted(made.in_edges) == sorted(made.edges)
    assert all(made.has_edge(*edge) for edge in made.in_edges)
    for attributes in (*(d for _, d in made.nodes(data=True)), *(d for *_, d in made.edges.data())):
        assert all(type(value) in SCALARS for value in attributes.values())


def check_igraph(graph, parallel):
    made = graph.to_igraph(parallel=parallel)
    assert made.is_directed()
    assert made.vcount() == graph.n_nodes
    found = [(e.source, e.target, e["weight"], e["block"], e["parametric"]) for e in made.es]
    same_edges(found, expected_edges(graph, parallel))
    for sequence in (made.vs, made.es):
        for name in sequence.attributes():
            assert all(type(value) in SCALARS for value in sequence[name])


def check_networkit(graph, parallel):
    needs("networkit")
    made = graph.to_networkit(parallel=parallel)
    assert made.isDirected()
    assert made.isWeighted()
    assert made.numberOfNodes() == graph.n_nodes
    expected = expected_edges(graph, parallel)
    found = list(made.iterEdgesWeights())
    same_edges([(*row, "", True) for row in found], [(*row[:3], "", True) for row in expected])
    into = sorted((i, j) for j in range(graph.n_nodes) for i in made.iterInNeighbors(j))
    assert into == sorted(row[:2] for row in expected)


CHECKS = {"networkx": check_networkx, "igraph": check_igraph, "networkit": check_networkit}


@pytest.mark.parametrize("library", CHECKS)
@pytest.mark.parametrize("parallel", ["sum", "keep"])
@pytest.mark.parametrize("name", ODD)
def test_odd_graphs(name, parallel, library):
    CHECKS[library](odd(name), parallel)


@pytest.mark.parametrize("library", CHECKS)
@pytest.mark.parametrize("parallel", ["sum", "keep"])
@pytest.mark.parametrize("name", NETS)
def test_networks(name, parallel, library):
    CHECKS[library](cg.build_graph(NETS[name]), parallel)


@pytest.mark.parametrize("library", CHECKS)
@given(graph=graphs())
def test_any_graph(library, graph):
    CHECKS[library](graph, "sum")
    CHECKS[library](graph, "keep")


def attributes_of(graph, library, measures):
    """{name: list of values} of the nodes, as the library has them."""
    made = getattr(graph, f"to_{library}")(measures=measures)
    if library == "networkx":
        names = made.nodes[0]
        return {name: [made.nodes[n][name] for n in made] for name in names}
    if library == "igraph":
        return {name: made.vs[name] for name in made.vs.attributes()}
    kinds = {name: {"f": float, "O": str}.get(values.dtype.kind, int)
             for name, values in graph.node_attributes(measures).items()}  # fmt: skip
    return {
        name: [made.getNodeAttribute(name, kind)[n] for n in made.iterNodes()]
        for name, kind in kinds.items()
    }


@pytest.mark.parametrize("library", CHECKS)
def test_node_attributes_and_measures(library):
    needs(library)
    graph = cg.build_graph(NETS["cnn"])
    measures = {"strength": cg.node_strength(graph), "large": cg.node_strength(graph) > 1,
                "rank": np.arange(graph.n_nodes, dtype=np.int32)}  # fmt: skip
    found = attributes_of(graph, library, measures)
    expected = graph.node_attributes(measures)
    assert {name: values.tolist() for name, values in expected.items()} == found


@pytest.mark.parametrize("library", CHECKS)
def test_measures_are_checked(library):
    needs(library)
    with pytest.raises(cg.CntGraphError, match="one value per node"):
        getattr(odd("loops"), f"to_{library}")(measures={"s": [1, 2]})


@pytest.mark.parametrize("name", ["parallel", "loops", "images", "zero weights"])
def test_what_networkx_is_given_it_would_have_made_itself(name):
    graph = odd(name)
    made, public = graph.to_networkx(), nx.DiGraph()
    public.add_nodes_from((n, dict(made.nodes[n])) for n in made)
    public.add_edges_from((i, j, dict(data)) for i, j, data in made.edges(data=True))
    assert nx.utils.graphs_equal(made, public)
    assert made.number_of_edges() == public.number_of_edges()
    made.remove_edge(*next(iter(public.edges)))
    made.remove_node(0)
    public.remove_edge(*next(iter(public.edges)))
    public.remove_node(0)
    assert nx.utils.graphs_equal(made, public)


@pytest.mark.parametrize("write", [nx.write_graphml_xml, nx.write_gexf])
@pytest.mark.parametrize("parallel", ["sum", "keep"])
def test_the_writers_of_networkx_can_write_it(write, parallel):
    graph = odd("parallel")
    made = graph.to_networkx(measures={"strength": np.arange(4.0)}, parallel=parallel)
    file = io.BytesIO()
    write(made, file)
    assert b"layer1[1]" in file.getvalue()


@pytest.mark.parametrize("library", ["networkx", "igraph"])
def test_strengths_are_those_of_cntgraph(library):
    graph = cg.build_graph(NETS["random0"])
    if library == "networkx":
        found = dict(graph.to_networkx().degree(weight="weight"))
        found = [found[n] for n in range(graph.n_nodes)]
    else:
        found = graph.to_igraph(parallel="keep").strength(weights="weight")
    assert np.allclose(found, cg.node_strength(graph, edges="all", bias=False))


@pytest.mark.parametrize("library", CHECKS)
def test_only_the_library_asked_for_is_imported(library):
    needs(library)
    code = (
        "import sys, cntgraph as cg\n"
        f"cg.build_graph(cg.toy('mlp')).to_{library}()\n"
        f"print(*(m for m in {list(CHECKS)} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # networkit itself imports networkx where there is one.
    assert set(done.stdout.split()) - ({"networkx"} if library == "networkit" else set()) == {
        library
    }


@pytest.mark.parametrize("library", CHECKS)
def test_more_edges_than_there_is_memory_for(library, monkeypatch):
    needs(library)
    monkeypatch.setattr("cntgraph.core.memory.available_memory", lambda: 1 << 28)
    n = 10_000_000
    edges = EdgeArrays(
        *(np.broadcast_to(np.int32(0), n) for _ in "ij"), np.broadcast_to(0.5, n),
        np.broadcast_to(np.uint8(0), n), ("fc",), np.ones(1, bool),
    )  # fmt: skip
    convert = getattr(import_module(f"cntgraph.graph.conversions.{library}"), f"{library}_graph")
    options = {"multigraph": True} if library == "networkx" else {}
    with pytest.raises(cg.CntGraphError, match=f"{library}, for 10,000,000 edges, needs about"):
        convert({"label": np.array(["a"], dtype=object)}, edges, **options)


def test_networkit_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkit", None)
    with pytest.raises(cg.CntGraphError, match=r"pip install 'cntgraph\[networkit\]'"):
        odd("loops").to_networkit()
