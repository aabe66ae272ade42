from itertools import pairwise

import numpy as np
import pytest
from oracles import loops
from oracles.nets import edge_list, nets, random_net

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.errors import CntGraphError
from cntgraph.core.recipe import Recipe
from cntgraph.measures.strength import node_strengths
from cntgraph.network.blocks import TRANSFORMS, Window

NETS = nets()
DIRECTIONS = ("total", "in", "out")


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


def oracle(net, *, direction, transform, edges, bias, boundary):
    """The strength of every node from the list of edges."""
    out, into = loops.strengths(edge_list(net, edges), net.n_nodes, net.n_nodes, transform)
    if bias and transform != "count":
        into += [loops.TRANSFORMS[transform](b) for b in net.bias(edges)]
    for layer in net.layers:
        into[layer.slice] += boundary * layer.is_input
        out[layer.slice] += boundary * layer.is_output
    return {"in": into, "out": out, "total": into + out}[direction]


@pytest.mark.parametrize("edges", ["parametric", "all"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_closed_form_and_graph_are_the_loop(net, transform, edges):
    graph = cg.build_graph(net)
    for direction in DIRECTIONS:
        for bias in (True, False):
            for boundary in (0.0, 1.0):
                options = {"direction": direction, "transform": transform, "edges": edges}
                options |= {"bias": bias, "boundary": boundary}
                expected = oracle(net, **options)
                for measured in (net, graph):
                    found = cg.node_strength(measured, **options)
                    assert found.dtype == np.float64
                    assert found.shape == (net.n_nodes,)
                    assert np.allclose(found, expected, rtol=1e-10, atol=1e-10), options


def test_defaults(net):
    options = {"direction": "total", "transform": "signed", "edges": "parametric"}
    expected = oracle(net, **options, bias=True, boundary=0.0)
    assert np.allclose(cg.node_strength(net), expected, rtol=1e-10, atol=1e-10)


def test_both_directions_at_once(net):
    both = node_strengths(net, bias=False)
    assert np.array_equal(both.incoming, cg.node_strength(net, direction="in", bias=False))
    assert np.array_equal(both.outgoing, cg.node_strength(net, direction="out", bias=False))
    assert both.incoming.sum() == pytest.approx(both.outgoing.sum(), abs=1e-9)


def test_a_graph_of_parametric_edges_knows_no_others(net):
    graph = cg.build_graph(net, edges="parametric")
    assert np.allclose(cg.node_strength(graph, edges="all"), cg.node_strength(net), atol=1e-10)


def dense_net(sizes, seed):
    """A fully connected network, with its weights and biases."""
    rng, builder = np.random.default_rng(seed), Builder()
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(sizes)]
    biases = [rng.normal(size=b) for b in sizes[1:]]
    ids = builder.input("input", (sizes[0],))
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        weight, bias = (
            Recipe.of(builder.parameter(cg.Parameter.from_array(f"fc{k}.{n}", v)))
            for n, v in (("weight", w), ("bias", b))
        )
        ids = builder.activate(builder.linear(f"fc{k}", ids, weight, bias), "relu")
    builder.output(ids)
    return builder.finish(), weights, biases


@pytest.mark.parametrize("sizes", [(5, 3), (4, 6, 2), (7, 1, 5, 3), (10, 8, 6, 4, 2)])
def test_boundary_one_is_the_papers_formula(sizes):
    net, weights, biases = dense_net(sizes, len(sizes))
    expected = loops.papers_fc_strength(weights, biases)
    found = net.split(cg.node_strength(net, boundary=1.0))
    for layer, values in zip(found.values(), expected, strict=True):
        assert np.allclose(layer, values, rtol=1e-12, atol=1e-12)
    fluctuation = cg.layer_fluctuation(net, boundary=1.0)
    assert np.allclose(fluctuation, [loops.fluctuation(values) for values in expected])


@pytest.mark.parametrize(("stride", "kernel"), [(1, 3), (2, 3), (2, 2), (3, 4)])
def test_boundary_one_is_the_papers_formula_for_unpadded_convolutions(stride, kernel):
    """Input: Σ out + 1; hidden: Σ in + b + Σ out; output: Σ in + b + 1, edge by edge."""
    rng, builder = np.random.default_rng(0), Builder()
    ids, shapes, stored = builder.input("input", (2, 11, 11)), [(2, 11, 11)], []
    for name, n_out in (("conv1", 3), ("conv2", 2)):
        weight, bias = (
            rng.normal(size=(n_out, ids.shape[0], kernel, kernel)),
            rng.normal(size=n_out),
        )
        n = (ids.shape[1] - kernel) // stride + 1
        window = Window(ids.shape[1], n, kernel, stride)
        recipes = [
            Recipe.of(builder.parameter(cg.Parameter.from_array(f"{name}.{what}", value)))
            for what, value in (("weight", weight), ("bias", bias))
        ]
        axis = (shapes[-1][1], n, stride, 1, 0)
        stored.append((loops.conv_edges(weight, (axis, axis)), bias))
        ids = builder.conv(name, ids, *recipes, (window, window))
        shapes.append(ids.shape)
    builder.output(ids)
    net = builder.finish()

    sizes = [int(np.prod(shape)) for shape in shapes]
    expected = [np.zeros(n) for n in sizes]
    for k, (edges, bias) in enumerate(stored):
        out, into = loops.strengths(edges, sizes[k], sizes[k + 1])
        expected[k] += out
        expected[k + 1] += into + np.repeat(bias, shapes[k + 1][1] * shapes[k + 1][2])
    expected[0] += 1.0
    expected[-1] += 1.0
    found = net.split(cg.node_strength(net, boundary=1.0))
    for layer, values in zip(found.values(), expected, strict=True):
        assert np.allclose(layer.reshape(-1), values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["fc1.weight", "conv1.weight"])
def test_what_is_not_finite_reaches_only_its_own_nodes(bad, name):
    net = cg.toy("mlp" if name.startswith("fc") else "cnn")
    values = net.parameters[name].read().copy()
    values.flat[0] = bad
    parameters = {**net.parameters, name: cg.Parameter.from_array(name, values)}
    net = net.bind(parameters, {})
    graph = cg.build_graph(net)
    for transform in TRANSFORMS:
        for direction in DIRECTIONS:
            closed = cg.node_strength(net, transform=transform, direction=direction)
            summed = cg.node_strength(graph, transform=transform, direction=direction)
            assert np.allclose(closed, summed, equal_nan=True)
    assert 0 < np.isfinite(cg.node_strength(net)).sum() < net.n_nodes


@pytest.mark.parametrize(
    "wrong",
    [
        {"direction": "both"},
        {"transform": "abs"},
        {"edges": "none"},
        {"direction": None},
        {"transform": None},
        {"edges": None},
    ],
)
def test_bad_options_are_refused(wrong):
    net = cg.toy("mlp")
    for measured in (net, cg.build_graph(net)):
        for measure in (cg.node_strength, cg.layer_fluctuation):
            with pytest.raises(CntGraphError, match=f"{next(iter(wrong.values()))!r}"):
                measure(measured, **wrong)


def test_large_graphs_are_summed_in_parts():
    net, *_ = dense_net((400, 500, 10), 0)
    graph = cg.build_graph(net)
    assert graph.n_edges > 100_000
    for transform in TRANSFORMS:
        closed = cg.node_strength(net, transform=transform)
        assert np.allclose(cg.node_strength(graph, transform=transform), closed, atol=1e-9)


def test_strength_is_additive_in_the_weights():
    net = random_net(5)
    positive = cg.node_strength(net, transform="positive", bias=False)
    negative = cg.node_strength(net, transform="negative", bias=False)
    assert np.allclose(positive + negative, cg.node_strength(net, bias=False), atol=1e-10)
    absolute = cg.node_strength(net, transform="absolute", bias=False)
    assert np.allclose(positive - negative, absolute, atol=1e-10)


def test_sums_beyond_float64_are_infinite_without_a_warning():
    net = cg.load([np.full((3, 3), 1.5e308), np.full((3, 3), 1.5e308)])
    for subject in (net, cg.build_graph(net)):
        assert np.isposinf(cg.node_strength(subject)).all()
