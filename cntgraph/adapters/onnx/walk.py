"""Walking through the operations of an ONNX graph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.onnx import ops
from cntgraph.adapters.onnx.inputs import BY_OPERATION, Inputs
from cntgraph.adapters.onnx.names import operation_name
from cntgraph.adapters.onnx.reference import noted_shape
from cntgraph.adapters.onnx.roles import Roles, captured
from cntgraph.adapters.onnx.tensors import Tensors
from cntgraph.adapters.onnx.tracer import OnnxTracer
from cntgraph.adapters.onnx.values import Call, Nodes, attributes_of
from cntgraph.adapters.options import Options
from cntgraph.core.errors import CntGraphError, FormatError, TraceError
from cntgraph.core.recipe import Recipe

assert ops  # every operation has registered its handler
_OWN = ("", "ai.onnx")


class Walk:
    """Walks through a graph's operations.

    Parameters
    ----------
    model : onnx.ModelProto
        The model, its functions written out.
    tensors : Tensors
        What its stored tensors are read with.
    """

    def __init__(self, model: onnx.ModelProto, tensors: Tensors, builder: Builder) -> None:
        self.graph, self.tensors, self.builder = model.graph, tensors, builder
        self.opset = max((o.version for o in model.opset_import if o.domain in _OWN), default=1)
        self.roles = Roles(model.graph)
        self.tracer = OnnxTracer(builder, self.roles.weights)
        self.values = self.tracer.values
        self._shown: set[str] = set()

    def run(self, given: Options, batch: int | None = BY_OPERATION) -> None:
        """Build the network.

        Parameters
        ----------
        given : Options
            What the caller says of the inputs.
        batch : int or None, optional
            The axis of the batch; None where there is none, by default by the first operation.
        """
        inputs = Inputs(self.graph, self.roles, batch, given)
        noted = (*self.graph.value_info, *self.graph.output)
        self.tracer.noted = {v.name: noted_shape(v.type, inputs.symbols) for v in noted}
        self.tracer.n_samples = inputs.n_samples
        self.values |= inputs.enter(self.tracer)
        if self.builder.sightings is not None:
            self.builder.sightings.notes = inputs
            self._shown = {name for node in self.graph.node for name in node.output}
            for k, name in enumerate(inputs.values):
                self._see(("input", k), self.values[name])
        self.read_initializers()
        self._follow(self.graph.node, [out.name for out in self.graph.output])
        for out in self.graph.output:
            self.tracer.output(self.values.get(out.name))

    def _follow(self, nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]) -> None:
        """Follow operations in order, and forget what nothing reads any more."""
        nodes = list(nodes)
        last = {name: k for k, node in enumerate(nodes) for name in _reads(node)}
        last |= dict.fromkeys(outputs, len(nodes))
        for k, node in enumerate(nodes):
            self._step(node)
            for name in {*_reads(node), *node.output}:
                if last.get(name, -1) <= k:
                    self.values.pop(name, None)

    # -- stored tensors -----------------------------------------------------------------------

    def read_initializers(self) -> None:
        """Register every stored tensor that is a weight; take the others as constants."""
        for tensor in self.graph.initializer:
            self._store(tensor, tensor.name, constant=False)
        for sparse in self.graph.sparse_initializer:
            self._store_sparse(sparse, sparse.values.name)

    def _store(self, tensor: TensorProto, name: str, *, constant: bool) -> None:
        roles, single = self.roles, constant and prod(tensor.dims) == 1
        if single or roles.is_number(tensor, name) or not roles.is_parameter(tensor, name):
            text = tensor.data_type == TensorProto.STRING
            self.values[name] = None if text else self.tensors.array(tensor, name)
            return
        trainable = roles.is_trainable(tensor, name, constant=constant)
        parameter = self.tensors.parameter(tensor, name, trainable=trainable, bits=roles.bits(name))
        self.values[name] = Recipe.of(self.builder.parameter(parameter))
        if not roles.readers[name]:
            self.builder.skip(self.values[name], "no operation of the model reads it")

    def _store_sparse(self, sparse: onnx.SparseTensorProto, name: str) -> None:
        values, pattern = map(self.builder.parameter, self.tensors.sparse(sparse, name))
        self.values[name] = Recipe.of(values) * Recipe.of(pattern)

    def _constant(self, node: onnx.NodeProto) -> None:
        """Take the value of a Constant: a tensor, a number, or several."""
        (attribute, *_), name = node.attribute, node.output[0]
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name == "value":
            self._store(value, name, constant=True)
        elif attribute.name == "sparse_value":
            self._store_sparse(value, name)
        elif attribute.name.startswith(("value_float", "value_int")):
            dtype = np.float32 if "float" in attribute.name else np.int64
            self.values[name] = np.asarray(value, dtype)
        else:
            self.values[name] = None

    # -- operations -----------------------------------------------------------------------------

    def _step(self, node: onnx.NodeProto) -> None:
        what = f"the operation {node.name or node.op_type!r} ({node.op_type})"
        own = node.domain in _OWN
        with explained(what, "does the model run in onnxruntime?"):
            if node.op_type == "Constant" and own:
                self._constant(node)
                return
            inputs = [self._value(name, node) for name in node.input]
            if node.op_type == "If" and own and self._branch(node, inputs[0]):
                return
            call = Call(node, inputs, operation_name(node), self.opset, attributes_of(node))
            self._skip_captured(node)
            made = self.tracer.call(call)
        self.values.update(zip(node.output, made, strict=False))
        self._see_all(node)

    def _branch(self, node: onnx.NodeProto, condition: Any) -> bool:
        """Follow the branch that a constant condition chooses; say whether there was one."""
        if not isinstance(condition, np.ndarray) or condition.size != 1:
            return False
        wanted = "then_branch" if condition.reshape(-1)[0] else "else_branch"
        graph = next((a.g for a in node.attribute if a.name == wanted), None)
        if graph is None:
            raise FormatError(
                f"the operation {node.name or 'If'!r} has no {wanted}; the model is damaged"
            )
        for tensor in graph.initializer:
            self._store(tensor, tensor.name, constant=True)
        outputs = [out.name for out in graph.output]
        before = self.values.copy()
        self._follow(graph.node, outputs)
        made = [self.values.get(name) for name in outputs]
        self.values.clear()
        self.values |= before | dict(zip(node.output, made, strict=False))
        self._see_all(node)
        return True

    def _see_all(self, node: onnx.NodeProto) -> None:
        """Note which nodes the results of an operation show; not inside of a branch."""
        for name in self._shown.intersection(node.output):
            self._see(name, self.values.get(name))

    def _see(self, key: Hashable, value: Any) -> None:
        if isinstance(value, Nodes):
            self.tracer.see(key, value)

    def _skip_captured(self, node: onnx.NodeProto) -> None:
        """Say of the weights that branches and loops read that they are not followed."""
        for name in captured(node):
            value = self.values.get(name)
            if isinstance(value, Recipe):
                self.builder.skip(value, f"read inside of {node.op_type}, which is not followed")

    def _value(self, name: str, node: onnx.NodeProto) -> Any:
        if name and name not in self.values:
            raise FormatError(
                f"the operation {node.name or node.op_type!r} reads {name!r}, which nothing "
                "before it makes; the model is damaged"
            )
        return self.values[name] if name else None


@contextmanager
def explained(what: str, question: str) -> Iterator[None]:
    """Turn whatever else a damaged model leads to into an error that says so."""
    try:
        yield
    except (CntGraphError, Warning):
        raise
    except Exception as error:
        raise TraceError(
            f"{what} cannot be followed: {type(error).__name__}: {error}; {question}"
        ) from error


def _reads(node: onnx.NodeProto) -> set[str]:
    """Return the names that an operation reads, those of its branches included."""
    return {*node.input, *captured(node)}
