"""What flows through an ONNX graph besides nodes: constants and functions of parameters.

A constant is computed by ONNX's own reference implementation, one operation at a time; so is
any movement of node ids. A function of stored weights becomes a `Recipe`, so that weights are
neither read nor copied while the graph is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from cntgraph.errors import TraceError
from cntgraph.recipe import Recipe

Ids = NDArray[np.int64]
#: Constants and movements of more values than these are refused: a few bytes can ask for them.
LARGEST = 1 << 28
#: Functions of weights that are no recipe are computed once, up to this many values.
_LARGEST_COMPUTED = 1 << 24


@dataclass(frozen=True, eq=False)
class Nodes:
    """Node ids, -1 where there is no node, in the shape of the tensor they stand for."""

    ids: Ids

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor the nodes stand for, the batch dimension included."""
        return self.ids.shape


@dataclass(frozen=True)
class Call:
    """One operation of a graph, with what goes into it.

    Parameters
    ----------
    node : onnx.NodeProto
        The operation.
    inputs : list
        `Nodes`, `Recipe`, arrays; None where there is nothing.
    name : str
        A name for what it makes.
    opset : int
        Version of ONNX's own operators.
    """

    node: onnx.NodeProto
    inputs: list[Any]
    name: str
    opset: int
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """Type of the operation, such as ``"Conv"``."""
        return str(self.node.op_type)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def input(self, k: int) -> Any:
        """Return an input, None where it is left out."""
        return self.inputs[k] if k < len(self.inputs) else None

    def constant(self, k: int, attribute: str) -> Any:
        """Return what newer operators take as an input and older ones as an attribute."""
        value = self.input(k)
        return self.get(attribute) if value is None else concrete(value)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of an operation, strings decoded."""
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode("utf-8", "replace") if isinstance(v, bytes) else v
            for k, v in found.items()}  # fmt: skip


def concrete(value: Any) -> NDArray[Any]:
    """Return the values of a constant, or of a function of parameters, as an array."""
    return value.read() if isinstance(value, Recipe) else np.asarray(value)


def run(call: Call, inputs: Sequence[Any]) -> list[Any]:
    """Carry out one operation on arrays, by ONNX's reference implementation.

    Parameters
    ----------
    call : Call
        The operation.
    inputs : sequence of ndarray or None
        What goes into it.

    Returns
    -------
    list of ndarray
    """
    _check_size(call, inputs)
    if call.operation == "GatherElements":  # the reference takes wrong indices, and forever
        data, indices = inputs
        return [np.take_along_axis(data, indices, axis=int(call.get("axis", 0)))]
    if call.operation == "Expand":  # without the copy
        return [np.broadcast_to(inputs[0], _expanded_shape(inputs[0].shape, inputs[1]))]
    names = ["" if value is None else f"i{k}" for k, value in enumerate(inputs)]
    outputs = [name and f"o{k}" for k, name in enumerate(call.node.output)]
    node = onnx.NodeProto(op_type=call.operation, input=names, output=outputs)
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


def _expanded_shape(shape: tuple[int, ...], wanted: Any) -> tuple[int, ...]:
    return np.broadcast_shapes(shape, tuple(int(n) for n in np.ravel(wanted)))


def _check_size(call: Call, inputs: Sequence[Any]) -> None:
    """Refuse an operation whose result would be far larger than what goes into it."""
    sizes = [prod(np.shape(value)) for value in inputs if value is not None]
    size = sum(sizes)
    numbers = [
        np.asarray(v).reshape(-1).tolist() if v is not None and np.size(v) <= 64 else []
        for v in inputs
    ]
    if call.operation == "ConstantOfShape":
        size += prod(abs(int(n)) for n in numbers[0])
    elif call.operation == "Expand":
        size += prod(_expanded_shape(np.shape(inputs[0]), inputs[1]))
    elif call.operation == "Tile":
        size *= prod(abs(int(n)) for n in numbers[1])
    elif call.operation == "Range" and all(numbers) and numbers[2][0]:
        size += abs(int((numbers[1][0] - numbers[0][0]) / numbers[2][0]))
    refuse_above(size, call)


def refuse_above(size: int, call: Call) -> None:
    """Raise where an operation would make more values than any network has."""
    if size > LARGEST:
        raise TraceError(
            f"{call.name}: {call.operation} would make about {size} values, more than {LARGEST}; "
            "the file is damaged"
        )


# -- constants -------------------------------------------------------------------------------

#: Operations that are carried out where only constants go in; none of them is random.
_COMPUTABLE = frozenset(
    """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Cast CastLike Ceil Clip Compress Concat ConstantOfShape Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Einsum Equal Erf Exp Expand EyeLike Flatten Floor Gather
    GatherElements GatherND Gemm Greater GreaterOrEqual Hardmax Identity IsInf IsNaN Less
    LessOrEqual Log MatMul Max Mean Min Mod Mul Neg NonZero Not OneHot Or Pad Pow QuantizeLinear
    Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence Round ScatterElements
    ScatterND Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus SpaceToDepth Split Sqrt
    Squeeze Sub Sum Tan Tanh Tile TopK Transpose Trilu Unique Unsqueeze Where Xor""".split()
)


def compute(call: Call) -> list[Any] | None:
    """Return what an operation on constants alone yields, or None if it is not carried out."""
    if call.operation == "Dropout":
        return [call.inputs[0], None]
    if call.operation not in _COMPUTABLE:
        return None
    if call.operation == "ConstantOfShape":
        return [_constant_of_shape(call)]
    return run(call, call.inputs)


def _constant_of_shape(call: Call) -> NDArray[Any]:
    """Return a constant that takes the memory of one value, whatever its shape."""
    tensor = call.get("value")
    value = np.zeros(1, np.float32) if tensor is None else onnx.numpy_helper.to_array(tensor)
    shape = [int(n) for n in call.inputs[0]]
    _check_size(call, call.inputs)
    return np.broadcast_to(value.reshape(-1)[0], shape)


# -- functions of parameters -----------------------------------------------------------------

AsRecipe = Callable[[Any], Recipe]
_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe]] = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b, "Div": lambda a, b: a / b,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "Neg": lambda a: -a, "Abs": abs, "Sqrt": Recipe.sqrt,
    "Reciprocal": lambda a: Recipe.constant(1.0) / a,
}  # fmt: skip
_SUMS = ("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2")
_FLOAT_TYPES = (1, 10, 11, 16)


def on_recipes(call: Call, as_recipe: AsRecipe) -> list[Any] | None:
    """Return the recipes of an operation on parameters and constants.

    Parameters
    ----------
    call : Call
        The operation; no nodes go into it.
    as_recipe : callable
        Turns a constant into a recipe.

    Returns
    -------
    list of Recipe, or None if what it computes is not had by recipes
    """
    operation, first = call.operation, call.inputs[0]
    if operation in _BINARY:
        return [_BINARY[operation](*(as_recipe(value) for value in call.inputs))]
    if operation == "DequantizeLinear":
        return [dequantized(call, as_recipe)]
    if operation == "Concat":
        parts = tuple(as_recipe(value) for value in call.inputs)
        return [Recipe.concatenate(parts, call.get("axis"))]
    if not isinstance(first, Recipe):
        return None
    if operation in _UNARY:
        return [_UNARY[operation](first)]
    if operation in _SUMS:
        return _sum(call, first)
    handler = _MOVEMENTS.get(operation)
    return None if handler is None else handler(call, first)


def _unchanged(call: Call, recipe: Recipe) -> list[Any] | None:
    if call.operation == "Cast" and call.get("to") not in _FLOAT_TYPES:
        return None
    return [recipe] + [None] * (len(call.node.output) - 1)


def _reshaped(call: Call, recipe: Recipe) -> list[Any]:
    # Memory that is never touched takes no room: only the shape is looked at.
    (like,) = run(call, [np.empty(recipe.shape, np.int8), *call.inputs[1:]])
    return [recipe.reshape(like.shape)]


def _transposed(call: Call, recipe: Recipe) -> list[Any]:
    return [recipe.transpose(tuple(call.get("perm") or range(len(recipe.shape))[::-1]))]


def _sliced(call: Call, recipe: Recipe) -> list[Any] | None:
    starts, ends, axes, steps = (
        call.constant(k, name) for k, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            return None
        recipe = recipe.take(int(axis), int(start), int(end), int(step))
    return [recipe]


def _split(call: Call, recipe: Recipe) -> list[Any]:
    axis = int(call.get("axis", 0))
    parts = run(call, [np.empty(recipe.shape, np.int8), *call.inputs[1:]])
    ends = np.cumsum([0, *(part.shape[axis] for part in parts)]).tolist()
    return [recipe.take(axis, a, b) for a, b in pairwise(ends)]


def _gathered(call: Call, recipe: Recipe) -> list[Any] | None:
    """Return rows of a parameter: one, or several that lie at even distances."""
    axis, index = int(call.get("axis", 0)) % len(recipe.shape), concrete(call.inputs[1])
    n = recipe.shape[axis]
    where = [int(i) % n for i in index.reshape(-1)]
    shape = (*recipe.shape[:axis], *index.shape, *recipe.shape[axis + 1 :])
    step = where[1] - where[0] if len(where) > 1 else 1
    if not where or step < 1 or where != list(range(where[0], where[-1] + 1, step)):
        return None
    return [recipe.take(axis, where[0], where[-1] + 1, step).reshape(shape)]


def _expanded(call: Call, recipe: Recipe) -> list[Any] | None:
    shape = _expanded_shape(recipe.shape, concrete(call.inputs[1]))
    return [recipe.reshape(shape)] if prod(shape) == prod(recipe.shape) else None


def _sum(call: Call, recipe: Recipe) -> list[Any] | None:
    axes = call.constant(1, "axes")
    if axes is None and call.get("noop_with_empty_axes", 0):
        return None
    rank = len(recipe.shape)
    over = tuple(range(rank)) if axes is None else tuple(int(a) % rank for a in np.ravel(axes))
    total = (recipe * recipe if call.operation in ("ReduceSumSquare", "ReduceL2") else recipe).sum(
        over
    )
    if call.operation == "ReduceMean":
        total = total / float(prod(recipe.shape[axis] for axis in over))
    elif call.operation == "ReduceL2":
        total = total.sqrt()
    if not call.get("keepdims", 1):
        total = total.reshape(tuple(n for k, n in enumerate(recipe.shape) if k not in over))
    return [total]


_MOVEMENTS: dict[str, Callable[[Call, Recipe], list[Any] | None]] = {
    "Identity": _unchanged, "Cast": _unchanged, "CastLike": _unchanged, "Dropout": _unchanged,
    "Reshape": _reshaped, "Flatten": _reshaped, "Squeeze": _reshaped, "Unsqueeze": _reshaped,
    "Transpose": _transposed, "Slice": _sliced, "Split": _split, "Gather": _gathered,
    "Expand": _expanded,
}  # fmt: skip


def dequantized(call: Call, as_recipe: AsRecipe) -> Recipe:
    """Return (x − zero point) × scale: by tensor, along an axis, or in blocks along it."""
    x, scale = (as_recipe(value) for value in call.inputs[:2])
    zero, axis = call.input(2), int(call.get("axis", 1))
    block = int(call.get("block_size", 0))
    shape = x.shape
    if prod(scale.shape) == 1:
        by = (1,) * len(shape)
    elif block:
        axis %= len(shape)
        x = x.reshape((*shape[:axis], -1, block, *shape[axis + 1 :]))
        by = (*scale.shape[: axis + 1], 1, *scale.shape[axis + 1 :])
    else:
        axis %= len(shape)
        by = (1,) * axis + (-1,) + (1,) * (len(shape) - axis - 1)
    if zero is not None and not _is_zero(zero):
        x = x - as_recipe(zero).reshape(by)
    return (x * scale.reshape(by)).reshape(shape)


def _is_zero(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.any()


def compute_weights(call: Call) -> list[Any] | None:
    """Compute a function of weights that is no recipe, if it is small."""
    sizes = [prod(np.shape(v) if v is not None else ()) for v in call.inputs]
    if call.operation not in _COMPUTABLE or sum(sizes) > _LARGEST_COMPUTED:
        return None
    return run(call, [None if value is None else concrete(value) for value in call.inputs])
