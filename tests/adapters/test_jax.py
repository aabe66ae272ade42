"""The JAX adapter, decided by what JAX itself computes."""

import jax
import numpy as np
import pytest
from oracles.jax_models import random_flax, record
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.blocks import TRANSFORMS

SEEDS = range(40)


@pytest.fixture
def precise():
    """Let JAX compute in float64."""
    with jax.enable_x64(True):
        yield


def channels_first(x):
    return np.moveaxis(np.asarray(x), -1, 0)


def outputs_of(net, values):
    return np.concatenate(
        [values[layer.name].reshape(-1) for layer in net.layers if layer.is_output]
    )


@pytest.mark.parametrize("norm", ["fold", "keep"])
@pytest.mark.parametrize("seed", SEEDS)
def test_that_decides_an_adapter(seed, norm, precise):
    model, variables, x = random_flax(seed)
    expected, calls = record(model, variables, x)
    net = cg.load(model.apply, params=variables, example_input=x, norm=norm, strict=True)
    before, after = propagate(net, channels_first(x[0]))
    np.testing.assert_allclose(outputs_of(net, after), np.ravel(expected), rtol=0, atol=1e-9)
    compared = 0
    for layer in net.layers:
        seen = calls.get(layer.name, [])
        if len(seen) == 1 and layer.activation and norm == "keep":
            np.testing.assert_allclose(before[layer.name].ravel(), seen[0].ravel(), atol=1e-9)
            compared += 1
    assert compared or norm == "fold"
    assert not net.coverage["status"].eq("skipped").any()


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_measures_of_random_networks_are_those_of_their_graphs(seed):
    model, variables, x = random_flax(seed)
    net = cg.load(model.apply, params=variables, example_input=x)
    graph = cg.build_graph(net)
    for transform in TRANSFORMS:
        for edges in ("parametric", "all"):
            closed = cg.node_strength(net, transform=transform, edges=edges)
            summed = cg.node_strength(graph, transform=transform, edges=edges)
            assert np.allclose(closed, summed, rtol=1e-9, atol=1e-9)
