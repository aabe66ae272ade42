import re

import networkx as nx
import numpy as np
import pytest
from oracles import local
from oracles.nets import edge_list

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, SignedWeightError
from cntgraph.measures.local.neighbor_strength import average_neighbor_strength
from cntgraph.network.blocks import TRANSFORMS

NETS = local.all_nets()
DIRECTIONS = ("total", "in", "out")


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("edges", ["parametric", "all"])
@pytest.mark.parametrize("source", DIRECTIONS)
def test_it_is_the_mean_over_edges(net, source, edges):
    graph = cg.build_graph(net)
    around = local.around(edge_list(net, edges), net.n_nodes, source)
    for target in DIRECTIONS:
        for transform, bias in zip(TRANSFORMS, [True, False] * 4, strict=False):
            of = {"transform": transform, "edges": edges, "bias": bias}
            strengths = cg.node_strength(net, direction=target, **of)
            expected = local.average_neighbor_strength(around, strengths)
            for measured in (net, graph):
                found = average_neighbor_strength(measured, source=source, target=target, **of)
                assert found.dtype == np.float64
                assert np.allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("source", DIRECTIONS)
def test_weighted_it_is_the_mean_by_magnitude(net, source):
    strengths = cg.node_strength(net)
    around = local.around(edge_list(net, "parametric"), net.n_nodes, source)
    for measured in (net, cg.build_graph(net)):
        options = {"source": source, "weighted": True}
        split = average_neighbor_strength(measured, sign="split", **options)
        for sign, size in local.MAGNITUDES.items():
            expected = local.average_neighbor_strength(around, strengths, size)
            found = average_neighbor_strength(measured, sign=sign, **options)
            assert np.allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True), sign
            if sign != "absolute":
                assert np.array_equal(getattr(split, sign), found, equal_nan=True)


SIMPLE = ("mlp", "cnn", "recurrent", "isolated", "zeros", "cnn by channel", "nothing")


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize("source", ["in", "out", "in+out"])
@pytest.mark.parametrize("target", ["in", "out", "in+out"])
def test_with_degrees_it_is_networkxs(name, source, target):
    """Which has 0 where there is no neighbor, and counts parallel edges as one."""
    net = NETS[name]
    graph = nx.from_scipy_sparse_array(abs(cg.build_graph(net).adjacency), create_using=nx.DiGraph)
    assert graph.number_of_edges() == net.n_edges
    words = {"source": source, "target": target}
    ours = {k: v.replace("in+out", "total") for k, v in words.items()} | {"transform": "count"}
    for weight in (None, "weight"):
        expected = nx.average_neighbor_degree(graph, weight=weight, **words)
        weighted = {"weighted": True, "sign": "absolute"} if weight else {}
        found = average_neighbor_strength(net, edges="all", **ours, **weighted)
        expected = [expected[node] for node in range(net.n_nodes)]
        assert np.allclose(np.nan_to_num(found), expected, rtol=1e-12)


def test_nodes_without_neighbors_have_none():
    found = average_neighbor_strength(NETS["isolated"], transform="count")
    assert np.isnan(found).tolist() == [False] * 3 + [True] + [False] * 3 + [True] * 2
    assert np.isnan(average_neighbor_strength(NETS["no edges"])).all()
    ends = average_neighbor_strength(cg.toy("mlp"), source="out", transform="count")
    assert np.isnan(ends).nonzero()[0].tolist() == [18, 19]


def test_a_node_with_a_loop_is_its_own_neighbor():
    net = NETS["single loop"]
    assert average_neighbor_strength(net, source="out", target="in").tolist() == [-2.0]
    assert average_neighbor_strength(net).tolist() == [-4.0]


def test_only_the_weighted_one_needs_a_sign():
    net = cg.toy("mlp")
    for measured in (net, cg.build_graph(net)):
        assert np.isfinite(average_neighbor_strength(measured)).all()
        with pytest.raises(SignedWeightError, match="the weighted average neighbor strength is"):
            average_neighbor_strength(measured, weighted=True)


def test_weights_that_are_not_finite():
    net = local.network((1, 2), [local.dense("fc", (0, 1), (1, 3), [[np.nan], [1.0]])])
    for measured in (net, cg.build_graph(net)):
        assert np.isnan(average_neighbor_strength(measured, source="out", target="in")[0])
        counted = average_neighbor_strength(measured, transform="count")
        assert counted.tolist() == [1.0, 2.0, 2.0]
        with pytest.raises(NonFiniteWeightError):
            average_neighbor_strength(measured, weighted=True, sign="absolute")


@pytest.mark.parametrize("name", ["conv1.weight", "fc.weight"])
def test_what_is_not_a_number_reaches_only_neighbors(name):
    net = cg.toy("cnn")
    values = net.parameters[name].read().copy()
    values.flat[0] = np.nan
    net = net.bind({**net.parameters, name: cg.Parameter.from_array(name, values)}, {})
    for options in ({"source": "in"}, {"source": "out"}, {"edges": "all"}):
        found = average_neighbor_strength(net, **options)
        summed = average_neighbor_strength(cg.build_graph(net), **options)
        assert np.allclose(found, summed, equal_nan=True)
    assert np.isfinite(average_neighbor_strength(net, source="in", target="in")).any()


@pytest.mark.parametrize(
    "wrong", [{"source": "in+out"}, {"target": None}, {"transform": "abs"}, {"edges": "some"}]
)
def test_options_are_checked(wrong):
    for measured in (cg.toy("mlp"), cg.build_graph(cg.toy("mlp"))):
        ((name, value),) = wrong.items()
        with pytest.raises(
            CntGraphError, match=f"expected {name} to be .* got {re.escape(repr(value))}"
        ):
            average_neighbor_strength(measured, **wrong)
