"""The values of a layer's distribution: those that the layer's measures are made of."""

import numpy as np
import pytest
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.measures.layer_values import DISTRIBUTIONS, layer_values, values_by_layer

NETS = nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("measure", ["strength", "in_strength", "out_strength"])
def test_strengths_are_those_of_the_layer_s_nodes(net, measure):
    table = cg.analyze(net)
    for layer in net.layers:
        found = layer_values(net, measure, layer.name)
        assert found.shape == (layer.n_nodes,)
        assert np.isclose(found.mean(), table.loc[layer.name, f"{measure}_mean"], atol=1e-12)
        assert np.isclose(found.std(), table.loc[layer.name, f"{measure}_std"], atol=1e-12)


def test_link_weights_are_those_that_the_table_sums_up(net):
    table = cg.analyze(net)
    for layer in net.layers:
        found = layer_values(net, "link_weights", layer.name)
        assert found.size == table.loc[layer.name, "n_weights"]
        if found.size:
            assert np.isclose(found.std(), table.loc[layer.name, "link_weight_std"], atol=1e-12)
            assert found.max() == table.loc[layer.name, "link_weight_max"]


def test_each_stored_weight_counts_once():
    net = cg.toy("cnn")
    kernel = net.parameters["conv1.weight"].read().reshape(-1)
    assert np.array_equal(layer_values(net, "link_weights", "conv1"), kernel)


@pytest.mark.parametrize("measure", DISTRIBUTIONS)
def test_all_layers_at_once_are_each_layer(net, measure):
    found = values_by_layer(net, measure)
    for layer in net.layers:
        alone = layer_values(net, measure, layer.name)
        assert np.array_equal(found.get(layer.name, np.empty(0)), alone)
        assert (layer.name in found) == bool(alone.size)


def test_what_is_unknown_is_named():
    net = cg.toy("mlp")
    with pytest.raises(CntGraphError, match="strength, in_strength, out_strength, link_weights"):
        layer_values(net, "betweenness", "fc1")
    with pytest.raises(CntGraphError, match="strength, in_strength, out_strength, link_weights"):
        values_by_layer(net, "betweenness")
    with pytest.raises(CntGraphError, match="no layer is called 'fc9'"):
        layer_values(net, "strength", "fc9")


def test_only_what_leads_to_a_layer_or_away_from_it_is_read():
    net = NETS["cnn"]
    names = {layer.name: [b.name for b in net.around(layer).blocks] for layer in net.layers}
    assert names == {
        "input": ["conv1"],
        "conv1": ["conv1", "pool"],
        "pool": ["pool", "fc"],
        "fc": ["fc"],
    }
