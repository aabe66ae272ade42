"""Walking through the operations of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from cntgraph.adapters.base import Builder
from cntgraph.adapters.onnx.file import Tensors
from cntgraph.adapters.onnx.names import operation_name
from cntgraph.adapters.onnx.operations import OnnxTracer
from cntgraph.adapters.onnx.roles import Roles, captured
from cntgraph.adapters.onnx.values import LARGEST, Call, Nodes, attributes_of
from cntgraph.errors import CntGraphError, FormatError, InputShapeError, TraceError
from cntgraph.recipe import Recipe


class Walk:
    """Walks through a graph's operations."""

    def __init__(self, model: onnx.ModelProto, tensors: Tensors, builder: Builder) -> None:
        self.graph, self.tensors, self.builder = model.graph, tensors, builder
        self.opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")),
                         default=1)  # fmt: skip
        self.roles = Roles(model.graph)
        self.tracer = OnnxTracer(builder)
        self.values: dict[str, Any] = {}
        self.symbols: dict[str, int] = {}
        self.stored = {tensor.name for tensor in model.graph.initializer}

    def run(self, input_shape: tuple[int, ...] | None, example_input: Any) -> None:
        """Build the network."""
        if self.graph.sparse_initializer:
            raise TraceError("sparse initializers are not supported; store the weights dense")
        shapes = self._input_shapes(input_shape, example_input)
        self.tracer.batch = next((s[0] for s in shapes.values() if len(s) > 1), 1)
        for name, shape in shapes.items():
            if prod(shape) > LARGEST:
                raise InputShapeError(f"the input {name!r} of shape {shape} is too large to follow")
            self.values[name] = self.tracer.input(name, shape)
        self.read_initializers()
        last = {name: k for k, node in enumerate(self.graph.node) for name in node.input}
        last |= {out.name: len(self.graph.node) for out in self.graph.output}
        for k, node in enumerate(self.graph.node):
            self._step(node)
            for name in {*node.input, *node.output}:
                if last.get(name, -1) <= k:
                    self.values.pop(name, None)
        for out in self.graph.output:
            self.tracer.output(self.values.get(out.name))

    # -- inputs -----------------------------------------------------------------------------

    def _input_shapes(
        self, input_shape: tuple[int, ...] | None, example_input: Any
    ) -> dict[str, tuple[int, ...]]:
        """Return the shape of every input, the batch dimension included."""
        inputs = [i for i in self.graph.input if i.name not in self.stored]
        if not inputs:
            raise TraceError("the model has no input that is not a stored weight")
        given = _given_shapes([i.name for i in inputs], input_shape, example_input)
        return {i.name: self._input_shape(i, given.get(i.name)) for i in inputs}

    def _input_shape(
        self, value: onnx.ValueInfoProto, given: tuple[int | None, ...] | None
    ) -> tuple[int, ...]:
        kind = value.type
        if kind.WhichOneof("value") not in (None, "tensor_type"):
            raise TraceError(f"the input {value.name!r} is no tensor; such models are not followed")
        if not kind.tensor_type.HasField("shape"):
            if given is None:
                raise InputShapeError(
                    f"the model does not say the shape of its input {value.name!r}; pass "
                    "input_shape (one sample, without the batch) or example_input"
                )
            return tuple(1 if size is None else size for size in given)
        dims = kind.tensor_type.shape.dim
        if given is not None and len(dims) == 1 and len(given) == 2:
            given = given[1:]  # a vector has no batch dimension
        if given is not None and len(given) != len(dims):
            raise InputShapeError(
                f"the input {value.name!r} has {len(dims)} axes, the batch included; "
                f"got a shape for {len(given)}: {given[1:]} after the batch"
            )
        wanted = [None] * len(dims) if given is None else given
        return tuple(
            self._size(value.name, k, dim, wanted[k]) for k, dim in enumerate(dims)
        )  # fmt: skip

    def _size(self, name: str, axis: int, dim: Any, wanted: int | None) -> int:
        if dim.dim_value > 0:
            if wanted not in (None, dim.dim_value) and axis > 0:
                raise InputShapeError(
                    f"axis {axis} of the input {name!r}: the model was saved for {dim.dim_value}, "
                    f"got {wanted}"
                )
            return int(dim.dim_value)
        symbol = dim.dim_param
        if wanted is None:
            wanted = 1 if axis == 0 else self.symbols.get(symbol)
        if wanted is None:
            called = f" ({symbol!r})" if symbol else ""
            raise InputShapeError(
                f"axis {axis}{called} of the input {name!r} has no fixed size; pass input_shape "
                "(one sample, without the batch) or example_input"
            )
        if symbol:
            self.symbols[symbol] = wanted
        return wanted

    # -- stored tensors -----------------------------------------------------------------------

    def read_initializers(self) -> None:
        """Register every stored tensor that is a weight; take the others as constants."""
        for tensor in self.graph.initializer:
            self._store(tensor, tensor.name, constant=False)

    def _store(self, tensor: TensorProto, name: str, *, constant: bool) -> None:
        single = constant and int(np.prod(tensor.dims, dtype=object)) == 1
        if single or not self.roles.is_parameter(tensor, name):
            if tensor.data_type == TensorProto.STRING:
                self.values[name] = None
            else:
                self._keep(name, self.tensors.array(tensor, name))
            return
        trainable = self.roles.is_trainable(tensor, name, constant=constant)
        parameter = self.tensors.parameter(tensor, name, trainable=trainable)
        self.values[name] = Recipe.of(self.builder.parameter(parameter))
        if not self.roles.readers.get(name):
            self.builder.skip(self.values[name], "no operation of the model reads it")

    def _keep(self, name: str, array: Any) -> None:
        self.tracer.remember(name, array)
        self.values[name] = array

    def _constant(self, node: onnx.NodeProto) -> None:
        """Take the value of a Constant: a tensor, a number, or several."""
        (attribute, *_) = node.attribute
        name = node.output[0]
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name == "value":
            self._store(value, name, constant=True)
        elif attribute.name in ("value_float", "value_floats"):
            self._keep(name, np.asarray(value, dtype=np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            self._keep(name, np.asarray(value, dtype=np.int64))
        else:
            self.values[name] = None

    # -- operations -----------------------------------------------------------------------------

    def _step(self, node: onnx.NodeProto) -> None:
        try:
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                self._constant(node)
                return
            call = Call(
                node, [self._value(name, node) for name in node.input],
                operation_name(node), self.opset, attributes_of(node),
            )  # fmt: skip
            self._skip_captured(node)
            made = self.tracer.call(call, lambda: self._shapes(call))
        except CntGraphError:
            raise
        except Exception as error:  # whatever a damaged operation leads to
            raise TraceError(
                f"the operation {node.name or node.op_type!r} ({node.op_type}) cannot be followed: "
                f"{type(error).__name__}: {error}; does the model run in onnxruntime?"
            ) from error
        self.values.update(zip(node.output, made, strict=False))

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

    def _shapes(self, call: Call) -> list[tuple[int, ...]]:
        """Return the shapes of what an unknown operation makes, as far as they can be known."""
        known = self._inferred(call)
        noted = {v.name: v for v in (*self.graph.value_info, *self.graph.output)}
        nodes = [v.shape for v in call.inputs if isinstance(v, Nodes)]
        shapes = []
        for name in call.node.output:
            shape = known.get(name)
            if shape is None and name in noted:
                shape = self._noted(noted[name])
            if shape is None and name and not nodes:
                raise TraceError(
                    f"the shape of what {call.name} ({call.operation}) makes is not known; "
                    "save the model with inferred shapes (onnx.shape_inference.infer_shapes)"
                )
            # As a last resort, an operation is taken to be elementwise.
            shapes.append(shape if shape is not None else (nodes or [()])[0])
        return shapes

    def _noted(self, value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
        """Return the shape that the model notes for a value, if it is complete."""
        if not value.type.tensor_type.HasField("shape"):
            return None
        sizes = [
            dim.dim_value or self.symbols.get(dim.dim_param, 0)
            for dim in value.type.tensor_type.shape.dim
        ]
        return tuple(sizes) if all(sizes) else None

    def _inferred(self, call: Call) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes that ONNX infers for one operation from the shapes of its inputs."""
        helper, node = onnx.helper, call.node
        inputs, constants = {}, []
        for name, value in zip(node.input, call.inputs, strict=True):
            if isinstance(value, np.ndarray) and value.size <= 1024:
                constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
            elif name and value is not None:
                shape = tuple(np.shape(value))
                inputs[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "one", [*inputs.values()], outputs, constants)
        opsets = [helper.make_opsetid("", self.opset)]
        try:
            model = onnx.shape_inference.infer_shapes(
                helper.make_model(graph, opset_imports=opsets), data_prop=True
            )
        except Exception:  # an operation that ONNX does not know either
            return {}
        found = {v.name: self._noted(v) for v in (*model.graph.output, *model.graph.value_info)}
        return {name: shape for name, shape in found.items() if shape is not None}


def _given_shapes(
    names: list[str], input_shape: tuple[int, ...] | None, example_input: Any
) -> dict[str, tuple[int | None, ...]]:
    """Return what the caller says of the inputs' shapes; None for the batch."""
    if isinstance(example_input, Mapping):
        return {name: (None, *np.shape(value)[1:]) for name, value in example_input.items()}
    if example_input is not None:
        several = isinstance(example_input, tuple | list) and all(
            hasattr(value, "shape") for value in example_input
        )
        values = example_input if several else (example_input,)
        return {
            name: (None, *np.shape(value)[1:]) if np.ndim(value) > 1 else np.shape(value)
            for name, value in zip(names, values, strict=False)
        }
    return {} if input_shape is None else {names[0]: (None, *input_shape)}
