"""Sums held by class against the list of all edges: materialized, and described."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.conv_stacks import conv_stacks
from oracles.nets import edge_list

import cntgraph as cg
from cntgraph.core.view import View
from cntgraph.measures.strength import layer_strengths, node_strengths
from cntgraph.measures.summary import count_in, summarize
from cntgraph.network import Layer
from cntgraph.network.blocks import ClassValues
from cntgraph.network.blocks.axis_classes import AxisClasses, joined
from cntgraph.network.blocks.class_values import joint
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.layer_sums import LayerSums

EDGES = st.sampled_from(["parametric", "all"])


def close(found, expected):
    return np.allclose(found, expected, rtol=1e-10, atol=1e-10, equal_nan=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities that cancel
@pytest.mark.parametrize("odd", [False, True])
@given(st.data(), EDGES)
@settings(max_examples=60)
def test_sums_are_those_of_the_edges(odd, data, edges):
    net = data.draw(conv_stacks(odd=odd))
    into, out = np.zeros(net.n_nodes), np.zeros(net.n_nodes)
    for i, j, w in edge_list(net, edges):
        into[j] += w
        out[i] += w
    found = node_strengths(net, edges=edges, bias=False)
    assert close(found.incoming, into)
    assert close(found.outgoing, out)
    assert close(cg.node_strength(net, edges=edges, bias=False), into + out)
    assert close(cg.node_strength(net, edges=edges, direction="in"), into + net.bias(edges))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("odd", [False, True])
@given(st.data(), EDGES)
@settings(max_examples=60)
def test_what_is_described_is_what_would_be_written(odd, data, edges):
    net = data.draw(conv_stacks(odd=odd))
    table = cg.analyze(net, edges=edges, boundary=0.5)
    fluctuation = cg.layer_fluctuation(net, edges=edges, boundary=0.5)
    for direction, name in (("in", "in_strength"), ("out", "out_strength"), ("total", "strength")):
        values = cg.node_strength(net, direction=direction, edges=edges, boundary=0.5)
        for layer, own in net.split(values).items():
            size = np.abs(own[np.isfinite(own)]).max(initial=0.0)
            for what in ("mean", "std", "min", "max"):
                found, expected = table.loc[layer, f"{name}_{what}"], getattr(np, what)(own)
                assert np.isclose(found, expected, rtol=1e-12, atol=1e-12 * size, equal_nan=True)
            if direction == "total":
                expected = table.loc[layer, "strength_std"]
                assert np.isclose(fluctuation[layer], expected, rtol=1e-14, equal_nan=True)


@given(conv_stacks(odd=True))
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_as_many_values_are_counted_as_nodes_have_them(net):
    sums = layer_strengths(net, edges="all")
    for k in range(net.n_layers):
        values = sums.of_layer(k, "total")
        bins = Bins.about(values.values())
        assert np.array_equal(count_in(bins, values), bins.count(values.values()))


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4))
def test_joined_classes_are_the_pairs_that_are_alike_in_all(labels):
    found = joined([AxisClasses.of(np.array(own)) for own in labels])
    columns = list(zip(*labels, strict=True))
    assert found.n_classes == len(set(columns))
    for i in range(6):
        for j in range(6):
            assert (found.index[i] == found.index[j]) == (columns[i] == columns[j])
    assert found.counts.sum() == 6
    assert np.array_equal(found.index[found.first], np.arange(found.n_classes))


def test_nothing_is_written_where_nodes_are_alike():
    """The feature maps of a layer are a few values, however large; those of a head are its own."""
    net = cg.toy("cnn")
    sums = layer_strengths(net, edges="all")
    assert [sums.of_layer(k, "in").table.size for k in range(4)] == [1, 18, 1, 3]
    assert sums.of_layer(2, "out").of_each_node  # what the dense layer reads


def test_the_same_whatever_the_threads(monkeypatch):
    layers = (Layer("maps", (7, 300, 300), "conv"),)
    sums, rng = LayerSums(layers), np.random.default_rng(0)
    axes = (AxisClasses.own(7), *(AxisClasses.of(rng.integers(0, 3, 300)) for _ in range(2)))
    own = ClassValues.of_classes(rng.normal(size=(7, 3, 3)), axes)
    sums.add("in", View((7, 300, 300)), own)
    rows, columns = (axis.index for axis in axes[1:])
    expected = own.table[:, rows][:, :, columns].reshape(-1)
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CNTGRAPH_NUM_THREADS", threads)
        assert np.array_equal(sums.values("total"), expected)


def test_a_view_across_layers_and_one_of_other_shape():
    layers = (Layer("a", (2, 2), "conv"), Layer("b", (3,), "dense", start=4))
    sums = LayerSums(layers)
    sums.add("out", View((5,), 1), ClassValues.of_nodes(np.arange(5.0), (5,)))
    sums.add("out", View((4,), 0), ClassValues.of_nodes(np.full(4, 10.0), (4,)))
    sums.add("out", View((1, 4), 0), ClassValues.of_broadcast(np.full(1, 100.0), (1, 4)))
    assert sums.values("out").tolist() == [110.0, 110.0, 111.0, 112.0, 3.0, 4.0, 0.0]
    assert sums.values("in").tolist() == [0.0] * 7


@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (2, 0, 3)])
def test_shapes_at_the_edge(shape):
    alike = ClassValues.of_broadcast(np.full((), 2.0), shape)
    total = joint([alike, ClassValues.of_nodes(np.ones(shape), shape)])
    size = int(np.prod(shape))
    assert alike.values().tolist() == [2.0] * size
    assert total.values().tolist() == [3.0] * size
    found = summarize(total)
    assert np.allclose(found, [3.0, 0.0, 3.0, 3.0] if size else [np.nan] * 4, equal_nan=True)


def test_a_deviation_far_smaller_than_the_mean():
    ends = AxisClasses.of(np.array([0, *[1] * 998, 0]))
    table = 1e8 + np.array([[0.0, 1e-3], [2e-3, 1e-3]])
    values = ClassValues.of_classes(table, (AxisClasses.own(2), ends))
    exact = np.std(values.values() - 1e8)  # a difference without rounding
    assert summarize(values).std == pytest.approx(exact, rel=1e-12)
