"""From arrays to data of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Array
from cntgraph.graph.conversions.edges import EdgeArrays
from cntgraph.graph.conversions.nodes import Measures, given_measures, node_attributes
from cntgraph.network.layer import Layer

if TYPE_CHECKING:
    import pandas as pd
    from torch_geometric.data import Data as Data

#: Held for an edge: its ends, its weight and its block, and the arrays they come from.
BYTES_AN_EDGE = 70


def pyg_data(
    layers: Sequence[Layer], nodes: pd.DataFrame, edges: EdgeArrays, measures: Measures | None
) -> Data:
    """Return a graph as data of PyTorch Geometric; see `Graph.to_pyg`.

    Parameters
    ----------
    layers : sequence of Layer
    nodes : pandas.DataFrame
        One row per node, as in ``graph.nodes``.
    edges : EdgeArrays
    measures : mapping of str to array of shape (n_nodes,), or None

    Returns
    -------
    torch_geometric.data.Data

    Raises
    ------
    MissingExtraError, CntGraphError
    GraphSizeError
        If there is not the memory for so many edges.
    """
    check_memory(BYTES_AN_EDGE * edges.n_edges, f"PyTorch Geometric, of {edges.n_edges:,} edges,")
    features = {} if measures is None else {"x": _features(layers, nodes, measures)}
    arrays = {
        "edge_index": np.stack([edges.source, edges.target]).astype(np.int64),
        "edge_weight": edges.weight,
        "edge_block": edges.block.astype(np.int64),
        "parametric": edges.parametric[edges.block],
        "layer": nodes["layer"].cat.codes.to_numpy(np.int64),
        "channel": nodes["channel"].to_numpy(np.int64),
        "place": nodes[["z", "y", "x"]].to_numpy(np.int64),
        "bias": nodes["bias"].to_numpy(np.float64),
        **features,
    }
    from cntgraph.adapters.torch.geometric import data_of

    names: dict[str, Any] = {
        "num_nodes": len(nodes),
        "block_names": list(edges.block_names),
        "layer_names": [layer.name for layer in layers],
    }
    return data_of(arrays, names)


def _features(layers: Sequence[Layer], nodes: pd.DataFrame, measures: Measures) -> Array:
    """Return measures side by side, those of `Graph.nodes` left out."""
    checked = node_attributes(layers, nodes, measures)
    columns = [checked[name] for name in given_measures(measures) if name not in nodes.columns]
    if any(column.dtype.kind == "O" for column in columns):
        raise CntGraphError("measures: expected numbers as features of nodes, got texts")
    return np.array(columns, dtype=np.float32).reshape(-1, len(nodes)).T
