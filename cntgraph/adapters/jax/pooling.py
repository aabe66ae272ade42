"""Reductions over whole axes and over windows, as poolings."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax.layout import layer_order
from cntgraph.adapters.jax.numeric import axes_of
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import Nodes, has_nodes, scalar_of, without
from cntgraph.core.types import Array, Ids, Values
from cntgraph.network.blocks import AxisOperator, Pool, Window

if TYPE_CHECKING:
    from cntgraph.adapters.jax.scaling import Scaling
    from cntgraph.adapters.jax.tracer import Tracer

_MODES = {"reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min"}


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
        Whether it is rearranged in between, so that only one number for all can be had.

    Returns
    -------
    divisors : list of ndarray, or None
        For each axis that windows slide over, the divisor by position; of whole axes, their size.
    rest : ndarray or None
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
    windows = _windows(op, x.shape)
    if number is not None:
        counts = [np.full(w.coarse, float(w.kernel)) for w in windows]
        rest = number * prod(w.kernel for w in windows)
        if np.isclose(rest, 1.0, rtol=1e-6):
            return counts, None
        # What is left of the factor goes to an axis over which a window slides.
        widest = max(range(len(windows)), key=lambda axis: windows[axis].kernel)
        counts[widest] = counts[widest] / rest
        return (counts, None) if rest > 0 else (None, gain)
    counts = [w.coarse_cover.sum(axis=0).astype(np.float64) for w in windows]
    product = np.ones(())
    for count in counts:
        product = np.multiply.outer(product, count)
    with np.errstate(all="ignore"):
        fits = np.allclose(np.broadcast_to(1.0 / gain, product.shape), product, rtol=1e-6)
    return (counts, None) if fits else (None, gain)


def reduce_axes(t: Scaling, op: Op, x: Nodes, *, average: bool) -> Nodes:
    """Pool whole axes away."""
    axes, (out,) = axes_of(op.params), op.outputs
    if x.batch in axes or op.name not in _MODES:
        why = (
            "it mixes the samples of a batch; load the model in evaluation mode"
            if x.batch in axes else f"{op.name} is not linear"
        )  # fmt: skip
        (made,) = t.cut(op, [x], why)
        assert isinstance(made, Nodes)
        return made
    pooled = [axis - (x.batch is not None and axis > x.batch) for axis in axes]
    sample = x.sample
    kept = [axis for axis in layer_order(sample) if axis not in pooled]
    moved = sample.transpose(*kept, *pooled)
    sizes = [sample.shape[axis] for axis in kept]
    mode = "average" if average else _MODES[op.name]
    operators = tuple(AxisOperator.adaptive(sample.shape[a], 1, average=average) for a in pooled)
    rows = moved.reshape(prod(sizes), *(sample.shape[axis] for axis in pooled))
    ids = t.builder.pool(t.label(op), rows, operators, mode).reshape(sizes)
    return t.batched(_unordered(ids, kept), out)


def _unordered(ids: Ids, order: Sequence[int]) -> Ids:
    """Undo a permutation of axes, some of which are gone."""
    return ids.transpose(np.argsort(order))


def _windows(op: Op, shape: tuple[int, ...]) -> list[Window]:
    """Return the window of every axis of a value."""
    p = op.params
    windows = []
    for n, k, s, (low, high), base, d in zip(
        shape, p["window_dimensions"], p["window_strides"], p["padding"], p["base_dilation"],
        p["window_dilation"], strict=True,
    ):  # fmt: skip
        wide = max((n - 1) * base + 1, 0)
        room = wide + low + high - d * (k - 1) - 1
        windows.append(Window(wide, max(room // s + 1, 0), k, s, d, low))
    return windows


def reduce_windows(
    t: Scaling, op: Op, x: Nodes, mode: str, divisors: list[Values] | None = None
) -> Nodes:
    """Pool over sliding windows; axes over which none slides are channels.

    Parameters
    ----------
    t : Scaling
    op : Op
    x : Nodes
    mode : str
        ``"sum"`` or ``"max"``; with divisors, it is an average.
    divisors : list of ndarray, optional
        What each axis is divided by, by position.

    Returns
    -------
    Nodes
    """
    windows, ids = _windows(op, x.shape), _spread(op, x.ids)
    numbers = divisors or [np.ones(w.coarse) for w in windows]
    if x.batch is not None:
        ids = without(ids, x.batch)
        windows, numbers = ([*v[: x.batch], *v[x.batch + 1 :]] for v in (windows, numbers))
    slides = [axis for axis, w in enumerate(windows) if w != Window(w.fine, w.fine, 1)]
    while slides and ids.ndim - len(slides) > 1 and len(ids) == 1 and 0 not in slides:
        ids, windows, numbers = ids[0], windows[1:], numbers[1:]  # one image, as Equinox pools
        slides = [axis - 1 for axis in slides]
    channels = _channels(t, ids, slides)
    spatial = [axis for axis in range(ids.ndim) if axis not in channels]
    order = [*channels, *spatial]
    rows = ids.transpose(order).reshape(prod(ids.shape[a] for a in channels),
                                        *(ids.shape[a] for a in spatial))  # fmt: skip
    operators = tuple(AxisOperator.of_window(windows[a], numbers[a]) for a in spatial)
    made = t.builder.pool(t.label(op), rows, operators, mode if divisors is None else "average")
    made = made.reshape([ids.shape[a] for a in channels] + [windows[a].coarse for a in spatial])
    return t.batched(_unordered(made, order), op.outputs[0])


def _spread(op: Op, ids: Ids) -> Ids:
    """Put positions without a node between those of a dilated operand."""
    for axis, base in enumerate(op.params["base_dilation"]):
        if base > 1 and ids.shape[axis]:
            shape = (*ids.shape[:axis], (ids.shape[axis] - 1) * base + 1, *ids.shape[axis + 1 :])
            wide = np.full(shape, -1, np.int64)
            wide[(slice(None),) * axis + (slice(None, None, base),)] = ids
            ids = wide
    return ids


def _channels(t: Scaling, ids: Ids, slides: Sequence[int]) -> list[int]:
    """Return the axes that are channels: of those over which no window slides."""
    still = [axis for axis in range(ids.ndim) if axis not in slides]
    if len(still) <= 1:
        t.expect_channels(ids, still)
        return still
    seen = [axis for axis in channel_axes(ids, t.builder.layers) if axis in still]
    return seen or still[-1:]


@handles("reduce_window_max", "reduce_window_min")
def window_maximum(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Return the largest, or smallest, of each window."""
    mode = "max" if op.name.endswith("max") else "min"
    return reduce_windows(t, op, t.nodes(args[0]), mode)


