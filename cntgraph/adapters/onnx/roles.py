"""What the stored tensors of an ONNX graph are for: weights, buffers, or mere settings.

ONNX stores weights, running statistics, sizes, axes and clipping bounds alike. What reads a
tensor says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import onnx
from onnx import AttributeProto, TensorProto

from cntgraph.adapters.onnx.file import FLOATS, SMALL_INTEGERS

#: For each operation, the inputs that say how it works rather than what it works on.
_SETTINGS: dict[str, tuple[int, ...]] = {
    "CenterCropPad": (1,), "Clip": (1, 2), "Compress": (1,), "ConstantOfShape": (0,),
    "CumSum": (1,), "Dropout": (1, 2), "Expand": (1,), "EyeLike": (0,), "GatherElements": (1,),
    "GatherND": (1,), "Gather": (1,), "If": (0,), "Loop": (0, 1), "Max": tuple(range(64)),
    "Min": tuple(range(64)), "OneHot": (0, 1, 2), "Pad": (1, 2, 3), "Pow": (1,),
    "QuantizeLinear": (1, 2), "Range": (0, 1, 2), "Reshape": (1,), "Resize": (1, 2, 3),
    "ReverseSequence": (1,), "ScatterElements": (1,), "ScatterND": (1,), "Shape": (0,),
    "Size": (0,), "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Tile": (1,),
    "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,), "Upsample": (1,), "Where": (0,),
    "CastLike": (1,),
    **{f"Reduce{kind}": (1,) for kind in (
        "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")},
}  # fmt: skip
#: Operations that hand a tensor on.
_HANDS_ON = frozenset(
    ["Cast", "CastLike", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose",
     "Unsqueeze"]
)  # fmt: skip
_AFFINE = frozenset(["Conv", "ConvTranspose", "Gemm", "MatMul"])
_ELEMENTWISE = frozenset(["Add", "Div", "Mul", "Sub", "Sum", "Where"])
_SIGNATURE = re.compile(r"^\w+: (PARAMETER|BUFFER|CONSTANT_TENSOR) target='([^']+)'", re.MULTILINE)


def captured(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that an operation's inner graphs read, their own included."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from inner.input
                yield from captured(inner)


@dataclass
class Roles:
    """Who reads each tensor of a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph, functions inlined.
    """

    graph: onnx.GraphProto
    readers: dict[str, list[tuple[onnx.NodeProto, int]]] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._collect(self.graph.node, inner=False)
        self.stored = {tensor.name for tensor in self.graph.initializer}
        # PyTorch's exporter writes down which tensors were parameters of the module.
        notes = {entry.key: entry.value for entry in self.graph.metadata_props}
        text = notes.get("pkg.torch.export.ExportedProgram.graph_signature", "")
        self.declared = {name: kind for kind, name in _SIGNATURE.findall(text)}

    def _collect(self, nodes: Iterable[onnx.NodeProto], *, inner: bool) -> None:
        for node in nodes:
            for k, name in enumerate(node.input):
                # What a branch or a loop does with a tensor is not looked at.
                self.readers.setdefault(name, []).append((node, -1 if inner else k))
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    self._collect(attribute.g.node, inner=True)

    def is_parameter(self, tensor: TensorProto, name: str) -> bool:
        """Return whether a stored tensor is worked on, rather than a setting of an operation."""
        readers = self.readers.get(name, [])
        if tensor.data_type in FLOATS:
            return not readers or not self._is_setting(name, 0)
        if tensor.data_type in SMALL_INTEGERS and readers:
            return not self._is_setting(name, 0)
        quantised = tensor.data_type == TensorProto.INT32
        return quantised and any(n.op_type == "DequantizeLinear" and k == 0 for n, k in readers)

    def _is_setting(self, name: str, depth: int) -> bool:
        """Whether everything that reads a tensor, or what it is handed on as, is set by it."""
        readers = self.readers.get(name, [])
        return bool(readers) and all(self._sets(node, k, depth) for node, k in readers)

    def _sets(self, node: onnx.NodeProto, k: int, depth: int) -> bool:
        if node.domain not in ("", "ai.onnx"):
            return False
        if node.op_type == "DequantizeLinear" and k in (1, 2):
            return node.input[0] not in self.stored
        if k in _SETTINGS.get(node.op_type, ()):
            return True
        hands_on = node.op_type in _HANDS_ON and k == 0 and depth < 16
        return hands_on and self._is_setting(node.output[0], depth + 1)

    def is_trainable(self, tensor: TensorProto, name: str, *, constant: bool) -> bool:
        """Return whether a stored tensor is a weight that training changes, as far as one can tell.

        Parameters
        ----------
        tensor : onnx.TensorProto
            The tensor.
        name : str
            Its name in the graph.
        constant : bool
            Whether the graph has it as a constant, rather than as an initializer.

        Returns
        -------
        bool
        """
        readers = [(node.op_type, k) for node, k in self.readers.get(name, [])]
        if not readers:
            return False
        if name in self.declared:
            return self.declared[name] == "PARAMETER"
        if all(kind == "BatchNormalization" and k in (3, 4) for kind, k in readers):
            return False
        if all(kind == "DequantizeLinear" and k in (1, 2) for kind, k in readers):
            return False
        if any(kind in _AFFINE for kind, _ in readers):
            return True
        if constant or self.declared or "Constant" in name:
            return False
        scalar = prod(tensor.dims) == 1 and "." not in name
        return not (scalar and all(kind in _ELEMENTWISE for kind, _ in readers))
