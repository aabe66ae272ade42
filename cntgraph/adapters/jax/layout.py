"""How arrays of node ids lie in the layers that they show."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids


def strides(ids: Ids) -> list[int]:
    """Return by how much ids grow along each axis; 0 where that cannot be seen.

    Examples
    --------
    >>> strides(np.arange(6).reshape(3, 2).T)
    [1, 2]
    """
    return [_stride(np.moveaxis(ids, axis, 0)) for axis in range(ids.ndim)]


def _stride(ids: Ids) -> int:
    lower, upper = ids[:-1], ids[1:]
    nodes = (lower >= 0) & (upper >= 0)
    if not nodes.any():
        return 0
    first = np.unravel_index(int(nodes.argmax()), nodes.shape)
    return int(upper[first] - lower[first])


def layer_order(ids: Ids) -> tuple[int, ...]:
    """Return the axes in the order in which a layer has them: those with the largest steps first.

    Axes along which nothing can be seen (of length one) come last.
    """
    steps = [abs(step) for step in strides(ids)]
    return tuple(int(axis) for axis in np.argsort([-step for step in steps], kind="stable"))


def in_layer_order(
    ids: Ids, shape: tuple[int, ...], start: int
) -> tuple[tuple[int, ...], list[list[int]]] | None:
    """Return how an array shows one whole layer, or None if it does not.

    Parameters
    ----------
    shape : tuple of int
        The layer's.
    start : int
        The layer's first node.

    Returns
    -------
    order : tuple of int
        The array's axes in the order of the layer.
    groups : list of list of int
        For each axis of the layer, those of the array's axes in order that make it up.
    """
    if ids.size != prod(shape):
        return None
    order = layer_order(ids)
    flat = ids.transpose(order).reshape(-1)
    if not np.array_equal(flat, np.arange(start, start + flat.size)):
        return None
    groups: list[list[int]] = []
    waiting = [k for k in range(len(order)) if ids.shape[order[k]] > 1]
    for size in shape:
        group: list[int] = []
        while prod(ids.shape[order[k]] for k in group) < size and waiting:
            group.append(waiting.pop(0))
        if prod(ids.shape[order[k]] for k in group) != size:
            return None
        groups.append(group)
    return order, groups


def channels_first(ids: Ids, channels: Sequence[int]) -> tuple[tuple[int, ...], list[list[int]]]:
    """Return how an array is laid out with its channels first, as `in_layer_order` does.

    Examples
    --------
    >>> channels_first(np.zeros((5, 2, 4), np.int64), (1, 2))  # positions, heads, features
    ((1, 2, 0), [[0, 1], [2]])
    """
    positions = [axis for axis in range(ids.ndim) if axis not in channels]
    first = [list(range(len(channels)))] if channels else []
    return (*channels, *positions), first + [[k] for k in range(len(channels), ids.ndim)]


def regrouped(
    recipe: Recipe | None, sizes: Sequence[int], order: Sequence[int], groups: list[list[int]]
) -> Recipe | None:
    """Return a recipe that broadcasts against an array as one that broadcasts against its layer.

    Parameters
    ----------
    recipe : Recipe or None
        Broadcasts against an array of shape `sizes`.
    order, groups
        As `in_layer_order` returns them.
    """
    if recipe is None:
        return None
    padded = recipe.reshape((1,) * (len(sizes) - len(recipe.shape)) + recipe.shape)
    moved = padded.transpose(tuple(order))
    for group in groups:
        if any(moved.shape[k] > 1 for k in group):
            for k in group:
                if moved.shape[k] != sizes[order[k]]:
                    moved = moved.gather(k, np.zeros(sizes[order[k]], np.int64))
    return moved.reshape(tuple(prod(moved.shape[k] for k in group) for group in groups))


def dilated(ids: Ids, factors: Sequence[int]) -> Ids:
    """Put positions without a node between those of an array, by one factor per axis.

    Examples
    --------
    >>> dilated(np.arange(3), [2])
    array([ 0, -1,  1, -1,  2])
    """
    shape = [max((n - 1) * k + 1, 0) for n, k in zip(ids.shape, factors, strict=True)]
    wide = np.full(shape, -1, np.int64)
    wide[tuple(slice(None, None, k) for k in factors)] = ids
    return wide
