"""Which inputs of an ONNX operation say how it works, rather than what it works on."""

from __future__ import annotations

from collections.abc import Collection

import onnx

_SETTINGS: dict[str, tuple[int, ...]] = {
    "CastLike": (1,), "CenterCropPad": (1,), "Clip": (1, 2), "Compress": (1,),
    "ConstantOfShape": (0,), "CumSum": (1,), "Dropout": (1, 2), "Expand": (1,), "EyeLike": (0,),
    "GRU": (4,), "Gather": (1,), "GatherElements": (1,), "GatherND": (1,), "If": (0,),
    "LSTM": (4,), "Loop": (0, 1),
    "OneHot": (0, 1, 2), "Pad": (1, 2, 3), "Pow": (1,), "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7), "QuantizeLinear": (1, 2), "RNN": (4,), "Range": (0, 1, 2),
    "Reshape": (1,), "Resize": (1, 2, 3), "ReverseSequence": (1,), "RotaryEmbedding": (1, 2, 3),
    "ScatterElements": (1,), "ScatterND": (1,), "Shape": (0,), "Size": (0,), "Slice": (1, 2, 3, 4),
    "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,),
    "Upsample": (1,), "Where": (0,),
    **{f"Reduce{kind}": (1,) for kind in (
        "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")},
}  # fmt: skip
#: The same for onnxruntime's own operations.
_OF_MICROSOFT: dict[str, tuple[int, ...]] = {
    "Attention": (3,), "GroupQueryAttention": (5, 6, 7, 8, 9), "MultiHeadAttention": (4,),
    "QGemm": (7, 8), "QLinearAdd": (6, 7), "QLinearAveragePool": (1, 2, 3, 4),
    "QLinearConcat": (0, 1), "QLinearGlobalAveragePool": (1, 2, 3, 4),
    "QLinearLeakyRelu": (1, 2, 3, 4), "QLinearMul": (6, 7), "QLinearReduceMean": (1, 2, 3, 4),
    "QLinearSigmoid": (1, 2, 3, 4), "QLinearSoftmax": (1, 2, 3, 4), "QuantizeLinear": (1, 2),
    "RotaryEmbedding": (1, 2, 3),
}  # fmt: skip
_TWO_SIDES = {1: 0, 2: 0, 4: 3, 5: 3}
#: Where quantised operations have steps and zero points, and of which of their inputs.
_STEPS: dict[str, dict[int, int]] = {
    "ConvInteger": {2: 0, 3: 1}, "DequantizeLinear": {1: 0, 2: 0},
    "DynamicQuantizeMatMul": {2: 1, 3: 1}, "MatMulInteger": {2: 0, 3: 1},
    "MatMulIntegerToFloat": {2: 0, 3: 1, 4: 0, 5: 1}, "MatMulNBits": {2: 1, 3: 1},
    "QGemm": _TWO_SIDES,
    "QLinearAdd": _TWO_SIDES, "QLinearConv": _TWO_SIDES, "QLinearMatMul": _TWO_SIDES,
    "QLinearMul": _TWO_SIDES,
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
    own = node.domain in ("", "ai.onnx")
    table = _SETTINGS if own else _OF_MICROSOFT if node.domain == "com.microsoft" else {}
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
    return _STEPS.get(node.op_type, {}).get(k)
