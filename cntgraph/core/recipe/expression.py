"""Expression: what a recipe is as data, a graph of operations over parameters and constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.types import Array

#: Operations that may be nested in one another: reading a recipe calls itself for each.
MAX_DEPTH = 160
#: Products that a matrix product adds up in the time that another operation takes for a value.
_PRODUCTS = 256
#: Operations that move the values of one operand, whatever their type.
_MOVING = frozenset(("transpose", "reshape", "take", "gather"))


@dataclass(frozen=True, eq=False)
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
    def moved_parameter(self) -> Parameter | None:
        """The parameter whose stored values are all that it moves; None, if it does more."""
        part = self
        while part.op in _MOVING:
            part = part.args[0]
        return part.parameter
