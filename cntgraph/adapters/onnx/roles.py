"""What the stored tensors of an ONNX graph are for: weights, buffers, or mere settings.

ONNX stores weights, running statistics, sizes, axes and clipping bounds alike. What reads a
tensor says what it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import prod

import onnx
from onnx import AttributeProto, TensorProto

from cntgraph.adapters.onnx.settings import BIASES, sets, step_of
from cntgraph.adapters.onnx.tensors import FLOATS, SMALL_INTEGERS
from cntgraph.adapters.onnx.values import attributes_of

#: Operations that hand a tensor on.
_HANDS_ON = frozenset(
    "Cast CastLike Expand Flatten Identity Reshape Squeeze Transpose Unsqueeze".split()
)
_AFFINE = frozenset(
    "Conv ConvInteger ConvTranspose FusedConv FusedMatMul GRU Gemm LSTM MatMul MatMulInteger "
    "MatMulNBits QGemm QLinearConv QLinearMatMul RNN".split()
)
#: Other operations that apply what is stored to one input.
_APPLIED = frozenset(["BatchNormalization", "DequantizeLinear"])
#: Inputs of recurrent operations that are initial states.
_STATES = {"GRU": (5,), "LSTM": (5, 6), "RNN": (5,)}
#: Inputs that training does not change: those, and running statistics.
_BUFFERS = {"BatchNormalization": (3, 4), **_STATES}
#: Operations that take a number as a factor, a summand or a bound.
_ELEMENTWISE = frozenset(
    "Add Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Pow Sub Sum "
    "Where".split()
)
_SIGNATURE = re.compile(r"^\w+: (PARAMETER|BUFFER|CONSTANT_TENSOR) target='([^']+)'", re.MULTILINE)


def captured(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that an operation's inner graphs read, their own included."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from inner.input
                yield from captured(inner)


class Roles:
    """Who reads each tensor of a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph, functions inlined.

    Attributes
    ----------
    weights : frozenset of str
        Tensors that PyTorch's exporter says are parameters.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.readers = defaultdict[str, list[tuple[onnx.NodeProto, int]]](list)
        self._collect(graph.node, inner=False)
        self.stored = {tensor.name for tensor in graph.initializer}
        self.constant = set(self.stored)
        for node in graph.node:
            if all(name in self.constant or not name for name in node.input):
                self.constant.update(node.output)
        # PyTorch's exporter writes down which tensors were parameters of the module.
        notes = {entry.key: entry.value for entry in graph.metadata_props}
        text = notes.get("pkg.torch.export.ExportedProgram.graph_signature", "")
        self.declared: dict[str, str] = {name: kind for kind, name in _SIGNATURE.findall(text)}
        self.weights = frozenset(k for k, kind in self.declared.items() if kind == "PARAMETER")

    def _collect(self, nodes: Iterable[onnx.NodeProto], *, inner: bool) -> None:
        for node in nodes:
            for k, name in enumerate(node.input):
                # What a branch or a loop does with a tensor is not looked at.
                self.readers[name].append((node, -1 if inner else k))
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    self._collect(attribute.g.node, inner=True)

    def is_parameter(self, tensor: TensorProto, name: str) -> bool:
        """Return whether a stored tensor is worked on, rather than a setting of an operation."""
        readers = self.readers[name]
        if tensor.data_type in FLOATS:
            return not readers or not self._is_setting(name, 0)
        if tensor.data_type in SMALL_INTEGERS and readers:
            return not self._is_setting(name, 0)
        biases = {"DequantizeLinear": 0, **BIASES}
        whole: bool = tensor.data_type == TensorProto.INT32
        return whole and any(biases.get(node.op_type) == k for node, k in readers)

    def bits(self, name: str) -> int:
        """Return how many bits of a stored byte are one value, by the operation that reads it."""
        packs = {node.op_type == "MatMulNBits" and k in (1, 3) for node, k in self.readers[name]}
        return int(attributes_of(self.readers[name][0][0]).get("bits", 4)) if packs == {True} else 8

    def is_number(self, tensor: TensorProto, name: str) -> bool:
        """Return whether a stored tensor is one number that only arithmetic reads, as a factor."""
        readers = self.readers[name]
        unnamed = prod(tensor.dims) == 1 and "." not in name and name not in self.declared
        return unnamed and bool(readers) and all(n.op_type in _ELEMENTWISE for n, _ in readers)

    def _is_setting(self, name: str, depth: int) -> bool:
        """Whether everything that reads a tensor, or what it is handed on as, is set by it."""
        readers = self.readers[name]
        return bool(readers) and all(self._sets(node, k, depth) for node, k in readers)

    def _sets(self, node: onnx.NodeProto, k: int, depth: int) -> bool:
        if sets(node, k, self.constant):
            return True
        own = node.domain in ("", "ai.onnx")
        hands_on = own and node.op_type in _HANDS_ON and k == 0 and depth < 16
        return hands_on and self._is_setting(node.output[0], depth + 1)

    def is_trainable(self, tensor: TensorProto, name: str, *, constant: bool) -> bool:
        """Return whether a stored tensor is a weight that training changes, as far as one can tell.

        Parameters
        ----------
        constant : bool
            Whether the graph has it as a constant, rather than as an initializer.
        """
        readers = self.readers[name]
        if not readers or name in self.declared:
            return bool(readers) and self.declared[name] == "PARAMETER"
        if all(k in _BUFFERS.get(n.op_type, ()) or step_of(n, k) is not None for n, k in readers):
            return False
        if any(node.op_type in _AFFINE for node, _ in readers):
            return True
        if constant or "Constant" in name:
            return False
        if self.declared:
            # An optimizer gives a parameter that it has reshaped another name.
            return prod(tensor.dims) > 1 and not self.weights <= self.stored
        return not self.is_number(tensor, name)

    # -- inputs -----------------------------------------------------------------------------

    def batch_axis(self, name: str) -> int:
        """Return the axis of an input's samples; recurrent layers have time first."""
        for node, k in self.readers[name]:
            if node.op_type in _STATES and k == 0:
                return 0 if attributes_of(node).get("layout", 0) else 1
            if node.op_type in ("Identity", "Cast") and k == 0 and node.output[0] != name:
                return self.batch_axis(node.output[0])
        return 0

    def follow_inputs(self, names: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return the inputs that weights are applied to, and those of them that are tokens.

        Returns
        -------
        weighed, tokens : set of str
            Inputs that are computed with; those among them that are looked up in a table.
        """
        follows: dict[str, frozenset[str]] = {name: frozenset([name]) for name in names}
        weighed, tokens = set[str](), set[str]()
        for node in self.graph.node:
            read = [follows.get(name, frozenset()) for name in node.input]
            found = frozenset[str]().union(*read)
            follows.update(dict.fromkeys(node.output, found))
            looked_up = node.op_type == "Gather" and len(read) > 1 and not read[0]
            if node.op_type == "EmbedLayerNormalization" or (looked_up and len(found) == 1):
                tokens |= found
            elif len(found) == 1 and (node.op_type in _AFFINE or node.op_type in _APPLIED):
                weighed |= found
        for out in self.graph.output:
            one = follows.get(out.name, frozenset())
            weighed |= one if len(one) == 1 else set()
        return weighed | tokens, tokens
