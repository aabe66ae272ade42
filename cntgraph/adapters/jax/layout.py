"""How arrays of node ids lie in the layers that they show."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import moved
from cntgraph.core.types import Array, Ids
from cntgraph.network.layer import Layer


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


def in_layer_order(ids: Ids, layer: Layer) -> tuple[int, ...] | None:
    """Return the axes of an array in the order in which it shows one whole layer; None if not.

    Axes along which nothing can be seen (of length one) come last.

    Examples
    --------
    >>> in_layer_order(np.arange(6).reshape(3, 2).T, Layer("fc", (3, 2), "conv"))
    (1, 0)
    """
    steps = [-abs(step) for step in strides(ids)]
    order = tuple(np.argsort(steps, kind="stable").tolist())
    nodes = np.arange(layer.start, layer.slice.stop)
    return order if np.array_equal(ids.transpose(order).reshape(-1), nodes) else None


def laid_out(ids: Ids, layers: Sequence[Layer]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return axes and shape in which an array shows one whole layer; of any other, channels first.

    Parameters
    ----------
    layers : sequence of Layer
        All layers so far, in node order.
    """
    found = np.searchsorted([layer.start for layer in layers], ids.max(initial=0), "right") - 1
    whole = in_layer_order(ids, layers[found])
    if whole is not None:
        return whole, layers[found].shape
    channels = channel_axes(ids, layers)
    positions = [axis for axis in range(ids.ndim) if axis not in channels]
    features = [prod(ids.shape[axis] for axis in channels)] if channels else []
    return (*channels, *positions), (*features, *(ids.shape[axis] for axis in positions))


def relaid(
    recipe: Recipe | None, sizes: tuple[int, ...], order: Sequence[int], shape: tuple[int, ...]
) -> Recipe | None:
    """Return a recipe that broadcasts against an array as one that does so once it is laid out.

    Parameters
    ----------
    sizes : tuple of int
        Shape of the array.
    order, shape
        As of `laid_out`.
    """
    if recipe is None:
        return None

    def lay(weight: Array) -> Array:
        return np.broadcast_to(weight, sizes).transpose(order).reshape(shape)

    made: Recipe = moved(recipe, lay, lambda found, _: found)
    return made


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
