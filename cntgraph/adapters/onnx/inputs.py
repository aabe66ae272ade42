"""The inputs of a graph: their shapes, their batch, and which of them are neurons.

A model may leave sizes open, be saved for a batch of several samples, and take masks or lengths
beside what it computes with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from cntgraph.adapters.onnx.reference import LARGEST
from cntgraph.adapters.onnx.roles import Roles
from cntgraph.adapters.onnx.tensors import INTEGERS
from cntgraph.core.errors import InputShapeError, TraceError

#: Types of tokens and of settings; bytes may be pixels.
_INDICES = INTEGERS - {TensorProto.UINT8}
#: The batch is where the operation that reads an input has it.
BY_OPERATION = -1


@dataclass(frozen=True)
class Input:
    """One input of a graph.

    Parameters
    ----------
    shape : tuple of int
        Its shape, the batch dimension included.
    axis : int or None
        Where the batch dimension is.
    is_index : bool
        Whether it holds tokens, which are looked up in a table.
    example : ndarray or None
        What the caller gave for it.
    sets : bool
        Whether it only says how the others are read: a mask, a length.
    dtype : numpy.dtype
        Type of its values.
    """

    name: str
    shape: tuple[int, ...]
    axis: int | None
    is_index: bool
    example: Any
    sets: bool
    dtype: np.dtype[Any]

    def constant(self) -> Any:
        """Return the values that a mask or a length is taken to have."""
        if self.example is None:
            return np.ones(self.shape, self.dtype)
        example = np.asarray(self.example).astype(self.dtype)
        return example if self.axis is None else np.broadcast_to(example.take([0], self.axis),
                                                                 self.shape)  # fmt: skip


class Inputs:
    """Finds the inputs of a graph.

    Parameters
    ----------
    roles : Roles
        What its tensors are for.
    batch : int or None
        The axis of the batch, `BY_OPERATION`, or None where there is none.
    """

    def __init__(self, graph: onnx.GraphProto, roles: Roles, batch: int | None) -> None:
        self.batch = batch
        self.values = [i for i in graph.input if i.name not in roles.stored]
        self.roles, self.symbols = roles, dict[str, int]()
        if not self.values:
            raise TraceError("the model has no input that is not a stored weight")

    def find(self, input_shape: tuple[int, ...] | None, example_input: Any) -> list[Input]:
        """Return all inputs.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of one sample of the first input.
        example_input : object or None
            What the model is called with.

        Raises
        ------
        InputShapeError
            If a size is not known, or does not fit.
        """
        names = [value.name for value in self.values]
        examples = _examples(names, example_input)
        own = self.batch in (None, BY_OPERATION)
        axes = {name: self.roles.batch_axis(name) if own else int(self.batch or 0)
                for name in names}  # fmt: skip
        given = {name: _open_batch(np.shape(value), axes.get(name, 0))
                 for name, value in examples.items()}  # fmt: skip
        if example_input is None and input_shape is not None:
            axis = axes[names[0]]
            given[names[0]] = (*input_shape[:axis], None, *input_shape[axis:])
        shapes = {v.name: self._shape(v, given.get(v.name), axes[v.name]) for v in self.values}
        weighed, tokens = self.roles.follow_inputs(names)
        whole = {v.name for v in self.values if v.type.tensor_type.elem_type in _INDICES}
        setting = whole - weighed if set(names) - (whole - weighed) else set[str]()
        found = []
        for value in self.values:
            name, kind = value.name, value.type.tensor_type.elem_type
            if prod(shapes[name]) > LARGEST:
                raise InputShapeError(f"the input {name!r} of shape {shapes[name]} is too large")
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind) if name in whole else np.float32)
            at = self._batch_axis(name, shapes, axes)
            found.append(Input(name, shapes[name], at, name in tokens, examples.get(name),
                               name in setting, dtype))  # fmt: skip
        return found

    def _batch_axis(
        self, name: str, shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, int]
    ) -> int | None:
        """Return where the batch dimension of an input is: as long as that of the first input."""
        n = next((s[axes[k]] for k, s in shapes.items() if len(s) > max(axes[k], 1)), 1)
        shape, axis = shapes[name], axes[name]
        batched = 1 < len(shape) > axis and shape[axis] == n and self.batch is not None
        return axis if batched else None

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
        wanted = [None] * len(dims) if given is None else given
        return tuple(
            self._size(value.name, k, dim, wanted[k], axis if len(dims) > 1 else 0)
            for k, dim in enumerate(dims)
        )

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


def _examples(names: list[str], example_input: Any) -> dict[str, Any]:
    """Return what the caller gave, by the name of the input."""
    if example_input is None:
        return {}
    if isinstance(example_input, Mapping):
        return {str(name): np.asarray(value) for name, value in example_input.items()}
    several = isinstance(example_input, tuple | list) and all(
        hasattr(value, "shape") for value in example_input
    )
    values = example_input if several else (example_input,)
    return {name: np.asarray(value) for name, value in zip(names, values, strict=False)}


def _open_batch(shape: tuple[int, ...], axis: int) -> tuple[int | None, ...]:
    """Return the shape of an example, of which the size of the batch does not matter."""
    if len(shape) < 2:
        return shape
    return tuple(None if k == axis else n for k, n in enumerate(shape))
