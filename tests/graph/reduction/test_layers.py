import numpy as np
import pandas as pd
import pytest
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.reduction.layers import keep_layers

NETS = nets()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("step", [1, 2])
def test_it_is_the_graph_of_these_layers(name, step):
    net = NETS[name]
    names = [layer.name for layer in net.layers[::step]]
    found = keep_layers(cg.build_graph(net), names[::-1])
    expected = cg.build_graph(net, layers=names)
    assert found.graph.layers == expected.layers
    assert found.graph.n_edges == expected.n_edges
    for array in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(
            getattr(found.graph.adjacency, array), getattr(expected.adjacency, array)
        )
    pd.testing.assert_frame_equal(
        found.graph.nodes.drop(columns="bias"), expected.nodes.drop(columns="bias")
    )


def test_what_is_kept_is_said():
    graph = cg.build_graph(cg.toy("mlp"))
    found = keep_layers(graph, ["fc1", "fc2"])
    assert found.node_ids.tolist() == list(range(6, 18))
    assert found.edge_fraction == 32 / 88
    inside = abs(graph.adjacency[6:14]).sum(dtype=float)
    assert found.weight_fraction == pytest.approx(inside / abs(graph.adjacency).sum(dtype=float))


def test_a_layer_that_there_is_not():
    with pytest.raises(CntGraphError, match="no layer is called 'fc9'; the layers are: input"):
        keep_layers(cg.build_graph(cg.toy("mlp")), ["fc9"])


def test_no_layers():
    assert keep_layers(cg.build_graph(cg.toy("mlp")), []).graph.n_nodes == 0
