"""Reductions over whole axes: sums, means, extremes, norms, variances, and so far along an axis.

Those of weights are weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.pooling import pool_axes
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import HIDDEN, Neurons, weights_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe import over_axes as weights
from cntgraph.core.recipe.over_axes import Axes, ascending
from cntgraph.core.types import Array, Ids
from cntgraph.network.blocks import AxisOperator, PoolMode

#: Of more candidates and choices than these, no edges are drawn from each to each.
MOST_CHOICES = 1 << 22

#: What the modes of a pooling are over whole axes of weights.
_OF_WEIGHTS: dict[str, Callable[..., Recipe]] = {
    "sum": weights.total, "max": weights.largest, "min": weights.smallest,
}  # fmt: skip


def reduce_axes(
    t: Tracer, x: Neurons, axes: Axes, mode: PoolMode, name: str, *, keepdims: bool = False,
    correction: float = 0.0,
) -> Any:  # fmt: skip
    """Pool whole axes away.

    Parameters
    ----------
    axes : int, sequence of int or None
        None stands for all. The batch may be among them only where all are, and it is one sample.
    mode : {"average", "sum", "max", "min"}
    keepdims : bool, default False
        Whether the axes stay, of length one.
    correction : float, default 0
        What an average takes off the number of values that it divides by.

    Raises
    ------
    MixedSamplesError
        If samples are mixed.
    """
    recipe = weights_of(x)
    if recipe is not None:
        if mode == "average":
            return weights.mean(recipe, axes, keepdims, correction)
        return _OF_WEIGHTS[mode](recipe, axes, keepdims)
    samples, over = t.samples(x), ascending(axes, len(x.shape))
    if samples.axis in over and (len(over) < len(x.shape) or samples.places is not None):
        raise MixedSamplesError
    ids = samples.first(x.ids)
    own = samples.axes(over)
    operators = {k: AxisOperator.adaptive(ids.shape[k], 1, average=mode == "average") for k in own}
    if correction and own:
        n = prod(ids.shape[k] for k in own)
        first = operators[own[0]]
        operators[own[0]] = replace(first, weights=first.weights * (n / (n - correction)))
    made = pool_axes(t, ids, operators, _channels(t, ids, own), mode, name)
    return _left(t, samples.spread(made), samples, () if keepdims else over)


def _channels(t: Tracer, ids: Ids, pooled: Sequence[int]) -> list[int]:
    """Return the channels of what is left: all axes, where none of them are channels."""
    left = [axis for axis in range(ids.ndim) if axis not in pooled]
    return [axis for axis in channel_axes(ids, t.builder.layers) if axis in left] or left


def _left(t: Tracer, ids: Ids, samples: Samples, dropped: Sequence[int]) -> Any:
    """Return neurons without axes that are of length one."""
    at = samples.axis
    if at is not None and dropped:
        at = None if at in dropped else at - sum(axis < at for axis in dropped)
    return t.neurons(ids.squeeze(tuple(dropped)), replace(samples, axis=at))


# -- functions of sums ------------------------------------------------------------------------


def reduce_function(
    t: Tracer, x: Neurons, axes: Axes, functions: tuple[str, str], name: str, *,
    mode: PoolMode = "sum", keepdims: bool = False,
) -> Any:  # fmt: skip
    """Return g(Σ f(x)) over whole axes, for functions (f, g) by name; "" is none."""
    before, after = functions
    recipe = weights_of(x)
    if recipe is not None and functions == ("exp", "log"):
        return weights.log_sum_exp(recipe, axes, keepdims)
    x = activations.activate(t, x, before) if before else x
    made = reduce_axes(t, x, axes, mode, name, keepdims=keepdims)
    return activations.activate(t, made, after) if after else made


def norm(
    t: Tracer, x: Neurons, axes: Axes, order: float, name: str, *, keepdims: bool = False
) -> Any:
    """Return the length of vectors: a sum of powers, and its root.

    Parameters
    ----------
    order : float
        The power; infinity takes the largest.
    """
    if order == 0:
        raise NotFollowed("it counts what is not zero")
    recipe = weights_of(x)
    if recipe is not None:
        return weights.norm(recipe, axes, keepdims, order)
    functions = {1.0: ("abs", ""), 2.0: ("pow", "sqrt")}.get(float(order), ("pow", "pow"))
    mode: PoolMode = "sum"
    if abs(order) == inf:
        functions, mode = ("abs", ""), "max" if order > 0 else "min"
    return reduce_function(t, x, axes, functions, name, mode=mode, keepdims=keepdims)


def moments(
    t: Tracer, x: Neurons, axes: Axes, name: str, *, keepdims: bool = False,
    correction: float = 0.0,
) -> tuple[Any, Any]:  # fmt: skip
    """Return mean and variance over whole axes.

    The variance is the mean of the squares of what lies off the mean, which is subtracted
    first, however the framework computes it.

    Parameters
    ----------
    correction : float, default 0
        What is taken off the number of values that the sum of the squares is divided by.
    """
    mean = reduce_axes(t, x, axes, "average", name, keepdims=True)
    off = activations.activate(t, arithmetic.add(t, x, mean, name, -1.0), "pow")
    options: dict[str, Any] = {"keepdims": keepdims, "correction": correction}
    variance = reduce_axes(t, off, axes, "average", name, **options)
    if weights_of(x) is not None:
        return reduce_axes(t, x, axes, "average", name, keepdims=keepdims), variance
    dropped = () if keepdims else ascending(axes, len(x.shape))
    return _left(t, mean.ids, t.samples(mean), dropped), variance


# -- all so far -------------------------------------------------------------------------------


def cumulative(
    t: Tracer, x: Neurons, axis: int, mode: PoolMode, name: str, *, reverse: bool = False,
    exclusive: bool = False,
) -> Any:  # fmt: skip
    """Return the sum, or an extreme, of all positions so far: edges of weight one.

    Parameters
    ----------
    mode : {"sum", "max", "min"}
    reverse : bool, default False
        Whether it goes from the end to the front.
    exclusive : bool, default False
        Whether a position itself is left out.
    """
    recipe, over = weights_of(x), ascending(axis, len(x.shape))
    reach = np.tri(x.shape[over[0]], k=-1 if exclusive else 0, dtype=bool)
    matrix = reach if reverse else reach.T
    if recipe is not None:
        if mode != "sum":
            raise NotFollowed("the extremes so far of weights")
        return weights.along_axis(recipe, axis, t.recipe(matrix.astype(np.float32)))
    samples = t.samples(x)
    if samples.axis in over:
        raise MixedSamplesError
    ids = samples.first(x.ids)
    (own,) = samples.axes(over)
    before, after = np.nonzero(matrix)
    operator = AxisOperator(*matrix.shape, before, after, np.ones(len(before)))
    made = pool_axes(t, ids, {own: operator}, _channels(t, ids, [own]), mode, name)
    return t.made(made, samples)


# -- at places that constants or data name ------------------------------------------------------


def put_together(
    t: Tracer, base: Any, x: Any, axis: int, places: Array, mode: PoolMode, name: str
) -> Any:
    """Return neurons of which those that are put at one place are one: messages along edges.

    Parameters
    ----------
    base : Neurons or constant
        What is there already; its shape is that of the result.
    axis : int
        Along which they are put elsewhere.
    places : ndarray of int
        Where along the axis, one for each of them, or as wide as `x`.
    mode : {"sum", "average", "max", "min"}
        An average is one of them alone, whatever is there already.
    """
    shape = list(np.shape(base))
    axis %= len(shape)
    if 0 in x.shape:
        return base
    if places.ndim <= 1:
        places = places.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        places = np.broadcast_to(places, x.shape)
    lines = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    alike = bool((lines == lines[:, :1]).all())
    along = _to_places(lines[:, 0], shape[axis], mode)
    recipe = weights_of(x)
    if recipe is not None:
        if mode != "sum" or places.shape != recipe.shape or not alike:
            raise NotFollowed("each of the weights is put at a place of its own")
        matrix = along.matrix.toarray().astype(np.float32)
        return weights.along_axis(recipe, axis, t.recipe(matrix)) + t.recipe(base)
    x = t.neurons(x.ids[tuple(map(slice, places.shape))], like=x)
    samples = _apart(t, x, axis)
    ids, (own,) = samples.first(x.ids), samples.axes([axis])
    if alike:
        made = pool_axes(t, ids, {own: along}, _channels(t, ids, [own]), mode, name)
    else:
        if t.n_samples > 1:
            raise NotFollowed("each sample puts its neurons elsewhere")
        wide = [n for k, n in enumerate(shape) if samples.axis != k]
        where: list[Any] = [*np.indices(ids.shape)]
        where[own] = samples.first(places)
        flat = np.ravel_multi_index(where, wide).reshape(-1)
        operator = _to_places(flat, prod(wide), mode)
        made = t.builder.pool(name, ids.reshape(1, -1), (operator,), mode).reshape(wide)
    made = t.made(made, samples)
    if isinstance(base, Neurons) and (base.ids < 0).all():
        return made
    values = t.array(base)
    if mode != "sum" and values is not None and (values * {"min": -1}.get(mode, 1) <= HIDDEN).all():
        return made
    if mode == "sum":
        return arithmetic.add(t, made, base, name)
    return arithmetic.extreme(t, [made, base], mode, name)


def _to_places(places: Ids, n: int, mode: PoolMode) -> AxisOperator:
    """Return the operator that puts each position of an axis at a place."""
    places = np.where(places < 0, places + n, places).astype(np.int64)
    counts = np.bincount(places, minlength=n)[places]
    weights = 1.0 / counts if mode == "average" else np.ones(len(places))
    return AxisOperator(len(places), n, np.arange(len(places)), places, weights)


def _apart(t: Tracer, x: Neurons, axis: int) -> Samples:
    """Return where samples lie that an operation along an axis keeps apart."""
    samples = t.samples(x)
    if samples.axis != axis:
        return samples
    if t.n_samples > 1:
        raise MixedSamplesError
    return Samples()


def chosen(t: Tracer, x: Neurons, axis: int, n: int, name: str) -> Any:
    """Return n neurons that the data choose along an axis: an edge of weight one from every one.

    What is chosen of a gate is a gate.
    """
    samples = _apart(t, x, axis % len(x.shape))
    ids, (own,) = samples.first(x.ids), samples.axes([axis % len(x.shape)])
    if ids.shape[own] * n > MOST_CHOICES:
        raise NotFollowed(f"the data choose {n:,} of {ids.shape[own]:,}")
    operators = {own: AxisOperator.ones(ids.shape[own], n)}
    t.note(name, "which it is depends on the data: an edge from every neuron that it may be")
    made = pool_axes(t, ids, operators, _channels(t, ids, [own]), "choice", name)
    t.builder.rank(made, t.builder.gating(ids))
    return t.made(made, samples)
