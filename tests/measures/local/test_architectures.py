"""Local measures and neural persistence of the kinds of networks people build, and their graphs."""

import numpy as np
import pytest
from oracles.torch_models import ARCHITECTURES, architecture

import cntgraph as cg
from cntgraph.measures.explicit.neural_persistence import neural_persistence
from cntgraph.measures.local.degree import degree
from cntgraph.measures.local.disparity import disparity
from cntgraph.measures.local.neighbor_strength import average_neighbor_strength
from cntgraph.measures.local.participation_ratio import participation_ratio
from cntgraph.measures.local.strength_correlation import strength_correlation

pytestmark = pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights")

MEASURES = (
    (degree, {}),
    (disparity, {"sign": "split"}),
    (participation_ratio, {}),
    (average_neighbor_strength, {}),
    (average_neighbor_strength, {"weighted": True, "sign": "absolute"}),
    (strength_correlation, {"method": "pearson"}),
    (strength_correlation, {"method": "spearman"}),
    (neural_persistence, {}),
)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
def test_closed_form_and_graph_are_the_same(kind):
    model, x = architecture(kind)
    whole = cg.load(model, example_input=x, strict=True)
    for granularity in ("neuron", "channel", "layer"):
        net = cg.coarsen(whole, granularity)
        graph = cg.build_graph(net)
        for edges in ("parametric", "all"):
            for measure, options in MEASURES:
                closed, summed = (
                    np.asarray(measure(measured, edges=edges, **options), dtype=np.float64)
                    for measured in (net, graph)
                )
                where = (granularity, edges, measure.__name__, options)
                assert np.allclose(closed, summed, rtol=1e-9, atol=1e-9, equal_nan=True), where
