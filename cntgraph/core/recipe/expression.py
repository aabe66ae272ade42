"""Expression: what a recipe is as data, operations over parameters and constants; its movements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.types import Array

Shape = tuple[int, ...]

#: Operations that may be nested in one another: reading a recipe calls itself for each.
MAX_DEPTH = 160
#: Products that a matrix product adds up in the time that another operation takes for a value.
_PRODUCTS = 256
#: Operations that move the values of one operand, whatever their type.
MOVING = frozenset(("transpose", "reshape", "take", "gather"))


@dataclass(frozen=True, eq=False, repr=False)
class Expression:
    """An operation with all that it is applied to (see `Recipe`); several may share a part.

    Attributes
    ----------
    depth : int
        How many operations are nested in one another.
    cost : int
        About how many values are made to evaluate it, a part that is shared each time anew.
    """

    op: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    args: tuple[Self, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    parameter: Parameter | None = None
    value: Array | None = None
    depth: int = field(init=False, default=0)
    cost: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        depth = 1 + max((arg.depth for arg in self.args), default=-1)
        if depth > MAX_DEPTH:
            raise ParameterError(
                f"expected at most {MAX_DEPTH} operations on parameters, one in another; got more"
            )
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "cost", self.own_cost + sum(arg.cost for arg in self.args))

    @property
    def own_cost(self) -> int:
        """About how many values are made besides those of the operands."""
        size = prod(self.shape)
        if self.op == "matmul":
            return size * (1 + self.args[0].shape[-1] // _PRODUCTS)
        return size

    def parts(self) -> Iterator[Self]:
        """Yield all that it is made of, itself first, in order; what is shared, once."""
        seen, waiting = set[int](), [self]
        while waiting:
            part = waiting.pop()
            if id(part) not in seen:
                seen.add(id(part))
                yield part
                waiting.extend(reversed(part.args))

    @cached_property
    def shared(self) -> tuple[tuple[Self, int], ...]:
        """The operations in it whose value several others take, and how many do."""
        taken = [arg for part in self.parts() for arg in part.args if arg.args]
        uses = Counter(map(id, taken))
        each = {id(arg): arg for arg in taken}
        return tuple((arg, uses[key]) for key, arg in each.items() if uses[key] > 1)

    @cached_property
    def cost_once(self) -> int:
        """About how many values are made to evaluate it, a part that is shared once."""
        return sum(part.own_cost for part in self.parts())

    @cached_property
    def moved_parameter(self) -> Parameter | None:
        """The parameter whose stored values are all that it moves; None, if it does more."""
        part = self
        while part.op in MOVING:
            part = part.args[0]
        return part.parameter

    @property
    def stored_dtype(self) -> str:
        """The stored type of the parameter that it moves; if it computes, that of its value.

        Examples
        --------
        >>> from cntgraph.core.recipe import Recipe
        >>> w = Recipe.of(Parameter.from_array("w", np.ones((2, 3), np.float16)))
        >>> w.transpose((1, 0)).stored_dtype, (w * 2.0).stored_dtype
        ('float16', 'float64')
        """
        parameter = self.moved_parameter
        return self.dtype.name if parameter is None else parameter.dtype

    # -- layout ---------------------------------------------------------------------------

    def transpose(self, axes: tuple[int, ...]) -> Self:
        """Return the value with its axes permuted, as `numpy.transpose`."""
        axes = axes_of(axes, self.shape)
        if sorted(axes) != list(range(len(self.shape))):
            raise ParameterError(f"a value of shape {self.shape} has no permutation {axes} of axes")
        if axes == tuple(range(len(self.shape))):
            return self
        if self.op == "transpose":
            inner = self.options["axes"]
            return self.args[0].transpose(tuple(inner[axis] for axis in axes))
        shape = tuple(self.shape[axis] for axis in axes)
        return type(self)("transpose", shape, self.dtype, (self,), {"axes": list(axes)})

    def reshape(self, shape: tuple[int, ...]) -> Self:
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
        return type(self)("reshape", tuple(shape), self.dtype, (source,), {"shape": list(shape)})

    def of_rank(self, rank: int) -> Self:
        """Return the value with axes of length one in front, `rank` axes in all."""
        return self.reshape((1,) * (rank - len(self.shape)) + self.shape)

    def take(self, axis: int, start: int, stop: int, step: int = 1) -> Self:
        """Return the part ``start:stop:step`` along `axis`."""
        (axis,) = axes_of((axis,), self.shape)
        if step < 1:
            raise ParameterError(f"a recipe's take needs a positive step, got {step}")
        start, stop, step = slice(start, stop, step).indices(self.shape[axis])
        length = len(range(start, stop, step))
        options = {"axis": axis, "start": start, "stop": start + length * step, "step": step}
        return type(self)("take", self.resized(axis, length), self.dtype, (self,), options)

    def gather(self, axis: int, indices: ArrayLike) -> Self:
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
        >>> from cntgraph.core.recipe import Recipe
        >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, 2.0], [3.0, 4.0]])))
        >>> w.gather(0, [1, 1, 0]).read()
        array([[3., 4.],
               [3., 4.],
               [1., 2.]])
        """
        (axis,) = axes_of((axis,), self.shape)
        chosen = whole_numbers(indices, "indices")
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < self.shape[axis]:
            raise ParameterError(
                f"expected indices from 0 to {self.shape[axis] - 1} along axis {axis} of a value "
                f"of shape {self.shape}; got some from {chosen.min()} to {chosen.max()}"
            )
        steps = np.diff(chosen)
        step = int(steps[0]) if steps.size else 1
        if step > 0 and (steps == step).all():
            start, stop = (int(chosen[0]), int(chosen[-1]) + 1) if chosen.size else (0, 0)
            return self.take(axis, start, stop, step)
        options = {"axis": axis, "indices": chosen}
        return type(self)("gather", self.resized(axis, len(chosen)), self.dtype, (self,), options)

    def resized(self, axis: int, length: int) -> tuple[int, ...]:
        """Return its shape with another number of entries along an axis."""
        return (*self.shape[:axis], length, *self.shape[axis + 1 :])


def axes_of(axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return axes counted from the front, after checking that the shape has them."""
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise ParameterError(f"a value of shape {shape} has no axes {tuple(axes)}")
    return tuple(int(axis) % len(shape) for axis in axes)


def whole_numbers(values: ArrayLike, what: str) -> NDArray[np.int64]:
    """Return a list of whole numbers as an array, after checking that it is one."""
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise ParameterError(f"expected a list of whole numbers as {what}, got {values!r:.40}")
    return found.astype(np.int64)