@handles("reduce_window_sum")
def window_sum(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Return the sum of each window."""
    return reduce_windows(t, op, t.nodes(args[0]), "sum")


@handles("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")
def reduction(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Reduce what a weight was applied to, or what mixes samples."""
    return reduce_axes(t, op, t.nodes(args[0]), average=False)


@handles("cumsum", "cummax", "cummin")
def cumulative(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Return the sum, or the largest, of all entries so far along an axis."""
    if not has_nodes(args[0]):
        return None
    x, axis = t.nodes(args[0]), int(op.params["axis"])
    if axis == x.batch:
        return "it mixes the samples of a batch"
    axis -= x.batch is not None and axis > x.batch
    sample = x.sample
    kept = [a for a in layer_order(sample) if a != axis]
    n = sample.shape[axis]
    before = np.tri(n, dtype=bool)
    before = before.T if op.params.get("reverse") else before
    columns, rows = np.nonzero(before)
    operator = AxisOperator(n, n, rows, columns, np.ones(len(rows)))
    lines = sample.transpose(*kept, axis)
    mode = {"cumsum": "sum", "cummax": "max", "cummin": "min"}[op.name]
    made = t.builder.pool(t.label(op), lines.reshape(-1, n), (operator,), mode)
    return t.batched(_unordered(made.reshape(lines.shape), [*kept, axis]), op.outputs[0])


def resize_axis(t: Scaling, name: str, x: Nodes, axis: int, operator: AxisOperator) -> Ids | None:
    """Resize one axis of a sample; axes that are resized one after another make one layer.

    Parameters
    ----------
    t : Scaling
    name : str
        Name of the operation.
    x : Nodes
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
    operators = [operator if a == axis else AxisOperator.identity(sample.shape[a]) for a in spatial]
    lines = rows.reshape(-1, *rows.shape[len(channels) :])
    last = b.blocks[-1] if b.blocks else None
    ends = isinstance(last, Pool) and last.mode == "linear" and x.awaits_bias
    ends = ends and len(last.operators) == len(operators)  # type: ignore[union-attr]
    if isinstance(last, Pool) and ends and np.array_equal(last.target.as_ids(), lines.reshape(-1)):
        before = zip(last.operators, operators, strict=True)
        operators = [_after(one, other) for one, other in before]
        lines = last.source.as_ids().reshape(last.source.shape)
        b.blocks.pop()
        name = b.layers.pop().name
    made = b.pool(name, lines, tuple(operators), "linear")
    shape = [sample.shape[a] for a in channels] + [s.n_out for s in operators]
    return _unordered(made.reshape(shape), order)


def _after(first: AxisOperator, second: AxisOperator) -> AxisOperator:
    """Return one operator for two in a row."""
    matrix = (first.matrix @ second.matrix).tocoo()
    rows, columns = matrix.coords
    return AxisOperator(
        first.n_in, second.n_out, rows.astype(np.int64), columns.astype(np.int64), matrix.data
    )
