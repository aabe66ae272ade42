import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import local
from oracles.nets import edge_list

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.measures.local.participation_ratio import (
    inverse_participation_ratio,
    participation_ratio,
)

NETS = local.all_nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("direction", ["in", "out", "total"])
@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_it_is_the_sum_over_edges(net, direction, edges):
    listed, options = edge_list(net, edges), {"direction": direction, "edges": edges}
    expected = local.participation_ratio(listed, net.n_nodes, direction)
    for measured in (net, cg.build_graph(net)):
        found = participation_ratio(measured, **options)
        assert found.dtype == np.float64
        assert np.allclose(found, expected, rtol=1e-9, equal_nan=True)
        inverse = inverse_participation_ratio(measured, **options)
        assert np.allclose(inverse, 1 / np.array(expected), rtol=1e-9, equal_nan=True)


@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from([1e-45, 1e-3, 1.0, 3e38]))
def test_it_counts_weights_of_one_size_however_small_or_large(k, zeros, size):
    """k of them among zeros, of either sign, as float32."""
    weights = np.zeros((1, k + zeros), np.float32)
    weights[0, :k] = size
    weights[0, :k:2] *= -1
    n = k + zeros
    net = local.network((n, 1), [local.dense("fc", (0, n), (n, n + 1), weights)])
    assert participation_ratio(net)[-1] == pytest.approx(k)
    assert inverse_participation_ratio(net)[-1] == pytest.approx(1 / k)


def test_a_weight_that_is_not_finite_stays_at_its_nodes():
    weights = [[np.nan, 1.0], [1.0, 1.0]]
    net = local.network((2, 2), [local.dense("fc", (0, 2), (2, 4), weights)])
    for measured in (net, cg.build_graph(net)):
        assert np.isnan(participation_ratio(measured)).tolist() == [True, True, True, False]
        out = participation_ratio(measured, direction="out")
        assert np.isnan(out).tolist() == [True, False, True, True]


@pytest.mark.parametrize("weight", [1e200, 1e-200])
def test_weights_whose_powers_are_no_float(weight):
    net = local.network((1, 1), [local.dense("fc", (0, 1), (1, 2), [[weight]])])
    for measured in (net, cg.build_graph(net)):
        assert participation_ratio(measured)[-1] == 1
        assert inverse_participation_ratio(measured)[-1] == 1


@pytest.mark.parametrize("wrong", [{"direction": "both"}, {"edges": "some"}])
def test_options_are_checked(wrong):
    for measured in (cg.toy("mlp"), cg.build_graph(cg.toy("mlp"))):
        for measure in (participation_ratio, inverse_participation_ratio):
            with pytest.raises(CntGraphError, match=f"got {next(iter(wrong.values()))!r}"):
                measure(measured, **wrong)
