"""Path counts, norms and weights against paths listed one by one; effective depth by hand."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import flows

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, UndefinedMeasureError
from cntgraph.core.recipe import Recipe
from cntgraph.measures.matrix_free.effective_depth import effective_depth
from cntgraph.measures.matrix_free.path_count import path_count
from cntgraph.measures.matrix_free.path_norm import path_norm, path_weight

DAGS = flows.feed_forward()
#: Those whose paths can be listed one by one.
SMALL = ("mlp", "cnn", "residual", "unrolled", "unrolled lstm", "channels")


def both(net):
    return net, cg.build_graph(net)


def by_dense(net, transform, edges="all"):
    """Sums over paths, by the inverse of I − f(A)."""
    matrix = np.abs(flows.dense(net, transform, edges)) if transform != "signed" else None
    matrix = flows.dense(net, "signed", edges) if matrix is None else matrix
    inputs, outputs = flows.ends(net)
    start = np.zeros(net.n_nodes)
    start[inputs] = 1.0
    return np.linalg.solve(np.eye(net.n_nodes) - matrix.T, start)[outputs]


@pytest.mark.parametrize("name", SMALL)
def test_sums_over_paths_are_those_of_the_list(name):
    net = DAGS[name]
    _, outputs = flows.ends(net)
    paths = flows.list_paths(net)
    measures = {
        path_count: lambda w: 1.0,
        path_weight: np.prod,
        lambda x: path_norm(x, p=1): lambda w: abs(np.prod(w)),
        path_norm: lambda w: np.prod(w) ** 2,
    }
    for measure, product in measures.items():
        expected = dict.fromkeys(outputs, 0.0)
        for node, weights in paths:
            expected[node] += product(weights)
        shares = np.array([expected[node] for node in outputs])
        total = shares.sum()
        if measure is path_norm:
            shares, total = np.sqrt(shares), np.sqrt(total)
        for measured in both(net):
            found = measure(measured)
            assert np.allclose(found.by_output, shares, rtol=1e-9, atol=1e-12)
            assert np.isclose(found.total, total, rtol=1e-9, atol=1e-12)
            assert np.isclose(found.log10_total, np.log10(abs(total)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("edges", ["all", "parametric"])
@pytest.mark.parametrize("name", DAGS)
def test_sums_over_paths_are_those_of_the_dense_matrix(name, edges):
    net = DAGS[name]
    for measured in both(net):
        counted = path_count(measured, edges=edges)
        assert np.array_equal(counted.by_output, by_dense(net, "count", edges).round())
        norm = path_norm(measured, edges=edges)
        assert np.allclose(norm.by_output**2, by_dense(net, "square", edges), rtol=1e-9)
        weight = path_weight(measured, edges=edges)
        assert np.allclose(weight.by_output, by_dense(net, "signed", edges), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", DAGS)
def test_paths_that_begin_at_biases(name):
    net = DAGS[name]
    inputs, outputs = flows.ends(net)
    start = net.bias()
    start[inputs] += 1.0
    expected = np.linalg.solve(np.eye(net.n_nodes) - flows.dense(net).T, start)[outputs]
    for measured in both(net):
        found = path_weight(measured, bias=True)
        assert np.allclose(found.by_output, expected, rtol=1e-8, atol=1e-10)
        larger = path_norm(measured, bias=True, p=1)
        assert (larger.by_output >= path_norm(measured, p=1).by_output - 1e-12).all()


def test_more_paths_than_a_float_counts():
    depth, width = 400, 10
    net = chain([np.full((width, width), 1e-3)] * depth)
    found = path_count(net)
    assert found.total == np.inf
    assert np.isclose(found.log10_total, depth + 1, rtol=1e-12)
    assert np.allclose(found.log10_by_output, depth, rtol=1e-12)
    # Products of 400 weights of 10⁻³ are no floats, and 10⁴⁰⁰ of them add up to 10⁻⁸⁰⁰.
    assert path_weight(net).total == 0.0
    assert np.isclose(path_weight(net).log10_total, -2 * depth + 1, rtol=1e-12)
    assert np.isclose(path_norm(net).log10_total, (-5 * depth + 1) / 2, rtol=1e-12)
    steep = path_norm(chain([np.full((width, width), 1e3)] * 80))
    assert np.isclose(steep.log10_total, (7 * 80 + 1) / 2, rtol=1e-12)
    assert np.isclose(steep.total, 10**280.5, rtol=1e-9)


def chain(weights):
    builder = Builder()
    ids = builder.input("input", (weights[0].shape[1],))
    for k, weight in enumerate(weights):
        recipe = Recipe.of(builder.parameter(cg.Parameter.from_array(f"w{k}", weight)))
        ids = builder.activate(builder.linear(f"fc{k}", ids, recipe, None), "relu")
    builder.output(ids)
    return builder.finish()


@pytest.mark.parametrize("measure", [path_count, path_norm, path_weight])
def test_paths_round_a_loop(measure):
    for measured in both(flows.recurrent_net()):
        with pytest.raises(UndefinedMeasureError, match="unroll=T"):
            measure(measured)


@pytest.mark.parametrize("measure", [path_count, path_norm, path_weight, effective_depth])
def test_paths_of_weights_without_input_and_output(measure):
    net = chain([np.ones((2, 2))])
    layers = tuple(replace(layer, is_input=False) for layer in net.layers)
    with pytest.raises(UndefinedMeasureError, match="Load the model"):
        measure(replace(net, layers=layers))


def test_weights_that_are_not_finite():
    net = chain([np.array([[1.0, np.nan]])])
    assert path_count(net).total == 2
    for measure in (path_norm, path_weight):
        with pytest.raises(NonFiniteWeightError, match="fc0"):
            measure(net)


def test_a_norm_that_there_is_not():
    with pytest.raises(CntGraphError, match="p to be"):
        path_norm(DAGS["mlp"], p=3)


# -- effective depth ------------------------------------------------------------------------------


def test_effective_depth_of_a_chain_is_its_learned_layers():
    for measured in both(DAGS["cnn"]):
        assert effective_depth(measured) == (2.0, 0.5, 1)
    for measured in both(chain([np.ones((2, 2))] * 7)):
        assert effective_depth(measured) == (7.0, 1 / 7, 1)


@pytest.mark.parametrize("n_blocks", [1, 2, 5, 70])
def test_effective_depth_of_residual_blocks_is_half(n_blocks):
    """Each block is a dense layer and the skip around it: 2ⁿ paths, n/2 learned on the mean."""
    net = residual(n_blocks)
    found = effective_depth(net)
    assert found.n_paths == 2**n_blocks
    assert np.isclose(found.depth, n_blocks / 2)
    assert np.isclose(found.width, (2**n_blocks - 1) / (n_blocks / 2))
    assert effective_depth(cg.build_graph(net)) == found


def test_effective_depth_of_a_net_of_concatenations():
    """Layer k reads all before it: the paths are the subsets of the layers between."""
    builder, rng = Builder(), np.random.default_rng(0)
    seen = [builder.input("input", (2,))]
    for k in range(4):
        ids = np.concatenate(seen)
        weight = cg.Parameter.from_array(f"w{k}", rng.normal(size=(2, ids.size)))
        recipe = Recipe.of(builder.parameter(weight))
        seen.append(builder.activate(builder.linear(f"fc{k}", ids, recipe, None), "relu"))
    builder.output(seen[-1])
    net = builder.finish()
    # 8 paths, by the subset of three layers between: 1 + 1.5 learned operations on the mean.
    assert effective_depth(net) == effective_depth(cg.build_graph(net)) == (2.5, 8 / 2.5, 8)


def residual(n_blocks):
    builder, rng = Builder(), np.random.default_rng(0)
    ids = builder.input("input", (3,))
    for k in range(n_blocks):
        weight = cg.Parameter.from_array(f"w{k}", rng.normal(size=(3, 3)))
        dense = builder.linear(f"fc{k}", ids, Recipe.of(builder.parameter(weight)), None)
        ids = builder.add(f"sum{k}", [dense, ids])
        ids = builder.activate(ids, "relu")
    builder.output(ids)
    return builder.finish()


@pytest.mark.parametrize("name", [n for n in DAGS if "unrolled" not in n])
def test_effective_depth_is_the_mean_over_the_list(name):
    net = DAGS[name]
    index = {layer.name: k for k, layer in enumerate(net.layers)}
    links = [(index[s.name], index[t.name], int(block.parametric)) for block in net.blocks
             for s in net.layers_of(block.source) for t in net.layers_of(block.target)]  # fmt: skip
    inputs = [k for k, layer in enumerate(net.layers) if layer.is_input]
    outputs = [k for k, layer in enumerate(net.layers) if layer.is_output]
    depths = flows.layer_paths(links, inputs, outputs)
    expected = np.mean(depths), np.count_nonzero(depths) / np.mean(depths), len(depths)
    for measured in both(net):
        assert np.allclose(effective_depth(measured), expected)


@pytest.mark.parametrize("name", SMALL)
def test_effective_depth_between_nodes_is_the_mean_over_the_list(name):
    """Learned weights are turned to 2, structural ones to 1: the product counts the learned."""
    net = DAGS[name]
    graph = cg.build_graph(net)
    learned = graph.parametric[graph.edge_block]
    depths = np.array(flows.path_lengths(graph, learned))
    expected = depths.mean(), np.count_nonzero(depths) / depths.mean(), len(depths)
    for measured in (net, graph):
        assert np.allclose(effective_depth(measured, per="node"), expected)


def test_effective_depth_of_more_paths_than_a_float_counts():
    found = effective_depth(chain([np.ones((10, 10))] * 400), per="node")
    assert np.isclose(found.depth, 400)
    assert found.n_paths == found.width == np.inf
    with pytest.raises(CntGraphError, match="per"):
        effective_depth(DAGS["mlp"], per="neuron")


def test_layers_that_feed_themselves_have_no_effective_depth():
    for net in (flows.recurrent_net(), DAGS["unrolled"]):
        with pytest.raises(UndefinedMeasureError, match="feeds itself"):
            effective_depth(net)


def test_effective_depth_without_learned_operations_or_paths():
    builder = Builder()
    builder.output(builder.add("sum", 2 * [builder.input("input", (2,))]))
    assert effective_depth(builder.finish())[:2] == (0.0, 0.0)
    net = chain([np.ones((2, 2))])
    empty = cg.build_graph(net).keep_edges(np.zeros(4, dtype=bool))
    for per in ("layer", "node"):
        with pytest.raises(UndefinedMeasureError, match="no path"):
            effective_depth(empty, per=per)
