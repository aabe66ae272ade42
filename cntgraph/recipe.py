"""Recipe: how a block's weight is had from stored parameters, evaluated only when read.

A recipe is a small expression tree. Its leaves are parameters and constants, its inner
operations are the few that adapters need (move data, fold a normalisation, dequantise). It is
data, not code: it can be written to a file, read back, and bound to another snapshot's
parameters. Layout operations keep the stored precision; arithmetic is done in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.errors import ParameterError
from cntgraph.parameter import Parameter, widened_dtype

Array = NDArray[Any]

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "sqrt": np.sqrt,
    "negative": np.negative,
    "absolute": np.absolute,
}
#: Bytes of one chunk: a few fit in the last cache of a core, so that a second look is free.
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Recipe:
    """An expression over parameters whose value is an array of `shape`.

    Build one with `Recipe.of` or `Recipe.constant` and combine with ``+ - * /``, `sqrt`,
    `transpose`, `reshape`, `take`, `sum`, `concatenate`.

    Parameters
    ----------
    op : str
        Name of the operation; ``"parameter"`` and ``"constant"`` are the leaves.
    shape : tuple of int
        Shape of the value.
    dtype : numpy.dtype
        float32 or float64, the type of the value.
    args : tuple of Recipe
        Operands.
    options : dict
        What the operation needs besides its operands; JSON values only.
    parameter : Parameter or None
        The leaf's parameter.
    value : ndarray or None
        The leaf's constant.

    Examples
    --------
    >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, 2.0], [3.0, 4.0]])))
    >>> gain = Recipe.of(Parameter.from_array("gain", np.array([10.0, 100.0])))
    >>> (w * gain.reshape((2, 1))).read()
    array([[ 10.,  20.],
           [300., 400.]])
    >>> [p.name for p in (w * gain.reshape((2, 1))).parameters()]
    ['w', 'gain']
    """

    op: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    args: tuple[Recipe, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    parameter: Parameter | None = None
    value: Array | None = None

    # -- leaves ---------------------------------------------------------------------------

    @classmethod
    def of(cls, parameter: Parameter) -> Recipe:
        """Return the recipe that reads one parameter as it is."""
        shape = tuple(parameter.shape)
        return cls("parameter", shape, widened_dtype(parameter.dtype), parameter=parameter)

    @classmethod
    def constant(cls, value: float | Array) -> Recipe:
        """Return the recipe of a small constant, which is written into files in full."""
        array = np.asarray(value, dtype=np.float64)
        return cls("constant", array.shape, array.dtype, value=array)

    # -- operations -----------------------------------------------------------------------

    def _binary(self, op: str, other: Recipe | float) -> Recipe:
        right = other if isinstance(other, Recipe) else Recipe.constant(other)
        try:
            shape = np.broadcast_shapes(self.shape, right.shape)
        except ValueError:
            raise ParameterError(
                f"values of shapes {self.shape} and {right.shape} do not broadcast together"
            ) from None
        return Recipe(op, shape, np.dtype(np.float64), (self, right))

    def __add__(self, other: Recipe | float) -> Recipe:
        return self._binary("add", other)

    def __sub__(self, other: Recipe | float) -> Recipe:
        return self._binary("subtract", other)

    def __mul__(self, other: Recipe | float) -> Recipe:
        return self._binary("multiply", other)

    def __truediv__(self, other: Recipe | float) -> Recipe:
        return self._binary("divide", other)

    def __neg__(self) -> Recipe:
        return Recipe("negative", self.shape, np.dtype(np.float64), (self,))

    def __abs__(self) -> Recipe:
        return Recipe("absolute", self.shape, np.dtype(np.float64), (self,))

    def sqrt(self) -> Recipe:
        """Return the elementwise square root."""
        return Recipe("sqrt", self.shape, np.dtype(np.float64), (self,))

    def transpose(self, axes: tuple[int, ...]) -> Recipe:
        """Return the value with its axes permuted, as `numpy.transpose`."""
        axes = _axes(axes, self.shape)
        if sorted(axes) != list(range(len(self.shape))):
            raise ParameterError(f"a value of shape {self.shape} has no permutation {axes} of axes")
        if axes == tuple(range(len(self.shape))):
            return self
        if self.op == "transpose":
            inner = self.options["axes"]
            return self.args[0].transpose(tuple(inner[axis] for axis in axes))
        shape = tuple(self.shape[axis] for axis in axes)
        return Recipe("transpose", shape, self.dtype, (self,), {"axes": list(axes)})

    def reshape(self, shape: tuple[int, ...]) -> Recipe:
        """Return the value in another shape (C order); one entry may be -1."""
        if -1 in shape:
            known = prod(size for size in shape if size != -1)
            shape = tuple(prod(self.shape) // max(known, 1) if s == -1 else s for s in shape)
        if prod(shape) != prod(self.shape):
            raise ParameterError(f"a value of shape {self.shape} cannot be reshaped to {shape}")
        if tuple(shape) == self.shape:
            return self
        source = self.args[0] if self.op == "reshape" else self
        if tuple(shape) == source.shape:
            return source
        return Recipe("reshape", tuple(shape), self.dtype, (source,), {"shape": list(shape)})

    def take(self, axis: int, start: int, stop: int, step: int = 1) -> Recipe:
        """Return the part ``start:stop:step`` along `axis`."""
        (axis,) = _axes((axis,), self.shape)
        if step < 1:
            raise ParameterError(f"a recipe's take needs a positive step, got {step}")
        start, stop, step = slice(start, stop, step).indices(self.shape[axis])
        length = len(range(start, stop, step))
        shape = (*self.shape[:axis], length, *self.shape[axis + 1 :])
        options = {"axis": axis, "start": start, "stop": start + length * step, "step": step}
        return Recipe("take", shape, self.dtype, (self,), options)

    def sum(self, axes: tuple[int, ...]) -> Recipe:
        """Return the sum over `axes`, which stay as axes of length one."""
        axes = _axes(axes, self.shape)
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(self.shape))
        return Recipe("sum", shape, np.dtype(np.float64), (self,), {"axes": list(axes)})

    @classmethod
    def concatenate(cls, parts: tuple[Recipe, ...], axis: int) -> Recipe:
        """Return the parts joined along `axis`."""
        (axis,) = _axes((axis,), parts[0].shape)
        others = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}
        if len(others) != 1:
            shapes = ", ".join(str(part.shape) for part in parts)
            raise ParameterError(f"values of shapes {shapes} cannot be joined along axis {axis}")
        length = sum(part.shape[axis] for part in parts)
        shape = (*parts[0].shape[:axis], length, *parts[0].shape[axis + 1 :])
        dtype = np.result_type(*(part.dtype for part in parts))
        return cls("concatenate", shape, dtype, tuple(parts), {"axis": axis})

    @property
    def stored_transposed(self) -> bool:
        """Whether this matrix is the plain transpose of one that is stored the other way round."""
        return self.op == "transpose" and len(self.shape) == 2

    # -- reading --------------------------------------------------------------------------

    def read(self, axis: int = 0, start: int = 0, stop: int | None = None) -> Array:
        """Evaluate, and return the values from `start` to `stop` along `axis`.

        Only the part of each parameter that the result depends on is read, wherever the
        operations allow it.

        Parameters
        ----------
        axis : int, default 0
            The axis along which a part is wanted.
        start, stop : int
            The part; by default the whole value.

        Returns
        -------
        ndarray of float32 or float64
        """
        axis %= max(len(self.shape), 1)
        if self.op == "parameter":
            assert self.parameter is not None
            return self.parameter.read(axis, start, stop)
        if self.op == "constant":
            assert self.value is not None
            return _part(self.value, axis, start, stop)
        if self.op == "transpose":
            axes = self.options["axes"]
            return self.args[0].read(axes[axis], start, stop).transpose(axes)
        if self.op in _BINARY:
            left, right = (_read_broadcast(a, self, axis, start, stop) for a in self.args)
            return np.asarray(_BINARY[self.op](left, right))
        if self.op in _UNARY:
            part = self.args[0].read(axis, start, stop)
            return np.asarray(_UNARY[self.op](part.astype(np.float64)))
        if self.op == "reshape" and self._keeps_axis(axis):
            part = self.args[0].read(axis, start, stop)
            return part.reshape(*self.shape[:axis], part.shape[axis], *self.shape[axis + 1 :])
        if self.op == "take":
            return self._read_taken(axis, start, stop)
        return _part(self._read_whole(), axis, start, stop)

    def _keeps_axis(self, axis: int) -> bool:
        """Whether a reshape leaves all axes up to this one as they are."""
        return self.shape[: axis + 1] == self.args[0].shape[: axis + 1]

    def _read_taken(self, axis: int, start: int, stop: int | None) -> Array:
        """Read a part of a part: only what is wanted of it."""
        own, first, step = (self.options[key] for key in ("axis", "start", "step"))
        everywhere = (slice(None),) * own
        if own != axis:
            taken: Array = self.args[0].read(axis, start, stop)
            return taken[(*everywhere, slice(first, self.options["stop"], step))]
        start, stop, _ = slice(start, stop).indices(self.shape[axis])
        if stop <= start:
            start = stop = 0
        part = self.args[0].read(axis, first + start * step, first + stop * step)
        return part[(*everywhere, slice(None, None, step))]

    def _read_whole(self) -> Array:
        """Evaluate the operations that are read whole before a part is cut from them."""
        if self.op == "reshape":
            return self.args[0].read().reshape(self.shape)
        if self.op == "sum":
            axes = tuple(self.options["axes"])
            return np.asarray(np.sum(self.args[0].read(), axis=axes, keepdims=True, dtype=float))
        if self.op == "concatenate":
            return np.concatenate([a.read() for a in self.args], axis=self.options["axis"])
        raise ParameterError(f"unknown operation {self.op!r} in a recipe; the file is newer?")

    def chunks(self, nbytes: int = CHUNK_BYTES) -> Iterator[tuple[int, int]]:
        """Yield ``(start, stop)`` along the first axis, in parts of about `nbytes`."""
        if not self.shape or 0 in self.shape:
            return
        row = prod(self.shape[1:]) * self.dtype.itemsize
        step = max(1, nbytes // row) if self._reads_by_rows() else self.shape[0]
        for start in range(0, self.shape[0], step):
            yield start, min(start + step, self.shape[0])

    def _reads_by_rows(self) -> bool:
        """Whether reading a part along the first axis reads only a part of the parameters."""
        if self.op == "parameter" or self.op == "constant":
            return True
        if self.op in _BINARY or self.op in _UNARY or self.op in ("transpose", "take"):
            return all(arg._reads_by_rows() for arg in self.args)
        if self.op == "reshape" and self._keeps_axis(0):
            return self.args[0]._reads_by_rows()
        return all(prod(arg.shape) * 8 <= CHUNK_BYTES for arg in self.args)

    # -- the parameters it reads ----------------------------------------------------------

    def parameters(self) -> Iterator[Parameter]:
        """Yield the parameters it reads, in order, repetitions included."""
        if self.parameter is not None:
            yield self.parameter
        for arg in self.args:
            yield from arg.parameters()

    def bind(self, parameters: Mapping[str, Parameter]) -> Recipe:
        """Return the same recipe reading the parameters of the same names from `parameters`.

        Raises
        ------
        ParameterError
            If one is missing or has another shape.
        """
        if self.parameter is not None:
            return self._bind_leaf(parameters)
        if not self.args:
            return self
        args = tuple(arg.bind(parameters) for arg in self.args)
        dtype = self.dtype
        if self.op in ("transpose", "reshape", "take", "concatenate"):
            dtype = np.result_type(*(arg.dtype for arg in args))
        return Recipe(self.op, self.shape, dtype, args, self.options)

    def _bind_leaf(self, parameters: Mapping[str, Parameter]) -> Recipe:
        assert self.parameter is not None
        name = self.parameter.name
        if name not in parameters:
            raise ParameterError(
                f"expected a parameter {name!r}, found {len(parameters)} others; "
                "the parameters belong to another network"
            )
        found = parameters[name]
        if tuple(found.shape) != self.shape:
            raise ParameterError(
                f"parameter {name!r}: expected shape {self.shape}, got {tuple(found.shape)}; "
                "the parameters belong to another network"
            )
        return Recipe.of(found)

    # -- as data --------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values; parameters are written by name."""
        if self.parameter is not None:
            return {"parameter": self.parameter.name}
        if self.value is not None:
            # Nested lists lose the shape of a value that is empty.
            shape = {"shape": list(self.shape)} if 0 in self.shape else {}
            return {"constant": self.value.tolist(), **shape}
        return {"op": self.op, "args": [a.to_json() for a in self.args], **self.options}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Recipe:
        """Rebuild a recipe from `to_json`'s values, reading from `parameters`.

        Raises
        ------
        ParameterError
            If an operation is unknown, a parameter is missing, or shapes do not fit.
        """
        if "parameter" in data:
            if data["parameter"] not in parameters:
                raise ParameterError(f"the recipe reads {data['parameter']!r}, which is missing")
            return cls.of(parameters[data["parameter"]])
        if "constant" in data:
            value = np.asarray(data["constant"], dtype=np.float64)
            return cls.constant(value.reshape(data.get("shape", value.shape)))
        args = tuple(cls.from_json(arg, parameters) for arg in data.get("args", ()))
        try:
            return _rebuild(data, args)
        except (KeyError, TypeError) as error:
            raise ParameterError(
                f"the recipe's operation {data.get('op')!r} is not complete ({error!r})"
            ) from error


