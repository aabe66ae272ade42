"""What flows through a traced function: nodes, functions of parameters, constants.

A constant is a NumPy array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cntgraph.adapters.jax.leaves import module_of
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids


@dataclass(frozen=True, eq=False)
class Nodes(Neurons):
    """Node ids, in the shape of the value they stand for, samples included.

    Parameters
    ----------
    ids : ndarray of int64
        -1 where there is no node.
    is_index : bool, default False
        Whether they are integers that choose something (tokens), rather than activations.
    may_be_joined : bool, default False
        Whether they are what resizing an axis yields, and only one operation reads them.
    is_normed : bool, default False
        Whether they are what a normalization yields, which a gain and a shift may follow.
    """

    ids: Ids
    is_index: bool = False
    may_be_joined: bool = False
    is_normed: bool = False


@dataclass(frozen=True, eq=False)
class Weight:
    """A function of parameters, which may be repeated along axes.

    Parameters
    ----------
    recipe : Recipe
        As many axes as `shape`; of length one where it is repeated.
    shape : tuple of int
    """

    recipe: Recipe
    shape: tuple[int, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> Weight:
        """Return a recipe that is repeated along no axis."""
        return cls(recipe, recipe.shape)


#: What neurons are multiplied by, or what is added to them.
Coefficient = Weight | Array


@dataclass(frozen=True, eq=False)
class Scaled:
    """gain ⊙ nodes + shift: scalings and shifts in a row, of which one layer is made at the end.

    Parameters
    ----------
    op : Op
        The last of them.
    """

    core: Nodes
    op: Op
    gain: Coefficient | None = None
    shift: Coefficient | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.op.outputs[0].shape


@dataclass(frozen=True, eq=False)
class Choice:
    """An operation on integers or truth values of the input: tokens, masks, one-hot vectors.

    They choose; they are no neurons, unless something asks for them as such (bytes of an image).
    """

    op: Op
    args: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.op.outputs[0].shape


@dataclass(frozen=True, eq=False)
class Unknown:
    """A value that cannot be told beforehand, such as random numbers, and why.

    Parameters
    ----------
    shape : tuple of int
    nodes : tuple of Nodes
        The neurons that it is found out from, such as those whose largest is looked for.
    """

    reason: str
    shape: tuple[int, ...] = ()
    nodes: tuple[Nodes, ...] = ()


Value = Nodes | Weight | Scaled | Choice | Unknown | Complex | Array


def is_choice(value: Any) -> bool:
    """Return whether a value is made of integers or truth values of the input alone."""
    return isinstance(value, Choice) or (isinstance(value, Nodes) and value.is_index)


def has_nodes(value: Any) -> bool:
    """Return whether a value depends on nodes."""
    if isinstance(value, Complex):
        return any(map(has_nodes, value.parts))
    return isinstance(value, Nodes | Scaled | Choice)


def scalar_of(value: Any) -> float | None:
    """Return the one number that a constant is everywhere, or None."""
    if not isinstance(value, np.ndarray) or not value.size:
        return None
    if value.dtype.kind not in "fiub":
        return None
    first = value.reshape(-1)[0] if value.size == 1 else value[(0,) * value.ndim]
    spread = any(n > 1 and s for n, s in zip(value.shape, value.strides, strict=True))
    if spread and not (value == first).all():
        return None
    return float(first)


def name_of(recipe: Recipe) -> str:
    """Return the name of the module whose parameters a recipe reads; its own, if it has none."""
    for parameter in recipe.parameters():
        if parameter.trainable or "." in parameter.name:
            return module_of(parameter.name) or parameter.name.rpartition(".")[2]
    return ""
