"""Layers Fluctuation: how much strength varies among the nodes of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.computing import computing_on
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import check_direction, layer_strengths
from cntgraph.measures.summary import summarize
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd


@takes(Network, Graph)
def layer_fluctuation(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "total",
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
    client: Any = None,
) -> pd.Series:
    """Return the standard deviation of node strength within each layer.

    How much the nodes of a layer differ: 0 where all have the same strength, large where some are
    much stronger than others. It grows with the scale of the weights, which `relative_fluctuation`
    does not read.

    Parameters
    ----------
    net_or_graph : Network or Graph
        What is measured.
    direction, transform, edges, bias, boundary, client
        As in `node_strength`.

    Returns
    -------
    pandas.Series of float64
        By layer name, in node order; NaN for a layer without nodes.

    Notes
    -----
    With s_k the strengths of the N nodes of a layer and ⟨s⟩ their mean,

        Y = √( Σₖ (s_k − ⟨s⟩)² / N )

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.layer_fluctuation(cg.toy("mlp")).round(3)
    layer
    input    1.129
    fc1      1.972
    fc2      0.883
    fc3      0.698
    Name: fluctuation, dtype: float64
    """
    import pandas as pd

    check_direction(direction)
    with computing_on(client):
        strengths = layer_strengths(
            net_or_graph, transform=transform, edges=edges, bias=bias, boundary=boundary
        )
    layers = net_or_graph.layers
    with np.errstate(invalid="ignore", over="ignore"):  # infinite values have no deviation
        values = [summarize(strengths.of_layer(k, direction)).std for k in range(len(layers))]
    index = pd.Index([layer.name for layer in layers], name="layer")
    return pd.Series(values, index=index, name="fluctuation", dtype=np.float64)
