"""Reductions over whole axes and over windows, as poolings."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax.layout import dilated
from cntgraph.adapters.jax.numeric import axes_of
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.values import Nodes, has_nodes, scalar_of
from cntgraph.adapters.tracing import reductions
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.pooling import pool_axes
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.types import Array, Ids, Values
from cntgraph.network.blocks import AxisOperator, PoolMode, Window

_MODES_OF_AXES: dict[str, PoolMode] = {
    "reduce_sum": "sum", "reduce_mean": "average", "reduce_max": "max", "reduce_min": "min",
}  # fmt: skip
_MODES_SO_FAR: dict[str, PoolMode] = {"cumsum": "sum", "cummax": "max", "cummin": "min"}


def window_divisors(op: Op, gain: Array) -> list[Values] | None:
    """Return what a sum over windows is divided by along each axis, by position.

    Parameters
    ----------
    gain : ndarray
        What it is multiplied by.

    Returns
    -------
    list of ndarray, or None
        None where it is not one divisor per axis.
    """
    number, sizes = scalar_of(gain), _dilated_sizes(op, op.inputs[0].shape)
    windows = _sliding(op).windows(sizes)
    if number is not None:
        counts = [np.full(w.coarse, float(w.kernel)) for w in windows]
        rest = number * prod(w.kernel for w in windows)
        if not np.isclose(rest, 1.0, rtol=1e-6):
            # What is left of the factor goes to an axis over which a window slides.
            widest = max(range(len(windows)), key=lambda axis: windows[axis].kernel)
            counts[widest] = counts[widest] / rest
        return counts if rest > 0 else None
    counts = _sliding(op).counts(sizes)
    product = np.ones(())
    for count in counts:
        product = np.multiply.outer(product, count)
    with np.errstate(all="ignore"):
        fits = np.allclose(np.broadcast_to(1.0 / gain, product.shape), product, rtol=1e-6)
    return counts if fits else None


def _sliding(op: Op) -> Sliding:
    p = op.params
    return Sliding(p["window_dimensions"], p["window_strides"], p["padding"], p["window_dilation"])


def _dilated_sizes(op: Op, shape: tuple[int, ...]) -> list[int]:
    """Return the sizes of what windows slide over, which may be dilated first."""
    return [max((n - 1) * k + 1, 0) for n, k in zip(shape, op.params["base_dilation"], strict=True)]


def reduce_windows(
    t: Scaling, op: Op, x: Nodes, mode: PoolMode, divisors: list[Values] | None = None
) -> Nodes:
    """Pool over sliding windows; axes over which none slides are channels.

    Parameters
    ----------
    mode : {"sum", "max", "min"}
        With divisors, it is an average.
    divisors : list of ndarray, optional
        What each axis is divided by, by position.
    """
    ids = dilated(x.ids, op.params["base_dilation"])
    windows = list(_sliding(op).windows(ids.shape))
    numbers = divisors or [np.ones(w.coarse) for w in windows]
    samples = t.samples(x)
    ids, batch = samples.first(ids), samples.axis
    if batch is not None:
        if windows[batch] != Window(x.shape[batch], x.shape[batch], 1):
            raise MixedSamplesError
        if samples.alone:
            del windows[batch], numbers[batch]
    slides = [axis for axis, w in enumerate(windows) if w != Window(w.fine, w.fine, 1)]
    images = 0
    while slides and ids.ndim - len(slides) > 1 and len(ids) == 1 and 0 not in slides:
        ids, windows, numbers = ids[0], windows[1:], numbers[1:]  # one image, as Equinox pools
        slides, images = [axis - 1 for axis in slides], images + 1
    operators = {axis: AxisOperator.of_window(windows[axis], numbers[axis]) for axis in slides}
    mode = mode if divisors is None else "average"
    made = pool_axes(t, ids, operators, _channels(t, ids, slides), mode, t.label(op))
    return Nodes(samples.spread(made[(None,) * images]))


def _channels(t: Scaling, ids: Ids, slides: Sequence[int]) -> list[int]:
    """Return the axes that are channels: of those over which no window slides."""
    still = [axis for axis in range(ids.ndim) if axis not in slides]
    if len(still) <= 1:
        t.expect_channels(ids, still)
        return still
    seen = [axis for axis in channel_axes(ids, t.builder.layers) if axis in still]
    return seen or still[-1:]


@handles("reduce_window_max", "reduce_window_min")
def window_extreme(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Return the largest, or smallest, of each window."""
    return reduce_windows(t, op, t.nodes(args[0]), "max" if op.name.endswith("max") else "min")


@handles("reduce_window_sum", "reduce_window_mean")
def window_sum(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Return the sum of each window, or its average."""
    return reduce_windows(t, op, t.nodes(args[0]), "sum", op.params.get("divisors"))


@handles(*_MODES_OF_AXES, "reduce_prod")
def reduction(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Pool whole axes away."""
    mode = _MODES_OF_AXES.get(op.name)
    if mode is None:
        return f"{op.name} is not linear"
    return reductions.reduce_axes(t, t.nodes(args[0]), axes_of(op.params), mode, t.label(op))


@handles(*_MODES_SO_FAR)
def cumulative(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Return the sum, or the largest, of all entries so far along an axis."""
    if not has_nodes(args[0]):
        return None
    x, axis, reverse = t.nodes(args[0]), int(op.params["axis"]), bool(op.params.get("reverse"))
    return reductions.cumulative(t, x, axis, _MODES_SO_FAR[op.name], t.label(op), reverse=reverse)
