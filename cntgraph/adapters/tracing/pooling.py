"""Pooling: over windows, and whatever else is a product of one operator per axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.images import Images
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons, weights_of
from cntgraph.adapters.tracing.windows import Sizes, Sliding
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.over_axes import along_axis
from cntgraph.core.types import Ids, Values
from cntgraph.network.blocks import AxisOperator, PoolMode


def max_pool(t: Tracer, x: Neurons, sliding: Sliding, name: str) -> Any:
    """Take the largest of each window: an edge from each candidate."""
    windows = sliding.windows(x.shape[-len(sliding.kernel) :])
    return pool(t, x, [AxisOperator.of_window(w) for w in windows], "max", name)


def average_pool(
    t: Tracer, x: Neurons, sliding: Sliding, name: str, *, count_padding: bool = False,
    divisor: float | None = None,
) -> Any:  # fmt: skip
    """Average over each window; see `Sliding.averages`."""
    spatial = x.shape[-len(sliding.kernel) :]
    operators = sliding.averages(spatial, count_padding=count_padding, divisor=divisor)
    return pool(t, x, operators, "average", name)


def adaptive_pool(t: Tracer, x: Neurons, sizes: Sizes, mode: PoolMode, name: str) -> Any:
    """Pool over windows that make a given number of positions; one of each is a global pooling."""
    pairs = zip(x.shape[-len(sizes) :], sizes, strict=True)
    operators = [AxisOperator.adaptive(n, m, average=mode == "average") for n, m in pairs]
    return pool(t, x, operators, mode, name)


def pool(
    t: Tracer, x: Neurons, operators: Sequence[AxisOperator], mode: PoolMode, name: str
) -> Any:
    """Pool the positions of every channel.

    Parameters
    ----------
    x : Neurons
        Of shape (images, channels, *positions), or (channels, *positions).
    operators : sequence of AxisOperator
        One an axis of positions.
    """
    recipe = weights_of(x)
    if recipe is not None:
        return _of_weights(t, recipe, operators, mode)
    images = Images.of(t, x, len(operators))
    if images.number > 1:
        operators = (AxisOperator.identity(images.number), *operators)
    made = t.builder.pool(name, images.ids, tuple(operators), mode)
    return t.neurons(images.spread(made))


def _of_weights(t: Tracer, x: Recipe, operators: Sequence[AxisOperator], mode: PoolMode) -> Recipe:
    """Average or interpolate weights: a matrix for each of the last axes."""
    if mode in ("max", "min"):
        raise NotFollowed("the largest of windows of weights")
    for axis, operator in enumerate(operators, start=len(x.shape) - len(operators)):
        matrix = operator.matrix.toarray()
        if matrix.shape[0] != matrix.shape[1] or (matrix != np.eye(len(matrix))).any():
            x = along_axis(x, axis, t.recipe(matrix))
    return x


def mix_positions(
    t: Tracer, x: Neurons, axis: int, matrix: Values, name: str, *, joined: bool = False
) -> Any:
    """Return what a matrix (before, after) makes of an axis, alike for every channel.

    Parameters
    ----------
    joined : bool, default False
        As of `pool_axes`.

    Returns
    -------
    Neurons or None
        None for an axis of channels, whose mixtures are new ones.
    """
    samples = t.samples(x)
    if samples.axis == axis:
        raise MixedSamplesError
    ids, (own,) = samples.first(x.ids), samples.axes([axis])
    channels = channel_axes(ids, t.builder.layers)
    if own in channels:
        return None
    operators = {own: AxisOperator.of_matrix(matrix)}
    return t.made(pool_axes(t, ids, operators, channels, "linear", name, joined=joined), samples)


def pool_axes(
    t: Tracer, ids: Ids, operators: Mapping[int, AxisOperator], channels: Sequence[int],
    mode: PoolMode, name: str, *, joined: bool = False,
) -> Ids:  # fmt: skip
    """Pool some axes of one sample, whatever their order.

    Parameters
    ----------
    ids : ndarray of int64
        Of one sample.
    operators : mapping of int to AxisOperator
        By axis; an axis without one is left as it is.
    channels : sequence of int
        The axes that are channels of the layer that is made; all others are positions.
    joined : bool, default False
        Whether nothing else reads the ids, so that it may be one with the pooling that made them.

    Returns
    -------
    ndarray of int64
        With as many axes, in their order.
    """
    positions = [axis for axis in range(ids.ndim) if axis not in channels]
    order = [*channels, *positions]
    each = [operators.get(axis) or AxisOperator.identity(ids.shape[axis]) for axis in positions]
    sizes = [ids.shape[axis] for axis in channels]
    rows = ids.transpose(order).reshape(prod(sizes), *(ids.shape[axis] for axis in positions))
    made = t.builder.pool_on(rows, tuple(each), mode) if joined else None
    made = t.builder.pool(name, rows, tuple(each), mode) if made is None else made
    made = made.reshape([*sizes, *(operator.n_out for operator in each)])
    return made.transpose(np.argsort(order))
