import numpy as np
import pytest
from oracles import loops
from oracles.nets import nets

import cntgraph as cg
from cntgraph.network.blocks import TRANSFORMS

NETS = nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_it_is_the_deviation_of_strength_within_a_layer(net, transform):
    for options in ({}, {"direction": "in"}, {"edges": "all", "bias": False, "boundary": 1.0}):
        strength = net.split(cg.node_strength(net, transform=transform, **options))
        expected = [loops.fluctuation(values.reshape(-1)) for values in strength.values()]
        for measured in (net, cg.build_graph(net)):
            found = cg.layer_fluctuation(measured, transform=transform, **options)
            assert found.index.tolist() == list(strength)
            assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_its_form(net):
    found = cg.layer_fluctuation(net)
    assert (found.name, found.index.name, found.dtype) == ("fluctuation", "layer", np.float64)


def test_a_boundary_moves_all_strengths_of_a_layer_alike(net):
    assert np.allclose(cg.layer_fluctuation(net, boundary=1.0), cg.layer_fluctuation(net))


def test_a_layer_without_nodes_has_none():
    layers = (cg.Layer("a", (2,), "input", 0), cg.Layer("none", (0, 3), "conv", 2))
    found = cg.layer_fluctuation(cg.Network(layers, ()))
    assert found["a"] == 0.0
    assert np.isnan(found["none"])


def test_a_layer_with_infinite_strengths_says_so_without_a_warning():
    net = cg.toy("mlp")
    values = net.parameters["fc1.weight"].read().copy()
    values[0, 0] = np.inf
    parameters = {**net.parameters, "fc1.weight": cg.Parameter.from_array("fc1.weight", values)}
    found = cg.layer_fluctuation(net.bind(parameters, {}))
    assert np.isnan(found[["input", "fc1"]]).all()
    assert np.isfinite(found[["fc2", "fc3"]]).all()
