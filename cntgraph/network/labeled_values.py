"""Values of nodes as arrays with named axes, for xarray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cntgraph.core.errors import require
from cntgraph.network.by_layer import ByLayer
from cntgraph.network.layer import Layer


def labeled_values(layers: Sequence[Layer], values: ByLayer) -> Any:
    """Return the values of each layer as a variable of one dataset (see `Network.to_xarray`)."""
    xarray = require("xarray", "xarray", needed_for="Values with named axes")
    variables = {}
    for layer in layers:
        own = {"kind": layer.kind, "activation": layer.activation}
        variables[layer.name] = xarray.Variable(_axes(layer), values[layer.name], own)
    return xarray.Dataset(variables)


def _axes(layer: Layer) -> list[str]:
    """Return the names of a layer's axes: layers differ in size, so each has its own."""
    positions = [f"position_{k}" for k in range(1, len(layer.shape))]
    return [f"{layer.name}.{axis}" for axis in ["channel", *positions][: len(layer.shape)]]
