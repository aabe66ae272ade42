"""Reductions over whole axes and over windows, as poolings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax.layout import dilated
from cntgraph.adapters.jax.numeric import axes_of
from cntgraph.adapters.jax.operations import HANDLERS, handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Nodes, has_nodes
from cntgraph.adapters.tracing import reductions
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.pooling import pool_axes
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.types import Ids
from cntgraph.network.blocks import AxisOperator, PoolMode, Window

#: How values come together, by how the names of primitives end.
_MODES: dict[str, PoolMode] = {"sum": "sum", "add": "sum", "max": "max", "min": "min"}
HANDLERS.refuses("reduce_prod is not linear", "reduce_prod")


def _mode(op: Op) -> PoolMode:
    return _MODES[op.name[-3:]]


def _sliding(op: Op) -> Sliding:
    p = op.params
    return Sliding(p["window_dimensions"], p["window_strides"], p["padding"], p["window_dilation"])


@handles("reduce_window_sum", "reduce_window_max", "reduce_window_min")
def reduce_windows(t: JaxTracer, op: Op, args: list[Any]) -> Nodes:
    """Pool over sliding windows; axes over which none slides are channels."""
    x = t.nodes(args[0])
    ids = dilated(x.ids, op.params["base_dilation"])
    windows = list(_sliding(op).windows(ids.shape))
    samples = t.samples(x)
    ids, batch = samples.first(ids), samples.axis
    if batch is not None:
        if windows[batch] != Window(x.shape[batch], x.shape[batch], 1):
            raise MixedSamplesError
        if samples.alone:
            del windows[batch]
    slides = [axis for axis, w in enumerate(windows) if w != Window(w.fine, w.fine, 1)]
    images = 0
    while slides and ids.ndim - len(slides) > 1 and len(ids) == 1 and 0 not in slides:
        ids, windows = ids[0], windows[1:]  # one image, as Equinox pools
        slides, images = [axis - 1 for axis in slides], images + 1
    operators = {axis: AxisOperator.of_window(windows[axis]) for axis in slides}
    made = pool_axes(t, ids, operators, _channels(t, ids, slides), _mode(op), t.label(op))
    return Nodes(samples.spread(made[(None,) * images]))


def _channels(t: JaxTracer, ids: Ids, slides: Sequence[int]) -> list[int]:
    """Return the axes that are channels: of those over which no window slides."""
    still = [axis for axis in range(ids.ndim) if axis not in slides]
    if len(still) <= 1:
        t.expect_channels(ids, still)
        return still
    seen = [axis for axis in channel_axes(ids, t.builder.layers) if axis in still]
    return seen or still[-1:]


@handles("reduce_sum", "reduce_max", "reduce_min")
def reduction(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Pool whole axes away."""
    return reductions.reduce_axes(t, t.nodes(args[0]), axes_of(op.params), _mode(op), t.label(op))


@handles("cumsum", "cummax", "cummin")
def cumulative(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Return the sum, or the largest, of all entries so far along an axis."""
    if not has_nodes(args[0]):
        return None
    x, axis, reverse = t.nodes(args[0]), int(op.params["axis"]), bool(op.params.get("reverse"))
    return reductions.cumulative(t, x, axis, _mode(op), t.label(op), reverse=reverse)


@handles("sort")
def order(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Put neurons in order: whichever comes first, every one may be it."""
    if len(args) != 1 or not has_nodes(args[0]):
        raise NotFollowed("neurons themselves say in which order others are put")
    x, axis = t.nodes(args[0]), int(op.params["dimension"])
    return reductions.chosen(t, x, axis, x.shape[axis], t.label(op))


@handles("scatter-add", "scatter-max", "scatter-min")
def put_together(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Put neurons together at constant places of the first axis: messages along edges."""
    base, places, x = args
    d = op.params["dimension_numbers"]
    if not has_nodes(x) or not isinstance(places, np.ndarray) or not isinstance(base, np.ndarray):
        raise NotFollowed("what depends on the data says where neurons are put")
    if tuple(d.inserted_window_dims) != (0,) or tuple(d.scatter_dims_to_operand_dims) != (0,):
        raise NotFollowed("it puts neurons together at places of several axes")
    moved = Nodes(t.nodes(x).ids.reshape(places.size, *base.shape[1:]))
    return reductions.put_together(t, base, moved, 0, places.reshape(-1), _mode(op), t.label(op))
