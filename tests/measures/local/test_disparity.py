import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import local
from oracles.nets import edge_list

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, SignedWeightError
from cntgraph.measures.local.disparity import disparity

NETS = local.all_nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("direction", ["out", "in", "total"])
@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_it_is_the_sum_over_edges(net, direction, edges):
    listed, options = edge_list(net, edges), {"direction": direction, "edges": edges}
    for measured in (net, cg.build_graph(net)):
        split = disparity(measured, sign="split", **options)
        for sign in ("absolute", "positive", "negative"):
            expected = local.disparity(listed, net.n_nodes, direction, sign)
            found = disparity(measured, sign=sign, **options)
            assert found.dtype == np.float64
            assert np.allclose(found, expected, rtol=1e-9, equal_nan=True), sign
            if sign != "absolute":
                assert np.array_equal(getattr(split, sign), found, equal_nan=True)


@given(st.integers(1, 40), st.floats(1e-30, 1e30))
def test_k_edges_of_one_size_have_one_part_in_k(k, size):
    net = local.network((1, k), [local.dense("fc", (0, 1), (1, 1 + k), np.full((k, 1), size))])
    found = disparity(net)
    assert found[0] == pytest.approx(1 / k)
    assert np.isnan(found[1:]).all()
    assert disparity(net, direction="in")[1:] == pytest.approx(np.ones(k))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_it_lies_between_one_kth_and_one(weights):
    column = np.array(weights)[:, None]
    k = len(weights)
    (found, *_) = disparity(local.network((1, k), [local.dense("fc", (0, 1), (1, 1 + k), column)]))
    squares = np.square(weights).sum()
    if squares > 1e-200:
        assert 1 / k - 1e-9 <= found <= 1 + 1e-9
    elif not any(weights):
        assert np.isnan(found)


def test_signs_need_a_policy_where_there_are_any():
    net, positive = cg.toy("mlp"), NETS["all zero"]
    for measured in (net, cg.build_graph(net)):
        with pytest.raises(SignedWeightError, match="disparity is defined for weights"):
            disparity(measured)
    assert np.isnan(disparity(positive)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    net = local.network((1, 2), [local.dense("fc", (0, 1), (1, 3), [[bad], [1.0]])])
    for measured in (net, cg.build_graph(net)):
        with pytest.raises(NonFiniteWeightError, match="in: fc"):
            disparity(measured, sign="absolute")


@pytest.mark.parametrize(
    "wrong", [{"direction": "both"}, {"edges": "some"}, {"sign": "minus"}, {"direction": None}]
)
def test_options_are_checked(wrong):
    for measured in (cg.toy("mlp"), cg.build_graph(cg.toy("mlp"))):
        with pytest.raises(CntGraphError, match=f"got {next(iter(wrong.values()))!r}"):
            disparity(measured, **({"sign": "absolute"} | wrong))
