import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, networks, random_graph, with_lengths

import cntgraph as cg
from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.measures.explicit.path_length import average_path_length, global_efficiency

NETS = networks()


def distances(graph, length):
    """Distances of all ordered pairs of different nodes that are connected."""
    weight = None if length is None else "length"
    found = {}
    for s in graph:
        for t, d in nx.single_source_dijkstra_path_length(graph, s, weight=weight or 1).items():
            if s != t:
                found[s, t] = d
    return found


@pytest.mark.parametrize("name", NETS)
def test_hops(name):
    net = NETS[name]
    graph = with_lengths(digraph(net), None)
    lengths = {
        (s, t): d
        for s, row in nx.all_pairs_shortest_path_length(graph)
        for t, d in row.items()
        if s != t
    }
    values = np.array(list(lengths.values()), float)
    n_pairs = net.n_nodes * (net.n_nodes - 1)
    found = average_path_length(net)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.connected == pytest.approx(len(values) / n_pairs, rel=1e-12)
    assert global_efficiency(net) == pytest.approx((1 / values).sum() / n_pairs, rel=1e-12)


def test_strongly_connected_graphs_have_the_average_of_networkx():
    edges = [(k, (k + 1) % 7, 1.0, 0) for k in range(7)] + [(0, 3, 1.0, 0), (5, 2, 1.0, 0)]
    graph = graph_of(edges, 7)
    expected = nx.average_shortest_path_length(digraph(graph))
    assert average_path_length(graph).mean == pytest.approx(expected)
    assert average_path_length(graph).connected == 1


@given(st.integers(0, 10**6), st.sampled_from([None, "inverse", "neglog"]))
def test_any_graph(seed, length):
    graph = random_graph(seed)
    for sign in ("absolute", "positive", "negative"):
        values = distances(with_lengths(digraph(graph, sign), length), length)
        values = np.array(list(values.values()))
        if not len(values):
            with pytest.raises(UndefinedMeasureError, match="no path connects"):
                average_path_length(graph, length=length, sign=sign)
            assert global_efficiency(graph, length=length, sign=sign) == 0
            continue
        found = average_path_length(graph, length=length, sign=sign)
        assert found.mean == pytest.approx(values.mean(), abs=1e-12)
        assert found.connected == pytest.approx(len(values) / 72)
        if not values.all():  # the ends of a largest weight
            with pytest.raises(UndefinedMeasureError, match="distance 0"):
                global_efficiency(graph, length=length, sign=sign)
        else:
            expected = (1 / values).sum() / 72
            assert global_efficiency(graph, length=length, sign=sign) == pytest.approx(expected)


@pytest.mark.parametrize("length", [None, "inverse", "neglog"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "random0", "recurrent"])
def test_from_inputs_to_outputs(name, length):
    net = NETS[name]
    found = average_path_length(net, pairs="input_output", length=length, sign="absolute")
    lengths = distances(with_lengths(digraph(net), length), length)
    ends = [
        [k for layer in net.layers if getattr(layer, flag) for k in range(net.n_nodes)[layer.slice]]
        for flag in ("is_input", "is_output")
    ]
    values = [lengths[s, t] for s in ends[0] for t in ends[1] if (s, t) in lengths]
    assert found.mean == pytest.approx(np.mean(values))
    assert found.connected == pytest.approx(len(values) / (len(ends[0]) * len(ends[1])))


def test_a_network_of_layers_has_its_depth_between_inputs_and_outputs():
    assert average_path_length(cg.toy("mlp"), pairs="input_output") == (3.0, 1.0)


def test_split_and_policies():
    net = cg.toy("mlp")
    for measure in (average_path_length, global_efficiency):
        both = measure(net, length="inverse", sign="split")
        assert both.positive == measure(net, length="inverse", sign="positive")
        assert both.negative == measure(net, length="inverse", sign="negative")
        with pytest.raises(SignedWeightError):
            measure(net, length="inverse")
        with pytest.raises(GraphSizeError, match="max_operations"):
            measure(net, max_operations=10)
    with pytest.raises(CntGraphError, match="pairs to be"):
        average_path_length(net, pairs="inputs")


def test_odd_graphs():
    for n in (0, 1, 3):
        with pytest.raises(UndefinedMeasureError, match="no path connects"):
            average_path_length(graph_of([], n))
    for n in (0, 1):
        with pytest.raises(UndefinedMeasureError, match="pairs of nodes"):
            global_efficiency(graph_of([], n))
    assert global_efficiency(graph_of([], 3)) == 0
    assert average_path_length(graph_of([(0, 0, 1.0, 0), (0, 1, 1.0, 0)], 2)) == (1.0, 0.5)
