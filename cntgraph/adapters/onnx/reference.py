"""Carrying out operations on arrays: constants, and the ids that are moved.

ONNX's own reference implementation does it, one operation at a time, so that every movement of
ids is right by construction. A few bytes of a damaged file can ask for any amount of memory or
time: what an operation would make is estimated before it is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from cntgraph.adapters.onnx.values import Call, shape_of
from cntgraph.core.errors import FormatError, TraceError

#: Constants and movements of more values than these are refused.
LARGEST = 1 << 26
#: As many may be shown by one value in memory.
_LARGEST_SHOWN = 1 << 28

Sizes = tuple[int, ...]


#: Operations that move or copy the values of their first input; the others say how.
MOVEMENTS = frozenset(
    """Compress DepthToSpace Expand Flatten GatherElements GatherND Reshape ReverseSequence Slice
    SpaceToDepth Split Squeeze Tile Transpose Unsqueeze""".split()
)


def run(call: Call, inputs: Sequence[Any], largest: int = LARGEST) -> list[Any]:
    """Carry out one operation on arrays.

    Parameters
    ----------
    inputs : sequence of ndarray or None
        What goes into it.
    largest : int, optional
        How many values it may make, if more than `LARGEST`.
    """
    shown = call.operation in ("Expand", "ConstantOfShape")
    refuse_above(_size_of_result(call, inputs), call, _LARGEST_SHOWN if shown else largest)
    own = _OWN.get(call.operation)
    return own(call, inputs) if own else _evaluate(call, inputs)


def _evaluate(call: Call, inputs: Sequence[Any]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator  # slow to import, and few models need it

    model = _model(call, inputs)
    feeds = {f"i{k}": value for k, value in enumerate(inputs) if value is not None}
    made = iter(ReferenceEvaluator(model).run(None, feeds))
    return [np.asarray(next(made)) if name else None for name in call.node.output]


def _model(call: Call, inputs: Sequence[Any]) -> onnx.ModelProto:
    """Return a model of one operation, whose inputs are ``i0``, ``i1``; its outputs ``o0``."""
    domain, _, operation = call.operation.rpartition(".")
    node = onnx.NodeProto(
        op_type=operation, domain=domain, attribute=call.node.attribute,
        input=["" if value is None else f"i{k}" for k, value in enumerate(inputs)],
        output=[name and f"o{k}" for k, name in enumerate(call.node.output)],
    )  # fmt: skip
    reads, makes = ([onnx.ValueInfoProto(name=name) for name in names if name]
                    for names in (node.input, node.output))  # fmt: skip
    opset = onnx.helper.make_opsetid("", min(call.opset, onnx.defs.onnx_opset_version()))
    graph = onnx.helper.make_graph([node], "one", reads, makes)
    return onnx.helper.make_model(graph, opset_imports=[opset])


def inferred_shapes(call: Call, inputs: Sequence[Any]) -> list[Sizes | None]:
    """Return the shapes that ONNX infers of an operation's outputs; None for unknown ones.

    Parameters
    ----------
    inputs : sequence
        What goes into it; of all but short constants only the shapes are looked at.

    Raises
    ------
    FormatError
        If a Split has another number of parts than it says: ONNX ends the process.
    """
    n_outputs = len(call.node.output)
    if call.operation == "Split" and call.get("num_outputs", n_outputs) != n_outputs:
        raise FormatError(
            f"{call.name}: a Split into {call.get('num_outputs')} parts has {n_outputs} outputs; "
            "the file is damaged"
        )
    model = _model(call, inputs)
    try:
        for info in model.graph.input:
            value, kind = inputs[int(info.name[1:])], TensorProto.FLOAT
            if isinstance(value, np.ndarray) and value.size <= 1024:
                array = np.require(value, requirements="C")
                model.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
                kind = model.graph.initializer[-1].data_type
            if not isinstance(value, list):
                info.type.CopyFrom(onnx.helper.make_tensor_type_proto(kind, shape_of(value)))
        found = onnx.shape_inference.infer_shapes(model).graph.output
    except Exception:  # an operation that ONNX does not know either, or a wrong one
        return [None] * n_outputs
    known = {info.name: noted_shape(info.type) for info in found}
    return [known.get(f"o{k}") for k in range(n_outputs)]


def noted_shape(kind: onnx.TypeProto, symbols: Mapping[str, int] | None = None) -> Sizes | None:
    """Return the shape that a model notes for a value, if it is complete.

    Parameters
    ----------
    symbols : mapping of str to int, optional
        What is known of sizes that have a name.
    """
    if not kind.tensor_type.HasField("shape"):
        return None
    sizes = [d.dim_value if d.HasField("dim_value") else (symbols or {}).get(d.dim_param)
             for d in kind.tensor_type.shape.dim]  # fmt: skip
    return None if None in sizes else tuple(int(n) for n in sizes if n is not None)


# -- operations that the reference implementation does slowly, or without looking ---------------


def _gather_elements(call: Call, inputs: Sequence[Any]) -> list[Any]:
    # The reference takes wrong indices, and takes forever.
    data, indices = inputs
    return [np.take_along_axis(data, indices, axis=int(call.get("axis", 0)))]


def _expand(call: Call, inputs: Sequence[Any]) -> list[Any]:
    """Show an array in another shape, without a copy."""
    return [np.broadcast_to(inputs[0], np.broadcast_shapes(inputs[0].shape, tuple(inputs[1])))]


def _reshape(call: Call, inputs: Sequence[Any]) -> list[Any]:
    """Do as the reference, which does not know the oldest form, whose shape is an attribute."""
    data, shape = inputs[0], inputs[1] if len(inputs) > 1 else call.get("shape")
    if not call.get("allowzero", 0):
        shape = [n or data.shape[k] for k, n in enumerate(shape)]
    return [np.reshape(data, shape)]


def _split(call: Call, inputs: Sequence[Any]) -> list[Any]:
    data, axis = inputs[0], int(call.get("axis", 0))
    sizes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else call.get("split")
    n = data.shape[axis]
    if sizes is None:
        each = -(-n // len(call.node.output))
        sizes = [max(min(each, n - k * each), 0) for k in range(len(call.node.output))]
    return cut_up(data, sizes, axis)


def cut_up(data: NDArray[Any], sizes: Any, axis: int) -> list[Any]:
    """Return the parts of an array whose sizes along an axis add up to what it has."""
    n, ends = data.shape[axis], np.cumsum(np.asarray(sizes, dtype=np.int64)).tolist()
    if min(sizes, default=0) < 0 or (ends or [0])[-1] != n:
        raise ValueError(f"an axis of {n} cannot be split into parts of {list(sizes)}")
    return np.split(data, ends[:-1], axis=axis)


def _constant_of_shape(call: Call, inputs: Sequence[Any]) -> list[Any]:
    """Return a constant that takes the memory of one value, whatever its shape."""
    tensor = call.get("value")
    value = np.zeros(1, np.float32) if tensor is None else onnx.numpy_helper.to_array(tensor)
    return [np.broadcast_to(value.reshape(-1)[0], tuple(inputs[0]))]


_OWN: dict[str, Callable[[Call, Sequence[Any]], list[Any]]] = {
    "ConstantOfShape": _constant_of_shape, "Expand": _expand, "GatherElements": _gather_elements,
    "Reshape": _reshape, "Split": _split,
    "Dropout": lambda call, inputs: [inputs[0], None],
}  # fmt: skip


# -- how much an operation makes ----------------------------------------------------------------


#: Operations that may make more values than go into them.
_GROWING = frozenset(
    "CenterCropPad Expand EyeLike Gather GatherND MatMul OneHot Pad Range TopK".split()
)


def _size_of_result(call: Call, inputs: Sequence[Any]) -> int:
    """Return about how many values an operation would make."""
    # Sizes that ONNX computes may overflow.
    if call.operation == "Tile":
        return prod(shape_of(inputs[0])) * prod(abs(int(n)) for n in np.ravel(inputs[1]))
    if call.operation == "ConstantOfShape":
        return prod(abs(int(n)) for n in np.ravel(inputs[0]))
    if call.operation == "Einsum":  # what it adds up counts, too
        return prod(max(n, 1) for value in inputs for n in shape_of(value))
    known = [prod(shape) for shape in inferred_shapes(call, inputs) if shape is not None]
    if not known and call.operation in _GROWING:
        raise ValueError("its settings do not say how much it makes")
    return max(known) if known else sum(prod(shape_of(value)) for value in inputs)


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
    DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor
    Gather GatherElements GatherND Gemm Greater GreaterOrEqual Hardmax Identity IsInf IsNaN Less
    LessOrEqual Log MatMul Max Mean Min Mod Mul Neg NonZero Not OneHot Or Pad Pow QuantizeLinear
    Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence Round ScatterElements
    ScatterND Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus SpaceToDepth Split Sqrt
    Squeeze Sub Sum Tan Tanh Tile TopK Transpose Trilu Unique Unsqueeze Where Xor""".split()
)


def compute(call: Call) -> list[Any] | None:
    """Return what an operation on constants alone yields, or None if it is not carried out."""
    if call.operation not in COMPUTABLE:
        return None
    with np.errstate(all="ignore"):
        return run(call, call.inputs)
