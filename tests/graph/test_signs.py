"""The sign policy: what is measured of negative weights is what the caller said."""

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, SignedWeightError
from cntgraph.graph.signs import Split, by_sign, check_weights

SIGNED = [np.array([[1.0, -2.0], [0.0, 3.0]])]
POSITIVE = [np.array([[1.0, 2.0], [0.0, 3.0]])]


def both(weights):
    net = cg.load(weights)
    return [net, cg.build_graph(net)]


def transform_of(transform):
    return transform


@pytest.mark.parametrize("subject", both(SIGNED))
class TestNegativeWeights:
    def test_need_a_policy(self, subject):
        with pytest.raises(SignedWeightError, match=r"PageRank is defined .* sign='absolute'"):
            by_sign(subject, None, transform_of, noun="PageRank")

    @pytest.mark.parametrize("sign", ["absolute", "positive", "negative"])
    def test_are_measured_as_said(self, subject, sign):
        assert by_sign(subject, sign, transform_of, noun="it") == sign

    def test_split_measures_both_parts(self, subject):
        found = by_sign(subject, "split", transform_of, noun="it")
        assert found == Split("positive", "negative")


@pytest.mark.parametrize("subject", both(POSITIVE))
def test_no_policy_is_needed_without_negative_weights(subject):
    assert by_sign(subject, None, transform_of, noun="it") == "absolute"
    assert not check_weights(subject, noun="it")


@pytest.mark.parametrize("subject", both(SIGNED))
def test_a_policy_that_there_is_not(subject):
    with pytest.raises(CntGraphError, match="'split'; got 'ignore'"):
        by_sign(subject, "ignore", transform_of, noun="it")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named_whatever_the_policy(bad):
    for subject in both([np.ones((2, 2)), np.array([[bad, 1.0], [1.0, 1.0]])]):
        for sign in (None, "absolute", "split"):
            with pytest.raises(
                NonFiniteWeightError, match="there are NaN or infinite ones in: dense2"
            ):
                by_sign(subject, sign, transform_of, noun="it")


def test_structural_edges_are_looked_at_only_if_they_count():
    net = cg.toy("residual")
    graph = cg.build_graph(net)
    weights = np.where(graph.parametric[graph.edge_block], np.abs(graph.adjacency.data), -1.0)
    graph = graph.with_weights(weights)
    assert check_weights(graph, edges="all", noun="it")
    assert not check_weights(graph, edges="parametric", noun="it")
