"""What a network consists of: a row per layer and block that ends in it; no weight is read."""

from __future__ import annotations

from typing import Any

from cntgraph.core.types import Columns
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network


def block_columns(net: Network) -> Columns:
    """Return the columns of `describe`, without pandas.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = block_columns(cg.toy("mlp"))
    >>> found["block"], found["n_parameters"]
    (['', 'fc1', 'fc2', 'fc3'], [0, 56, 36, 10])
    """
    rows: list[dict[str, Any]] = []
    for layer in net.layers:
        own = {
            "layer": layer.name,
            "kind": layer.kind,
            "shape": layer.shape,
            "n_nodes": layer.n_nodes,
            "activation": layer.activation,
        }
        blocks = net.blocks_into(layer)
        rows.extend({**own, **_of_block(net, block)} for block in blocks)
        if not blocks:
            rows.append({**own, **_NO_BLOCK})
    return {name: [row[name] for row in rows] for name in (*_LAYER_COLUMNS, *_NO_BLOCK)}


_LAYER_COLUMNS = ("layer", "kind", "shape", "n_nodes", "activation")
_NO_BLOCK: dict[str, Any] = {
    "block": "",
    "block_kind": "",
    "source": "",
    "weight_shape": (),
    "n_parameters": 0,
    "n_edges": 0,
    "parametric": False,
}


def _of_block(net: Network, block: Block) -> dict[str, Any]:
    read = {p.name: p.size for p in block.parameters() if p.trainable}
    return {
        "block": block.name,
        "block_kind": block.kind,
        "source": ", ".join(layer.name for layer in net.layers_of(block.source)),
        "weight_shape": () if block.weight is None else block.weight.shape,
        "n_parameters": sum(read.values()),
        "n_edges": block.n_edges,
        "parametric": block.parametric,
    }
