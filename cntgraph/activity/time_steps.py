"""time_steps: how far apart in time two neighbouring positions of a layer are."""

from __future__ import annotations

import warnings

import numpy as np

from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Diagonal, Identity, Pool
from cntgraph.network.blocks.axis_operator import AxisOperator
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network


def time_steps(net: Network, axis: int = -1) -> dict[str, float]:
    """Return how many steps of the input lie between neighbouring positions of each layer.

    Parameters
    ----------
    net : Network
        Layers have time as their last axis.
    axis : int, default -1
        The axis of an input layer's shape along which time runs.

    Returns
    -------
    dict of str to float
        By layer name, in node order; the product of the strides on the way to the layer. NaN where
        positions are no points in time: there is one only, or all are read by all.

    Examples
    --------
    >>> import cntgraph as cg
    >>> time_steps(cg.toy("cnn"))
    {'input': 1.0, 'conv1': 1.0, 'pool': 2.0, 'fc': nan}
    """
    times = np.full(net.n_nodes, np.nan)
    found = dict.fromkeys((layer.name for layer in net.layers), float("nan"))
    waiting = [
        x for x in net.layers if len(x.shape) > 1 and x.shape[axis if x.is_input else -1] > 1
    ]
    n_before = len(waiting) + 1
    while len(waiting) < n_before:  # once more, for layers that read only what a circle leads to
        n_before = len(waiting)
        for layer in waiting:
            step = 1.0 if layer.is_input else _step(net, layer, times)
            found[layer.name] = step
            times[layer.slice] = step * positions(layer, axis if layer.is_input else -1)
        waiting = [layer for layer in waiting if np.isnan(found[layer.name])]
    return found


def positions(layer: Layer, axis: int) -> Values:
    """Return the position of every node of a layer along an axis, shape (n_nodes,)."""
    if not layer.shape:
        return np.zeros(1)
    return np.asarray(np.indices(layer.shape)[axis].reshape(-1), dtype=np.float64)


def _step(net: Network, layer: Layer, times: Values) -> float:
    """Return the step of a layer from the blocks that lead to it, of those that know."""
    places = np.full(net.n_nodes, np.nan)
    places[layer.slice] = positions(layer, -1)
    for block in net.blocks_into(layer):
        stride = _stride(block)
        step = _slope(block.source, times) * stride / _slope(block.target, places)
        if np.isfinite(step) and step != 0:
            return float(abs(step))
    return float("nan")


def _slope(view: View, values: Values) -> float:
    """Return by how much values of nodes rise along the last axis of a view."""
    if not view.shape or view.shape[-1] < 2:
        return float("nan")
    ids = view.as_ids()
    seen = np.where(ids >= 0, values[ids], np.nan).reshape(view.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN
        rise = float(np.nanmedian(np.diff(seen, axis=-1)))
    if rise != 0:
        return rise
    # Nodes are seen several times, one after the other: what was repeated.
    once = np.unique(seen[np.isfinite(seen)])
    return float(np.median(np.diff(once))) * len(once) / seen.shape[-1] if len(once) > 1 else rise


def _stride(block: Block) -> float:
    """Return how many positions of its source a block moves on from one target to the next."""
    if block.modulatory:
        return float("nan")
    if isinstance(block, Identity | Diagonal):
        return 1.0
    if isinstance(block, Conv) and block.windows:
        stride = block.windows[-1].stride
        return 1 / stride if block.transposed else float(stride)
    if isinstance(block, Pool) and block.operators and block.mode not in ("attention", "choice"):
        return _stride_of_operator(block.operators[-1])
    return float("nan")


def _stride_of_operator(operator: AxisOperator) -> float:
    if operator.n_out > operator.n_in:
        return operator.n_in / operator.n_out
    weights = abs(operator.matrix)
    reach = np.asarray(weights.sum(axis=0)).reshape(-1)
    centre = (weights.T @ np.arange(operator.n_in)) / np.where(reach > 0, reach, np.nan)
    return float(np.nanmedian(np.diff(centre))) if operator.n_out > 1 else float("nan")