def _rebuild(data: Mapping[str, Any], args: tuple[Recipe, ...]) -> Recipe:
    op = data.get("op")
    if op in _BINARY and len(args) == 2:
        return args[0]._binary(op, args[1])
    if op in _UNARY and len(args) == 1:
        return Recipe(op, args[0].shape, np.dtype(np.float64), args)
    if op == "concatenate" and args:
        return Recipe.concatenate(args, data["axis"])
    if len(args) == 1:
        if op == "transpose":
            return args[0].transpose(tuple(data["axes"]))
        if op == "reshape":
            return args[0].reshape(tuple(data["shape"]))
        if op == "take":
            return args[0].take(data["axis"], data["start"], data["stop"], data["step"])
        if op == "sum":
            return args[0].sum(tuple(data["axes"]))
    raise ParameterError(
        f"unknown operation {op!r} in a recipe; was it written by a newer cntgraph?"
    )


def _axes(axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return axes counted from the front, after checking that the shape has them."""
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise ParameterError(f"a value of shape {shape} has no axes {tuple(axes)}")
    return tuple(axis % len(shape) for axis in axes)


def _part(value: Array, axis: int, start: int, stop: int | None) -> Array:
    if not value.ndim or (start == 0 and stop is None):
        return value
    return value[(slice(None),) * axis + (slice(start, stop),)]


def _read_broadcast(
    arg: Recipe, whole: Recipe, axis: int, start: int, stop: int | None
) -> NDArray[np.float64]:
    """Read the part of an operand that broadcasts against a part of the result."""
    own = axis - (len(whole.shape) - len(arg.shape))
    if not arg.shape or own < 0 or arg.shape[own] != whole.shape[axis]:
        return arg.read().astype(np.float64, copy=False)
    return arg.read(own, start, stop).astype(np.float64, copy=False)
