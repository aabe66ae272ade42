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
from cntgraph.adapters.jax.values import Nodes, has_nodes, scalar_of, without
from cntgraph.adapters.tracing import reductions
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.pooling import pool_axes
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.types import Array, Ids, Values
from cntgraph.network.blocks import AxisOperator, PoolMode, Window

_MODES: dict[str, PoolMode] = {
    "reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min",
    "cumsum": "sum", "cummax": "max", "cummin": "min",
}  # fmt: skip


def take_average(
    op: Op, x: Nodes, gain: Array | None, *, moved: bool
) -> tuple[list[Values] | None, Array | None]:
    """Return what a sum is divided by, where that makes it an average, and the gain that is left.

    Parameters
    ----------
    op : Op
        The sum, over whole axes or over windows.
    x : Nodes
        What it is taken of.
    gain : ndarray or None
        What it is multiplied by.
    moved : bool
        Whether it is rearranged in between, so that only one number for all can be found.

    Returns
    -------
    divisors : list of ndarray, or None
        For each axis that windows slide over, the divisor by position; of whole axes, their size.
    """
    if gain is None:
        return None, None
    number = scalar_of(gain)
    if op.name == "reduce_sum":
        sizes = [x.shape[axis] for axis in axes_of(op.params)]
        average = number is not None and np.isclose(number * prod(sizes), 1.0, rtol=1e-6)
        return ([np.full(1, float(n)) for n in sizes], None) if average else (None, gain)
    if op.name != "reduce_window_sum" or (number is None and moved):
        return None, gain
    sizes = _dilated_sizes(op, x.shape)
    windows = _sliding(op).windows(sizes)
    if number is not None:
        counts = [np.full(w.coarse, float(w.kernel)) for w in windows]
        rest = number * prod(w.kernel for w in windows)
        if np.isclose(rest, 1.0, rtol=1e-6):
            return counts, None
        # What is left of the factor goes to an axis over which a window slides.
        widest = max(range(len(windows)), key=lambda axis: windows[axis].kernel)
        counts[widest] = counts[widest] / rest
        return (counts, None) if rest > 0 else (None, gain)
    counts = _sliding(op).counts(sizes)
    product = np.ones(())
    for count in counts:
        product = np.multiply.outer(product, count)
    with np.errstate(all="ignore"):
        fits = np.allclose(np.broadcast_to(1.0 / gain, product.shape), product, rtol=1e-6)
    return (counts, None) if fits else (None, gain)


def reduce_axes(t: Scaling, op: Op, x: Nodes, *, average: bool) -> Nodes:
    """Pool whole axes away."""
    mode = "average" if average else _MODES.get(op.name)
    if mode is None:
        raise NotFollowed(f"{op.name} is not linear")
    made = reductions.reduce_axes(t, x, axes_of(op.params), mode, t.label(op))
    return Nodes(made.ids, op.outputs[0].batch)


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
    if x.batch is not None:
        ids = without(ids, x.batch)
        windows, numbers = ([*v[: x.batch], *v[x.batch + 1 :]] for v in (windows, numbers))
    slides = [axis for axis, w in enumerate(windows) if w != Window(w.fine, w.fine, 1)]
    while slides and ids.ndim - len(slides) > 1 and len(ids) == 1 and 0 not in slides:
        ids, windows, numbers = ids[0], windows[1:], numbers[1:]  # one image, as Equinox pools
        slides = [axis - 1 for axis in slides]
    operators = {axis: AxisOperator.of_window(windows[axis], numbers[axis]) for axis in slides}
    mode = mode if divisors is None else "average"
    made = pool_axes(t, ids, operators, _channels(t, ids, slides), mode, t.label(op))
    return t.batched(made, op.outputs[0])


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


@handles("reduce_window_sum")
def window_sum(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Return the sum of each window."""
    return reduce_windows(t, op, t.nodes(args[0]), "sum")


@handles("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")
def reduction(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Reduce what a weight was applied to, or what mixes samples."""
    return reduce_axes(t, op, t.nodes(args[0]), average=False)


@handles("cumsum", "cummax", "cummin")
def cumulative(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Return the sum, or the largest, of all entries so far along an axis."""
    if not has_nodes(args[0]):
        return None
    x, axis, reverse = t.nodes(args[0]), int(op.params["axis"]), bool(op.params.get("reverse"))
    made = reductions.cumulative(t, x, axis, _MODES[op.name], t.label(op), reverse=reverse)
    return Nodes(made.ids, op.outputs[0].batch)


def resize_axis(t: Scaling, name: str, x: Nodes, axis: int, operator: AxisOperator) -> Ids | None:
    """Resize one axis of a sample; axes that are resized one after another make one layer.

    Parameters
    ----------
    axis : int
        The axis of a sample.
    operator : AxisOperator
        How it is resized.

    Returns
    -------
    ndarray of int64, or None
        The ids of a sample; None where its positions are not resized, but its channels.
    """
    sample, b = x.sample, t.builder
    channels = list(channel_axes(sample, b.layers))
    if axis in channels:
        if sample.ndim > 1:  # an input whose channels are elsewhere is laid out anew
            t.expect_channels(sample, [sample.ndim - 1] if axis < sample.ndim - 1 else [0])
        return None
    spatial = [a for a in range(sample.ndim) if a not in channels]
    order = [*channels, *spatial]
    rows = sample.transpose(order)
    operators = tuple(
        operator if a == axis else AxisOperator.identity(sample.shape[a]) for a in spatial
    )
    lines = rows.reshape(-1, *rows.shape[len(channels) :])
    made = t.builder.pool_on(lines, operators, "linear") if x.awaits_bias else None
    if made is None:
        made = t.builder.pool(name, lines, operators, "linear")
    shape = [sample.shape[a] for a in channels] + [s.n_out for s in operators]
    return made.reshape(shape).transpose(np.argsort(order))
