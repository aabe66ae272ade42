"""Values that are no nodes, and what they are where an operation wants something else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.values import Nodes, concrete
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.masks import HIDDEN
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import LARGEST_CONSTANT, Tracer
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids


class Constants(Tracer):
    """Turns constants and parameters into recipes and into nodes.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    """

    def __init__(self, builder: Builder) -> None:
        super().__init__(builder)
        self._constants: dict[int, Recipe] = {}
        self._names: dict[int, tuple[Any, str]] = {}
        self._learned: dict[int, tuple[Any, Ids]] = {}
        self._examples: list[tuple[range, Any]] = []

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module its weight belongs to."""
        return name_of(recipe, default)

    def remember(self, name: str, value: Any) -> None:
        """Note the name of a constant, in case it turns out to be a weight."""
        if isinstance(value, np.ndarray):
            self._names[id(value)] = (value, name)

    def recipe(self, value: Any) -> Recipe:
        """Return a parameter or a constant as a recipe; a large constant is registered."""
        if isinstance(value, Recipe):
            return value
        if isinstance(value, Nodes | Data | list) or value is None:
            raise NotFollowed("neurons stand where it has its weights")
        array = np.asarray(value)
        if array.size <= LARGEST_CONSTANT:
            return Recipe.constant(array)
        if id(value) not in self._constants:
            _, name = self._names.setdefault(id(value), (value, "constant"))
            self._constants[id(value)] = self.builder.constant(name, array)
        return self._constants[id(value)]

    def array(self, value: Any) -> NDArray[Any] | None:
        """Return the values of a constant; None for anything else."""
        other = value is None or isinstance(value, Nodes | Recipe | Data | list)
        return None if other else np.asarray(value)

    def vector(self, value: Any) -> Recipe | None:
        """Return a bias as a recipe, None where there is none or where it is a constant zero."""
        if value is None or (isinstance(value, np.ndarray) and not value.any()):
            return None
        return self.recipe(value)

    def as_ids(self, value: Any, name: str, *, is_index: bool = False) -> Ids:
        """Return what moves along with node ids: ids, those of a constant, or no node for zero.

        Parameters
        ----------
        value : Nodes, Recipe or ndarray
            What is joined to nodes.
        name : str
            What constants are called that become nodes.
        is_index : bool, default False
            Whether it is joined to indices.

        Returns
        -------
        ndarray of int64
        """
        if isinstance(value, Nodes):
            return value.ids
        if isinstance(value, Data | list) or (is_index and not isinstance(value, Nodes)):
            raise NotFollowed("it joins neurons to what is none")
        if isinstance(value, Recipe):
            return self.learned(value, name)
        array = np.asarray(value)
        nothing = (array == 0) | (array <= HIDDEN)
        if nothing.all():
            return np.broadcast_to(np.int64(-1), array.shape)
        flat = array.reshape(-1)
        if (flat == flat[0]).all():
            one = self.builder.learned(name, self.recipe(flat[:1].astype(np.float64)), (1,))
            return np.broadcast_to(one.reshape(()), array.shape)
        return np.where(nothing, -1, self.learned(self.recipe(value), name))

    def learned(self, recipe: Recipe, name: str) -> Ids:
        """Return nodes whose value is a parameter; those of all samples are the same."""
        if id(recipe) not in self._learned:
            label = next((p.name for p in recipe.parameters() if p.trainable), name)
            sizes = recipe.shape
            while len(sizes) > 1 and sizes[0] == 1:
                sizes = sizes[1:]
            sizes = sizes or (1,)
            ids = self.builder.learned(label, recipe.reshape(sizes), sizes)
            self._learned[id(recipe)] = recipe, ids.reshape(recipe.shape)
        return self._learned[id(recipe)][1]

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
