"""What flows through a traced model, and small tools on nested arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cntgraph.core.recipe import Recipe

#: An operation's arguments by name.
Arguments = dict[str, Any]


@dataclass
class Nodes:
    """Node ids in a tensor, -1 where there is no node; in-place operations change it.

    `dtype` is that of the tensor the nodes stand for; integers are indices (tokens).
    """

    ids: torch.Tensor
    dtype: torch.dtype | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor the nodes stand for, the batch dimension included."""
        return tuple(self.ids.shape)

    @property
    def is_index(self) -> bool:
        """Whether the tensor holds indices or truth values rather than activations."""
        kind = self.dtype
        return kind is not None and not (kind.is_floating_point or kind.is_complex)


@dataclass(frozen=True)
class Derived:
    """What depends on the input but is no neuron: masks, positions, choices.

    `value` is what it is for the example at hand, or None where that is not known; `source` says
    what it is computed from: ``"neurons"``, the ``"indices"`` of an embedding, or a ``"mask"``.
    """

    shape: tuple[int, ...]
    value: torch.Tensor | None = None
    source: str = "mask"


@dataclass(frozen=True)
class Refused:
    """What a handler returns for an operation that has no edges, and why."""

    reason: str


@dataclass(frozen=True)
class Place:
    """Where in the model an operation stands: the module's path, and whether it is a leaf."""

    path: str = ""
    leaf: bool = False

    def name(self, operation: str) -> str:
        """Return a name for an operation: its module's, or the operation's own."""
        if self.leaf and self.path:
            return self.path
        return f"{self.path}.{operation}" if self.path else operation


def named_arguments(operation: Any, args: Sequence[Any], kwargs: Arguments) -> Arguments:
    """Return the arguments of an ATen operation by name, with the schema's defaults."""
    schema = operation._schema.arguments
    defaults = {arg.name: arg.default_value if arg.has_default_value() else None for arg in schema}
    given = {arg.name: value for arg, value in zip(schema, args, strict=False)}
    return {**defaults, **given, **kwargs}


def leaves(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the leaves of nested lists and tuples."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from leaves(value)
        else:
            yield value


def map_leaves(value: Any, function: Callable[[Any], Any], of: Any = object) -> Any:
    """Apply a function to every leaf of type `of` in nested lists, tuples and dicts."""
    if isinstance(value, list | tuple):
        return [map_leaves(item, function, of) for item in value]
    if isinstance(value, dict):
        return {key: map_leaves(item, function, of) for key, item in value.items()}
    return function(value) if isinstance(value, of) else value


def is_learned(value: Any) -> bool:
    """Whether a value depends on a trainable parameter."""
    return isinstance(value, Recipe) and any(p.trainable for p in value.parameters())


def name_of(recipe: Recipe, default: str) -> str:
    """Name an operation after the module its weight belongs to: ``conv1.weight`` is conv1's."""
    for parameter in recipe.parameters():
        prefix, _, last = parameter.name.rpartition(".")
        prefix = prefix.partition("parametrizations.")[0].rstrip(".")
        if prefix and (parameter.trainable or last.startswith("running")):
            return prefix
    return default
