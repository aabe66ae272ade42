"""Sequences of tensors: lists of what flows through the graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.reference import cut_up
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete, shape_of
from cntgraph.adapters.tracing.operations import NotFollowed

#: A sequence has no more parts; a damaged file can ask for as many as an axis is long.
_MOST_PARTS = 1 << 16


@handles("SequenceEmpty", "SequenceConstruct")
def construct(t: OnnxTracer, call: Call) -> Any:
    """Return a sequence of the inputs."""
    return [list(call.inputs)]


@handles("SequenceInsert", "SequenceErase", "SequenceAt")
def change(t: OnnxTracer, call: Call) -> Any:
    """Return a sequence with one tensor more or less, or one tensor of it; by default the last."""
    parts, more = list(call.inputs[0]), call.operation == "SequenceInsert"
    given = call.input(2 if more else 1)
    if isinstance(given, Nodes):
        raise NotFollowed("neurons themselves say which tensor of a sequence is meant")
    at = len(parts) - 1 + more if given is None else int(concrete(given).reshape(()))
    if more:
        parts.insert(at, call.inputs[1])
        return [parts]
    one = parts.pop(at)
    return [parts if call.operation == "SequenceErase" else one]


@handles("SequenceLength")
def length(t: OnnxTracer, call: Call) -> Any:
    """Return the number of tensors of a sequence."""
    return [np.array(len(call.inputs[0]))]


@handles("SplitToSequence")
def split(t: OnnxTracer, call: Call) -> Any:
    """Return the parts of a tensor as a sequence."""
    x, axis, alone = call.neurons, int(call.get("axis", 0)), call.input(1) is None
    n, sizes = x.shape[axis], np.asarray(1) if alone else concrete(call.inputs[1])
    if not sizes.ndim:
        each = int(sizes)
        if each < 1 or n // each > _MOST_PARTS:
            raise ValueError(f"an axis of {n} in parts of {each}")
        sizes = np.array([min(each, n - k) for k in range(0, n, each)])
    parts = cut_up(x.ids, sizes, axis)
    if alone and not call.get("keepdims", 1):
        parts = [part.squeeze(axis) for part in parts]
    return [[replace(x, ids=part) for part in parts]]


@handles("ConcatFromSequence")
def join(t: OnnxTracer, call: Call) -> Any:
    """Join the tensors of a sequence, along an axis that they have or along a new one."""
    parts, axis = call.inputs[0], int(call.get("axis", 0))
    if not call.get("new_axis", 0):
        return t.perform(call, "Concat", *parts)
    if not any(isinstance(part, Nodes) for part in parts):
        raise NotFollowed("it joins constants of a sequence")
    rank = len(shape_of(parts[0])) + 1
    return Nodes(np.stack([t.as_ids(part, call.name) for part in parts], axis % rank))
