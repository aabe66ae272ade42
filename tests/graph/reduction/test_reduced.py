import math

import numpy as np
import pytest
from oracles.graphs import FINITE, ODD, edges_of, graph_of, odd
from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.graph.reduction.disparity_filter import disparity_filter
from cntgraph.graph.reduction.nodes import drop_isolated_nodes, keep_nodes
from cntgraph.graph.reduction.noise_corrected import noise_corrected_backbone
from cntgraph.graph.reduction.reduced import Reduced, reduced, total_weight
from cntgraph.graph.reduction.sampling import sample_edges, sample_nodes
from cntgraph.graph.reduction.threshold import threshold_edges
from cntgraph.graph.reduction.top_edges import keep_top_edges

#: Every reduction, with options that suit any graph of finite weights.
REDUCTIONS = {
    "threshold_edges": lambda g: threshold_edges(g, 1.0),
    "keep_top_edges": lambda g: keep_top_edges(g, 1),
    "disparity_filter": lambda g: disparity_filter(g, 0.3, sign="absolute"),
    "noise_corrected_backbone": lambda g: noise_corrected_backbone(g, sign="absolute", unit=1e-3),
    "sample_edges": lambda g: sample_edges(g, fraction=0.5, rng=1),
    "sample_edges, weighted": lambda g: sample_edges(g, fraction=0.5, weighted=True, rng=1),
    "sample_nodes": lambda g: sample_nodes(g, 1, rng=1),
    "keep_nodes": lambda g: keep_nodes(g, np.arange(g.n_nodes) % 2 == 0),
    "drop_isolated_nodes": drop_isolated_nodes,
}
BY_WEIGHT = [name for name in REDUCTIONS if name not in
             ("sample_edges", "sample_nodes", "keep_nodes", "drop_isolated_nodes")]  # fmt: skip


def old_edges(found):
    """The edges of the smaller graph, by the ids of the graph it comes from."""
    ids = found.node_ids.tolist()
    return [(ids[i], ids[j], w, b) for i, j, w, b in edges_of(found.graph)]


def check_accounts(graph, found):
    """It has edges of the graph in their order, and says how many and what of |w|."""
    before, after = edges_of(graph), old_edges(found)
    remaining = iter(before)
    assert all(any(edge == other for other in remaining) for edge in after)
    assert (found.n_nodes_before, found.n_edges_before) == (graph.n_nodes, graph.n_edges)
    assert found.edge_fraction == (len(after) / len(before) if before else 1.0)
    weights = [math.fsum(abs(w) for _, _, w, _ in edges) for edges in (after, before)]
    expected = weights[0] / weights[1] if weights[1] else 1.0
    assert found.weight_fraction == pytest.approx(expected, rel=1e-12)
    assert found.node_ids.shape == (found.graph.n_nodes,)
    assert found.graph.bias.tolist() == graph.bias[found.node_ids].tolist()
    labels = graph.node_attributes()["label"]
    if all(layer.n_nodes > 1 for layer in found.graph.layers):
        kept = found.graph.node_attributes()["label"]
        assert kept.tolist() == labels[found.node_ids].tolist()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", FINITE)
def test_odd_graphs(name, reduction):
    graph = odd(name)
    check_accounts(graph, REDUCTIONS[reduction](graph))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "recurrent"])
def test_toys(name, reduction):
    graph = cg.build_graph(cg.toy(name))
    found = REDUCTIONS[reduction](graph)
    check_accounts(graph, found)
    assert 0 < found.graph.n_edges <= graph.n_edges


@pytest.mark.parametrize("reduction", BY_WEIGHT)
def test_weights_that_are_not_finite_are_refused(reduction):
    with pytest.raises(cg.CntGraphError, match="finite weights; there are NaN or infinite ones in"):
        REDUCTIONS[reduction](odd("NaN"))


@pytest.mark.parametrize("reduction", sorted(set(REDUCTIONS) - set(BY_WEIGHT)))
def test_where_weights_do_not_count_they_may_be_nan(reduction):
    found = REDUCTIONS[reduction](odd("NaN"))
    assert found.edge_fraction <= 1
    assert math.isnan(found.weight_fraction)


def test_how_it_is_shown():
    graph = cg.build_graph(cg.toy("cnn"))
    found = Reduced(graph, 129, 56_789, 41.0, 100.0, np.arange(129))
    assert repr(found) == "<Reduced: 638 of 56,789 edges (1.12 %), 41 % of Σ|w|>"
    assert repr(keep_nodes(graph, np.arange(129) < 36)) == (
        "<Reduced: 36 of 129 nodes, 0 of 638 edges (0 %), 0 % of Σ|w|>"
    )


def test_reductions_one_after_the_other():
    graph = cg.build_graph(cg.toy("cnn"))
    first = keep_top_edges(graph, 3)
    second = drop_isolated_nodes(threshold_edges(first.graph, 0.9).graph)
    found = reduced(graph, second.graph, second.node_ids)
    check_accounts(graph, found)
    assert found.graph.n_nodes < graph.n_nodes


def test_sums_in_many_chunks():
    graph = cg.build_graph(cg.toy("mlp"))
    many = (1 << 20) + 5
    one = graph_of([1], [(0, 0, 1.0, 0)])
    matrix = csr_array(
        (np.full(many, -0.1, np.float32), np.zeros(many, np.int32), np.array([0, many], np.int32)),
        shape=(1, 1),
    )
    large = cg.Graph(matrix, np.zeros(many, np.uint8), one.layers, one.block_names,
                     one.parametric, one.bias, one.parametric_bias)  # fmt: skip
    assert total_weight(large) == pytest.approx(many * float(np.float32(0.1)), rel=1e-12)
    assert total_weight(graph) == pytest.approx(np.abs(graph.adjacency.data.astype(float)).sum())


def test_every_odd_graph_is_there():
    assert set(FINITE) == set(ODD) - {"NaN"}
