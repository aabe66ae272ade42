import numpy as np
import pytest
from oracles.nets import adjacency, nets, random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, ParameterError
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Dense, Identity

NETS = nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


def test_sizes(net):
    assert net.n_nodes == sum(np.prod(layer.shape, dtype=int) for layer in net.layers)
    assert net.n_edges == adjacency(net).nnz
    assert net.n_layers == len(net.layers)
    assert net.n_parameters == sum(p.size for p in net.parameters.values())
    assert f"{net.n_edges:,} edges" in repr(net)


@pytest.mark.parametrize("edges", ["all", "parametric"])
def test_the_estimate_is_what_the_graph_takes(net, edges):
    estimate, graph = net.estimate(edges=edges), cg.build_graph(net, edges=edges)
    assert (estimate.n_nodes, estimate.n_edges) == (graph.n_nodes, graph.n_edges)
    matrix = graph.adjacency
    arrays = (matrix.data, matrix.indices, matrix.indptr, graph.edge_block)
    assert estimate.nbytes == sum(array.nbytes for array in arrays)


def test_a_layer_by_name(net):
    for layer in net.layers:
        assert net.layer(layer.name) is layer
    with pytest.raises(CntGraphError, match=r"'nowhere'.*input"):
        net.layer("nowhere")


def test_blocks_into_a_layer(net):
    found = [block.name for layer in net.layers for block in net.blocks_into(layer)]
    assert sorted(found) == sorted(block.name for block in net.blocks)
    for layer in net.layers:
        for block in net.blocks_into(layer):
            ids = block.target.as_ids()
            assert ids.min() >= layer.start
            assert ids.max() < layer.slice.stop


def test_layers_of_a_view(net):
    owner = np.concatenate([np.full(layer.n_nodes, k) for k, layer in enumerate(net.layers)])
    for block in net.blocks:
        ids = block.source.as_ids()
        expected = sorted(set(owner[ids[ids >= 0]].tolist()))
        assert net.layers_of(block.source) == tuple(net.layers[k] for k in expected)


def test_bias_of_every_node():
    net = random_net(0)
    expected = np.zeros(net.n_nodes)
    for block in net.blocks:
        for node, value in zip(block.target.as_ids(), block.bias_values(), strict=True):
            expected[node] += value
    assert np.allclose(net.bias(), expected)
    conv = net.layer("conv1")
    stored = net.parameters["conv1.bias"].read()
    assert np.array_equal(net.split(net.bias())["conv1"][:, 0, 0], stored)
    assert conv.shape[0] == stored.size


def test_split_cuts_into_layers(net):
    values = np.arange(net.n_nodes)
    parts = net.split(values)
    assert list(parts) == [layer.name for layer in net.layers]
    assert np.array_equal(np.concatenate([p.reshape(-1) for p in parts.values()]), values)
    assert all(parts[layer.name].shape == layer.shape for layer in net.layers)
    assert all(np.shares_memory(part, values) for part in parts.values())
    for wrong in (values[:-1], values.reshape(1, -1), 3.0):
        with pytest.raises(CntGraphError, match="one value per node"):
            net.split(wrong)


def test_select_blocks(net):
    assert net.select_blocks() == net.blocks
    assert all(block.parametric for block in net.select_blocks("parametric"))
    with pytest.raises(CntGraphError, match="'parametric' or 'all'"):
        net.select_blocks("some")


def test_coverage_has_a_row_a_parameter(net):
    table = net.coverage
    assert table.index.tolist() == list(net.parameters)
    assert table.columns.tolist() == ["kind", "shape", "dtype", "status", "block", "reason"]
    assert set(table["status"]) == {"included"}
    for name, row in table.iterrows():
        assert row["shape"] == net.parameters[name].shape
        assert row["block"] == name.rpartition(".")[0]


def test_bind_reads_another_moment(net):
    doubled = {
        name: cg.Parameter.from_array(name, 2.0 * p.read()) for name, p in net.parameters.items()
    }
    later = net.bind(doubled, {"epoch": 3})
    assert later.labels == {"epoch": 3}
    assert later.layers == net.layers
    assert later.coverage.equals(net.coverage)
    twice = 2.0 * cg.node_strength(net)
    assert np.allclose(cg.node_strength(later), twice)
    assert not np.allclose(cg.node_strength(net), twice)
    name = next(iter(doubled))
    with pytest.raises(ParameterError, match=name):
        net.bind({k: v for k, v in doubled.items() if k != name}, {})


def layer(name, n, start):
    return cg.Layer(name, (n,), "dense", start)


def skip(name, source, target, n):
    return Identity(name=name, source=View((n,), source), target=View((n,), target))


@pytest.mark.parametrize(
    ("layers", "blocks", "match"),
    [
        ((layer("a", 3, 0), layer("b", 3, 4)), (), "'b': expected to start at node 3"),
        ((layer("a", 3, 0), layer("a", 3, 3)), (), "unique names"),
        ((layer("a", 3, 0), layer("b", 3, 3)), (skip("s", 0, 3, 3),) * 2, "unique names"),
        ((layer("a", 3, 0), layer("b", 3, 3)), (skip("s", 0, 4, 3),), "'s': node ids beyond"),
        ((layer("a", 3, 0), layer("b", 3, 3)), (skip("s", -1, 3, 3),), "'s': node ids beyond"),
    ],
)
def test_networks_that_are_not_whole_are_refused(layers, blocks, match):
    with pytest.raises(CntGraphError, match=match):
        cg.Network(layers, blocks)


def test_a_bias_that_does_not_fit_is_refused():
    layers = (layer("a", 3, 0), layer("b", 2, 3))
    weight, bias = Recipe.constant(np.ones((2, 3))), Recipe.constant(np.ones(3))
    block = Dense(name="b", source=View((3,), 0), target=View((2,), 3), weight=weight, bias=bias)
    with pytest.raises(CntGraphError, match=r"'b': expected a bias.*\(2,\); got \(3,\)"):
        cg.Network(layers, (block,))


def test_a_network_without_anything():
    net = cg.Network((), ())
    assert (net.n_nodes, net.n_edges, net.n_parameters) == (0, 0, 0)
    assert cg.build_graph(net).adjacency.shape == (0, 0)
    assert cg.node_strength(net).shape == (0,)
    assert net.coverage.empty


def test_empty_layers_between_others():
    layers = (layer("a", 2, 0), layer("none", 0, 2), layer("b", 2, 2), layer("end", 0, 4))
    weight = Recipe.constant(np.ones((2, 2)))
    block = Dense(name="b", source=View((2,), 0), target=View((2,), 2), weight=weight)
    net = cg.Network(layers, (block,))
    assert net.layers_of(block.target) == (layers[2],)
    assert net.blocks_into(layers[1]) == ()
    assert net.split(cg.node_strength(net))["none"].shape == (0,)


def test_what_a_network_is_made_of_is_shown_in_a_line():
    net = cg.toy("cnn")
    assert [repr(block) for block in net.blocks] == [
        "<Conv 'conv1': (1, 6, 6) → (2, 6, 6), weight (2, 1, 3, 3)>",
        "<Pool 'pool': (2, 6, 6) → (2, 3, 3), not learned>",
        "<Dense 'fc': (18,) → (3,), weight (3, 18)>",
    ]
    weight = net.blocks[0].weight
    twice = "<Recipe: add (2, 1, 3, 3) float64, reads conv1.weight>"
    assert (repr(weight + weight), len(repr(net.parameters["fc.weight"])) < 100) == (twice, True)
