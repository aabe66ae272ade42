"""AtenTracer: from one ATen operation after another to calls of a `Builder`.

Four things flow through a model: `Nodes` (ids of neurons, in a tensor of the same shape as the
values they stand for), `Recipe` (a function of parameters), `Data` (masks and positions that
depend on the input) and plain tensors (constants).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from cntgraph.adapters.torch.aten.derived import derive, is_derived
from cntgraph.adapters.torch.aten.flow import ValueFlow
from cntgraph.adapters.torch.aten.masks import hide, keep_hidden
from cntgraph.adapters.torch.aten.operations import (
    COPYING,
    DATA,
    IDENTITY,
    MOVEMENT,
    handler_of,
)
from cntgraph.adapters.torch.aten.values import (
    Arguments,
    Nodes,
    Place,
    leaves,
    map_leaves,
    named_arguments,
)
from cntgraph.adapters.torch.aten.weights import compute_recipe, move_recipe
from cntgraph.adapters.tracing.batch import Samples, numbered, one_a_sample
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe


class AtenTracer(ValueFlow):
    """Turns ATen operations into calls of a `Builder`; what flows is in `ValueFlow`."""

    def input(self, name: str, shape: Sequence[int], dtype: torch.dtype, axis: int = 0) -> Nodes:
        """Return the nodes of an input of `shape`, the batch dimension at `axis` included."""
        batched = len(shape) > 1
        check_memory(2 * 8 * prod(shape), f"the input {name!r} of shape {tuple(shape)}")
        sample = self.builder.input(name, (*shape[:axis], *shape[axis + 1 :]) if batched else shape)
        if not dtype.is_floating_point:
            self._indices.append(len(self.builder.layers) - 1)
        ids = numbered(sample, axis, shape[axis]) if batched else sample
        return Nodes(torch.from_numpy(ids), dtype)

    def output(self, *values: Any) -> None:
        """Say that the model returns `values`: nodes, or any nesting of them.

        An input of whole numbers that nothing reads by then is a mask, and no layer.
        """
        for value in values:
            if isinstance(value, Nodes):
                self.builder.output(self.any_sample(value))
            elif isinstance(value, dict):
                self.output(*value.values())
            elif isinstance(value, list | tuple):
                self.output(*value)
        self.builder.tokens.update(self.builder.layers[k].name for k in self._indices)

    # -- operations -----------------------------------------------------------------------------

    def attempt(
        self,
        operation: Any,
        args: Sequence[Any],
        kwargs: Arguments,
        place: Place,
        shapes: Callable[[], Any],
        result: Any = None,
    ) -> Any:
        """Return what an operation yields, following ids; None if it is not known.

        Parameters
        ----------
        args, kwargs
            Its arguments: `Nodes`, `Recipe`, `Data`, tensors, numbers, and lists of them.
        place : Place
            Where it stands in the model.
        shapes : callable
            Returns the shape of its result, or a list of shapes.
        result : optional
            What it yields for the example at hand, where that is known.
        """
        name, a = name_of_operation(operation), named_arguments(operation, args, kwargs)
        self.place, found = place, list(leaves(a.values()))
        if not any(isinstance(value, Nodes | Recipe) for value in found) or is_derived(name, a):
            return derive(name, a, shapes(), result)
        self._promote(name, a)
        found = list(leaves(a.values()))
        if any(isinstance(value, Nodes) for value in found):
            yielded = self._on_nodes(name, a, operation, args, kwargs, place, shapes)
            return _in_place(name, a, yielded)
        return self._on_recipes(name, a, operation, args, kwargs)

    def _promote(self, name: str, a: Arguments) -> None:
        """Let a constant that goes through a layer be nodes."""
        key = DATA.get(name, "")
        value, others = a.get(key), [v for k, v in a.items() if k != key]
        if any(isinstance(other, Nodes) for other in leaves(others)):
            return
        # A product of two parameters may be a weight.
        learned = isinstance(value, Recipe) and name not in ("mm", "bmm")
        if learned or isinstance(value, torch.Tensor):
            if any(isinstance(other, Recipe) for other in leaves(others)):
                a[key] = self.fixed(value)

    def give_up(
        self, operation: Any, args: Sequence[Any], kwargs: Arguments, place: Place, shapes: Any
    ) -> Any:
        """Cut the graph at an operation on nodes; take one on parameters as a constant."""
        name, a = name_of_operation(operation), named_arguments(operation, args, kwargs)
        found = list(leaves(a.values()))
        if any(isinstance(value, Nodes | Data) for value in found):
            full = operation._schema.name.replace("::", ".")
            reason = f"{full} is not a known linear or elementwise operation"
            if not any(isinstance(value, Nodes) for value in found):
                reason = f"{full} of positions or masks that depend on the input"
            return _in_place(name, a, self._cut(name, a, place, shapes(), reason))
        self.freeze(leaves(a.values()), f"aten.{name}")
        return None

    def _on_nodes(
        self, name: str, a: Arguments, operation: Any, args: Any, kwargs: Any,
        place: Place, shapes: Callable[[], Any],
    ) -> Any:  # fmt: skip
        n_results = len(operation._schema.returns)
        base, first = name.strip("_"), next(iter(a.values()))
        handler = handler_of(name)
        if name in MOVEMENT and handler is None:
            return self._move(name, a, operation, args, kwargs, place)
        if name in COPYING and isinstance(first, Nodes):
            return _copied(operation, args, kwargs)
        if name in IDENTITY and isinstance(first, Nodes):
            first = Nodes(first.tensor.clone(), first.dtype) if name == "_to_copy" else first
            return [first] + [None] * (n_results - 1) if n_results > 1 else first
        try:
            result = handler(self, a, place.name(base)) if handler else None
        except NotFollowed as refusal:
            return self._cut(name, a, place, shapes(), f"aten.{name}: {refusal}")
        if isinstance(result, Nodes) and not name.endswith("_"):
            result = _unshared(result, a)
        if n_results > 1 and isinstance(result, Nodes):
            # Statistics and indices come along in a tuple; nothing reads them as neurons.
            return [result] + [None] * (n_results - 1)
        return result

    def _move(
        self, name: str, a: Arguments, operation: Any, args: Any, kwargs: Arguments, place: Place
    ) -> Any:
        """Carry out a movement on ids; indices that depend on the input are as in the example."""
        indices = [value for key in ("index", "indices") for value in leaves([a.get(key)])]
        if any(isinstance(value, Nodes) for value in indices):
            return None  # neurons themselves say what is moved where
        if any(isinstance(value, Data) and value.value is None for value in indices):
            return None
        if any(isinstance(value, Data) for value in indices):
            self.note(place.name(name), "what the input selects is taken as for the example")
        moved = _moved(operation, *map_leaves([args, kwargs], self.moving))
        return map_leaves(moved, Nodes, of=torch.Tensor)

    def _on_recipes(self, name: str, a: Arguments, operation: Any, args: Any, kwargs: Any) -> Any:
        """Return the recipe of an operation on parameters alone, or None where there is none.

        Which of its entries are read may depend on the input: then it is as for the example.
        """
        derived = [value for value in leaves(a.values()) if isinstance(value, Data)]
        if any(value.value is None or value.source != "mask" for value in derived):
            return None
        masked = None if derived else hide(self, name, a)
        if masked is not None:
            return masked
        if derived:
            self.note(name, "indices that the input's length or mask gives: as for the example")
            a, args, kwargs = map_leaves([a, args, kwargs], lambda d: d.value, of=Data)
        first = next(value for value in leaves(a.values()) if isinstance(value, Recipe))
        if name in MOVEMENT or name in IDENTITY or name in ("_reshape_alias", "embedding"):
            moved = move_recipe(self, name, operation, args, kwargs)
            keep_hidden(self, first, moved, operation, args, kwargs)
            return moved
        return None if derived else compute_recipe(self, name, a)

    def _cut(self, name: str, a: Arguments, place: Place, shapes: Any, reason: str) -> Any:
        """Cut the graph at an operation, and say why."""
        for value in leaves(a.values()):
            if isinstance(value, Recipe):
                self.builder.skip(value, f"read by aten.{name}, which is not followed")
        label, operation = place.name(name.strip("_")), f"aten.{name}"
        many = shapes if isinstance(shapes, list) else [shapes]
        made = [None if s is None else self.cut(label, s, operation, reason) for s in many]
        return made if isinstance(shapes, list) else made[0]

    def cut(self, label: str, shape: Sequence[int], operation: str, reason: str) -> Nodes:
        """Return fresh nodes of a shape, which nothing is known to lead to."""
        check_memory(2 * 8 * prod(shape), f"a tensor of shape {tuple(shape)}")
        batched = len(shape) > 1 and shape[0] == self.n_samples
        sample, reason = shape[1:] if batched else shape, f"{reason}; the graph is cut here"
        ids = self.builder.opaque(label, sample, operation, reason)
        samples = one_a_sample(0, self.n_samples) if batched else Samples()
        return self.neurons(samples.spread(ids))


def name_of_operation(operation: Any) -> str:
    """Return the name of an ATen operation, without namespace and overload."""
    name: str = operation._schema.name.rpartition("::")[2]
    return name


def _copied(operation: Any, args: Sequence[Any], kwargs: Arguments) -> Nodes:
    """Carry out a movement of numbers on the places of ids; zero is the place of "no node"."""
    ids = args[0].tensor
    places = torch.arange(1, ids.numel() + 1, dtype=torch.float64).reshape(ids.shape)
    moved = operation(places, *args[1:], **kwargs).long()
    return Nodes(torch.cat([ids.new_tensor([-1]), ids.reshape(-1)])[moved])


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
    memory = result.tensor.untyped_storage().data_ptr()
    operands = (value.tensor for value in leaves(a.values()) if isinstance(value, Nodes))
    shared = any(ids.untyped_storage().data_ptr() == memory for ids in operands)
    return Nodes(result.tensor.clone()) if shared else result


def _in_place(name: str, a: Arguments, result: Any) -> Any:
    """Let an in-place operation change what every alias of its first argument sees."""
    first = next(iter(a.values()))
    changes = name.endswith("_") and not name.endswith("__") and name not in MOVEMENT
    if changes and isinstance(first, Nodes) and isinstance(result, Nodes):
        if result is not first:
            first.tensor.copy_(result.tensor)
        return first
    return result
