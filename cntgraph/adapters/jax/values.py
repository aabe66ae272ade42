"""What flows through a traced function: nodes, functions of parameters, constants.

A constant is a NumPy array. Elementwise operations and reductions on nodes stay `Lazy` until
something else reads them: only then is it known what they amount to (a bias, a batch norm, a
GELU, a softmax, an average).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cntgraph.adapters.jax.leaves import module_of
from cntgraph.adapters.jax.program import Op
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
    batch : int or None
        The axis of the samples, of length one, if there is one.
    fill : float, default 0.0
        The value where there is no node: zero for padding, -∞ for a mask.
    is_index : bool, default False
        Whether they are integers that choose something (tokens), rather than activations.
    awaits_bias : bool, default False
        Whether they are what an affine operation yields, and only one operation reads them.
    """

    ids: Ids
    batch: int | None = None
    fill: float = 0.0
    is_index: bool = False
    awaits_bias: bool = False

    @property
    def sample(self) -> Ids:
        """The ids without the axis of the samples."""
        return without(self.ids, self.batch)


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

    @property
    def is_learned(self) -> bool:
        """Whether it depends on a trainable parameter."""
        return any(parameter.trainable for parameter in self.recipe.parameters())


@dataclass(frozen=True, eq=False)
class Lazy:
    """An operation on nodes that is not carried out yet.

    Parameters
    ----------
    args : tuple
        Values; at least one depends on nodes.
    shape : tuple of int
    batch : int or None
        The axis of the samples.
    """

    op: Op
    args: tuple[Any, ...]
    shape: tuple[int, ...]
    batch: int | None = None


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


def without(ids: Ids, axis: int | None) -> Ids:
    """Return the first entry along an axis; everything, for None."""
    return ids if axis is None else ids[(slice(None),) * axis + (0,)]


Value = Nodes | Weight | Lazy | Unknown | Array


@dataclass(frozen=True)
class Meaning:
    """A function of neurons that has a name.

    Parameters
    ----------
    name : str
        As other adapters name it.
    base : value
        The neurons it is a function of.
    is_norm : bool
        Whether it normalises by statistics of the neurons.
    unit : float, default 1.0
        What a norm is multiplied by.
    mixed : tuple of int
        The axes whose neurons go into one sum.
    grouped : bool
        Whether a sum takes some of the neurons along a further axis.
    """

    name: str
    base: Value
    is_norm: bool = False
    unit: float = 1.0
    mixed: tuple[int, ...] = ()
    grouped: bool = False


def is_choice(value: Any) -> bool:
    """Return whether a value is made of integers or truth values of the input alone.

    Such are tokens, masks and one-hot vectors. They choose; they are no neurons.
    """
    if not isinstance(value, Lazy):
        return isinstance(value, Nodes) and value.is_index
    return all(is_choice(arg) for arg in value.args if has_nodes(arg))


def stays_lazy(value: Any) -> bool:
    """Return whether a value is not carried out until something asks for its nodes.

    So do choices, and comparisons of neurons, which are read by what they choose between.
    """
    return isinstance(value, Lazy) and (is_choice(value) or not value.op.outputs[0].is_float)


def has_nodes(value: Any) -> bool:
    """Return whether a value depends on nodes."""
    return isinstance(value, Nodes | Lazy)


def parts(value: Value, stop: Container[int] = ()) -> list[Lazy]:
    """Return the lazy values that one is made of, itself included, each before what reads it.

    Parameters
    ----------
    stop : container of int
        The `id` of values that are not looked into, and not returned.
    """
    found: dict[int, Lazy] = {}
    waiting: list[tuple[Value, bool]] = [(value, False)]
    while waiting:
        item, done = waiting.pop()
        if not isinstance(item, Lazy) or id(item) in found or id(item) in stop:
            continue
        if done:
            found[id(item)] = item
        else:
            waiting.append((item, True))
            waiting.extend((arg, False) for arg in item.args)
    return list(found.values())


def sources_of(steps: Iterable[Lazy]) -> list[Nodes]:
    """Return the nodes that lazy values read, each once."""
    found = {id(a): a for step in steps for a in step.args if isinstance(a, Nodes)}
    return list(found.values())


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
