"""Which axes of an array of node ids are channels, and which are positions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids
from cntgraph.network.layer import Layer


def channel_axes(ids: Ids, layers: Sequence[Layer]) -> tuple[int, ...]:
    """Return the axes along which the channel of the nodes changes.

    A framework may have its features last, split into heads, or joined from several layers; a
    new layer is laid out channels first all the same, so every adapter gives the same order.

    Parameters
    ----------
    ids : ndarray of int64
        Node ids as a framework holds them, -1 where there is no node.
    layers : sequence of Layer
        All layers so far, in node order.

    Returns
    -------
    tuple of int
        Ascending. Where nothing tells channels from positions, the first axis.

    Examples
    --------
    >>> tokens = np.arange(6).reshape(3, 2).T  # three features at two positions, features last
    >>> channel_axes(tokens, [Layer("fc", (3, 2), "conv")])
    (1,)
    """
    if ids.ndim < 2 or not ids.size:
        return (0,)[: ids.ndim]
    # A deep network has thousands of layers, an array shows few of them (none, if all is -1).
    first, last = int(ids[ids >= 0].min(initial=ids.max())), int(ids.max())
    low, high = (bisect_right(layers, k, key=attrgetter("start")) for k in (first, last))
    layers = layers[max(low - 1, 0) : max(high, 1)]
    starts = np.array([layer.start for layer in layers])
    sizes = np.array([max(layer.n_nodes // max(layer.shape[0], 1), 1) if layer.shape else 1
                      for layer in layers])  # fmt: skip
    nodes = ids >= 0
    if len(layers) == 1:
        channel = ids - starts[0]
        channel //= sizes[0]
        return changing_axes(channel, nodes) or (0,)
    of_layer = np.searchsorted(starts, ids, side="right") - 1
    channel = (ids - starts[of_layer]) // sizes[of_layer]
    return changing_axes(channel, nodes) or changing_axes(of_layer, nodes) or (0,)


def changing_axes(labels: Ids, counted: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the axes along which labels change, positions that do not count left aside."""
    if counted.all():
        return _changing_everywhere(labels)
    high = np.where(counted, labels, np.iinfo(np.int64).min)
    low = np.where(counted, labels, np.iinfo(np.int64).max)
    axes = (axis for axis, size in enumerate(labels.shape) if size > 1)
    return tuple(axis for axis in axes if (high.max(axis) > low.min(axis)).any())


def _changing_everywhere(labels: Ids) -> tuple[int, ...]:
    """Return the same where every position counts.

    Where nothing changes along an axis, one of its positions stands for all: scores of an
    attention have many positions and few axes along which the channel changes.
    """
    found = []
    for axis, size in enumerate(labels.shape):
        along = labels.swapaxes(0, axis)
        if size > 1 and ((along[-1] != along[0]).any() or (along[1:] != along[:1]).any()):
            found.append(axis)
        else:
            labels = along[:1].swapaxes(0, axis)
    return tuple(found)
