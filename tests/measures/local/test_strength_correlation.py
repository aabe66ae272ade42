import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import local, loops
from oracles.nets import edge_list
from scipy import stats

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.measures.local.strength_correlation import _levels, strength_correlation
from cntgraph.network.blocks import TRANSFORMS

NETS = local.all_nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


def pearson(x, y):
    """r from its definition, and p from Student's t with n − 2 degrees of freedom."""
    n, mx, my = len(x), math.fsum(x) / len(x), math.fsum(y) / len(y)
    cov = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    r = cov / math.sqrt(math.fsum((a - mx) ** 2 for a in x) * math.fsum((b - my) ** 2 for b in y))
    t = abs(r) * math.sqrt((n - 2) / max(1 - r * r, 1e-300))
    return r, 2 * stats.t.sf(t, n - 2)


def ranks(values, tol):
    """Mean ranks, where values closer than `tol` are the same."""
    return [
        sum(v < x - tol for v in values) + (sum(abs(v - x) <= tol for v in values) + 1) / 2
        for x in values
    ]


def expected_of(x, y, method):
    tol = [1e-9 * max(map(abs, values), default=0) for values in (x, y)]
    if len(x) < 3 or any(np.ptp(v) <= t for v, t in zip((x, y), tol, strict=True)):
        return math.nan, math.nan
    if method == "spearman":
        x, y = ranks(x, tol[0]), ranks(y, tol[1])
    return pearson(x, y)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_it_is_the_correlation_over_the_nodes(net, method, edges):
    for transform in TRANSFORMS:
        options = {"transform": transform, "edges": edges}
        out, into = loops.strengths(edge_list(net, edges), net.n_nodes, net.n_nodes, transform)
        for measured in (net, cg.build_graph(net)):
            found = strength_correlation(measured, method=method, bias=False, **options)
            assert found.index.tolist() == [layer.name for layer in net.layers]
            assert found.dtypes.tolist() == [np.int64, np.float64, np.float64]
            for layer, row in zip(net.layers, found.itertuples(), strict=True):
                r, p = expected_of(into[layer.slice], out[layer.slice], method)
                assert row.n_nodes == layer.n_nodes
                assert row.correlation == pytest.approx(r, abs=1e-7, nan_ok=True), transform
                assert row.p_value == pytest.approx(p, abs=1e-6, nan_ok=True), transform


def test_the_bias_is_part_of_the_in_strength():
    net = cg.toy("mlp")
    here = net.layer("fc1").slice
    into = cg.node_strength(net, direction="in")[here]
    out = cg.node_strength(net, direction="out")[here]
    expected = stats.pearsonr(into, out)
    found = strength_correlation(net).loc["fc1"]
    assert found["correlation"] == pytest.approx(expected.statistic)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    assert strength_correlation(net, bias=False).loc["fc1", "correlation"] != found["correlation"]


def test_layers_that_have_none():
    found = strength_correlation(NETS["recurrent"])["correlation"]
    assert np.isnan(found).tolist() == [True, False, True]
    assert len(strength_correlation(NETS["nothing"])) == 0
    for name in ("single node", "single loop", "no edges", "all zero", "empty layer"):
        found = strength_correlation(NETS[name])
        assert np.isnan(found[["correlation", "p_value"]].to_numpy()).all()


def test_a_strength_that_is_not_finite_has_no_correlation():
    weights = np.ones((3, 3)) * np.arange(3)
    weights[0, 0] = np.nan
    net = local.network((3, 3), [local.dense("loop", (0, 3), (0, 3), weights)])
    assert np.isnan(strength_correlation(net)["correlation"]["a"])


LEVELS = st.sampled_from([-3.0, 0.0, 0.1, 0.3, 7.0])


@given(st.lists(LEVELS, min_size=1, max_size=12), st.integers(0, 2**32))
def test_rounding_makes_no_ranks(values, seed):
    exact = np.array(values)
    noise = 1 + 1e-15 * np.random.default_rng(seed).normal(size=len(values))
    assert (_levels(exact * noise) + 1).tolist() == stats.rankdata(values, "dense").tolist()


@pytest.mark.parametrize(
    "wrong", [{"method": "kendall"}, {"transform": "abs"}, {"edges": "some"}]
)  # fmt: skip
def test_options_are_checked(wrong):
    with pytest.raises(CntGraphError, match=f"got {next(iter(wrong.values()))!r}"):
        strength_correlation(cg.toy("mlp"), **wrong)
