"""Recipe: a small expression over parameters, which is data and not code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter, widened_dtype
from cntgraph.core.recipe.chunks import CHUNK_BYTES, chunks_of
from cntgraph.core.recipe.expression import Expression
from cntgraph.core.recipe.reading import read_part, read_stored_part
from cntgraph.core.types import Array

#: Operations that move data and keep its precision; the others compute in float64.
_LAYOUT = ("transpose", "reshape", "take", "gather", "concatenate")


@dataclass(frozen=True, eq=False)
class Recipe(Expression):
    """An expression over parameters whose value is an array of `shape`.

    Its leaves are parameters and constants; its operations are few, and others are composed of
    them (a softmax is made of `exp`, `max`, `sum` and a quotient). Several operations may share a
    part, which is evaluated once. It can be written to a file (`recipe_to_json`), read back, and
    bound to another snapshot's parameters. Layout operations keep the stored precision;
    arithmetic is done in float64.

    Build one with `Recipe.of` or `Recipe.constant` and combine with ``+ - * / @``, `unary`,
    `binary`, `where`, `transpose`, `reshape`, `take`, `gather`, `sum`, `max`, `sum_by`,
    `concatenate`.

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
        What the operation needs besides its operands: integers, lists and arrays of them.
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

    # -- arithmetic -----------------------------------------------------------------------

    def binary(self, op: str, other: Recipe | float) -> Recipe:
        """Return an operation of `elementwise.BINARY` of this and another; both broadcast."""
        return _together(op, self, other)

    def unary(self, op: str) -> Recipe:
        """Return an operation of `elementwise.UNARY` of this, value by value."""
        return Recipe(op, self.shape, np.dtype(np.float64), (self,))

    def where(self, one: Recipe | float, other: Recipe | float) -> Recipe:
        """Return `one` where this is not zero, and `other` where it is."""
        return _together("where", self, one, other)

    def __add__(self, other: Recipe | float) -> Recipe:
        return self.binary("add", other)

    def __sub__(self, other: Recipe | float) -> Recipe:
        return self.binary("subtract", other)

    def __mul__(self, other: Recipe | float) -> Recipe:
        return self.binary("multiply", other)

    def __truediv__(self, other: Recipe | float) -> Recipe:
        return self.binary("divide", other)

    def __matmul__(self, other: Recipe) -> Recipe:
        """Return the product of matrices, or of stacks of them that broadcast together.

        Examples
        --------
        >>> u = Recipe.constant(np.array([[1.0, 2.0]]))
        >>> (u @ u.transpose((1, 0))).read()
        array([[5.]])
        """
        left, right = self.shape, other.shape
        if min(len(left), len(right)) < 2 or left[-1] != right[-2]:
            raise ParameterError(f"values of shapes {left} and {right} have no matrix product")
        shape = (*_broadcast(left[:-2], right[:-2]), left[-2], right[-1])
        return Recipe("matmul", shape, np.dtype(np.float64), (self, other))

    def __neg__(self) -> Recipe:
        return self.unary("negative")

    def __abs__(self) -> Recipe:
        return self.unary("absolute")

    def sqrt(self) -> Recipe:
        """Return the elementwise square root."""
        return self.unary("sqrt")

    def square(self) -> Recipe:
        """Return the elementwise square."""
        return self.unary("square")

    # -- layout ---------------------------------------------------------------------------

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
        options = {"axis": axis, "start": start, "stop": start + length * step, "step": step}
        return Recipe("take", self._resized(axis, length), self.dtype, (self,), options)

    def gather(self, axis: int, indices: ArrayLike) -> Recipe:
        """Return the entries along `axis` at `indices`, as `numpy.take`.

        Parameters
        ----------
        axis : int
            The axis.
        indices : sequence of int
            Which entries, in the order wanted; one may come again. Not negative.

        Returns
        -------
        Recipe
            A `take`, where the indices ascend in equal steps.

        Raises
        ------
        ParameterError
            If an index is not an entry of the axis.

        Examples
        --------
        >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, 2.0], [3.0, 4.0]])))
        >>> w.gather(0, [1, 1, 0]).read()
        array([[3., 4.],
               [3., 4.],
               [1., 2.]])
        """
        (axis,) = _axes((axis,), self.shape)
        chosen = _whole_numbers(indices, "indices")
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < self.shape[axis]:
            raise ParameterError(
                f"expected indices from 0 to {self.shape[axis] - 1} along axis {axis} of a value "
                f"of shape {self.shape}; got some from {chosen.min()} to {chosen.max()}"
            )
        steps = np.unique(np.diff(chosen))
        if not chosen.size or (len(steps) <= 1 and np.all(steps > 0)):
            start, stop = (int(chosen[0]), int(chosen[-1]) + 1) if chosen.size else (0, 0)
            return self.take(axis, start, stop, int(steps[0]) if steps.size else 1)
        options = {"axis": axis, "indices": chosen}
        return Recipe("gather", self._resized(axis, len(chosen)), self.dtype, (self,), options)

    @classmethod
    def concatenate(cls, parts: tuple[Recipe, ...], axis: int) -> Recipe:
        """Return the parts joined along `axis`."""
        (axis,) = _axes((axis,), parts[0].shape)
        others = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}
        if len(others) != 1:
            shapes = ", ".join(str(part.shape) for part in parts)
            raise ParameterError(f"values of shapes {shapes} cannot be joined along axis {axis}")
        shape = parts[0]._resized(axis, sum(part.shape[axis] for part in parts))
        dtype = np.result_type(*(part.dtype for part in parts))
        return cls("concatenate", shape, dtype, tuple(parts), {"axis": axis})

    # -- sums -----------------------------------------------------------------------------

    def sum(self, axes: tuple[int, ...]) -> Recipe:
        """Return the sum over `axes`, which stay as axes of length one."""
        return self._over("sum", axes)

    def max(self, axes: tuple[int, ...]) -> Recipe:
        """Return the largest value over `axes`, which stay as axes of length one."""
        return self._over("max", axes)

    def _over(self, op: str, axes: tuple[int, ...]) -> Recipe:
        axes = _axes(axes, self.shape)
        if len(set(axes)) < len(axes):
            raise ParameterError(f"expected every axis of a sum once, got the axes {axes}")
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(self.shape))
        return Recipe(op, shape, np.dtype(np.float64), (self,), {"axes": list(axes)})

    def sum_by(self, axis: int, labels: ArrayLike, n: int) -> Recipe:
        """Return, along `axis`, the sums of the entries that share a label.

        Parameters
        ----------
        axis : int
            The axis.
        labels : sequence of int
            A label from 0 to n - 1 for each entry; an entry labelled -1 is in no sum.
        n : int
            Number of labels, the length of the axis afterwards.

        Returns
        -------
        Recipe
            In float64; zero for a label that no entry has.

        Raises
        ------
        ParameterError
            If there is not one label per entry, or one is out of range.

        Examples
        --------
        >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, 2.0, 4.0]])))
        >>> w.sum_by(1, [0, 2, 0], 3).read()
        array([[5., 0., 2.]])
        """
        (axis,) = _axes((axis,), self.shape)
        found = _whole_numbers(labels, "labels")
        if len(found) != self.shape[axis]:
            raise ParameterError(
                f"expected a label for each of the {self.shape[axis]} entries of axis {axis}, "
                f"got {len(found)}"
            )
        if n < 0 or (found.size and not -1 <= found.min() <= found.max() < n):
            raise ParameterError(f"expected labels from -1 to {n - 1}, n being {n}")
        options = {"axis": axis, "labels": found, "n": n}
        return Recipe("sum_by", self._resized(axis, n), np.dtype(np.float64), (self,), options)

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
        return read_part(self, axis, start, stop)

    def read_stored(self, axis: int = 0, start: int = 0, stop: int | None = None) -> Array:
        """Return the values as `read` does, but of type `stored_dtype`."""
        read = read_part if self.moved_parameter is None else read_stored_part
        return read(self, axis, start, stop)

    @property
    def stored_dtype(self) -> str:
        """The stored type of the parameter that it moves; if it computes, that of its value.

        Examples
        --------
        >>> w = Recipe.of(Parameter.from_array("w", np.ones((2, 3), np.float16)))
        >>> w.transpose((1, 0)).stored_dtype, (w * 2.0).stored_dtype
        ('float16', 'float64')
        """
        parameter = self.moved_parameter
        return self.dtype.name if parameter is None else parameter.dtype

    def chunks(self, nbytes: int = CHUNK_BYTES, axis: int = 0) -> Iterator[tuple[int, int]]:
        """Yield ``(start, stop)`` along an axis, in parts of which about `nbytes` are read.

        Where a part cannot be read without reading everything, there is one part.
        """
        return chunks_of(self, nbytes, axis)

    # -- what it is made of ---------------------------------------------------------------

    @property
    def stored_transposed(self) -> bool:
        """Whether this matrix is the plain transpose of one that is stored the other way round."""
        return self.op == "transpose" and len(self.shape) == 2

    def parameters(self) -> Iterator[Parameter]:
        """Yield the parameters it reads, in order; one read in several places may repeat."""
        for part in self.parts():
            if part.parameter is not None:
                yield part.parameter

    def bind(self, parameters: Mapping[str, Parameter]) -> Recipe:
        """Return the same recipe reading the parameters of the same names from `parameters`.

        Raises
        ------
        ParameterError
            If one is missing or has another shape.
        """
        bound: dict[int, Recipe] = {}
        for part in sorted(self.parts(), key=lambda part: part.depth):
            args = tuple(bound[id(arg)] for arg in part.args)
            bound[id(part)] = part._bound(args, parameters)
        return bound[id(self)]

    def _bound(self, args: tuple[Recipe, ...], parameters: Mapping[str, Parameter]) -> Recipe:
        if self.parameter is not None:
            return self._bind_leaf(parameters)
        if not args:
            return self
        dtype = self.dtype
        if self.op in _LAYOUT:
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

    def _resized(self, axis: int, length: int) -> tuple[int, ...]:
        return (*self.shape[:axis], length, *self.shape[axis + 1 :])


def _together(op: str, *operands: Recipe | float) -> Recipe:
    """Return an operation on operands that broadcast together."""
    args = tuple(x if isinstance(x, Recipe) else Recipe.constant(x) for x in operands)
    shape = _broadcast(*(arg.shape for arg in args))
    return Recipe(op, shape, np.dtype(np.float64), args)


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ParameterError(
            f"values of shapes {' and '.join(map(str, shapes))} do not broadcast together"
        ) from None


def _axes(axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return axes counted from the front, after checking that the shape has them."""
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise ParameterError(f"a value of shape {shape} has no axes {tuple(axes)}")
    return tuple(int(axis) % len(shape) for axis in axes)


def _whole_numbers(values: ArrayLike, what: str) -> NDArray[np.int64]:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise ParameterError(f"expected a list of whole numbers as {what}, got {values!r:.40}")
    return found.astype(np.int64)
