"""time_steps: how far apart in time two neighboring positions of a layer are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Diagonal, Identity, Pool
from cntgraph.network.blocks.axis_operator import AxisOperator
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network


def time_steps(net: Network, axis: int = -1) -> dict[str, float]:
    """Return how many steps of the input lie between neighboring positions of each layer.

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


def along_time(
    layers: Sequence[Layer], steps: Mapping[str, float], axis: int, fewest: int = 2
) -> tuple[list[Layer], dict[str, str]]:
    """Return the layers whose positions are points in time, and why those of others are not.

    Parameters
    ----------
    layers : sequence of Layer
    steps : mapping of str to float
        As `time_steps` returns them.
    axis : int
        As there.
    fewest : int, default 2
        How many points a layer must have.

    Returns
    -------
    layers : list of Layer
    missing : dict of str to str
    """
    missing = {}
    for layer in layers:
        if np.isnan(steps[layer.name]):
            missing[layer.name] = "its positions are no points in time"
        elif layer.shape[axis if layer.is_input else -1] < fewest:
            missing[layer.name] = f"fewer than {fewest} points in time"
    return [layer for layer in layers if layer.name not in missing], missing


def checked_axis(net: Network, axis: int) -> int:
    """Return an axis of time, having made sure that all inputs have it.

    Raises
    ------
    CntGraphError
    """
    for layer in net.layers:
        if layer.is_input and not -len(layer.shape) <= axis < len(layer.shape):
            raise CntGraphError(
                f"expected time_axis to be an axis of a sample, whose shape is {layer.shape}; "
                f"got {axis!r}"
            )
    return axis


def likely_axis(net: Network) -> int:
    """Return the axis of the inputs along which most blocks that read them run; else the last.

    Examples
    --------
    >>> import cntgraph as cg
    >>> likely_axis(cg.toy("cnn"))
    -1
    """
    inputs = [layer for layer in net.layers if layer.is_input]
    n_axes = min((len(layer.shape) for layer in inputs), default=0)
    readers = [b for b in net.blocks if any(x.is_input for x in net.layers_of(b.source))]
    votes = []
    for axis in range(-1, -n_axes - 1, -1):
        places = np.full(net.n_nodes, np.nan)
        for layer in inputs:
            places[layer.slice] = positions(layer, axis)
        rises = np.array([_rise(_seen(block.source, places)) for block in readers])
        votes.append((np.abs(rises) > 0).sum())  # NaN is no vote
    return -1 - int(np.argmax(votes)) if votes else -1


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
    seen = _seen(view, values)
    rise = _rise(seen)
    if rise != 0:
        return rise
    # Nodes are seen several times, one after the other: what was repeated.
    once = np.unique(seen[np.isfinite(seen)])
    return float(np.median(np.diff(once))) * len(once) / seen.shape[-1] if len(once) > 1 else rise


def _seen(view: View, values: Values) -> Values:
    """Return the values of the nodes that a view sees, in its shape; NaN where it sees none."""
    ids = view.as_ids()
    return np.where(ids >= 0, values[ids], np.nan).reshape(view.shape)


def _rise(seen: Values) -> float:
    """Return the median difference along the last axis; NaN where there is none."""
    if not seen.ndim or seen.shape[-1] < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN
        return float(np.nanmedian(np.diff(seen, axis=-1)))


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
    center = (weights.T @ np.arange(operator.n_in)) / np.where(reach > 0, reach, np.nan)
    return float(np.nanmedian(np.diff(center))) if operator.n_out > 1 else float("nan")
