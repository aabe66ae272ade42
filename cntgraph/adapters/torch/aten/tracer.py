"""AtenTracer: from one ATen operation after another to calls of a `Builder`.

Three things flow through a model: `Nodes` (ids of neurons, in a tensor of the same shape as the
values they stand for), `Recipe` (a function of parameters) and plain tensors (constants).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cntgraph.adapters.base import Builder
from cntgraph.adapters.broadcasting import for_sample
from cntgraph.adapters.torch.aten.recipes import compute_recipe, move_recipe
from cntgraph.adapters.torch.aten.values import (
    Arguments,
    Nodes,
    Place,
    leaves,
    map_leaves,
    named_arguments,
)
from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.blocks.base import broadcasts
from cntgraph.errors import TraceError
from cntgraph.recipe import Recipe

Ids = NDArray[np.int64]
Handler = Callable[["AtenTracer", Arguments, str], Any]
AnyHandler = TypeVar("AnyHandler", bound=Handler)

#: What each operation does to node ids, by its name without trailing underscores. A handler takes
#: the tracer, the arguments and a name for the operation; None says that it does not apply.
HANDLERS: dict[str, Handler] = {}

#: Operations that move or copy values, computing nothing: carried out on the ids themselves.
MOVEMENT = frozenset(
    "alias broadcast_to cat chunk channel_shuffle clone concat concatenate contiguous "
    "detach detach_ expand expand_as flatten flip gather index index_select lift lift_fresh "
    "lift_fresh_copy movedim narrow narrow_copy numpy_T permute permute_copy pixel_shuffle "
    "pixel_unshuffle repeat repeat_interleave reshape reshape_as roll rot90 select select_copy "
    "slice slice_copy split split_copy split_with_sizes squeeze squeeze_ squeeze_copy stack "
    "swapaxes swapdims t t_ take_along_dim tensor_split tile transpose transpose_ transpose_copy "
    "unbind unflatten unfold unsqueeze unsqueeze_ unsqueeze_copy unsafe_chunk unsafe_split "
    "unsafe_split_with_sizes _unsafe_index _unsafe_view view view_as view_copy".split()
)

#: Operations whose result is their first argument, value by value.
IDENTITY = frozenset(
    "to _to_copy type_as dropout dropout_ native_dropout feature_dropout alpha_dropout "
    "feature_alpha_dropout native_alpha_dropout _assert_tensor_metadata".split()
)


def handles(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Register a function as the handler of ATen operations.

    Parameters
    ----------
    *names : str
        Names without namespace, overload and trailing underscore.

    Returns
    -------
    callable
        The decorator.
    """

    def register(handler: AnyHandler) -> AnyHandler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register


