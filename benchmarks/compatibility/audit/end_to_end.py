"""The whole network as a forward pass through its graph, against what the framework returned."""

from __future__ import annotations

from typing import Any

import numpy as np
from oracles.propagate import ACTIVATIONS, propagate

import cntgraph as cg

from ..case import Made
from .calls import difference


def audit(made: Made, net: cg.Network) -> dict[str, Any]:
    """Return whether the last layer's values are the framework's, where the graph says all.

    It does not where an edge only modulates, a layer reads itself, or an activation depends on more
    than one neuron. `made.context` returns a sample and what the model makes of it, whose channels
    are first.
    """
    x, y = made.context()
    inputs = [layer for layer in net.layers if layer.is_input]
    x = x if x.shape == inputs[0].shape else np.moveaxis(x, -1, 0)
    names = {name for layer in net.layers for name in layer.activation.split("+")}
    loops = any(net.layers_of(b.source) == net.layers_of(b.target) for b in net.blocks)
    gates = any(block.modulatory for block in net.blocks)
    if loops or gates or not names <= set(ACTIVATIONS):
        return {"right": 0, "not said": "by its graph alone the network cannot be computed"}
    _, after = propagate(net, x)
    outputs = [layer for layer in net.layers if layer.is_output]
    off = difference(after[outputs[-1].name].reshape(-1), y.reshape(-1), np.abs(y).max(initial=0))
    wrong = [] if off < 1e-3 else [(outputs[-1].name, f"not what the model returns, by {off:.2g}")]
    return {"right": 1 - len(wrong), "sums": 1, "wrong": wrong, "edges": []}
