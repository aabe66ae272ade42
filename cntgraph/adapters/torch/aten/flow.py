"""What flows through a model, as handlers need it: samples, ids, recipes, names."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch.aten.values import Nodes, Place
from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.adapters.tracing.batch import Samples
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
    """

    def __init__(self, builder: Builder) -> None:
        super().__init__(builder)
        self.place = Place()
        self._indices: list[int] = []
        self._counts: Counter[str] = Counter()

    # -- names and coverage ---------------------------------------------------------------------

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module it stands in, or the one its weight belongs to."""
        at_home = self.place.leaf and self.place.path
        if at_home:
            return self.place.path
        for parameter in recipe.parameters():  # ``conv1.weight`` is conv1's
            prefix, _, last = parameter.name.rpartition(".")
            prefix = prefix.partition("parametrizations.")[0].rstrip(".")
            if prefix and (parameter.trainable or last.startswith("running")):
                return prefix
        return default

    def count(self, name: str) -> int:
        """Return how often this was asked for the same name before."""
        self._counts[name] += 1
        return self._counts[name] - 1

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the batch dimension included, as nodes."""
        return Nodes(torch.from_numpy(np.require(ids, requirements=("C", "W"))))

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
