"""Maximum spanning trees of dense blocks and convolutions, from their weights: not unrolled."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.dense import Dense


def dense_tree(block: Dense) -> tuple[int, Values]:
    """Return the nodes of a dense block, and |w| of the edges of its maximum spanning tree.

    Parameters
    ----------
    block : Dense
        With an edge at least.

    Returns
    -------
    n_nodes : int
    sizes : ndarray of float64, shape (n_nodes - 1,)

    Examples
    --------
    >>> import cntgraph as cg
    >>> n_nodes, sizes = dense_tree(cg.toy("mlp").blocks[2])
    >>> n_nodes, sizes.shape
    (6, (5,))
    """
    size = 2 * block.weight.dtype.itemsize * prod(block.weight.shape)
    check_memory(size, f"the weight of block {block.name!r}")
    weight = _merged(_merged(block.weight.read(), block.target, 0), block.source, 1)
    sizes = _full_tree(weight)
    return len(sizes) + 1, sizes


def convolution_tree(block: Conv) -> tuple[int, Values]:
    """Return the nodes of a convolution, and |w| of the edges of its maximum spanning forest.

    Parameters
    ----------
    block : Conv
        With an edge at least.

    Returns
    -------
    n_nodes : int
        Those that have an edge.
    sizes : ndarray of float64, shape (n_nodes - components,)

    Notes
    -----
    Windows side by side that share no position are a dense block each, all alike. In general,
    the kernel's entries are taken in descending order, each of which connects all positions.

    Examples
    --------
    >>> import cntgraph as cg
    >>> n_nodes, sizes = convolution_tree(cg.toy("cnn").blocks[0])
    >>> n_nodes, sizes.shape
    (108, (107,))
    """
    size = 8 * (3 * (block.source.size + block.target.size) + 2 * prod(block.weight.shape))
    check_memory(size, f"the spanning tree of block {block.name!r}")
    kernel, rows_per_group = block.row_kernel()
    places = _by_tap(block, kernel.shape[2])
    apart = _apart(kernel, rows_per_group, *places)
    if apart is None or not (_each_once(block.source) and _each_once(block.target)):
        return _overlapping(block, kernel, rows_per_group, places)
    groups, n_windows = apart
    sizes = np.concatenate([_full_tree(weight) for weight in groups])
    return n_windows * sum(sum(w.shape) for w in groups), np.tile(sizes, n_windows)


def _full_tree(weight: NDArray[Any]) -> Values:
    from cntgraph.core.kernels.spanning import full_tree

    sizes = np.empty(sum(weight.shape) - 1)
    full_tree(np.ascontiguousarray(weight), sizes)
    return sizes


def _overlapping(
    block: Conv, kernel: NDArray[Any], rows_per_group: int, places: tuple[Ids, Ids, Ids]
) -> tuple[int, Values]:
    from cntgraph.core.kernels.spanning import convolution_forest, convolution_parts

    sources, n_sources = _labels(block.source)
    targets, n_targets = _labels(block.target)
    nodes = (
        sources.reshape(block.source.shape[0], -1),
        n_sources + targets.reshape(block.target.shape[0], -1),
    )
    common = (rows_per_group, *places, *nodes)
    parent = np.full(n_sources + n_targets, -1, np.int64)
    linked = np.zeros(len(parent), np.bool_)
    sizes = np.empty(convolution_parts(kernel.shape, *common, linked, parent))
    parent[:] = -1
    order = np.argsort(-np.abs(kernel.reshape(-1)), kind="stable")
    convolution_forest(order, kernel, *common, linked, parent, sizes)
    return int(linked.sum()), sizes


# -- which positions, which nodes ----------------------------------------------------------------


def _by_tap(block: Conv, n_taps: int) -> tuple[Ids, Ids, Ids]:
    """Return the pairs of positions that each tap connects: indptr, source and target position."""
    indptr, tap, after = block.pattern()
    before = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.argsort(tap, kind="stable")
    bounds = np.searchsorted(tap[order], np.arange(n_taps + 1))
    return bounds, before[order], after[order]


def _apart(
    kernel: NDArray[Any], rows_per_group: int, indptr: Ids, before: Ids, after: Ids
) -> tuple[NDArray[Any], int] | None:
    """Return each group's weight within a window, and the number of windows, if none overlap.

    So it is where positions on one side have one edge only (a channel each), and each on the
    other side has all taps: a kernel of one, patches, and the transpose of either.
    """
    _, per_group, n_taps = kernel.shape
    n_windows = len(before) // n_taps
    grouped = kernel.reshape(-1, rows_per_group, per_group, n_taps)
    n_before, n_after = len(np.unique(before)), len(np.unique(after))
    if n_windows * n_taps != len(before):
        return None
    if (n_before, n_after) == (len(before), n_windows):
        in_window = grouped.transpose(0, 1, 3, 2).reshape(-1, rows_per_group * n_taps, per_group)
    elif (n_before, n_after) == (n_windows, len(after)):
        in_window = grouped.reshape(-1, rows_per_group, per_group * n_taps)
    else:
        return None
    return in_window, n_windows


def _merged(weight: NDArray[Any], view: View, axis: int) -> NDArray[Any]:
    """Return |w| with one row or column a node: the largest of those that see the same node."""
    if _each_once(view):
        return weight
    labels, n = _labels(view)
    kept = np.flatnonzero(labels >= 0)
    order = kept[np.argsort(labels[kept], kind="stable")]
    starts = np.searchsorted(labels[order], np.arange(n))
    return np.asarray(np.maximum.reduceat(np.abs(weight).take(order, axis), starts, axis))


def _each_once(view: View) -> bool:
    """Return whether every position is a node, and each another one."""
    return view.ids is None or (view.mask is None and len(np.unique(view.ids)) == view.size)


def _labels(view: View) -> tuple[Ids, int]:
    """Return the nodes that a view sees, counted from 0, -1 where there is none; and how many."""
    if view.ids is None:
        return np.arange(view.size, dtype=np.int64), view.size
    labels, n = counted(view.ids[view.ids >= 0])
    every = np.full(view.size, -1, np.int64)
    every[view.ids >= 0] = labels
    return every, n


def counted(nodes: Ids) -> tuple[Ids, int]:
    """Return node ids counted from 0, without those that do not occur; and how many do.

    Examples
    --------
    >>> counted(np.array([7, 3, 7]))
    (array([1, 0, 1]), 2)
    """
    occurs = np.zeros(int(nodes.max(initial=-1)) + 1, np.bool_)
    occurs[nodes] = True
    return (np.cumsum(occurs) - 1)[nodes], int(occurs.sum())
