import numpy as np
import pandas as pd
import pytest
from oracles.graphs import ODD, odd
from oracles.nets import TOYS

import cntgraph as cg
from cntgraph.core.errors import CntGraphError

ATTRIBUTES = ["label", "layer", "layer_index", "kind", "activation", "channel", "z", "y", "x",
              "bias"]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_every_node_has_every_attribute(name):
    graph = odd(name)
    found = graph.node_attributes()
    assert list(found) == ATTRIBUTES
    assert all(values.shape == (graph.n_nodes,) for values in found.values())
    assert found["bias"].tolist() == graph.bias.tolist()


def test_labels_say_layer_and_place():
    labels = odd("images").node_attributes()["label"].tolist()
    # Layers of shape (2, 2, 3), (1, 1, 2, 2), (2, 2, 1, 1, 2) and ().
    assert labels[:4] == [f"layer0[0, {y}, {x}]" for y, x in ((0, 0), (0, 1), (0, 2), (1, 0))]
    assert labels[12:14] == ["layer1[0, 0, 0, 0]", "layer1[0, 0, 0, 1]"]
    # The axes that the table folds into z.
    assert labels[16:19] == [f"layer2[0, {z}, 0, {x}]" for z, x in ((0, 0), (0, 1), (1, 0))]
    assert labels[-1] == "layer3"
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", TOYS)
def test_the_table_and_the_layers_say_the_same(name):
    graph = cg.build_graph(cg.toy(name))
    found = graph.node_attributes()
    for depth, layer in enumerate(graph.layers):
        assert set(found["layer"][layer.slice]) == {layer.name}
        assert set(found["layer_index"][layer.slice]) == {depth}
        assert set(found["activation"][layer.slice]) == {layer.activation}
        assert set(found["kind"][layer.slice]) == {layer.kind}


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0, 1, 20),
        np.arange(20),
        np.arange(20, dtype=np.float32),
        np.arange(20) > 3,
        list("abcdefghijklmnopqrst"),
        np.array(list("abcdefghijklmnopqrst")),
        pd.Series(range(20), index=range(20, 40)),
        pd.Series(list("abcdefghijklmnopqrst")),
        [float("nan")] * 20,
    ],
    ids=lambda values: type(values).__name__,
)
def test_measures_become_attributes(values):
    graph = cg.build_graph(cg.toy("mlp"))
    found = graph.node_attributes({"mine": values})
    assert list(found) == [*ATTRIBUTES, "mine"]
    # As text, in which NaN is NaN.
    assert str(found["mine"].tolist()) == str(np.asarray(values).tolist())
    assert found["mine"].dtype.kind in "biufO"


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ({"s": np.zeros(3)}, r"'s': expected one value per node, shape \(20,\); got \(3,\)"),
        ({"s": np.zeros((20, 1))}, r"got \(20, 1\)"),
        ({"s": 1.0}, r"got \(\)"),
        ({"s": np.zeros(20, complex)}, "numbers, truth values or texts; got complex128"),
        ({"s": [None] * 20}, "numbers, truth values or texts; got object"),
        ({"bias": np.zeros(20)}, "'bias': nodes have an attribute of that name"),
        ({"label": np.zeros(20)}, "'label': nodes have an attribute of that name"),
    ],
)
def test_what_is_no_measure_is_refused(measures, message):
    with pytest.raises(CntGraphError, match=message):
        cg.build_graph(cg.toy("mlp")).node_attributes(measures)
