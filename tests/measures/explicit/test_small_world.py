import networkx as nx
import numpy as np
import pytest
from oracles.classic import graph_of, networks

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.small_world import small_world
from cntgraph.measures.explicit.wiring import Wiring

NETS = networks()


def measured(wiring, cycles):
    graph = nx.from_scipy_sparse_array(wiring.matrix() + wiring.matrix().T)
    coefficient = nx.average_clustering if cycles == "triangle" else nx.square_clustering
    found = coefficient(graph)
    clustering = found if cycles == "triangle" else np.mean(list(found.values()))
    lengths = [
        d for s, row in nx.all_pairs_shortest_path_length(graph) for t, d in row.items() if s != t
    ]
    return clustering, np.mean(lengths)


@pytest.mark.parametrize(
    ("name", "cycles"), [("random0", "triangle"), ("random1", "square"), ("cnn", "square")]
)
def test_it_is_the_ratio_of_what_networkx_measures(name, cycles):
    found = small_world(NETS[name], cycles=cycles, n_nulls=3, rng=1)
    wiring, rng = Wiring.of(cg.build_graph(NETS[name])), np.random.default_rng(1)
    own = measured(wiring, cycles)
    nulls = np.mean([measured(wiring.rewired(rng), cycles) for _ in range(3)], axis=0)
    assert (found.clustering, found.path_length) == pytest.approx(own)
    assert (found.null_clustering, found.null_path_length) == pytest.approx(tuple(nulls))
    assert found.sigma == pytest.approx((own[0] / nulls[0]) / (own[1] / nulls[1]))


def test_a_ring_is_a_small_world_of_triangles():
    rng = np.random.default_rng(0)
    edges = {(k, (k + step) % 60) for k in range(60) for step in (1, 2, 3)}
    edges = [e for e in edges if rng.random() > 0.05]
    edges += [(k, (k + 30) % 60) for k in range(0, 60, 7)]
    found = small_world(graph_of([(i, j, 1.0, 0) for i, j in edges], 60), n_nulls=5)
    assert found.sigma > 1.5


def test_networks_of_layers_have_no_triangles():
    graph = cg.build_graph(cg.toy("mlp"), threshold=0.4)
    with pytest.raises(UndefinedMeasureError, match="cycles='square'"):
        small_world(graph)
    assert small_world(graph, cycles="square").sigma > 0


def test_dense_layers_are_their_own_null():
    with pytest.raises(UndefinedMeasureError, match="no two edges can be swapped"):
        small_world(cg.toy("mlp"), cycles="square")


def test_arguments_and_odd_graphs():
    net = NETS["random0"]
    with pytest.raises(CntGraphError, match="cycles"):
        small_world(net, cycles="pentagon")
    with pytest.raises(CntGraphError, match="at least one null"):
        small_world(net, n_nulls=0)
    with pytest.raises(GraphSizeError, match="n_nulls="):
        small_world(net, max_operations=1e4)
    for n in (0, 1, 3):
        with pytest.raises(UndefinedMeasureError, match="there is no triangle"):
            small_world(graph_of([], n))
    line = graph_of([(0, 1, 1.0, 0), (1, 2, 1.0, 0)], 3)
    with pytest.raises(UndefinedMeasureError, match="no square in the network"):
        small_world(line, cycles="square")
