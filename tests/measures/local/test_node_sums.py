import numpy as np
import pytest
from oracles import local

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.core.view import View
from cntgraph.measures.local.one_sign import one_sign
from cntgraph.measures.local.ratio import ratio
from cntgraph.measures.strength import node_strengths
from cntgraph.network.blocks import TRANSFORMS, Identity
from cntgraph.network.blocks.block_sums import BlockSums, Sums

NETS = local.all_nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_all_transforms_at_once_are_each_alone(net, edges):
    for measured in (net, cg.build_graph(net)):
        found = measured.node_sums(*TRANSFORMS, edges=edges)
        assert list(found) == list(TRANSFORMS)
        for transform, sums in found.items():
            alone = node_strengths(net, transform=transform, edges=edges, bias=False)
            assert np.allclose(sums.incoming, alone.incoming, rtol=1e-10, atol=1e-12)
            assert np.allclose(sums.outgoing, alone.outgoing, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_weights_of_one_sign_on_the_same_edges(net, sign):
    clip = {"positive": np.maximum, "negative": np.minimum}[sign]
    graph = cg.build_graph(net)
    expected = graph.with_weights(clip(graph.adjacency.data.astype(np.float64), 0.0))
    for part in (one_sign(graph, sign), cg.build_graph(one_sign(net, sign))):
        assert np.allclose(part.adjacency.toarray(), expected.adjacency.toarray(), atol=1e-15)


def test_absolute_takes_all():
    net = cg.toy("cnn")
    assert one_sign(net, "absolute") is net


class _Minus(Identity):
    """Structural edges of weight minus one, as a third party may have."""

    kind = "minus"

    def _sums(self, transforms, statistics):
        ones = np.ones(self.source.size)
        weights = {"signed": -ones, "negative": -ones, "positive": 0 * ones}
        sums = {t: Sums(*2 * (weights.get(t, ones),)) for t in transforms}
        return BlockSums(sums)


def test_negative_weights_that_are_no_recipe_cannot_be_parted():
    net = local.network((2, 2), [_Minus(name="m", source=View((2,)), target=View((2,), 2))])
    with pytest.raises(CntGraphError, match="block 'm': the kind 'minus' has negative weights"):
        one_sign(net, "positive")


def test_a_ratio_of_nothing_is_not_a_number():
    found = ratio(np.array([0.0, 1.0, 3.0, np.inf]), np.array([0.0, 0.0, 2.0, np.inf]))
    assert np.array_equal(found, [np.nan, np.nan, 1.5, np.nan], equal_nan=True)
