"""Carrying out operations on arrays: constants, and the ids that are moved.

ONNX's own reference implementation does it, one operation at a time, so that every movement of
ids is right by construction. A few bytes of a damaged file can ask for any amount of memory or
time: what an operation would make is estimated before it is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from cntgraph.adapters.onnx.values import Call, shape_of
from cntgraph.core.errors import TraceError

#: Constants and movements of more values than these are refused.
LARGEST = 1 << 26
#: As many may be shown by one value in memory.
_LARGEST_SHOWN = 1 << 28

Sizes = tuple[int, ...]


def run(call: Call, inputs: Sequence[Any], largest: int = LARGEST) -> list[Any]:
    """Carry out one operation on arrays.

    Parameters
    ----------
    inputs : sequence of ndarray or None
        What goes into it.
    largest : int, optional
        How many values it may make, if more than `LARGEST`.
    """
    refuse_above(_size_of_result(call, inputs), call, max(largest, LARGEST))
    own = _OWN.get(call.operation)
    return own(call, inputs) if own else _evaluate(call, inputs)


def _evaluate(call: Call, inputs: Sequence[Any]) -> list[Any]:
    names = ["" if value is None else f"i{k}" for k, value in enumerate(inputs)]
    outputs = [name and f"o{k}" for k, name in enumerate(call.node.output)]
    node = onnx.NodeProto(op_type=call.node.op_type, input=names, output=outputs)
    node.attribute.extend(call.node.attribute)
    graph = onnx.GraphProto(
        node=[node],
        input=[onnx.ValueInfoProto(name=name) for name in names if name],
        output=[onnx.ValueInfoProto(name=name) for name in outputs if name],
    )
    version = min(call.opset, onnx.defs.onnx_opset_version())
    evaluator = ReferenceEvaluator(graph, opsets={"": version})
    feeds = {name: value for name, value in zip(names, inputs, strict=True) if name}
    made = iter(evaluator.run(None, feeds))
    return [np.asarray(next(made)) if name else None for name in outputs]


# -- operations that the reference implementation does slowly, or without looking ---------------


def _gather_elements(call: Call, inputs: Sequence[Any]) -> list[Any]:
    # The reference takes wrong indices, and takes forever.
    data, indices = inputs
    return [np.take_along_axis(data, indices, axis=int(call.get("axis", 0)))]


def _expand(call: Call, inputs: Sequence[Any]) -> list[Any]:
    """Show an array in another shape, without a copy."""
    return [np.broadcast_to(inputs[0], _expanded(inputs))]


def _split(call: Call, inputs: Sequence[Any]) -> list[Any]:
    data, axis = inputs[0], int(call.get("axis", 0))
    sizes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else call.get("split")
    n = data.shape[axis]
    if sizes is None:
        each = -(-n // len(call.node.output))
        sizes = [max(min(each, n - k * each), 0) for k in range(len(call.node.output))]
    ends = np.cumsum(np.asarray(sizes, dtype=np.int64)).tolist()
    if min(sizes, default=0) < 0 or (ends or [0])[-1] != n:
        raise ValueError(f"an axis of {n} cannot be split into parts of {list(sizes)}")
    return np.split(data, ends[:-1], axis=axis)


def _concat(call: Call, inputs: Sequence[Any]) -> list[Any]:
    return [np.concatenate(list(inputs), axis=int(call.get("axis", 0)))]


_OWN: dict[str, Callable[[Call, Sequence[Any]], list[Any]]] = {
    "Concat": _concat,
    "GatherElements": _gather_elements, "Expand": _expand, "Split": _split,
}  # fmt: skip


# -- how much an operation makes ----------------------------------------------------------------


def _numbers(value: Any) -> list[int]:
    """Return the few numbers that an operation is told; none where it is told many."""
    return [] if value is None or np.size(value) > 64 else [int(n) for n in np.ravel(value)]


def _expanded(inputs: Sequence[Any]) -> Sizes:
    return np.broadcast_shapes(shape_of(inputs[0]), tuple(_numbers(inputs[1])))


def _of_expand(call: Call, inputs: Sequence[Any]) -> int:
    return prod(_expanded(inputs)) * LARGEST // _LARGEST_SHOWN


def _of_tile(call: Call, inputs: Sequence[Any]) -> int:
    return prod(shape_of(inputs[0])) * prod(abs(n) for n in _numbers(inputs[1]))


def _of_range(call: Call, inputs: Sequence[Any]) -> int:
    start, stop, step = (float(np.ravel(value)[0]) for value in inputs)
    return int(abs(stop - start) / max(abs(step), 1e-9))


def _of_pad(call: Call, inputs: Sequence[Any]) -> int:
    pads = call.constant(1, "pads" if "pads" in call.attributes else "paddings")
    grown = 1 + sum(abs(n) for n in _numbers(pads))
    return prod(n + grown if grown > 1 else n for n in shape_of(inputs[0]))


def _of_one_hot(call: Call, inputs: Sequence[Any]) -> int:
    return prod(shape_of(inputs[0])) * max(abs(n) for n in _numbers(inputs[1]))


def _of_crop(call: Call, inputs: Sequence[Any]) -> int:
    return prod(shape_of(inputs[0])) + prod(abs(n) for n in _numbers(inputs[1]))


def _of_gather(call: Call, inputs: Sequence[Any]) -> int:
    data, indices = (shape_of(value) for value in inputs[:2])
    axis = int(call.get("axis", 0)) % max(len(data), 1)
    return prod(indices) * prod(data[:axis]) * prod(data[axis + 1 :])


def _of_gather_nd(call: Call, inputs: Sequence[Any]) -> int:
    data, indices = (shape_of(value) for value in inputs[:2])
    return prod(indices[:-1]) * prod(data[indices[-1] + int(call.get("batch_dims", 0)) :])


def _of_product(call: Call, inputs: Sequence[Any]) -> int:
    left, right = (shape_of(value) for value in inputs[:2])
    lead = np.broadcast_shapes(left[:-2], right[:-2])
    return prod(lead) * prod(left[-2:-1]) * prod(right[-1:])


def _of_einsum(call: Call, inputs: Sequence[Any]) -> int:
    return prod(max(n, 1) for value in inputs for n in shape_of(value))


def _of_blocks(call: Call, inputs: Sequence[Any]) -> int:
    if int(call.get("blocksize", 0)) < 1:
        raise ValueError(f"a block of {call.get('blocksize')} positions")
    return prod(shape_of(inputs[0]))


def _of_top(call: Call, inputs: Sequence[Any]) -> int:
    return prod(shape_of(inputs[0])) + sum(abs(n) for n in _numbers(inputs[1]))


def _of_concat(call: Call, inputs: Sequence[Any]) -> int:
    return sum(prod(shape_of(value)) for value in inputs)


def _of_all(call: Call, inputs: Sequence[Any]) -> int:
    shapes = [shape_of(value) for value in inputs if value is not None]
    try:
        return prod(np.broadcast_shapes(*shapes))
    except ValueError:
        return sum(prod(shape) for shape in shapes)


_SIZES: dict[str, Callable[[Call, Sequence[Any]], int]] = {
    "CenterCropPad": _of_crop, "Concat": _of_concat, "DepthToSpace": _of_blocks,
    "Einsum": _of_einsum, "Expand": _of_expand, "Gather": _of_gather, "GatherND": _of_gather_nd,
    "MatMul": _of_product, "OneHot": _of_one_hot, "Pad": _of_pad, "Range": _of_range,
    "SpaceToDepth": _of_blocks, "Tile": _of_tile, "TopK": _of_top,
}  # fmt: skip


def _size_of_result(call: Call, inputs: Sequence[Any]) -> int:
    """Return about how many values an operation would make."""
    return _SIZES.get(call.operation, _of_all)(call, inputs)


def refuse_above(size: int, call: Call, largest: int = LARGEST) -> None:
    """Raise where an operation would make more values than any network has."""
    if size > largest:
        raise TraceError(
            f"{call.name}: {call.operation} would make about {size} values, more than {largest}; "
            "the file is damaged"
        )


# -- constants ---------------------------------------------------------------------------------

#: Operations that are carried out where only constants go in; none of them is random.
COMPUTABLE = frozenset(
    """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Cast CastLike Ceil Clip Compress Concat ConstantOfShape Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
    GatherElements GatherND Gemm Greater GreaterOrEqual Hardmax Identity IsInf IsNaN Less
    LessOrEqual Log MatMul Max Mean Min Mod Mul Neg NonZero Not OneHot Or Pad Pow QuantizeLinear
    Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence Round ScatterElements
    ScatterND Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus SpaceToDepth Split Sqrt
    Squeeze Sub Sum Tan Tanh Tile TopK Transpose Trilu Unique Unsqueeze Where Xor""".split()
)


def compute(call: Call) -> list[Any] | None:
    """Return what an operation on constants alone yields, or None if it is not carried out."""
    if call.operation == "Dropout":
        return [call.inputs[0], None]
    if call.operation not in COMPUTABLE:
        return None
    if call.operation == "ConstantOfShape":
        return [_constant_of_shape(call)]
    with np.errstate(all="ignore"):
        return run(call, call.inputs)


def _constant_of_shape(call: Call) -> NDArray[Any]:
    """Return a constant that takes the memory of one value, whatever its shape."""
    tensor = call.get("value")
    value = np.zeros(1, np.float32) if tensor is None else onnx.numpy_helper.to_array(tensor)
    shape = tuple(int(n) for n in call.inputs[0])
    refuse_above(prod(abs(n) for n in shape), call, _LARGEST_SHOWN)
    return np.broadcast_to(value.reshape(-1)[0], shape)
