import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, networks, random_graph

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.assortativity import assortativity

NETS = networks()
ENDS = [(a, b) for a in ("out", "in") for b in ("out", "in")]


@pytest.mark.parametrize("name", NETS)
def test_degrees_are_those_of_networkx(name):
    graph = digraph(NETS[name])
    for source, target in ENDS:
        ends = [[getattr(graph, f"{d}_degree")(e[k]) for e in graph.edges]
                for k, d in enumerate((source, target))]  # fmt: skip
        if min(len(set(end)) for end in ends) == 1:
            with pytest.raises(UndefinedMeasureError, match="the same at one end"):
                assortativity(NETS[name], source=source, target=target)
            continue
        expected = nx.degree_pearson_correlation_coefficient(graph, x=source, y=target)
        found = assortativity(NETS[name], source=source, target=target)
        assert found == pytest.approx(expected, abs=1e-9)


def pearson(graph, x, y):
    ends = np.array([(x[i], y[j]) for i, j in graph.edges])
    return np.corrcoef(ends.T)[0, 1]


@given(st.integers(0, 10**6))
def test_numbers_and_labels_of_any_graph(seed):
    graph, rng = random_graph(seed), np.random.default_rng(seed)
    oracle = digraph(graph)
    x, labels = rng.normal(size=graph.n_nodes), rng.integers(-2, 3, graph.n_nodes)
    nx.set_node_attributes(oracle, dict(enumerate(labels.tolist())), "label")
    assert assortativity(graph, x) == pytest.approx(pearson(oracle, x, x), abs=1e-9)
    expected = nx.attribute_assortativity_coefficient(oracle, "label")
    assert assortativity(graph, labels) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "recurrent", "random0"])
def test_strengths_and_layers(name):
    net = NETS[name]
    graph = digraph(net)
    options = {"edges": "all", "bias": False}
    out, into = (cg.node_strength(net, direction=d, **options) for d in ("out", "in"))
    assert assortativity(net, "strength") == pytest.approx(pearson(graph, out, into), abs=1e-9)
    total = out + into
    found = assortativity(net, "strength", source="total", target="total")
    assert found == pytest.approx(pearson(graph, total, total), abs=1e-9)
    layer = {k: name for name, x in net.split(np.arange(net.n_nodes)).items() for k in x.flat}
    nx.set_node_attributes(graph, layer, "layer")
    expected = nx.attribute_assortativity_coefficient(graph, "layer")
    assert assortativity(net, "layer") == pytest.approx(expected, abs=1e-12)
    assert assortativity(net, "layer") < 0 or name == "recurrent"


def test_undefined():
    for n in (0, 1, 3):
        with pytest.raises(UndefinedMeasureError, match="there are none"):
            assortativity(graph_of([], n))
    line = graph_of([(0, 1, 1.0, 0), (2, 3, 0.0, 0)], 4)
    with pytest.raises(UndefinedMeasureError, match="the same at one end"):
        assortativity(line)
    with pytest.raises(UndefinedMeasureError, match="one label"):
        assortativity(line, np.zeros(4, int))
    with pytest.raises(UndefinedMeasureError, match="the same at one end"):
        assortativity(line, np.full(4, 0.1))


def test_arguments_are_checked():
    net = cg.toy("mlp")
    for wrong in ("size", np.zeros(3), np.array(["a"] * 20), np.zeros((20, 1))):
        with pytest.raises(CntGraphError, match="expected an attribute"):
            assortativity(net, wrong)
    with pytest.raises(CntGraphError, match="finite attribute"):
        assortativity(net, np.full(20, np.nan))
    with pytest.raises(CntGraphError, match="direction"):
        assortativity(net, source="up")
    with pytest.raises(GraphSizeError):
        assortativity(net, max_edges=3)
    nan = graph_of([(0, 1, np.nan, 0), (1, 2, 1.0, 0), (0, 2, 1.0, 0)], 3)
    with pytest.raises(CntGraphError, match="finite strengths"):
        assortativity(nan, "strength")
    assert assortativity(nan) == pytest.approx(pearson(digraph(nan), [2, 1, 0], [0, 1, 2]))
