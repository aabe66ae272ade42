"""What flows through a model, as handlers need it: samples, ids, recipes, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.broadcasting import for_sample
from cntgraph.adapters.torch.aten.values import Derived, Nodes, Place, is_learned, name_of
from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.core.errors import TraceError
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks.base import broadcasts
from cntgraph.network.coverage import CoverageEntry


class ValueFlow:
    """Values on their way through a model, and what is known of them.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    batch : int, default 1
        Size of the batch dimension; the samples of a batch are the same nodes.

    Attributes
    ----------
    place : Place
        Where the present operation stands.
    hidden, expanded : dict
        By id of a recipe: the mask that was put on a parameter, the shape it was expanded to.
    """

    def __init__(self, builder: Builder, batch: int = 1) -> None:
        self.builder, self.batch = builder, batch
        self.place = Place()
        self.hidden: dict[int, tuple[Recipe, torch.Tensor]] = {}
        self.expanded: dict[int, tuple[Recipe, tuple[int, ...]]] = {}
        self._indices: list[int] = []
        self._counts: Counter[str] = Counter()
        self._fixed_nodes: dict[int, tuple[Recipe, torch.Tensor]] = {}

    # -- names and coverage ---------------------------------------------------------------------

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module it stands in, or the one its weight belongs to."""
        at_home = self.place.leaf and self.place.path
        return self.place.path if at_home else name_of(recipe, default)

    def count(self, name: str) -> int:
        """Return how often this was asked for the same name before."""
        self._counts[name] += 1
        return self._counts[name] - 1

    def freeze(self, values: Iterable[Any], operation: str) -> None:
        """Say that parameters are used with their present values, as constants.

        Their operation has no recipe, so that another snapshot would not change the result.
        """
        for value in values:
            if isinstance(value, Recipe):
                self.builder.skip(value, f"used as a constant, by way of {operation}")

    def note(self, label: str, reason: str) -> None:
        """Say in the coverage table how an operation was read that depends on the input."""
        entry = CoverageEntry(label, "operation", "included", "", reason)
        if entry not in self.builder.operations:
            self.builder.operations.append(entry)

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
        check_memory(2 * 8 * prod(shape), f"a tensor of shape {tuple(shape)}")
        repeated = sample.repeat(copies) if copies > 1 else sample
        return Nodes(repeated.reshape(tuple(shape)))

    # -- values as something else -----------------------------------------------------------------

    def as_ids(self, value: Any) -> Any:
        """Return what moves along with node ids: ids, indices, or "no node" for a constant."""
        if isinstance(value, Nodes):
            return value.ids
        if isinstance(value, Recipe):
            return self.learned(value, self.shape_of(value))
        if isinstance(value, Derived):
            return value.value
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return torch.full(value.shape, -1, dtype=torch.int64)
        return value.cpu() if isinstance(value, torch.Tensor) else value

    def shape_of(self, recipe: Recipe) -> tuple[int, ...]:
        """Return the shape a parameter was expanded to, or its own."""
        return self.expanded[id(recipe)][1] if id(recipe) in self.expanded else recipe.shape

    def constant_nodes(self, value: Any) -> Nodes:
        """Return nodes for a parameter or constant that a layer is applied to; none for zeros."""
        if isinstance(value, torch.Tensor) and not value.any():
            return Nodes(torch.full(value.shape, -1, dtype=torch.int64))
        recipe = self.recipe(value)
        return Nodes(self._fixed(recipe, recipe.shape))

    def learned(self, recipe: Recipe, shape: Sequence[int]) -> torch.Tensor:
        """Return the ids of nodes whose value is a parameter, repeated to `shape`."""
        if not is_learned(recipe):
            self.builder.skip(recipe, "a constant joined to nodes is not a node")
            return torch.full(tuple(shape), -1, dtype=torch.int64)
        return self._fixed(recipe, shape)

    def _fixed(self, recipe: Recipe, shape: Sequence[int]) -> torch.Tensor:
        """Return the ids of nodes whose value is fixed; the same ones for the same recipe."""
        if id(recipe) not in self._fixed_nodes:
            name = next((p.name for p in recipe.parameters()), "constant")
            sizes = recipe.shape
            while len(sizes) > 1 and sizes[0] == 1:
                sizes = sizes[1:]
            ids = self.builder.learned(name, recipe.reshape(sizes or (1,)), sizes or (1,))
            self._fixed_nodes[id(recipe)] = recipe, torch.from_numpy(ids).reshape(recipe.shape)
        return self._fixed_nodes[id(recipe)][1].expand(tuple(shape))

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
