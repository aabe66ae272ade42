import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.backbones import WRONG_SIGN, disparity, noise_corrected, uniform_p_value
from oracles.graphs import FINITE, edges_of, graph_of, graphs, odd

import cntgraph as cg
from cntgraph.core.errors import SignedWeightError, UndefinedMeasureError
from cntgraph.graph.reduction.disparity_filter import disparity_filter, edge_p_values
from cntgraph.graph.reduction.noise_corrected import edge_lifts, noise_corrected_backbone

SIGNS = list(WRONG_SIGN)
CHOICES = {"source": lambda a: a[0], "target": lambda a: a[1], "either": min, "both": max}


def of_sign(graph, sign):
    return [edge for edge in edges_of(graph) if not WRONG_SIGN[sign](edge[2])]


# -- disparity filter ----------------------------------------------------------------------------


def check_disparity(graph, alpha, sign, by):
    edges = of_sign(graph, sign)
    values = [CHOICES[by](pair) for pair in disparity(edges)]
    found = disparity_filter(graph, alpha, sign=sign, within=by)
    # Of a value at the limit either answer is right: the integral is not exact.
    sure = [edge for edge, value in zip(edges, values, strict=True) if value < alpha - 1e-9]
    possible = [edge for edge, value in zip(edges, values, strict=True) if value < alpha + 1e-9]
    kept = edges_of(found.graph)
    assert set(sure) <= set(kept) <= set(possible)
    assert len(sure) <= len(kept) <= len(possible)
    assert found.n_edges_before == graph.n_edges


@pytest.mark.parametrize("by", CHOICES)
@pytest.mark.parametrize("sign", SIGNS)
@given(graph=graphs(), alpha=st.floats(0.01, 0.99))
def test_disparity_of_any_graph(sign, by, graph, alpha):
    check_disparity(graph, alpha, sign, by)


@pytest.mark.parametrize("by", CHOICES)
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("name", FINITE)
def test_disparity_of_odd_graphs(name, sign, by):
    check_disparity(odd(name), 0.41, sign, by)


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_the_closed_form_is_the_integral(name):
    graph = cg.build_graph(cg.toy(name))
    expected = np.array(disparity(edges_of(graph)))
    for by, column in (("source", 0), ("target", 1)):
        assert np.allclose(edge_p_values(graph, by), expected[:, column], rtol=0, atol=1e-9)


def test_small_p_values_are_exact():
    """Where the integral loses all digits, the closed form in exact fractions."""
    from fractions import Fraction

    sizes = [Fraction(1, 8)] * 999 + [Fraction(500)]
    graph = graph_of([1, 1000], [(0, j + 1, float(w), 0) for j, w in enumerate(sizes)])
    found = edge_p_values(graph, "source")
    for k in (0, 999):
        exact = (1 - sizes[k] / sum(sizes)) ** 999
        assert found[k] == pytest.approx(float(exact), rel=1e-12)
    assert found[999] < 1e-200


def test_a_node_with_one_edge_leaves_the_choice_to_the_other_end():
    # 0 → 3 is the only edge out of 0; 3 is reached by three.
    edges = [(0, 3, 8.0, 0), (1, 3, 1.0, 0), (2, 3, 1.0, 0)]
    graph = graph_of([3, 1], edges)
    assert edge_p_values(graph, "source").tolist() == [1.0, 1.0, 1.0]
    assert edge_p_values(graph, "target")[0] == pytest.approx(0.04)
    assert edges_of(disparity_filter(graph, 0.05).graph) == edges[:1]
    # And a pair that is connected to nothing else is never significant.
    assert disparity_filter(graph_of([1, 1], [(0, 1, 9.0, 0)]), 1.0).graph.n_edges == 0


def test_equal_weights_are_not_significant():
    graph = graph_of([2, 20], [(i, j, 1.0, 0) for i in (0, 1) for j in range(2, 22)])
    assert disparity_filter(graph, 0.3).graph.n_edges == 0
    assert uniform_p_value(1.0, [1.0] * 20) == pytest.approx(0.95**19)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_what_is_no_level(alpha):
    with pytest.raises(cg.CntGraphError, match="alpha between 0 and 1"):
        disparity_filter(odd("parallel"), alpha, sign="absolute")


def test_which_ends_there_are():
    with pytest.raises(cg.CntGraphError, match="'source', 'target', 'either', 'both'; got 'block'"):
        disparity_filter(odd("parallel"), sign="absolute", within="block")


# -- noise-corrected backbone ---------------------------------------------------------------------


def lifts_within(edges, unit, within):
    """The oracle, of all edges at once or of each block by itself."""
    if within == "graph":
        return noise_corrected(edges, unit)
    found = [None] * len(edges)
    for block in {b for *_, b in edges}:
        places = [k for k, edge in enumerate(edges) if edge[3] == block]
        own = noise_corrected([edges[k] for k in places], unit)
        for k, pair in zip(places, own, strict=True):
            found[k] = pair
    return found


