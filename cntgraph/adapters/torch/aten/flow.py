"""What flows through a model, as handlers need it: samples, ids, recipes, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch.aten.values import Nodes, Place, name_of
from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.adapters.tracing.batch import RepeatedSamples, Samples
from cntgraph.adapters.tracing.masks import LARGEST_MASK
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import LARGEST_CONSTANT, Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, is_learned
from cntgraph.core.errors import TraceError
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids


class ValueFlow(Tracer):
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
        super().__init__(builder)
        self.batch = batch
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
        self.skip(values, f"used as a constant, by way of {operation}")

    # -- samples and batches --------------------------------------------------------------------

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the batch dimension included, as nodes."""
        return Nodes(torch.from_numpy(np.require(ids, requirements=("C", "W"))))

    def samples(self, x: Neurons) -> Samples:
        """Return where the samples lie: along the first axis, unless that was moved."""
        assert isinstance(x, Nodes)
        ids = x.tensor
        if self.batch == 1:
            return Samples(0) if ids.ndim > 1 and len(ids) == 1 else Samples()
        for axis in range(ids.ndim if ids.ndim > 1 else 0):
            (n, rest), moved = divmod(ids.shape[axis], self.batch), ids.movedim(axis, 0)
            if n and not rest and torch.equal(moved[n:], moved[:-n]):
                return RepeatedSamples(axis, np.arange(self.batch * n).reshape(self.batch, n))
        if ids.ndim:
            self.first(ids)  # it must be one sample that was taken out of the batch
        return Samples()

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
            return value.tensor
        if isinstance(value, Recipe):
            return self.learned(value, self.shape_of(value))
        if isinstance(value, Data):
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
        if isinstance(value, torch.Tensor) and value.numel() > LARGEST_CONSTANT:
            return self.builder.constant("constant", *stored_array(value))
        array = self.array(value)
        if array is None:
            raise NotFollowed("neurons stand where it has its weights")
        if array.size > LARGEST_CONSTANT:
            return self.builder.constant("constant", array)
        return Recipe.constant(array.astype(np.float64))

    def array(self, value: Any) -> NDArray[Any] | None:
        """Return the values of a constant tensor or a number; None for anything else."""
        if isinstance(value, torch.Tensor):
            plain = value.detach().cpu()
            array: NDArray[Any] = (plain.double() if plain.is_floating_point() else plain).numpy()
            return array
        return np.asarray(value) if isinstance(value, bool | int | float | np.ndarray) else None

    def mask_values(self, value: Any) -> NDArray[Any] | None:
        """Return the values of a constant or a buffer that may be a mask."""
        if not isinstance(value, Recipe):
            return self.array(value)
        if is_learned(value) or prod(value.shape) > LARGEST_MASK or len(value.shape) < 2:
            return None
        return value.read()

    def hidden_by(self, value: Any) -> NDArray[np.bool_] | None:
        """Return what a mask keeps that was put on a parameter before."""
        return self.hidden[id(value)][1].numpy() if id(value) in self.hidden else None

    def optional_recipe(self, value: Any) -> Recipe | None:
        """Return `recipe(value)`, or None for None."""
        return None if value is None else self.recipe(value)
