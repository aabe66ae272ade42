"""What flows through a traced model, and small tools on nested arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, cached_property
from typing import Any

import torch

from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.adapters.tracing.values import Data, Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

#: An operation's arguments by name.
Arguments = dict[str, Any]


class Nodes(Neurons):
    """Node ids in a tensor, -1 where there is no node; in-place operations change it.

    Parameters
    ----------
    tensor : torch.Tensor of int64
        The ids, the batch dimension included.
    dtype : torch.dtype, optional
        Of the tensor the nodes stand for; integers are indices (tokens).
    """

    #: Returns the whole numbers that they stand for, for the example at hand; None if unknown.
    look: Callable[[], torch.Tensor | None] = staticmethod(lambda: None)

    def __init__(self, tensor: torch.Tensor, dtype: torch.dtype | None = None) -> None:
        self.tensor, self.dtype = tensor, dtype

    @property
    def ids(self) -> Ids:  # type: ignore[override]
        """The ids as an array, which shares the tensor's memory."""
        array: Ids = self.tensor.numpy()
        return array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor the nodes stand for, the batch dimension included."""
        return tuple(self.tensor.shape)

    def typed(self, dtype: torch.dtype) -> Nodes:
        """Return nodes that stand for a tensor of a type; what has the same ids keeps its own."""
        made = self if self.dtype in (None, dtype) else Nodes(self.tensor.clone())
        made.dtype, made.look = dtype, self.look
        return made

    @property
    def is_index(self) -> bool:  # type: ignore[override]
        """Whether the tensor holds indices or truth values rather than activations."""
        kind = self.dtype
        return not (kind is None or kind.is_floating_point or kind in _STAND_FOR_REAL)


#: Whole numbers that stand for others.
_STAND_FOR_REAL = frozenset([torch.quint8, torch.qint8, torch.qint32, torch.quint4x2])
#: What a tensor stands for that is no constant.
TRACED = Nodes | Recipe | Data | Complex


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


@dataclass(frozen=True, eq=False)
class Call:
    """One ATen operation, with what goes into it.

    Parameters
    ----------
    operation : torch._ops.OpOverload
        Which.
    args, kwargs
        Its arguments: `Nodes`, `Recipe`, `Data`, tensors, numbers, and lists of them.
    place : Place
        Where it stands in the model.
    shapes : tuple of int, list of them, or None
        The shape of its result, or of each of several.
    result : optional
        What it yields for the example at hand, where that is known.
    """

    operation: Any
    args: Sequence[Any]
    kwargs: Arguments
    place: Place
    shapes: Any
    result: Any = None

    @property
    def name(self) -> str:
        """Name of the operation, without namespace and overload."""
        return name_of_operation(self.operation)

    @cached_property
    def arguments(self) -> Arguments:
        """The arguments by name."""
        return named_arguments(self.operation, self.args, self.kwargs)

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """All arguments, out of their lists, and complex numbers as their parts."""
        return tuple(leaves(self.arguments.values()))

    def put(self, name: str, value: Any) -> None:
        """Put another value in the place of an argument, for all who hold the call."""
        self.arguments[name] = value
        vars(self).pop("values", None)

    def has(self, kind: Any) -> bool:
        """Whether there is a value of a kind among the arguments."""
        return any(isinstance(value, kind) for value in self.values)

    def of(self, function: Callable[[Any], Any], kind: Any) -> Call:
        """Return the call with a function applied to all arguments of a kind."""
        args, kwargs = map_leaves([self.args, self.kwargs], function, of=kind)
        return replace(self, args=args, kwargs=kwargs)

    def run(self) -> Any:
        """Carry the operation out."""
        return self.operation(*self.args, **self.kwargs)


@cache
def name_of_operation(operation: Any) -> str:
    """Return the name of an operation without overload; of ATen's without namespace, too."""
    namespace, _, name = operation._schema.name.rpartition("::")
    return f"quantized.{name}" if namespace == "quantized" else name


@cache
def n_results_of(operation: Any) -> int:
    """Return how many results an operation has."""
    return len(operation._schema.returns)


def named_arguments(operation: Any, args: Sequence[Any], kwargs: Arguments) -> Arguments:
    """Return the arguments of an ATen operation by name, with the schema's defaults."""
    defaults = _defaults(operation)
    return {**defaults, **dict(zip(defaults, args, strict=False)), **kwargs}


@cache
def _defaults(operation: Any) -> Arguments:
    """Return what an operation's arguments are by default, by name and in order."""
    schema = operation._schema.arguments
    return {arg.name: arg.default_value if arg.has_default_value() else None for arg in schema}


def per_result(shapes: Any, make: Callable[[int, Any], Any]) -> Any:
    """Return what is made of the number and the shape of a result, or of each of several."""
    if not isinstance(shapes, list):
        return None if shapes is None else make(0, shapes)
    return [None if shape is None else make(k, shape) for k, shape in enumerate(shapes)]


def leaves(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the leaves of nested lists and tuples, and the parts of complex numbers."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from leaves(value)
        elif isinstance(value, Complex):
            yield from value.parts
        else:
            yield value


def are_neurons_written(args: Iterable[Any]) -> bool:
    """Whether there are neurons among what an operation writes; a list says where it does."""
    written = (value for value in args if not isinstance(value, list | tuple))
    return any(isinstance(part, Nodes) for part in leaves(written))


#: Types of most of what there is, none of which holds anything else.
_SINGLE = frozenset(
    [torch.Tensor, torch.nn.Parameter, Nodes, Recipe, Data, Complex, torch.dtype, torch.device,
     torch.layout, torch.memory_format, bool, int, float, complex, str, type(None)]
)  # fmt: skip


def map_leaves(value: Any, function: Callable[[Any], Any], of: Any = object) -> Any:
    """Apply a function to every leaf of type `of` in nested lists, tuples, dicts and dataclasses.

    Returns
    -------
    object
        Tuples and dataclasses as lists.
    """
    if type(value) in _SINGLE:  # some are records, too
        return function(value) if isinstance(value, of) else value
    if isinstance(value, list | tuple):
        return [map_leaves(item, function, of) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [map_leaves(getattr(value, item.name), function, of) for item in fields(value)]
    if isinstance(value, Mapping):
        return {key: map_leaves(item, function, of) for key, item in value.items()}
    return function(value) if isinstance(value, of) else value
