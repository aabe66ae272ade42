"""Singular values of blocks and of the whole against NumPy on dense matrices."""

import numpy as np
import pytest
from hypothesis import given
from oracles import flows
from oracles.convolutions import convolutions

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, UndefinedMeasureError
from cntgraph.measures.matrix_free.singular_values import _blocks, _by_products, singular_values

NETS = flows.feed_forward() | flows.with_loops()


def both(net):
    return net, cg.build_graph(net)


def of_block(net, block, transform):
    own = block.to_csr().tocoo()
    matrix = np.zeros((net.n_nodes, net.n_nodes))
    places = block.source.as_ids()[own.row], block.target.as_ids()[own.col]
    np.add.at(matrix, places, flows.F[transform](own.data.astype(np.float64)))
    return np.linalg.svd(matrix, compute_uv=False)


@pytest.mark.parametrize("by_products", [False, True])
@pytest.mark.parametrize("transform", ["signed", "absolute", "negative"])
@pytest.mark.parametrize("name", NETS)
def test_singular_values_of_blocks(name, transform, by_products, monkeypatch):
    net = NETS[name]
    if by_products:
        for limit in ("_DENSE", "_NARROW"):
            monkeypatch.setitem(singular_values.__globals__, limit, 0)
    for measured in both(net):
        found = singular_values(measured, 2, transform=transform)
        assert list(found.index) == [block.name for block in net.blocks]
        assert list(found.columns) == [1, 2]
        for block in net.blocks:
            expected = of_block(net, block, transform)[:2]
            assert np.allclose(found.loc[block.name].fillna(0.0), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("edges", ["all", "parametric"])
@pytest.mark.parametrize("name", NETS)
def test_singular_values_of_the_whole(name, edges):
    net = NETS[name]
    expected = np.linalg.svd(flows.dense(net, "signed", edges), compute_uv=False)[:6]
    for measured in both(net):
        found = singular_values(measured, 6, per="network", edges=edges)
        assert list(found.index) == list(range(1, 7))
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(convolutions())
def test_the_norm_of_a_convolution_is_that_of_the_unrolled_matrix(net):
    expected = np.linalg.svd(flows.dense(net), compute_uv=False)[0]
    assert np.isclose(singular_values(net).loc["conv", 1], expected, rtol=1e-9)
    matrix = next(iter(_blocks(net, "signed", "all")))[1]
    by_products = _by_products(matrix, 1, 1e-12) if min(matrix.shape) > 2 else [expected]
    assert np.isclose(by_products[0], expected, rtol=1e-7)


def test_a_block_that_has_fewer_than_are_asked_for():
    found = singular_values(cg.toy("mlp"), 5)
    assert found.loc["fc1"].notna().all()
    assert found.loc["fc3"].notna().tolist() == [True, True, False, False, False]


def test_what_makes_no_sense():
    net = cg.toy("mlp")
    for options in ({"k": 0}, {"k": 1.5}, {"per": "layer"}):
        with pytest.raises(CntGraphError, match="expected per"):
            singular_values(net, **options)
    empty = cg.build_graph(net).keep_edges(np.zeros(net.n_edges, dtype=bool))
    with pytest.raises(UndefinedMeasureError, match="without edges"):
        singular_values(empty, per="network")
    assert singular_values(empty).isna().to_numpy().all()
    data = cg.build_graph(net).adjacency.data.copy()
    data[3] = np.nan
    with pytest.raises(NonFiniteWeightError):
        singular_values(cg.build_graph(net).with_weights(data))
