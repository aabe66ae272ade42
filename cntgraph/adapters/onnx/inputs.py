"""The inputs of a graph: their shapes, their batch, and which of them are neurons.

A model may leave sizes open, be saved for a batch of several samples, and take masks or lengths
beside what it computes with.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from cntgraph.adapters.onnx.reference import LARGEST
from cntgraph.adapters.onnx.roles import Roles
from cntgraph.adapters.onnx.tensors import INTEGERS
from cntgraph.adapters.onnx.tracer import OnnxTracer
from cntgraph.adapters.onnx.values import Nodes
from cntgraph.adapters.options import Options
from cntgraph.adapters.tracing.batch import numbered
from cntgraph.core.errors import InputShapeError, TraceError

#: Types of tokens and of settings; bytes may be pixels.
_INDICES = INTEGERS - {TensorProto.UINT8}
#: The batch is where the operation that reads an input has it.
BY_OPERATION = -1


class Inputs:
    """Finds the inputs of a graph, and what flows from them.

    Parameters
    ----------
    roles : Roles
        What its tensors are for.
    batch : int or None
        The axis of the batch, `BY_OPERATION`, or None where there is none.
    options : Options
        Its `input_shape` is that of the first input, its `example_input` what the model is called
        with.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        The batch dimension included.
    symbols : dict of str to int
        Sizes that have a name.

    Raises
    ------
    InputShapeError
        If a size is not known, or does not fit.
    """

    def __init__(
        self, graph: onnx.GraphProto, roles: Roles, batch: int | None,
        options: Options,
    ) -> None:  # fmt: skip
        self.values = {i.name: i for i in graph.input if i.name not in roles.stored}
        self.batch, self.roles, self.symbols = batch, roles, dict[str, int]()
        if not self.values:
            raise TraceError("the model has no input that is not a stored weight")
        names, batched = list(self.values), options.batched
        self.examples = {k: np.asarray(value) for k, value in options.examples(names).items()}
        self.batched = batched
        own = batch in (None, BY_OPERATION)
        self.axes = {name: roles.batch_axis(name) if own else int(batch or 0) for name in names}
        given = {name: _open_batch(np.shape(value), self.axes.get(name, 0) if batched else None)
                 for name, value in self.examples.items()}  # fmt: skip
        shape = options.input_shape
        if options.example_input is None and shape is not None:
            axis, one = self.axes[names[0]], (None,) * batched
            given[names[0]] = (*shape[:axis], *one, *shape[axis:])
        self.shapes = {name: self._shape(value, given.get(name), self.axes[name])
                       for name, value in self.values.items()}  # fmt: skip
        for name, shape in self.shapes.items():
            if prod(shape) > LARGEST:
                raise InputShapeError(f"the input {name!r} of shape {shape} is too large")

    @property
    def n_samples(self) -> int:
        """How many samples the model is saved for; 0 if no axis holds samples."""
        if not self.batched:
            return 0
        axes = ((shape, self.batch_axis(name)) for name, shape in self.shapes.items())
        return next((shape[axis] for shape, axis in axes if axis is not None), 1)

    def batch_axis(self, name: str) -> int | None:
        """Return where the batch dimension of an input is: as long as that of the first input."""
        firsts = (s[self.axes[k]] for k, s in self.shapes.items() if len(s) > max(self.axes[k], 1))
        shape, axis = self.shapes[name], self.axes[name]
        batched = 1 < len(shape) > axis and shape[axis] == next(firsts, 1)
        return axis if batched and self.batch is not None else None

    def enter(self, t: OnnxTracer) -> dict[str, Any]:
        """Return the nodes of all inputs by name; the values of those that are none.

        Masks and lengths only say how the others are read. They are ones, if nothing is given.
        """
        weighed, tokens = self.roles.follow_inputs(self.values)
        kinds = {name: value.type.tensor_type.elem_type for name, value in self.values.items()}
        whole = {name for name, kind in kinds.items() if kind in _INDICES}
        setting = whole - weighed if set(kinds) - (whole - weighed) else set[str]()
        return {
            name: self._set(t, name, helper.tensor_dtype_to_np_dtype(kinds[name]))
            if name in setting else self._nodes(t, name, name in tokens)
            for name in self.values
        }  # fmt: skip

    def _set(self, t: OnnxTracer, name: str, dtype: np.dtype[Any]) -> Any:
        """Return the values that a mask or a length is taken to have."""
        shape, axis, example = self.shapes[name], self.batch_axis(name), self.examples.get(name)
        how = "ones" if example is None else "given"
        t.note(name, f"an input that only sets how others are read, taken as {how}")
        if example is None:
            return np.ones(shape, dtype)
        example = np.asarray(example).astype(dtype)
        return example if axis is None else np.broadcast_to(example.take([0], axis), shape)

    def _nodes(self, t: OnnxTracer, name: str, is_index: bool) -> Nodes:
        """Return the nodes of an input, which may be tokens."""
        shape, axis = self.shapes[name], self.batch_axis(name)
        if axis is None:
            return Nodes(t.builder.input(name, shape), is_index)
        ids = t.builder.input(name, (*shape[:axis], *shape[axis + 1 :]))
        made = Nodes(numbered(ids, axis, t.n_samples), is_index)
        t.note_example(made, self.examples.get(name))
        return made

    def _shape(
        self, value: onnx.ValueInfoProto, given: tuple[int | None, ...] | None, axis: int
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
            one = tuple(size for size in given if size is not None)
            raise InputShapeError(
                f"the input {value.name!r} has {len(dims)} axes, the batch included; "
                f"got a shape for {len(given)}: {one} without the batch"
            )
        wanted, axis = given or [None] * len(dims), axis if len(dims) > 1 else 0
        return tuple(self._size(value.name, k, dim, wanted[k], axis) for k, dim in enumerate(dims))

    def _size(self, name: str, k: int, dim: Any, wanted: int | None, axis: int) -> int:
        if dim.dim_value > 0:
            if wanted not in (None, dim.dim_value) and k != axis:
                raise InputShapeError(
                    f"axis {k} of the input {name!r}: the model was saved for {dim.dim_value}, "
                    f"got {wanted}"
                )
            return int(dim.dim_value)
        symbol = dim.dim_param
        if wanted is None:
            wanted = 1 if k == axis else self.symbols.get(symbol)
        if wanted is None:
            called = f" ({symbol!r})" if symbol else ""
            raise InputShapeError(
                f"axis {k}{called} of the input {name!r} has no fixed size; pass input_shape "
                "(one sample, without the batch) or example_input"
            )
        if symbol:
            self.symbols[symbol] = wanted
        return wanted


def _open_batch(shape: tuple[int, ...], axis: int | None) -> tuple[int | None, ...]:
    """Return the shape of an example, of which the size of the batch does not matter."""
    if len(shape) < 2:
        return shape
    return tuple(None if k == axis else n for k, n in enumerate(shape))