@pytest.mark.parametrize("within", ["graph", "block"])
@pytest.mark.parametrize("sign", SIGNS)
@given(graph=graphs(), unit=st.sampled_from([0.01, 0.05]), delta=st.floats(0.1, 4))
def test_noise_corrected_of_any_graph(sign, within, graph, unit, delta):
    edges = of_sign(graph, sign)
    lifts = lifts_within(edges, unit, within)
    assume(all(abs(score - delta * deviation) > 1e-6 for score, deviation in lifts))
    found = noise_corrected_backbone(graph, delta, sign=sign, unit=unit, within=within)
    kept = [e for e, (score, deviation) in zip(edges, lifts, strict=True)
            if score > delta * deviation]  # fmt: skip
    assert edges_of(found.graph) == kept


@pytest.mark.parametrize("within", ["graph", "block"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_scores_and_deviations(name, within):
    graph = cg.build_graph(cg.toy(name))
    expected = np.array(lifts_within(edges_of(graph), 0.1, within))
    found = edge_lifts(graph, 0.1, within)
    assert np.allclose(found[0], expected[:, 0], rtol=0, atol=1e-12)
    # The oracle's derivative is a difference.
    assert np.allclose(found[1], expected[:, 1], rtol=1e-6)


def test_the_published_code_differs_by_the_prior_mean():
    graph = cg.build_graph(cg.toy("cnn"))
    edges = edges_of(graph)
    ours, theirs = (np.array(noise_corrected(edges, 0.1, published=p))[:, 1] for p in (False, True))
    sums = np.array(graph.to_scipy(parallel="keep").__abs__().sum(axis=1))
    largest = sums.max() * np.abs(graph.adjacency).sum(axis=0).max() / sums.sum() ** 2
    assert 0 < np.abs(ours / theirs - 1).max() < 2 * largest


def test_a_worked_example():
    """Two hubs that meet as they must, and a pair that meets beyond what its sums make expect."""
    edges = [(0, 2, 100.0, 0), (0, 3, 10.0, 0), (1, 2, 10.0, 0), (1, 3, 20.0, 0)]
    graph = graph_of([2, 2], edges)
    score, deviation = edge_lifts(graph)
    expected = 30 * 30 / 140
    assert score[3] == pytest.approx((20 - expected) / (20 + expected))
    kept = noise_corrected_backbone(graph, 1.64).graph
    assert [(i, j) for i, j, _, _ in edges_of(kept)] == [(0, 2), (1, 3)]
    assert (deviation > 0).all()
    # More evidence for the same shares: every deviation shrinks.
    assert (edge_lifts(graph, unit=0.1)[1] < deviation).all()


def test_an_edge_that_is_all_there_is():
    graph = graph_of([1, 1], [(0, 1, 9.0, 0)])
    assert edge_lifts(graph)[0].tolist() == [0.0]
    assert noise_corrected_backbone(graph, 0.0).graph.n_edges == 0


def test_too_few_counts():
    graph = graph_of([2, 1], [(0, 2, 0.5, 0), (1, 2, 0.5, 1)])
    with pytest.raises(UndefinedMeasureError, match="in the graph all together are 1"):
        noise_corrected_backbone(graph)
    with pytest.raises(UndefinedMeasureError, match=r"in block 'conv' .*Pass unit="):
        noise_corrected_backbone(graph, unit=0.3, within="block")
    assert noise_corrected_backbone(graph, unit=0.3).n_edges_before == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delta": -1}, "delta of 0 or more"),
        ({"delta": math.nan}, "delta of 0 or more"),
        ({"unit": 0}, "unit above 0"),
        ({"unit": math.inf}, "unit above 0"),
        ({"within": "layer"}, "'graph' or 'block', got 'layer'"),
    ],
)
def test_options_that_there_are_not(options, message):
    with pytest.raises(cg.CntGraphError, match=message):
        noise_corrected_backbone(odd("parallel"), sign="absolute", **options)


# -- signs -----------------------------------------------------------------------------------------

BACKBONES = {
    "disparity": lambda graph, sign: disparity_filter(graph, 0.6, sign=sign),
    "noise corrected": lambda graph, sign: noise_corrected_backbone(graph, sign=sign, unit=0.01),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_negative_weights_need_a_policy(name):
    graph = cg.build_graph(cg.toy("mlp"))
    with pytest.raises(SignedWeightError, match="pass sign="):
        BACKBONES[name](graph, None)
    positive = graph.with_weights(np.abs(graph.adjacency.data))
    assert edges_of(BACKBONES[name](positive, None).graph) == edges_of(
        BACKBONES[name](positive, "absolute").graph
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_kept_weights_have_their_sign(name):
    graph = cg.build_graph(cg.toy("mlp"))
    absolute = edges_of(BACKBONES[name](graph, "absolute").graph)
    assert {np.sign(w) for _, _, w, _ in absolute} == {1.0, -1.0}
    split = BACKBONES[name](graph, "split")
    assert {np.sign(w) for _, _, w, _ in edges_of(split.positive.graph)} == {1.0}
    assert {np.sign(w) for _, _, w, _ in edges_of(split.negative.graph)} == {-1.0}
    assert split.positive.n_edges_before == graph.n_edges


@pytest.mark.parametrize("name", BACKBONES)
def test_the_sign_of_all_weights_changes_nothing(name):
    graph = cg.build_graph(cg.toy("mlp"))
    turned = graph.with_weights(-graph.adjacency.data)
    places = [[e[:2] for e in edges_of(BACKBONES[name](g, s).graph)]
              for g, s in ((graph, "negative"), (turned, "positive"))]  # fmt: skip
    assert places[0] == places[1]
