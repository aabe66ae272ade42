"""What is known of values that are no nodes: names of constants, values of an example."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.values import Nodes, concrete
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids


class KnownValues(Tracer):
    """Knows the names of constants, and what inputs are for the example that was given."""

    def __init__(self, builder: Builder) -> None:
        super().__init__(builder)
        self._names: dict[int, tuple[Any, str]] = {}
        self._examples: list[tuple[range, Any]] = []

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module its weight belongs to."""
        return name_of(recipe, default)

    def remember(self, name: str, value: Any) -> None:
        """Note the name of a constant, in case it turns out to be a weight."""
        if isinstance(value, np.ndarray):
            self._names[id(value)] = (value, name)

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return the name of a constant, and its values."""
        return self._names.get(id(value), (value, "constant"))[1], np.asarray(value), None

    def array(self, value: Any) -> Array | None:
        """Return the values of a constant; None for anything else."""
        other = value is None or isinstance(value, Nodes | Recipe | Data | list)
        return None if other else np.asarray(value)

    def vector(self, value: Any) -> Recipe | None:
        """Return a bias as a recipe, None where there is none or where it is a constant zero."""
        if value is None or (isinstance(value, np.ndarray) and not value.any()):
            return None
        return self.recipe(value)

    def example_of(self, value: Any) -> Any:
        """Return what a value is for the example that was given, None where that is not known."""
        if isinstance(value, Data):
            return value.value
        if not isinstance(value, Nodes):
            return concrete(value)
        ids = Samples().first(value.ids)
        low, high = ids.min(initial=0), ids.max(initial=0)
        for place, numbers in self._examples:
            if place.start <= low and high < place.stop:
                return numbers[ids - place.start]
        return None

    def note_example(self, ids: Ids, values: Any) -> None:
        """Note what an input is for the example that was given."""
        flat = ids.reshape(-1)
        self._examples.append((range(int(flat[0]), int(flat[-1]) + 1), np.ravel(values)))