class AtenTracer:
    """Turns ATen operations into calls of a `Builder`.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    batch : int, default 1
        Size of the batch dimension; the samples of a batch are the same nodes.
    """

    def __init__(self, builder: Builder, batch: int = 1) -> None:
        self.builder, self.batch = builder, batch

    def input(self, name: str, shape: Sequence[int]) -> Nodes:
        """Return the nodes of an input of `shape`, the batch dimension included."""
        if len(shape) < 2:
            return Nodes(torch.from_numpy(self.builder.input(name, shape)))
        ids = torch.from_numpy(self.builder.input(name, shape[1:]))
        return Nodes(ids.expand(shape[0], *ids.shape).clone())

    def output(self, value: Any) -> None:
        """Say that the model returns `value`: nodes, or any nesting of them."""
        if isinstance(value, Nodes):
            self.builder.output(self.sample(value))
        elif isinstance(value, dict):
            self.output(list(value.values()))
        elif isinstance(value, list | tuple):
            for item in value:
                self.output(item)

    def call(
        self,
        operation: Any,
        args: Sequence[Any],
        kwargs: Arguments,
        place: Place,
        shapes: Callable[[], Any],
    ) -> Any:
        """Return what an operation yields, following ids.

        Parameters
        ----------
        operation : torch._ops.OpOverload
            The operation.
        args, kwargs
            Its arguments: `Nodes`, `Recipe`, tensors, numbers, and lists of them.
        place : Place
            Where it stands in the model.
        shapes : callable
            Returns the shape of its result, or a list of shapes; called only for an operation
            that is not known.

        Returns
        -------
        Nodes, Recipe, or a list of them
        """
        name = operation._schema.name.rpartition("::")[2]
        a = named_arguments(operation, args, kwargs)
        if not any(isinstance(value, Nodes) for value in leaves(a.values())):
            found = _on_recipes(name, a, operation, args, kwargs)
            if found is None:
                self.freeze(leaves(a.values()), f"aten.{name}")
            return found
        result = self._on_nodes(name, a, operation, args, kwargs, place, shapes)
        return _in_place(name, a, result)

    def _on_nodes(
        self, name: str, a: Arguments, operation: Any, args: Any, kwargs: Any,
        place: Place, shapes: Callable[[], Any],
    ) -> Any:  # fmt: skip
        n_results = len(operation._schema.returns)
        if name in MOVEMENT and not _data_dependent(a):
            moving = map_leaves([args, kwargs], self.as_ids)
            moved = _moved(operation, *moving)
            return map_leaves(moved, Nodes, of=torch.Tensor)
        first = next(iter(a.values()))
        if name in IDENTITY and isinstance(first, Nodes):
            first = Nodes(first.ids.clone()) if name == "_to_copy" else first
            return [first] + [None] * (n_results - 1) if n_results > 1 else first
        base = name.strip("_")
        handler = HANDLERS.get(base)
        result = handler(self, a, place.name(base)) if handler else None
        if result is None:
            return self._unknown(name, a, place, shapes())
        if isinstance(result, Nodes) and not name.endswith("_"):
            result = _unshared(result, a)
        # Statistics and indices come along in a tuple; nothing reads them as neurons.
        return [result] + [None] * (n_results - 1) if n_results > 1 else result

    def _unknown(self, name: str, a: Arguments, place: Place, shapes: Any) -> Any:
        """Cut the graph at an operation that is not known, and say so."""
        for value in leaves(a.values()):
            if isinstance(value, Recipe):
                self.builder.skip(value, f"read by aten.{name}, which is not known")
        label = place.name(name.strip("_"))
        if isinstance(shapes, list):
            return [None if s is None else self.cut(label, s, f"aten.{name}") for s in shapes]
        return self.cut(label, shapes, f"aten.{name}")

    def cut(self, label: str, shape: Sequence[int], operation: str) -> Nodes:
        """Return fresh nodes of a shape, which nothing is known to lead to."""
        reason = f"{operation} is not a known linear or elementwise operation; the graph is cut"
        batched = len(shape) > 1 and shape[0] == self.batch
        ids = self.builder.opaque(label, shape[1:] if batched else shape, operation, reason)
        return self.batched(ids, shape)

    def freeze(self, values: Iterable[Any], operation: str) -> None:
        """Say that parameters are used with their present values, as constants.

        Their operation has no recipe, so that another snapshot would not change the result.
        """
        for value in values:
            if isinstance(value, Recipe):
                self.builder.skip(value, f"used as a constant, by way of {operation}")

    # -- samples and batches --------------------------------------------------------------------

    def sample(self, nodes: Nodes) -> Ids:
        """Return the ids of one sample, without the batch dimension."""
        ids = self.first(nodes.ids) if nodes.ids.ndim else nodes.ids
        if ids.ndim > 1 and ids.shape[0] == 1:
            ids = ids[0]
        array: Ids = ids.numpy()
        return array

    def first(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the ids of the first sample, where samples follow each other on the first axis.

        Raises
        ------
        TraceError
            If they do not: the samples of a batch are the same nodes, but are found elsewhere.
        """
        n, rest = divmod(len(ids), self.batch)
        if rest == 0 and n and torch.equal(ids[n:], ids[:-n]):
            return ids[:n]
        if self.batch == 1 or ids.unique().numel() == ids.numel():
            return ids  # one sample that was taken out of the batch
        raise TraceError(
            f"the batch dimension of size {self.batch} is not the first one everywhere, so that "
            "samples cannot be told apart; export the model with a batch of one"
        )

    def batched(self, ids: Ids, shape: Sequence[int]) -> Nodes:
        """Return the ids of one sample repeated over the batch, in the shape of a tensor."""
        sample = torch.from_numpy(np.ascontiguousarray(ids)).reshape(-1)
        copies = prod(shape) // max(sample.numel(), 1)
        repeated = sample.repeat(copies) if copies > 1 else sample
        return Nodes(repeated.reshape(tuple(shape)))

    # -- values as something else -----------------------------------------------------------------

    def as_ids(self, value: Any) -> Any:
        """Return what moves along with node ids: ids, indices, or "no node" for a constant."""
        if isinstance(value, Nodes):
            return value.ids
        if isinstance(value, Recipe):
            self.builder.skip(value, "a learned constant joined to nodes is not a node")
            return torch.full(value.shape, -1, dtype=torch.int64)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return torch.full(value.shape, -1, dtype=torch.int64)
        return value.cpu() if isinstance(value, torch.Tensor) else value

    def recipe(self, value: Any) -> Recipe:
        """Return a parameter, a constant tensor or a number as a recipe."""
        if isinstance(value, Recipe):
            return value
        if isinstance(value, torch.Tensor) and value.numel() > 64:
            return self.builder.constant("constant", *stored_array(value))
        if isinstance(value, torch.Tensor):
            return Recipe.constant(value.detach().cpu().double().numpy())
        return Recipe.constant(float(value))

    def optional_recipe(self, value: Any) -> Recipe | None:
        """Return `recipe(value)`, or None for None."""
        return None if value is None else self.recipe(value)

    def scale(
        self, x: Nodes, weight: Recipe | None, bias: Recipe | None, name: str, **kind: Any
    ) -> Nodes | None:
        """Apply y = w ⊙ x + b to every sample; None where w or b does not broadcast to one."""
        sample = self.sample(x)
        weight, bias = (for_sample(recipe, sample.ndim) for recipe in (weight, bias))
        if not all(r is None or broadcasts(r.shape, sample.shape) for r in (weight, bias)):
            return None
        return self.batched(self.builder.scale(name, sample, weight, bias, **kind), x.shape)


def _on_recipes(name: str, a: Arguments, operation: Any, args: Any, kwargs: Any) -> Any:
    """Return the recipe of an operation on parameters alone, or None where there is none."""
    first = next((value for value in leaves(a.values()) if isinstance(value, Recipe)), None)
    if first is None:
        return None
    if name in MOVEMENT or name in IDENTITY or name == "_reshape_alias":
        return move_recipe(name, first, operation, args, kwargs)
    return compute_recipe(name, a)


def _moved(operation: Any, args: list[Any], kwargs: Arguments) -> Any:
    """Carry out a movement on ids, whose strides may not be those of the values."""
    try:
        return operation(*args, **kwargs)
    except RuntimeError:
        if operation._schema.name not in ("aten::view", "aten::_unsafe_view"):
            raise
        return args[0].reshape(args[1])


def _unshared(result: Nodes, a: Arguments) -> Nodes:
    """Give what an operation computes memory of its own, apart from its operands."""
    memory = result.ids.untyped_storage().data_ptr()
    operands = (value.ids for value in leaves(a.values()) if isinstance(value, Nodes))
    shared = any(ids.untyped_storage().data_ptr() == memory for ids in operands)
    return Nodes(result.ids.clone()) if shared else result


def _in_place(name: str, a: Arguments, result: Any) -> Any:
    """Let an in-place operation change what every alias of its first argument sees."""
    first = next(iter(a.values()))
    changes = name.endswith("_") and not name.endswith("__") and name not in MOVEMENT
    if changes and isinstance(first, Nodes) and isinstance(result, Nodes):
        if result is not first:
            first.ids.copy_(result.ids)
        return first
    return result


def _data_dependent(a: Arguments) -> bool:
    """Whether neurons themselves say what is moved where."""
    indices = [a.get(key) for key in ("index", "indices")]
    return any(isinstance(value, Nodes) for value in leaves(indices))
