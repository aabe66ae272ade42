"""Pooling: over windows, and over whole axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.ops.geometry import average_operators, pool_windows
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples, find
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.network.blocks import AxisOperator


@handles("MaxPool")
def max_pool(t: OnnxTracer, call: Call) -> Any:
    """Take the largest of each window: an edge from each candidate."""
    windows = pool_windows(call, call.inputs[0].shape[2:])
    return over_windows(t, call, [AxisOperator.of_window(w) for w, _ in windows], "max")


@handles("AveragePool")
def average_pool(t: OnnxTracer, call: Call) -> Any:
    """Average over each window."""
    return over_windows(t, call, average_operators(call, call.inputs[0].shape[2:]), "average")


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(t: OnnxTracer, call: Call) -> Any:
    """Pool all positions of each channel."""
    mode = "max" if "Max" in call.operation else "average"
    sizes = call.inputs[0].shape[2:]
    operators = [AxisOperator.adaptive(n, 1, average=mode == "average") for n in sizes]
    return over_windows(t, call, operators, mode)


@handles("LpPool", "GlobalLpPool")
def norm_pool(t: OnnxTracer, call: Call) -> Any:
    """Refuse a pooling by a norm, which is not linear and has no largest candidate."""
    raise NotFollowed("a pooling by a norm of its window has no weights")


@handles("MaxUnpool", "MaxRoiPool", "RoiAlign", "GridSample", "DeformConv")
def data_dependent(t: OnnxTracer, call: Call) -> Any:
    """Refuse to guess where neurons themselves say what is read."""
    raise NotFollowed("neurons themselves say which positions are read")


def over_windows(
    t: OnnxTracer, call: Call, operators: Sequence[AxisOperator], mode: str
) -> Nodes | None:
    """Pool the positions of every channel.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    call : Call
        The operation; its first input has shape (batch, channels, *positions).
    operators : sequence of AxisOperator
        One an axis of positions.
    mode : str
        ``"max"`` or ``"average"``.

    Returns
    -------
    Nodes or None
    """
    x = call.inputs[0]
    if not isinstance(x, Nodes) or not operators or len(x.shape) != 2 + len(operators):
        return None
    samples = find(x.ids, t.n_samples)
    if samples.axis not in (0, None):
        raise MixedSamplesError
    ids, rank = samples.first(x.ids), len(operators)
    kept = [
        k for k, s in enumerate(operators)
        if 2 + k not in call.idle or (s.n_in, s.n_out) != (1, 1)
    ]  # fmt: skip
    lead, out = ids.shape[:-rank], [s.n_out for s in operators]
    narrow = ids.reshape(*lead, *(operators[k].n_in for k in kept))
    made = t.pool(narrow, [operators[k] for k in kept], mode, call.name)
    return Nodes(samples.spread(made.reshape(*lead, *out)))


# -- over whole axes ------------------------------------------------------------------------------


@handles("ReduceMean")
def mean(t: OnnxTracer, call: Call) -> Any:
    """Average over whole axes."""
    return _reduce(t, call, "average")


@handles("ReduceSum")
def total(t: OnnxTracer, call: Call) -> Any:
    """Sum over whole axes: edges of weight one."""
    return _reduce(t, call, "sum")


@handles("ReduceMax", "ReduceMin")
def extreme(t: OnnxTracer, call: Call) -> Any:
    """Take the largest or smallest over whole axes: an edge from each candidate."""
    return _reduce(t, call, "max")


@handles("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
def norm(t: OnnxTracer, call: Call) -> Any:
    """Sum a function of each neuron over whole axes, and take a function of the sum."""
    before, after = {
        "ReduceL1": ("abs", ""), "ReduceL2": ("pow", "sqrt"), "ReduceSumSquare": ("pow", ""),
        "ReduceLogSum": ("", "log"), "ReduceLogSumExp": ("exp", "log"),
    }[call.operation]  # fmt: skip
    if before and isinstance(call.inputs[0], Nodes):
        t.activate(call.inputs[0], before)
    made = _reduce(t, call, "sum")
    return t.activate(made, after) if after and made is not None else made


def _reduce(t: OnnxTracer, call: Call, mode: str) -> Nodes | None:
    """Pool whole axes away; all of them where none are named."""
    x, given = call.inputs[0], call.constant(1, "axes")
    if not isinstance(x, Nodes):
        return None
    rank = len(x.shape)
    axes = [] if given is None else sorted({int(a) % rank for a in np.ravel(given)})
    if not axes and call.get("noop_with_empty_axes", 0):
        return x
    keep = bool(call.get("keepdims", 1))
    return reduced(t, x, axes or list(range(rank)), mode, call.name, keep=keep)


def reduced(
    t: OnnxTracer, x: Nodes, axes: Sequence[int], mode: str, name: str, *, keep: bool
) -> Nodes:
    """Pool whole axes away.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    x : Nodes
        What is pooled.
    axes : sequence of int
        Ascending.
    mode : str
        ``"average"``, ``"sum"`` or ``"max"``.
    name : str
        A name for what it makes.
    keep : bool
        Whether the axes stay, of length one.

    Returns
    -------
    Nodes
    """
    samples = Samples() if t.n_samples == 1 else find(x.ids, t.n_samples)
    if samples.axis in axes:
        raise MixedSamplesError
    ids = samples.first(x.ids)
    batch = samples.axis if samples.alone else None
    own = [a - (batch is not None and a > batch) for a in axes]
    kept = [k for k in range(ids.ndim) if k not in own]
    operators = [AxisOperator.adaptive(ids.shape[a], 1, average=mode == "average") for a in own]
    made = t.pool(ids.transpose(*kept, *own), operators, mode, name)
    if keep:
        wide = made.reshape([1 if k in own else n for k, n in enumerate(ids.shape)])
        return Nodes(samples.spread(wide))
    made = made.reshape([ids.shape[k] for k in kept])
    if samples.axis is None:
        return Nodes(samples.spread(made))
    return Nodes(samples.spread(made, samples.axis - sum(a < samples.axis for a in axes)))
