"""Ends: the nodes where data come into a network, and those where they leave it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.types import Ids
from cntgraph.network.layer import Layer


class _Layered(Protocol):
    @property
    def layers(self) -> tuple[Layer, ...]: ...


def ends_of(net_or_graph: _Layered, noun: str) -> tuple[Ids, Ids]:
    """Return the nodes of the input layers, and those of the output layers.

    Parameters
    ----------
    net_or_graph : Network or Graph
    noun : str
        The measure, for the error.

    Returns
    -------
    inputs, outputs : ndarray of int64

    Raises
    ------
    UndefinedMeasureError
        If it is not known which layers they are.

    Examples
    --------
    >>> import cntgraph as cg
    >>> ends_of(cg.toy("mlp"), "a path")
    (array([0, 1, 2, 3, 4, 5]), array([18, 19]))
    """
    layers = net_or_graph.layers
    inputs = [np.arange(layer.n_nodes) + layer.start for layer in layers if layer.is_input]
    outputs = [np.arange(layer.n_nodes) + layer.start for layer in layers if layer.is_output]
    if not (inputs and outputs):
        raise UndefinedMeasureError(
            f"{noun} is about paths from input to output, and which layers these are is not "
            "known here: a file of weights alone does not say. Load the model itself"
        )
    return np.concatenate(inputs), np.concatenate(outputs)
