"""What flows through a model, as handlers need it: samples, ids, recipes, names."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch.aten.values import Nodes, Place, name_of
from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.adapters.tracing.batch import Samples, find
from cntgraph.adapters.tracing.masks import LARGEST_MASK
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, is_learned
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids


class ValueFlow(Tracer):
    """Values on their way through a model, and what is known of them.

    Attributes
    ----------
    place : Place
        Where the present operation stands.
    hidden, expanded : dict
        By id of a recipe: the mask that was put on a parameter, the shape it was expanded to.
    """

    def __init__(self, builder: Builder) -> None:
        super().__init__(builder)
        self.place = Place()
        self.hidden: dict[int, tuple[Recipe, torch.Tensor]] = {}
        self.expanded: dict[int, tuple[Recipe, tuple[int, ...]]] = {}
        self._indices: list[int] = []
        self._counts: Counter[str] = Counter()

    # -- names and coverage ---------------------------------------------------------------------

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module it stands in, or the one its weight belongs to."""
        at_home = self.place.leaf and self.place.path
        return self.place.path if at_home else name_of(recipe, default)

    def count(self, name: str) -> int:
        """Return how often this was asked for the same name before."""
        self._counts[name] += 1
        return self._counts[name] - 1

    # -- samples and batches --------------------------------------------------------------------

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the batch dimension included, as nodes."""
        return Nodes(torch.from_numpy(np.require(ids, requirements=("C", "W"))))

    def samples(self, x: Neurons) -> Samples:
        """Return where the samples lie."""
        return find(x.ids, self.n_samples)

    # -- values as something else -----------------------------------------------------------------

    def moving(self, value: Any) -> Any:
        """Return what an operation moves as ids, and what says how as it is."""
        if isinstance(value, Data):
            return value.value
        numbers = isinstance(value, torch.Tensor) and value.is_floating_point()
        if numbers or isinstance(value, Nodes | Recipe):
            return self.fixed(value).tensor
        return value.cpu() if isinstance(value, torch.Tensor) else value

    def fixed(self, value: Any) -> Nodes:
        """Return nodes as they are, and a parameter or a constant as nodes."""
        if isinstance(value, Nodes):
            return value
        return self.neurons(self.as_ids(value, self.place.name("constant")))

    def repeated(self, recipe: Recipe, shape: tuple[int, ...]) -> Recipe:
        """Return a parameter that is repeated to a shape, which counts where it is joined."""
        if recipe.shape == shape:
            return recipe
        made = replace(recipe)
        self.expanded[id(made)] = made, shape
        return made

    def shape_of(self, value: Any) -> tuple[int, ...]:
        """Return the shape a parameter was expanded to, or its own."""
        return (
            self.expanded[id(value)][1] if id(value) in self.expanded else super().shape_of(value)
        )

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return a name for a constant tensor, its stored bits, and their type."""
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(value)
        return "constant", *stored_array(tensor)

    def array(self, value: Any) -> Array | None:
        """Return the values of a constant tensor or a number; None for anything else."""
        if isinstance(value, torch.Tensor):
            plain = value.detach().cpu()
            array: Array = (plain.double() if plain.is_floating_point() else plain).numpy()
            return array
        return np.asarray(value) if isinstance(value, bool | int | float | np.ndarray) else None

    def mask_values(self, value: Any) -> Array | None:
        """Return the values of a constant or a buffer that may be a mask."""
        if not isinstance(value, Recipe):
            return self.array(value)
        if is_learned(value) or prod(value.shape) > LARGEST_MASK or len(value.shape) < 2:
            return None
        return value.read()

    def hidden_by(self, value: Any) -> NDArray[np.bool_] | None:
        """Return what a mask keeps that was put on a parameter before."""
        return self.hidden[id(value)][1].numpy() if id(value) in self.hidden else None
