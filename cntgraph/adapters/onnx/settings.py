"""Which inputs of an ONNX operation say how it works, rather than what it works on."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from cntgraph.adapters.onnx.tensors import FLOATS, SMALL_INTEGERS

#: By operation, which inputs of numbers that might be weights are settings. Those of axes, sizes
#: and choices are left out: large whole numbers and truth values never are weights.
_SETTINGS: dict[str, tuple[int, ...]] = {
    "CastLike": (1,), "Clip": (1, 2), "Dropout": (1,), "EyeLike": (0,), "OneHot": (0, 1, 2),
    "Pad": (2,), "Pow": (1,), "QuantizeLinear": (1, 2), "Range": (0, 1, 2), "Resize": (1, 2),
    "RotaryEmbedding": (1, 2), "Shape": (0,), "Size": (0,), "Upsample": (1,),
}  # fmt: skip
#: The same for onnxruntime's own operations.
_OF_MICROSOFT: dict[str, tuple[int, ...]] = {
    "GroupQueryAttention": (7, 8), "QLinearConcat": (0, 1), "QuantizeLinear": (1, 2),
    "RotaryEmbedding": (2, 3),
}  # fmt: skip
#: Operations of whole numbers with static steps, and which of their inputs are the values; each is
#: followed by its step and its zero point, and the last by those of the result.
STATIC: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("QGemm", "QLinearAdd", "QLinearConv", "QLinearMatMul", "QLinearMul"), (0, 3)),
    **{f"QLinear{name}": (0,) for name in (
        "AveragePool", "GlobalAveragePool", "LeakyRelu", "ReduceMean", "Sigmoid", "Softmax")},
}  # fmt: skip
#: Which input of them is a bias, in steps of the product of the steps of the other two.
BIASES = {"QLinearConv": 8, "QGemm": 6}
#: Where other quantized operations have steps and zero points, and of which of their inputs.
_STEPS: dict[str, dict[int, int]] = {
    "ConvInteger": {2: 0, 3: 1}, "DequantizeLinear": {1: 0, 2: 0},
    "DynamicQuantizeMatMul": {2: 1, 3: 1}, "MatMulInteger": {2: 0, 3: 1},
    "MatMulIntegerToFloat": {2: 0, 3: 1, 4: 0, 5: 1}, "MatMulNBits": {2: 1, 3: 1},
}  # fmt: skip


def sets(node: onnx.NodeProto, k: int, constant: Collection[str]) -> bool:
    """Return whether an input says how an operation works.

    Parameters
    ----------
    k : int
        Which of its inputs.
    constant : collection of str
        Names of all that does not depend on the model's input.
    """
    of = step_of(node, k)
    if of is not None:
        return node.input[of] not in constant
    if node.op_type in STATIC:
        return k >= 3 * len(STATIC[node.op_type]) and k != BIASES.get(node.op_type)
    if node.op_type == "Cast":
        kinds = (a.i for a in node.attribute if a.name == "to")
        return not any(kind in FLOATS | SMALL_INTEGERS for kind in kinds)
    table = {"com.microsoft": _OF_MICROSOFT}.get(node.domain, _SETTINGS)
    return k in table.get(node.op_type, ())


def step_of(node: onnx.NodeProto, k: int) -> int | None:
    """Return of which input an input is the step or the zero point; None where it is neither.

    Parameters
    ----------
    k : int
        Which of its inputs.
    """
    if node.op_type == "QLinearConcat" and k > 1:
        return None if k % 3 == 2 else k - (k - 2) % 3
    if node.op_type in STATIC:
        return next((v for v in STATIC[node.op_type] if k in (v + 1, v + 2)), None)
    return _STEPS.get(node.op_type, {}).get(k)
