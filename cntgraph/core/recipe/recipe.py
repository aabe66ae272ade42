"""Recipe: a small expression over parameters, which is data and not code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter, widened_dtype
from cntgraph.core.recipe.chunks import CHUNK_BYTES, chunks_of
from cntgraph.core.recipe.expression import Expression, axes_of, whole_numbers
from cntgraph.core.recipe.reading import read_part, read_stored_part
from cntgraph.core.types import Array

#: Operations that move data and keep its precision; the others compute in float64.
_LAYOUT = ("transpose", "reshape", "take", "gather", "concatenate")


@dataclass(frozen=True, eq=False, repr=False)
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

    @classmethod
    def concatenate(cls, parts: tuple[Recipe, ...], axis: int) -> Recipe:
        """Return the parts joined along `axis`."""
        (axis,) = axes_of((axis,), parts[0].shape)
        others = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}
        if len(others) != 1:
            shapes = ", ".join(str(part.shape) for part in parts)
            raise ParameterError(f"values of shapes {shapes} cannot be joined along axis {axis}")
        shape = parts[0].resized(axis, sum(part.shape[axis] for part in parts))
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
        axes = axes_of(axes, self.shape)
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
            A label from 0 to n - 1 for each entry; an entry labeled -1 is in no sum.
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
        (axis,) = axes_of((axis,), self.shape)
        found = whole_numbers(labels, "labels")
        if len(found) != self.shape[axis]:
            raise ParameterError(
                f"expected a label for each of the {self.shape[axis]} entries of axis {axis}, "
                f"got {len(found)}"
            )
        if n < 0 or (found.size and not -1 <= found.min() <= found.max() < n):
            raise ParameterError(f"expected labels from -1 to {n - 1}, n being {n}")
        options = {"axis": axis, "labels": found, "n": n}
        return Recipe("sum_by", self.resized(axis, n), np.dtype(np.float64), (self,), options)

    def __repr__(self) -> str:
        read = ", ".join(dict.fromkeys(parameter.name for parameter in self.parameters()))
        return f"<Recipe: {self.op} {self.shape} {self.dtype}{read and ', reads '}{read}>"

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
        return read_stored_part(self, axis, start, stop)

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
        return self._with_leaves(lambda leaf: leaf._bind_leaf(parameters))

    def substitute(self, values: Mapping[str, Recipe]) -> Recipe:
        """Return the same recipe reading other values where it reads the parameters of these names.

        Raises
        ------
        ParameterError
            If a value has another shape than the parameter.

        Examples
        --------
        >>> w = Recipe.of(Parameter.from_array("w", np.array([1.0, 2.0])))
        >>> (w * 3.0).substitute({"w": w + w}).read()
        array([ 6., 12.])
        """
        return self._with_leaves(lambda leaf: leaf._substituted(values))

    def _with_leaves(self, leaf: Callable[[Recipe], Recipe]) -> Recipe:
        """Return the same recipe with what a function makes of each part that is a parameter."""
        made: dict[int, Recipe] = {}
        for part in sorted(self.parts(), key=lambda part: part.depth):
            args = tuple(made[id(arg)] for arg in part.args)
            made[id(part)] = leaf(part) if part.parameter is not None else part._of_args(args)
        return made[id(self)]

    def _of_args(self, args: tuple[Recipe, ...]) -> Recipe:
        if not args:
            return self
        dtype = self.dtype
        if self.op in _LAYOUT:
            dtype = np.result_type(*(arg.dtype for arg in args))
        return Recipe(self.op, self.shape, dtype, args, self.options)

    def _substituted(self, values: Mapping[str, Recipe]) -> Recipe:
        assert self.parameter is not None
        found = values.get(self.parameter.name, self)
        if found.shape != self.shape:
            raise ParameterError(
                f"parameter {self.parameter.name!r}: expected values of its shape {self.shape} in "
                f"its place, got some of shape {found.shape}"
            )
        return found

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
