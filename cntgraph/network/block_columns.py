"""What a network consists of: a row per layer and block that ends in it; no weight is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cntgraph.core.types import Columns
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.layer import Layer


class Blocks(Protocol):
    """What is told of a network: a row per layer, and what leads to it."""

    @property
    def layers(self) -> Sequence[Layer]:
        """Its layers in node order."""

    def blocks_into(self, layer: Layer) -> Sequence[Block]:
        """Return the blocks whose edges end in a layer."""

    def layers_of(self, view: View) -> Sequence[Layer]:
        """Return the layers whose nodes a view shows."""


def block_columns(net: Blocks) -> Columns:
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
        own = _of_layer(layer)
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


def _of_layer(layer: Layer) -> dict[str, Any]:
    own = (layer.name, layer.kind, layer.shape, layer.n_nodes, layer.activation)
    return dict(zip(_LAYER_COLUMNS, own, strict=True))


def _of_block(net: Blocks, block: Block) -> dict[str, Any]:
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


def node_columns(layers: Sequence[Layer]) -> Columns:
    """Return what layers are, a row each: the first columns of `describe`.

    Examples
    --------
    >>> node_columns([Layer("fc", (3,), "dense")])
    {'layer': ['fc'], 'kind': ['dense'], 'shape': [(3,)], 'n_nodes': [3], 'activation': ['']}
    """
    rows = [_of_layer(layer) for layer in layers]
    return {name: [row[name] for row in rows] for name in _LAYER_COLUMNS}
